"""Bodies to try things with; only where the development provider is."""

from __future__ import annotations

from datetime import datetime

from signaling.accounts.bodies import find_or_create_body, find_or_create_unit, list_bodies
from signaling.storage.database import Database

SAMPLE_BODIES = {
    "Δήμος Παραδείγματος": ("Γραφείο Δημάρχου", "Διεύθυνση Διοικητικών Υπηρεσιών"),
    "Δήμος Νέας Δοκιμής": ("Τμήμα Υποστήριξης Πολιτικών Οργάνων",),
    "Περιφέρεια Υποδείγματος": (),
}


async def add_sample_bodies(database: Database, now: datetime) -> None:
    """Add the sample bodies to a database that has none."""
    async with database.write() as session:
        if await list_bodies(session, limit=1):
            return
        for name, units in SAMPLE_BODIES.items():
            body = await find_or_create_body(session, name, now)
            for unit in units:
                await find_or_create_unit(session, body, unit, now)
