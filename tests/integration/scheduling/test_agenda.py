"""The editor of an agenda over HTTP, alone and beside another one, on both databases."""

from __future__ import annotations

import html
import re
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from signaling.scheduling.wall_time import to_wall
from signaling.storage.models import AgendaItem
from tests.support.accounts_server import AccountsServer, Shown, running_accounts
from tests.support.databases import BACKENDS
from tests.support.desk import HEAD, created, enter_as_head, fields_on, version_in
from tests.support.shown_forms import form_in, notice_in

pytestmark = pytest.mark.asyncio


def rows_in(shown: Shown) -> dict[str, str]:
    """Return what the editor would send as it is shown."""
    found = re.findall(r'name="((?:item|number|title|speaker)_\d+)" value="([^"]*)"', shown.text)
    return {name: html.unescape(value) for name, value in found}


async def stored_agenda(server: AccountsServer) -> list[AgendaItem]:
    async with server.service.database.read() as session:
        return list(await session.scalars(select(AgendaItem).order_by(AgendaItem.number)))


@pytest.mark.parametrize("backend", BACKENDS)
async def test_agenda_is_edited_by_numbers_and_keeps_its_ids(backend: str) -> None:
    async with running_accounts(backend) as server, server.visitor() as head:
        body = await enter_as_head(server, head)
        path = await created(head, f"b:{body}", **fields_on(agenda="Α\nΒ\nΓ"))
        page = await head.get(path + "/agenda")
        ids = re.findall(r'name="item_\d" value="([0-9a-f]{32})"', page.text)
        assert len(ids) == 3
        rows: dict[str, str] = {}
        for index, (item, number, title) in enumerate(
            [
                (ids[0], "9", "Α"),
                (ids[1], "2", "Β΄"),
                (ids[2], "1", "Γ"),
                ("", "", "Δ"),
                ("", "", ""),
            ]
        ):
            rows |= {f"item_{index}": item, f"number_{index}": number, f"title_{index}": title,
                     f"speaker_{index}": "Ε. Εισηγητής" if index == 1 else ""}  # fmt: skip
        rows["remove_2"] = "yes"
        saved = await head.post(path + "/agenda", version=version_in(page), **rows)
        assert saved.path == path
        async with server.service.database.read() as session:
            items = list(await session.scalars(
                select(AgendaItem).order_by(AgendaItem.number)))  # fmt: skip
        assert [(each.number, each.title) for each in items] == [(1, "Β΄"), (2, "Δ"), (3, "Α")]
        assert (items[0].id, items[2].id, items[0].speaker) == (ids[1], ids[0], "Ε. Εισηγητής")
        page = await head.get(path + "/agenda")
        bad = await head.post(
            path + "/agenda", version=version_in(page), title_0="Θ" * 301, number_0="x", item_0=""
        )
        assert bad.status == 422 and "300 χαρακτήρες" in bad.text


@pytest.mark.parametrize("backend", BACKENDS)
async def test_second_of_two_editors_is_told_and_nobody_loses_a_subject(backend: str) -> None:
    async with running_accounts(backend) as server, server.visitor() as head:
        body = await enter_as_head(server, head)
        path = await created(head, f"b:{body}", **fields_on(agenda="Α\nΒ\nΓ")) + "/agenda"
        opened = await head.get(path)
        rows, version = rows_in(opened), version_in(opened)
        first = {"title_3": "Του πρώτου", "speaker_3": "Α. Πρώτη", "remove_2": "yes"}
        await head.post(path, version=version, **(rows | first))
        await head.get(path)
        second = {"title_1": "Β <του> δεύτερου", "title_3": "Δ", "number_4": "1", "title_4": "Ε"}
        refused = await head.post(path, version=version, **(rows | second))
        assert refused.status == 409 and "Άλλαξε εν τω μεταξύ" in refused.text
        current = refused.text.partition("<ol>")[2].partition("</ol>")[0]
        assert re.findall(r"<li>(.*)</li>", current) == ["Α", "Β", "Του πρώτου – Α. Πρώτη"]
        kept = rows_in(refused)
        titles = [kept[f"title_{index}"] for index in range(6)]
        assert titles == ["Α", "Β <του> δεύτερου", "Γ", "Δ", "Ε", "Του πρώτου"]
        assert refused.text.count("Το πρόσθεσε κάποιος άλλος") == 1
        assert refused.text.count("Το αφαίρεσε κάποιος άλλος") == 1
        assert [each.title for each in await stored_agenda(server)] == ["Α", "Β", "Του πρώτου"]

        before = {each.id for each in await stored_agenda(server)}
        saved = await head.post(path, version=version_in(refused), **kept)
        assert saved.status == 200 and saved.path == path.removesuffix("/agenda")
        items = await stored_agenda(server)
        assert [each.title for each in items] == [
            "Α", "Ε", "Β <του> δεύτερου", "Γ", "Του πρώτου", "Δ",
        ]  # fmt: skip
        assert before < {each.id for each in items}, "documents hang on them"


async def test_mistake_does_not_hide_that_somebody_else_was_first() -> None:
    async with running_accounts() as server, server.visitor() as head:
        body = await enter_as_head(server, head)
        path = await created(head, f"b:{body}") + "/agenda"
        version = version_in(await head.get(path))
        await head.post(path, version=version, item_0="", number_0="", title_0="Του πρώτου")
        await head.get(path)
        typed = {"item_0": "", "number_0": "x", "title_0": "Του δεύτερου"}
        bad = await head.post(path, version=version, **typed)
        assert bad.status == 422 and "αριθμό σειράς" in bad.text
        told = await head.post(path + "?lang=en", version=version_in(bad),
                               **(rows_in(bad) | {"number_0": ""}))  # fmt: skip
        assert told.status == 409 and "Somebody else has added it" in told.text
        assert {"Του πρώτου", "Του δεύτερου"} < set(rows_in(told).values())


async def test_agenda_that_outgrows_its_limit_by_two_editors_comes_back_whole() -> None:
    async with running_accounts() as server, server.visitor() as head:
        body = await enter_as_head(server, head)
        path = await created(head, f"b:{body}") + "/agenda"
        version = version_in(await head.get(path))

        def hundred(of: str) -> dict[str, str]:
            return {f"{name}_{index}": f"{of}{index}" if name == "title" else ""
                    for index in range(100) for name in ("item", "number", "title")}  # fmt: skip

        await head.post(path, version=version, **hundred("α"))
        await head.get(path)
        refused = await head.post(path, version=version, **hundred("β"))
        assert refused.status == 409
        full = await head.post(path, version=version_in(refused), **rows_in(refused))
        assert full.status == 422 and "έως 100 θέματα" in full.text
        kept = set(rows_in(full).values())
        assert kept >= {f"{of}{index}" for of in "αβ" for index in range(100)}


@pytest.mark.parametrize("backend", BACKENDS)
async def test_agenda_typed_for_a_sitting_that_is_over_is_given_back_with_the_reason(
    backend: str,
) -> None:
    async with running_accounts(backend) as server, server.visitor() as head:
        body = await enter_as_head(server, head)
        path = await created(head, f"b:{body}", **fields_on(agenda="Α\nΒ")) + "/agenda"
        opened = await head.get(path)
        rows, version = rows_in(opened), version_in(opened)
        server.clock.shift_s += timedelta(days=8).total_seconds()
        await head.enter(HEAD)
        await head.get("/account")
        typed = {
            "title_0": "Α <του> Νίκου",
            "remove_1": "yes",
            "title_2": "Γ",
            "speaker_2": "Δ. Ε.",
        }
        told = await head.post(path, version=version, **(rows | typed))
        assert (told.status, told.path) == (409, path)
        notice = notice_in(told)
        assert notice.startswith("Η ημερήσια διάταξη δεν αποθηκεύτηκε")
        assert "Η ώρα της συνεδρίασης έχει περάσει." in notice and "Ημερήσια διάταξη: Α Β" in notice
        kept = rows_in(told)
        assert kept | {"title_0": typed["title_0"], "title_2": "Γ", "speaker_2": "Δ. Ε."} == kept
        assert re.search(r'name="remove_1" value="yes" checked', told.text), "what was to go"
        assert "Αποθήκευση</button>" not in told.text, "it would be refused again"
        assert [each.title for each in await stored_agenda(server)] == ["Α", "Β"]


@pytest.mark.parametrize("action", ["cancel", "end"])
async def test_agenda_of_a_sitting_that_was_called_off_or_closed_loses_nothing(action: str) -> None:
    async with running_accounts() as server, server.visitor() as head:
        body = await enter_as_head(server, head)
        begun = fields_on(0, to_wall(datetime.now().astimezone()).strftime("%H:%M"))
        path = await created(head, f"b:{body}", **begun) + "/agenda"
        opened = await head.get(path)
        page = await head.get(path.removesuffix("/agenda"))
        form = form_in(page, action) | ({"reason": "Έλλειψη"} if action == "cancel" else {})
        done = await head.post(f"{page.path}/{action}", **form)
        assert done.path == page.path, done.text
        typed = rows_in(opened) | {"title_0": "Του δεύτερου"}
        merged = await head.post(path + "?lang=en", version=version_in(opened), **typed)
        assert merged.status == 409 and "Changed meanwhile" in notice_in(merged)

        again = await head.post(path, version=version_in(merged), **rows_in(merged))
        for told in (merged, again):
            word = "cancelled" if action == "cancel" else "ended"
            assert f"The meeting is {word}." in notice_in(told)
            assert "What you typed stays below" in notice_in(told)
            assert rows_in(told)["title_0"] == "Του δεύτερου" and "Save</button>" not in told.text
        assert again.status == 409 and "The agenda was not saved" in notice_in(again)
        shown = await head.get(path)
        assert shown.status == 200 and "The agenda cannot be changed any more." in shown.text
        assert "Save</button>" not in shown.text
