"""The coordinator's desk over HTTP: sittings made, changed, called off, on both databases."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from signaling.scheduling.values import SittingKind, SittingState
from signaling.scheduling.wall_time import to_wall
from signaling.storage.models import (
    AgendaItem,
    AuditRecord,
    CapacityQuarter,
    CapacityReservation,
    Person,
    Sitting,
)
from tests.support.accounts_server import AccountsServer, running_accounts
from tests.support.databases import BACKENDS
from tests.support.desk import (
    create_council,
    create_sitting,
    created,
    enter_as_head,
    fields_on,
    stored_sitting,
    version_in,
)

pytestmark = pytest.mark.asyncio


async def reserved(server: AccountsServer) -> int:
    async with server.service.database.read() as session:
        most = await session.scalar(select(func.max(CapacityQuarter.participants)))
        return most or 0


async def count_sittings(server: AccountsServer) -> int:
    async with server.service.database.read() as session:
        return await session.scalar(select(func.count()).select_from(Sitting)) or 0


async def audited(server: AccountsServer) -> list[str]:
    async with server.service.database.read() as session:
        rows = await session.scalars(select(AuditRecord.action).order_by(AuditRecord.number))
        return list(rows)


@pytest.mark.parametrize("backend", BACKENDS)
async def test_sitting_is_created_shown_changed_and_cancelled(backend: str) -> None:
    async with running_accounts(backend) as server, server.visitor() as head:
        body = await enter_as_head(server, head)
        council = await create_council(head, f"b:{body}")
        path = await created(
            head,
            f"c:{council}",
            **fields_on(agenda="Προϋπολογισμός | Α. Πρώτη\nΆλλα <b>θέματα</b>"),
        )
        shown = await head.get(path)
        assert "Προϋπολογισμός" in shown.text and "&lt;b&gt;θέματα" in shown.text
        sitting = await stored_sitting(server, path)
        assert to_wall(sitting.starts_at).strftime("%H:%M") == "18:00"
        assert (sitting.kind, sitting.expected_participants) == ("council_session", 20)
        assert sitting.room != sitting.id and len(sitting.room) == 32
        assert await reserved(server) == 20
        for page in ("/desk", "/desk/calendar", "/desk/sittings"):
            assert (await head.get(page)).status == 200
        assert "Τακτική συνεδρίαση" in (await head.get("/desk/sittings")).text

        form = await head.get(path + "/edit")
        fields = fields_on(8, "19:00", title="Ειδική", place=f"c:{council}", participants="40")
        changed = await head.post(path + "/edit", version=version_in(form), **fields)
        assert changed.path == path and "Ειδική" in changed.text
        assert await reserved(server) == 40

        cancelled = await head.post(path + "/cancel", version=version_in(changed), reason=" ")
        assert cancelled.status == 422
        cancelled = await head.post(path + "/cancel", version=version_in(changed), reason="Απαρτία")
        assert "Ακυρώθηκε" in cancelled.text and "Απαρτία" in cancelled.text
        assert await reserved(server) == 0
        again = await head.post(path + "/cancel", version="99", reason="x")
        assert again.status == 409
        assert (await stored_sitting(server, path)).calendar_sequence == 2
        assert [each for each in await audited(server) if "sitting" in each] == [
            "create_sitting", "change_sitting", "cancel_sitting"]  # fmt: skip


@pytest.mark.parametrize("backend", BACKENDS)
async def test_overlap_of_the_same_body_is_refused_with_the_others_time(backend: str) -> None:
    async with running_accounts(backend) as server, server.visitor() as head:
        body = await enter_as_head(server, head)
        council = await create_council(head, f"b:{body}")
        other = await create_council(head, f"b:{body}", "Οικονομική Επιτροπή")
        path = await created(head, f"c:{council}", **fields_on(title="Η πρώτη"))
        refused = await create_sitting(head, f"c:{council}", **fields_on(clock="19:59"))
        assert refused.status == 409
        assert "Η πρώτη" in refused.text and path in refused.text and "έως" in refused.text
        assert 'value="19:59"' in refused.text, "what was typed is lost"
        # Right after it, of another body, and as a rehearsal it fits.
        last = await created(head, f"c:{council}", **fields_on(clock="20:00"))
        await created(head, f"c:{other}", **fields_on(clock="19:59"))
        await created(head, f"c:{council}", **fields_on(clock="19:59", kind="rehearsal"))
        form = await head.get(last + "/edit")
        moved = await head.post(
            last + "/edit",
            version=version_in(form),
            place=f"c:{council}",
            **fields_on(clock="19:00"),
        )
        assert moved.status == 409 and "Η πρώτη" in moved.text
        extended = await head.post(
            path + "/extend", version=version_in(await head.get(path)), minutes="15"
        )
        assert extended.status == 409


@pytest.mark.parametrize("backend", BACKENDS)
async def test_two_at_once_never_overlap_and_one_form_sent_twice_is_one_sitting(
    backend: str,
) -> None:
    async with running_accounts(backend) as server, server.visitor() as head:
        body = await enter_as_head(server, head)
        council = await create_council(head, f"b:{body}")
        key = "ab" * 16
        await head.get("/desk/sittings/new")
        same = {"request_key": key, "place": f"c:{council}", **fields_on()}
        answers = await asyncio.gather(*(head.post("/desk/sittings", **same) for _ in range(4)))
        assert len({each.path for each in answers}) == 1
        assert await count_sittings(server) == 1
        others = [
            {"request_key": f"{number:032x}", "place": f"c:{council}", **fields_on(9)}
            for number in range(5)
        ]
        await head.get("/desk/sittings/new")
        answers = await asyncio.gather(*(head.post("/desk/sittings", **each) for each in others))
        assert sorted(each.status for each in answers) == [200, 409, 409, 409, 409]
        assert await count_sittings(server) == 2


@pytest.mark.parametrize("backend", BACKENDS)
async def test_the_second_of_two_editors_is_refused(backend: str) -> None:
    async with running_accounts(backend) as server, server.visitor() as head:
        body = await enter_as_head(server, head)
        path = await created(head, f"b:{body}")
        version = version_in(await head.get(path + "/edit"))
        fields = fields_on(place=f"b:{body}", title="Του πρώτου")
        agenda = await head.get(path + "/agenda")
        rows = {"number_0": "1", "title_0": "Θέμα του πρώτου", "speaker_0": "", "item_0": ""}
        first = await head.post(path + "/edit", version=version, **fields)
        assert "Του πρώτου" in first.text
        second = await head.post(
            path + "/edit", csrf=None, version=version, **(fields | {"title": "Του δεύτερου"})
        )
        assert second.status == 409 and "Άλλαξε εν τω μεταξύ" in second.text
        assert "<strong>Του πρώτου</strong>" in second.text, "what holds now is told"
        assert 'value="Του δεύτερου"' in second.text, "what was typed is kept"
        version = version_in(second)
        await head.get(path)
        assert (await head.post(path + "/agenda", version=version_in(agenda), **rows)).status == 409
        sitting = await stored_sitting(server, path)
        assert sitting.title == "Του πρώτου"
        await head.get(path + "/edit")
        await head.post(path + "/edit", version=version, **(fields | {"title": "Του δεύτερου"}))
        assert (await stored_sitting(server, path)).title == "Του δεύτερου", "knowing it, one may"


@pytest.mark.parametrize("backend", BACKENDS)
async def test_series_keeps_its_hour_and_is_cancelled_from_one_on(backend: str) -> None:
    async with running_accounts(backend) as server, server.visitor() as head:
        body = await enter_as_head(server, head)
        council = await create_council(head, f"b:{body}")
        path = await created(
            head, f"c:{council}", **fields_on(rhythm="fortnightly", count="20", agenda="Α\nΒ")
        )
        async with server.service.database.read() as session:
            rows = list(await session.scalars(select(Sitting).order_by(Sitting.starts_at)))
            assert await session.scalar(select(func.count()).select_from(AgendaItem)) == 40
        assert len(rows) == 20 and len({each.series_id for each in rows}) == 1
        assert {to_wall(each.starts_at).strftime("%H:%M") for each in rows} == {"18:00"}
        assert len({each.starts_at.hour for each in rows}) == 2, "no change of the clocks between"
        third = f"/desk/sittings/{rows[2].id}"
        shown = await head.get(third)
        assert "(17)" in shown.text
        await head.post(
            third + "/cancel", version=version_in(shown), reason="Διακοπές", series="yes"
        )
        states = [(await stored_sitting(server, f"/{each.id}")).state for each in rows]
        assert states == [SittingState.PLANNED] * 2 + [SittingState.CANCELLED] * 18
        # One day of the series is taken: nothing of it is made.
        clash = fields_on(21, "19:00", rhythm="weekly", count="2")
        await created(head, f"c:{council}", **fields_on(28))
        assert (await create_sitting(head, f"c:{council}", **clash)).status == 409
        assert await count_sittings(server) == 21
        assert path


@pytest.mark.parametrize("backend", BACKENDS)
async def test_what_does_not_fit_is_offered_the_next_time(backend: str) -> None:
    async with running_accounts(backend) as server, server.visitor() as head:
        body = await enter_as_head(server, head)
        for number in range(4):  # four rooms of 500 are all that there is
            await created(head, f"b:{body}", **fields_on(participants="500", title=f"Σ{number}"))
        refused = await create_sitting(head, f"b:{body}", **fields_on(participants="10"))
        assert refused.status == 409 and "Υπάρχει χώρος από" in refused.text
        use = re.search(r'name="use" value="([^"]+)"', refused.text)
        assert use is not None and use[1].endswith("T21:00")
        fields = fields_on(participants="10", use=use[1], request_key="cd" * 16)
        taken = await head.post("/desk/sittings", place=f"b:{body}", **fields)
        sitting = await stored_sitting(server, taken.path)
        assert to_wall(sitting.starts_at).strftime("%H:%M") == "21:00"
        assert await reserved(server) == 2000
        async with server.service.database.read() as session:
            rows = await session.scalar(select(func.count()).select_from(CapacityReservation))
        assert rows == 5


@pytest.mark.parametrize("backend", BACKENDS)
async def test_rehearsal_opens_by_one_click_and_ends(backend: str) -> None:
    async with running_accounts(backend) as server, server.visitor() as head:
        await enter_as_head(server, head)
        home = await head.get("/desk")
        place = re.search(r'name="place" value="([^"]+)"|<option value="(b:[^"]+)"', home.text)
        key = re.search(r'name="request_key" value="([^"]+)"', home.text)
        assert place is not None and key is not None
        form = {"place": place[1] or place[2], "request_key": key[1]}
        shown = await head.post("/desk/rehearsals", **form)
        sitting = await stored_sitting(server, shown.path)
        assert sitting.kind == SittingKind.REHEARSAL and "Ανοικτή τώρα" in shown.text
        assert sitting.ends_at - sitting.starts_at == timedelta(minutes=30)
        again = await head.post("/desk/rehearsals", **form)
        assert again.path == shown.path
        extended = await head.post(shown.path + "/extend", version=version_in(again), minutes="30")
        sitting = await stored_sitting(server, shown.path)
        assert sitting.ends_at - sitting.starts_at == timedelta(minutes=60)
        bad = await head.post(shown.path + "/extend", version=version_in(extended), minutes="7")
        assert bad.status == 409
        ended = await head.post(shown.path + "/end", version=version_in(extended))
        assert "Ολοκληρώθηκε" in ended.text and await reserved(server) == 0
        for action in ("end", "extend", "cancel"):
            late = await head.post(
                f"{shown.path}/{action}", version=version_in(ended) if "version" in ended.text
                else str((await stored_sitting(server, shown.path)).version),
                minutes="15", reason="x",
            )  # fmt: skip
            assert late.status == 409, action


@pytest.mark.parametrize("backend", BACKENDS)
async def test_templates_make_sittings_and_are_changed_and_deleted(backend: str) -> None:
    async with running_accounts(backend) as server, server.visitor() as head:
        body = await enter_as_head(server, head)
        council = await create_council(head, f"b:{body}")
        path = await created(
            head,
            f"c:{council}",
            **fields_on(agenda="Ανακοινώσεις", length_min="90", is_closed="yes"),
        )
        kept = await head.post(path + "/template", template_name="Τακτική Δ.Σ.")
        assert "Το πρότυπο αποθηκεύτηκε" in kept.text
        listed = await head.get("/desk/templates")
        template = re.search(r'href="/desk/templates/([0-9a-f]{32})"', listed.text)
        assert template is not None
        form = await head.get(f"/desk/sittings/new?template={template[1]}")
        assert "Ανακοινώσεις" in form.text and 'value="90"' in form.text
        assert f'value="c:{council}" selected' in form.text
        copied = await head.get(f"/desk/sittings/new?copy={path.rpartition('/')[2]}")
        assert (
            "Ανακοινώσεις" in copied.text and 'name="date" type="date"\n    value=""' in copied.text
        )
        one = f"/desk/templates/{template[1]}"
        shown = await head.get(one)
        fields = {"template_name": "Έκτακτη", "place": f"c:{council}", "mode": "mixed",
                  "length_min": "60", "open_before_min": "15"}  # fmt: skip
        bad = await head.post(one, version=version_in(shown), **(fields | {"length_min": "x"}))
        assert bad.status == 422
        await head.post(one, version=version_in(shown), **fields)
        assert "Έκτακτη" in (await head.get("/desk/templates")).text
        typed = fields | {"template_name": "Του <δεύτερου>", "agenda": "Θέμα του δεύτερου"}
        second = await head.post(one, version=version_in(shown), **typed)
        assert second.status == 409 and "Άλλαξε εν τω μεταξύ" in second.text
        assert "<strong>Έκτακτη</strong>, Διάρκεια: 60 λεπτά" in second.text, "what holds is told"
        assert 'value="Του &lt;δεύτερου&gt;"' in second.text, "what was typed is kept"
        saved = await head.post(one, version=version_in(second), **typed)
        assert saved.path == "/desk/templates" and "Του &lt;δεύτερου&gt;" in saved.text
        await head.get("/desk/templates")
        await head.post(one + "/delete")
        assert (await head.get(one)).status == 404
        assert (await head.get("/desk/templates")).status == 200


async def test_bad_input_is_told_and_costs_nothing() -> None:
    async with running_accounts() as server, server.visitor() as head:
        body = await enter_as_head(server, head)
        for changes, words in (
            ({"date": "2020-01-01"}, "έχει περάσει"),
            ({"date": "9999-01-01"}, "πολύ μακριά"),
            ({"time": "25:00"}, "όπως 18:00"),
            ({"length_min": "100000"}, "5 έως 960"),
            ({"participants": "100000"}, "εντός του ορίου"),
            ({"zone": "Mars/Olympus"}, "ώρα Ελλάδας"),
            ({"is_closed": "yes", "admits_guests": "yes"}, "κεκλεισμένων"),
        ):
            shown = await create_sitting(head, f"b:{body}", **(fields_on() | changes))
            assert shown.status == 422 and words in shown.text, changes
        for place in ("", "b:" + "0" * 32, "c:x", "z:1", "b:" + "x" * 900):
            shown = await create_sitting(head, place, **fields_on())
            assert shown.status == 422 and "Επιλέξτε όργανο" in shown.text, place
        injected = await create_sitting(
            head, f"b:{body}", **fields_on(title="Α\r\nBcc: x@y.gr<script>alert(1)</script>")
        )
        assert "<script>alert" not in injected.text and "&lt;script&gt;" in injected.text
        assert "\n" not in (await stored_sitting(server, injected.path)).title
        for query in ("?month=2026-13", "?month=x", "?week=2026-W60", "?week=9999-W01", "?month="):
            assert (await head.get("/desk/calendar" + query)).status == 200, query
        for query in ("?after=x", "?when=never", "?after=20260101T000000.0_x"):
            assert (await head.get("/desk/sittings" + query)).status == 200, query
        assert await count_sittings(server) == 1


async def test_list_is_paged_in_order_without_gaps() -> None:
    async with running_accounts() as server, server.visitor() as head:
        body = await enter_as_head(server, head)
        now = datetime.now(UTC)
        async with server.service.database.write() as session:
            organiser = (await session.scalars(select(Person.id))).first()
            for number in range(-30, 60):
                start = now + timedelta(hours=number * 5)
                session.add(Sitting(
                    room=f"room-{number}", body_id=body, organiser_id=organiser,
                    title=f"Συνεδρίαση {number:+03}", kind="committee", mode="remote",
                    state="planned", starts_at=start, ends_at=start + timedelta(hours=1),
                    open_before_min=30, expected_participants=5, is_closed=False,
                    admits_guests=False, created_at=now,
                ))  # fmt: skip
        for when, count in (("upcoming", 60), ("past", 30)):
            seen: list[str] = []
            path = f"/desk/sittings?when={when}"
            while path:
                shown = await head.get(path)
                seen += re.findall(r">(Συνεδρίαση [+-]\d\d)<", shown.text)
                further = re.search(r'href="(\?when=\w+&amp;after=[^"]+)"', shown.text)
                path = "/desk/sittings" + further[1].replace("&amp;", "&") if further else ""
            assert len(seen) == len(set(seen)) == count, when
            ordered = sorted(seen, key=lambda text: int(text.split()[1]), reverse=when == "past")
            assert seen == ordered
