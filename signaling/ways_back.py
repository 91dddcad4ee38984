"""A way back from every address that only takes forms.

A form that is refused is answered at the address it was sent to. Who asks for that address again (by the
switch of the language, say, or the address bar) is led to the page that the form stands on.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from yarl import URL

ELSEWHERE = {
    "/account/role-request/{id}/withdraw": "/account",
    "/kep/services/{service}/review": "/kep/services/{service}/times",
    "/kep/services/{service}/confirm": "/kep/services/{service}/times",
}
"""Forms that do not stand on the nearest page above them."""


def add_ways_back(app: web.Application) -> None:
    """Answer GET wherever only forms are taken. To be called after all other routes are added."""
    methods: dict[str, set[str]] = {}
    for route in app.router.routes():
        if route.resource is not None:
            methods.setdefault(route.resource.canonical, set()).add(route.method)
    pages = {path for path, allowed in methods.items() if hdrs.METH_GET in allowed}
    for path, allowed in methods.items():
        if path not in pages and hdrs.METH_POST in allowed and not path.startswith("/api/"):
            app.router.add_get(path, _lead_to(ELSEWHERE.get(path) or _page_above(path, pages)))


def _page_above(path: str, pages: set[str]) -> str:
    while path and path not in pages:
        path = path.rpartition("/")[0]
    return path or "/"


def _lead_to(page: str) -> Handler:
    async def lead_back(request: web.Request) -> web.StreamResponse:
        found = request.match_info
        path = re.sub(r"{(\w+)}", lambda part: quote(found[part[1]], safe=""), page)
        url = URL.build(path=path, encoded=True).with_query(request.rel_url.query)
        raise web.HTTPSeeOther(url)

    return lead_back
