"""How many statements the desk's pages need: each costs a tenth of a page's processor time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event

from signaling.storage.database import Database
from tests.support.accounts_server import running_accounts
from tests.support.databases import BACKENDS
from tests.support.desk import create_council, created, enter_as_head, fields_on

pytestmark = pytest.mark.asyncio

VISITOR = 2
"""Who is asking, and what they are."""


@contextmanager
def statements_of(database: Database) -> Iterator[list[str]]:
    """Note what is asked meanwhile."""
    asked: list[str] = []

    def note(_c: object, _k: object, statement: str, *_: object) -> None:
        asked.append(statement)

    engine = database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(engine, "before_cursor_execute", note)


@pytest.mark.parametrize("backend", BACKENDS)
async def test_pages_ask_few_questions_however_long_their_lists(backend: str) -> None:
    async with running_accounts(backend) as server, server.visitor() as head:
        body = await enter_as_head(server, head)
        council = await create_council(head, f"b:{body}")
        for day in range(7, 11):
            sitting = await created(head, f"c:{council}", **fields_on(day, agenda="Ένα\nΔύο"))
        await head.get(f"{sitting}/invited")
        await head.post(f"{sitting}/invited", invitee_name="Α. Β.", invitee_role="member",
                        invitee_email="a@dimos.gr")  # fmt: skip
        most = {
            "/help": 0, "/desk": 5, "/desk/calendar": 1, "/desk/calendar?week=": 1,
            "/desk/sittings": 1, "/desk/sittings?when=past": 1, "/desk/sittings/new": 4,
            "/account": 5, sitting: 3, f"{sitting}/invited": 2,
        }  # fmt: skip
        for path, questions in most.items():
            with statements_of(server.service.database) as asked:
                assert (await head.get(path)).status == 200, path
            assert len(asked) == VISITOR + questions, (path, asked)
