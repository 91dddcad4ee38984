"""The manual (R61): short, for members, coordinators and citizens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from signaling.rendering import Renderer


class HelpPages:
    """Answers `/help`."""

    def __init__(
        self, renderer: Renderer, visitor_of: Callable[[web.Request], Awaitable[object]],
        phone: str,
    ) -> None:  # fmt: skip
        self._renderer = renderer
        self._visitor_of = visitor_of
        self._phone = phone

    def add_routes(self, app: web.Application) -> None:
        """Add what this class answers."""
        app.router.add_get("/help", self.show)

    async def show(self, request: web.Request) -> web.Response:
        """Show the manual."""
        values = {"phone": self._phone}
        visitor = await self._visitor_of(request)
        return self._renderer.render(request, "help.html", values, visitor=visitor)
