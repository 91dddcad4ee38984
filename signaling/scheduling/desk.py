"""All pages of the desk put together."""

from __future__ import annotations

from aiohttp import web

from signaling.scheduling.capacity_pages import CapacityPages
from signaling.scheduling.collective_pages import CollectivePages
from signaling.scheduling.desk_pages import DeskPages
from signaling.scheduling.desk_parts import DeskParts
from signaling.scheduling.import_pages import ImportPages
from signaling.scheduling.sitting_desk import SittingDesk
from signaling.scheduling.sitting_pages import SittingPages
from signaling.scheduling.template_pages import TemplatePages


def add_desk(app: web.Application, parts: DeskParts) -> None:
    """Add all pages of the desk. Addresses with a word come before those with an id."""
    DeskPages(parts).add_routes(app)
    SittingPages(parts).add_routes(app)
    SittingDesk(parts).add_routes(app)
    CollectivePages(parts).add_routes(app)
    ImportPages(parts).add_routes(app)
    TemplatePages(parts).add_routes(app)
    CapacityPages(parts).add_routes(app)
