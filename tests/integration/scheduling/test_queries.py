"""The desk's queries walk their indexes, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.accounts.rights import Places
from signaling.scheduling.agenda import list_agenda
from signaling.scheduling.capacity import Capacity
from signaling.scheduling.collective_bodies import (
    link_members,
    list_collective_bodies,
    list_members,
)
from signaling.scheduling.config import CapacityConfig
from signaling.scheduling.quarters import Need, Span
from signaling.scheduling.sitting_lists import When, list_between, list_page
from signaling.scheduling.sitting_templates import list_templates
from signaling.storage.database import Database
from signaling.storage.models import Body, CollectiveBody, Member, Person, Sitting
from tests.support.databases import BACKENDS, empty_database

pytestmark = pytest.mark.asyncio

NOW = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
BODIES = [f"{number:032x}" for number in range(20)]
QUARTER = int(NOW.timestamp()) // 900


@pytest.fixture(params=BACKENDS)
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    async with empty_database(request.param, tmp_path) as opened:
        await fill(opened)
        yield opened


async def fill(database: Database) -> None:
    """Two thousand sittings of twenty bodies, as many members."""
    async with database.write() as session:
        session.add(Person(id="p" * 32, given_name="Α", family_name="Β", email="m7@dimos.gr",
                           created_at=NOW, signed_in_at=NOW))  # fmt: skip
        session.add_all(Body(id=each, name=each, name_key=each, created_at=NOW) for each in BODIES)
        await session.flush()
        session.add_all(
            CollectiveBody(id=each, body_id=each, name="Σ", name_key="σ", kind="council",
                           created_at=NOW) for each in BODIES
        )  # fmt: skip
        await session.flush()
        for number in range(2000):
            start = NOW + timedelta(hours=(number - 1000) * 3)
            body_id = BODIES[number % len(BODIES)]
            session.add(Sitting(
                id=f"s{number:031x}", room=f"r{number}", body_id=body_id,
                collective_body_id=body_id, organiser_id="p" * 32, title=f"Σ {number}",
                kind="committee", mode="remote", state="planned", starts_at=start,
                ends_at=start + timedelta(hours=2), open_before_min=30, expected_participants=9,
                is_closed=False, admits_guests=False, created_at=NOW,
            ))  # fmt: skip
            session.add(Member(
                collective_body_id=body_id, name="Μ", email=f"m{number}@dimos.gr",
                office="member", started_at=NOW,
            ))  # fmt: skip
    async with database.write() as session:
        await session.execute(text("ANALYZE"))


async def plans_of(database: Database, session: AsyncSession, run: Awaitable[object]) -> str:
    """Return how the database answers every query of `run`."""
    asked: list[tuple[str, object]] = []

    def note(_c: object, _k: object, statement: str, parameters: object, *_: object) -> None:
        asked.append((statement, parameters))

    engine = database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        await run
    finally:
        event.remove(engine, "before_cursor_execute", note)
    connection = await session.connection()
    if not database.is_sqlite:
        # Small tables are read whole, rightly; what matters is that the index can be used.
        await connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
    explain = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
    lines = []
    for statement, parameters in asked:
        if statement.lstrip().startswith(("SELECT", "UPDATE")):
            plan = await connection.exec_driver_sql(explain + statement, parameters)  # type: ignore[arg-type]
            lines += [" ".join(map(str, row)) for row in plan]
    assert lines
    return "\n".join(lines)


async def test_every_list_has_its_index(database: Database) -> None:
    capacity = Capacity(CapacityConfig())
    places = Places(frozenset(BODIES[:2]), frozenset(BODIES[2:4]), frozenset(BODIES[:4]))
    span = Span(QUARTER, QUARTER + 96)
    async with database.write() as session:
        person = await session.get_one(Person, "p" * 32)
        cases: dict[str, tuple[Callable[[], Awaitable[object]], str]] = {
            "calendar": (
                lambda: list_between(session, BODIES[:3], NOW, NOW + timedelta(days=35)),
                "ix_sittings_body",
            ),
            "upcoming": (
                lambda: list_page(session, BODIES[:3], When.UPCOMING, NOW, after=None, limit=26),
                "ix_sittings_body",
            ),
            "past": (
                lambda: list_page(session, BODIES[:3], When.PAST, NOW, after=(NOW, "x"), limit=26),
                "ix_sittings_body",
            ),
            "members": (lambda: list_members(session, BODIES[0]), "uq_members_email"),
            "linking": (lambda: link_members(session, person), "ix_members_address"),
            "agenda": (lambda: list_agenda(session, "s" * 32), "ix_agenda_items_sitting"),
            "templates": (lambda: list_templates(session, places), "ix_sitting_templates_body"),
            "collective": (
                lambda: list_collective_bodies(session, places, after="", limit=26),
                "uq_members_email",
            ),
            "load": (lambda: capacity.load(session, span), "capacity_quarters"),
            "next": (
                lambda: capacity.next_start(session, Need(5, 5), span, not_before=QUARTER),
                "capacity_quarters",
            ),
        }
        for name, (run, index) in cases.items():
            plan = await plans_of(database, session, run())
            assert index in plan, (name, plan)
            if database.is_sqlite:
                assert "SCAN sittings" not in plan and "SCAN members" not in plan, (name, plan)


async def test_pages_of_several_bodies_are_one_list_in_order(database: Database) -> None:
    async with database.read() as session:
        bodies = BODIES[:7]
        rows = await list_page(session, bodies, When.UPCOMING, NOW, after=None, limit=50)
        assert [each.starts_at for each in rows] == sorted(each.starts_at for each in rows)
        assert len(rows) == 50 and {each.body_id for each in rows} == set(bodies)
        after = (rows[19].starts_at, rows[19].id)
        more = await list_page(session, bodies, When.UPCOMING, NOW, after=after, limit=30)
        assert [each.id for each in more] == [each.id for each in rows[20:]]
        past = await list_page(session, bodies, When.PAST, NOW, after=None, limit=20)
        assert all(each.ends_at <= NOW for each in past)
        assert [each.starts_at for each in past] == sorted(
            (each.starts_at for each in past), reverse=True
        )
        assert await list_page(session, [], When.PAST, NOW, after=None, limit=20) == []
