"""Cancel, extend and end on a sitting that has changed since its page was shown, on both databases."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta

import pytest

from signaling.rendering import athens_clock
from signaling.scheduling.values import SittingState
from tests.support.accounts_server import Shown, VisitorClient, running_accounts
from tests.support.databases import BACKENDS
from tests.support.desk import (
    HEAD,
    create_council,
    created,
    enter_as_head,
    fields_on,
    stored_sitting,
    version_in,
)
from tests.support.shown_forms import form_in, notice_in

pytestmark = pytest.mark.asyncio


async def edit(visitor: VisitorClient, path: str, **fields: str) -> None:
    """What somebody else does meanwhile."""
    version = version_in(await visitor.get(path + "/edit"))
    shown = await visitor.post(path + "/edit", version=version, **fields)
    assert shown.path == path, shown.text


async def rehearse(visitor: VisitorClient) -> Shown:
    """Open a rehearsal room and return its page."""
    home = await visitor.get("/desk")
    place = re.search(r'name="place" value="([^"]+)"|<option value="(b:[^"]+)"', home.text)
    assert place is not None
    form = form_in(home, "rehearsals") | {"place": place[1] or place[2]}
    return await visitor.post("/desk/rehearsals", **form)


@pytest.mark.parametrize("backend", BACKENDS)
async def test_cancellation_of_what_has_changed_does_nothing_and_keeps_the_reason(
    backend: str,
) -> None:
    async with running_accounts(backend) as server, server.visitor() as head:
        body = await enter_as_head(server, head)
        council = await create_council(head, f"b:{body}")
        path = await created(head, f"c:{council}", **fields_on(rhythm="weekly", count="3"))
        page = await head.get(path)
        other = fields_on(8, "19:00", title="Ειδική <b>", place=f"b:{body}", participants="40")
        await edit(head, path, **other)
        agenda = await head.get(path + "/agenda")
        await head.post(path + "/agenda", version=version_in(agenda), item_0="", number_0="",
                        title_0="Νέο θέμα")  # fmt: skip
        before = await stored_sitting(server, path)

        typed = {"reason": "Έλλειψη <απαρτίας>\nκαι χρόνου", "series": "yes"}
        refused = await head.post(path + "/cancel", **(form_in(page, "cancel") | typed))
        assert refused.status == 409
        notice = notice_in(refused)
        assert notice.startswith("Άλλαξε εν τω μεταξύ")
        assert "Τίτλος: Ειδική <b> (πριν: Τακτική συνεδρίαση)" in notice
        assert re.search(r"Πότε: [^()]+, 19:00–21:00 \(πριν: [^()]+, 18:00–20:00\)", notice)
        assert "Φορέας: Δήμος Παραδείγματος" in notice
        assert "Συμμετέχοντες: 40 ·" in notice and "Ημερήσια διάταξη: άλλη" in notice
        assert "λεπτά πριν:" not in notice, "the same as before"
        assert "Δεν έγινε αυτό που ζητήσατε: Ακύρωση συνεδρίασης, και όσες ακολουθούν" in notice
        assert "Η αιτιολογία που γράψατε: Έλλειψη <απαρτίας> και χρόνου" in notice
        assert '<button class="govgr-btn govgr-btn-warning" type="submit" form="cancel">' in notice
        after = await stored_sitting(server, path)
        assert (after.state, after.version) == (SittingState.PLANNED, before.version)

        again = form_in(refused, "cancel")
        assert again | typed == again, "what was typed is lost"
        assert again["version"] == str(before.version)
        cancelled = await head.post(path + "/cancel", **again)
        assert cancelled.path == path and "Η συνεδρίαση ακυρώθηκε." in cancelled.text
        done = await stored_sitting(server, path)
        assert (done.state, done.cancel_reason) == (SittingState.CANCELLED, typed["reason"])


@pytest.mark.parametrize("backend", BACKENDS)
async def test_extension_and_end_of_what_has_changed_are_offered_once_more(backend: str) -> None:
    async with running_accounts(backend) as server, server.visitor() as head:
        await enter_as_head(server, head)
        page = await rehearse(head)
        path = page.path
        planned = await stored_sitting(server, path)
        await head.post(path + "/extend", minutes="15", **form_in(page, "extend"))

        refused = await head.post(path + "/extend", minutes="30", **form_in(page, "extend"))
        assert refused.status == 409
        notice = notice_in(refused)
        hours = rf"Πότε: [^()]+–{athens_clock(planned.ends_at + timedelta(minutes=15))} "
        assert re.search(rf"{hours}\(πριν: [^()]+–{athens_clock(planned.ends_at)}\)", notice)
        assert "Δεν έγινε αυτό που ζητήσατε: Παράταση +30 λεπτά." in notice
        assert 'form="extend" name="minutes" value="30">Παράταση +30 λεπτά' in notice
        unended = await head.post(path + "/end", **form_in(page, "end"))
        assert unended.status == 409 and "ζητήσατε: Λήξη." in notice_in(unended)
        assert 'form="end">Λήξη της συνεδρίασης' in notice_in(unended)
        now = await stored_sitting(server, path)
        assert now.ends_at == planned.ends_at + timedelta(minutes=15)
        assert now.state == SittingState.PLANNED

        extended = await head.post(path + "/extend", minutes="30", **form_in(refused, "extend"))
        assert extended.path == path and "Δόθηκε παράταση." in extended.text
        ended = await head.post(path + "/end", **form_in(extended, "end"))
        assert ended.path == path
        now = await stored_sitting(server, path)
        assert now.state == SittingState.ENDED


@pytest.mark.parametrize("backend", BACKENDS)
async def test_of_two_at_once_one_is_done_and_the_other_told(backend: str) -> None:
    async with running_accounts(backend) as server, server.visitor() as head:
        body = await enter_as_head(server, head)
        path = await created(head, f"b:{body}")
        page = await head.get(path)
        before = await stored_sitting(server, path)
        form = form_in(page, "extend")
        answers = await asyncio.gather(
            *(head.post(path + "/extend", minutes="30", **form) for _ in range(4))
        )
        assert sorted(each.status for each in answers) == [200, 409, 409, 409]
        for refused in (each for each in answers if each.status == 409):
            assert "Δεν έγινε αυτό που ζητήσατε: Παράταση +30 λεπτά." in notice_in(refused)
        after = await stored_sitting(server, path)
        assert after.ends_at == before.ends_at + timedelta(minutes=30)


async def test_cancelled_meanwhile_is_told_with_both_reasons_and_offers_nothing() -> None:
    async with running_accounts() as server, server.visitor() as head:
        body = await enter_as_head(server, head)
        path = await created(head, f"b:{body}")
        page = await head.get(path)
        form = form_in(page, "cancel") | {"reason": "Του δεύτερου"}
        await head.post(path + "/cancel", **(form | {"reason": "Του πρώτου"}))
        told = await head.post(path + "/cancel", **form)
        assert told.status == 409
        assert "Η συνεδρίαση έχει ακυρωθεί." in notice_in(told)
        assert "Η αιτιολογία που γράψατε: Του δεύτερου" in notice_in(told)
        assert "<button" not in notice_in(told)
        assert "Αιτιολογία: Του πρώτου" in told.text
        for name in ("agenda", "edit"):
            fields = fields_on(place=f"b:{body}", title_0="Θέμα", number_0="", item_0="")
            shown = await head.post(f"{path}/{name}", version=form["version"], **fields)
            assert shown.status == 409 and "έχει ακυρωθεί" in notice_in(shown)
            assert "Με νέα αποθήκευση" not in shown.text, "it would be refused"


async def test_what_cannot_be_done_any_more_says_why() -> None:
    async with running_accounts() as server, server.visitor() as head:
        body = await enter_as_head(server, head)
        page = await rehearse(head)
        later = fields_on(place=f"b:{body}", kind="rehearsal")
        await edit(head, page.path, **later)
        told = await head.post(page.path + "/end?lang=en", **form_in(page, "end"))
        assert told.status == 409 and notice_in(told).startswith("Changed meanwhile")
        assert "What you asked for was not done: End." in notice_in(told)
        assert "The room is not open yet." in notice_in(told)
        assert "<button" not in notice_in(told)
        assert not re.search("[Α-Ωα-ω]{3}", notice_in(told).replace("Τακτική συνεδρίαση", "")
                             .replace("Δοκιμαστική αίθουσα", ""))  # fmt: skip
        server.clock.shift_s += timedelta(days=8).total_seconds()
        await head.enter(HEAD)
        form = form_in(page, "extend") | {"csrf": head.csrf}
        over = await head.post(page.path + "/extend", minutes="15", **form)
        assert over.status == 409 and "<button" not in notice_in(over)
        assert "The time of the meeting is over." in notice_in(over)


async def test_form_that_does_not_tell_what_was_seen_is_answered_without_what_changed() -> None:
    async with running_accounts() as server, server.visitor() as head:
        body = await enter_as_head(server, head)
        path = await created(head, f"b:{body}")
        page = await head.get(path)
        told = await head.post(
            path + "/extend", **(form_in(page, "extend") | {"version": "0", "seen": "{"})
        )
        assert told.status == 409 and "Τώρα ισχύει: Τακτική συνεδρίαση" in notice_in(told)
        assert "Τι άλλαξε" not in notice_in(told) and "<button" not in notice_in(told)


async def test_mistakes_keep_what_was_typed_and_another_language_leads_to_the_page() -> None:
    async with running_accounts() as server, server.visitor() as head:
        body = await enter_as_head(server, head)
        council = await create_council(head, f"b:{body}")
        path = await created(head, f"c:{council}", **fields_on(rhythm="weekly", count="2"))
        page = await head.get(path)
        form = form_in(page, "cancel") | {"reason": " ", "series": "yes"}
        mistaken = await head.post(path + "/cancel", **form)
        assert mistaken.status == 422 and form_in(mistaken, "cancel")["series"] == "yes"
        named = await head.post(path + "/template", template_name="Π" * 201)
        assert named.status == 422 and "Π" * 201 in named.text
        for action in ("cancel", "extend", "end", "template"):
            shown = await head.get(f"{path}/{action}?lang=en")
            assert (shown.status, shown.path) == (200, path) and "Cancel the meeting" in shown.text
