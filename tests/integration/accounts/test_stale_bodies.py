"""Bodies and units that somebody else changed since their page was shown, on both databases."""

from __future__ import annotations

import asyncio
import re

import pytest

from tests.integration.accounts.test_appointments import first_body
from tests.support.accounts_server import ADMINISTRATOR, Shown, VisitorClient, running_accounts
from tests.support.databases import BACKENDS
from tests.support.shown_forms import form_named, notice_in, press_in_notice

pytestmark = pytest.mark.asyncio


async def send(visitor: VisitorClient, page: Shown, form_id: str, **typed: str) -> Shown:
    """Send a form of a page as it was shown."""
    form = form_named(page, form_id)
    return await visitor.post(form.action, **(form.fields | typed))


def unit_in(page: Shown) -> str:
    """Return the id of the first unit."""
    found = re.search(r'id="rename-([0-9a-f]{32})"', page.text)
    assert found is not None, "no unit"
    return found[1]


def title_of(page: Shown) -> str:
    """Return the heading."""
    found = re.search(r"<h1[^>]*>(.*?)</h1>", page.text, re.DOTALL)
    assert found is not None
    return " ".join(re.sub(r"<[^>]*>", "", found[1]).split())


@pytest.mark.parametrize("backend", BACKENDS)
async def test_name_of_a_body_renamed_meanwhile_is_kept_and_offered_once_more(backend: str) -> None:
    async with running_accounts(backend) as server, server.visitor() as administrator:
        await administrator.enter(ADMINISTRATOR)
        page = await administrator.get(await first_body(administrator))
        before = title_of(page)
        closed = await send(administrator, page, "set")
        await send(administrator, closed, "rename", name="Δήμος του Πρώτου & Σία")

        refused = await send(administrator, page, "rename", name="Δήμος <του> Δεύτερου")
        assert refused.status == 409
        notice = notice_in(refused)
        assert notice.startswith("Άλλαξε εν τω μεταξύ")
        assert f"Ονομασία: Δήμος του Πρώτου & Σία (πριν: {before})" in notice
        assert "Έχει απενεργοποιηθεί." in notice
        assert "Δεν έγινε αυτό που ζητήσατε: Μετονομασία: Δήμος <του> Δεύτερου." in notice
        assert form_named(refused, "rename").fields["name"] == "Δήμος <του> Δεύτερου"
        now = await administrator.get(page.path)
        assert title_of(now) == "Δήμος του Πρώτου &amp; Σία Ανενεργός", "nothing is done yet"

        again = await press_in_notice(administrator, refused)
        assert (again.status, again.path) == (200, page.path)
        assert title_of(again) == "Δήμος &lt;του&gt; Δεύτερου Ανενεργός"


@pytest.mark.parametrize("backend", BACKENDS)
async def test_unit_changed_meanwhile_is_named_and_its_form_is_open(backend: str) -> None:
    async with running_accounts(backend) as server, server.visitor() as administrator:
        await administrator.enter(ADMINISTRATOR)
        body = await first_body(administrator)
        page = await administrator.get(body)
        unit = unit_in(page)
        before = form_named(page, f"rename-{unit}").fields["name"]
        await send(administrator, page, f"rename-{unit}", name="Μονάδα του Πρώτου")

        refused = await send(administrator, page, f"rename-{unit}", name="Μονάδα του Δεύτερου")
        assert (refused.status, title_of(refused)) == (409, title_of(page))
        assert f"Ονομασία: Μονάδα του Πρώτου (πριν: {before})" in notice_in(refused)
        assert "Μετονομασία: Μονάδα του Δεύτερου." in notice_in(refused)
        assert form_named(refused, "rename").fields["name"] == title_of(page), "the body's own name"
        unopened = await send(administrator, page, f"set-{unit}")
        assert unopened.status == 409 and "ζητήσατε: Απενεργοποίηση." in notice_in(unopened)

        renamed = await press_in_notice(administrator, refused)
        assert form_named(renamed, f"rename-{unit}").fields["name"] == "Μονάδα του Δεύτερου"
        still = await press_in_notice(administrator, unopened)
        assert still.status == 409, "renamed once more since"
        closed = await press_in_notice(administrator, still)
        assert closed.path == body and form_named(closed, f"set-{unit}").fields["set"] == "open"


@pytest.mark.parametrize("backend", BACKENDS)
async def test_of_two_at_once_one_renames_and_the_other_is_told(backend: str) -> None:
    async with running_accounts(backend) as server, server.visitor() as administrator:
        await administrator.enter(ADMINISTRATOR)
        page = await administrator.get(await first_body(administrator))
        answers = await asyncio.gather(
            *(send(administrator, page, "rename", name=f"Δήμος {each}") for each in range(4))
        )
        assert sorted(each.status for each in answers) == [200, 409, 409, 409]
        done = next(title_of(each) for each in answers if each.status == 200)
        for refused in (each for each in answers if each.status == 409):
            assert f"Ονομασία: {done} (πριν: {title_of(page)})" in notice_in(refused)


async def test_what_somebody_else_has_done_already_is_not_offered_again() -> None:
    async with running_accounts() as server, server.visitor() as administrator:
        await administrator.enter(ADMINISTRATOR)
        page = await administrator.get(await first_body(administrator))
        await send(administrator, page, "set")
        twice = await send(administrator, page, "set")
        assert twice.status == 409 and "<button" not in notice_in(twice)
        assert "Αυτό που ζητήσατε ισχύει ήδη: Απενεργοποίηση φορέα." in notice_in(twice)
        assert "Ανενεργός" in title_of(twice), "not opened again"

        await send(administrator, twice, "rename", name="Δήμος Νέος")
        same = await send(administrator, twice, "rename", name="  Δήμος   Νέος ")
        assert same.status == 409 and "<button" not in notice_in(same)
        assert "ισχύει ήδη: Μετονομασία" in notice_in(same)


async def test_notice_is_english_for_who_reads_english() -> None:
    async with running_accounts() as server, server.visitor() as administrator:
        await administrator.enter(ADMINISTRATOR)
        body = await first_body(administrator)
        page = await administrator.get(body + "?lang=en")
        await send(administrator, page, "rename", name="Council of the first")
        await send(administrator, await administrator.get(body), "set")
        refused = await send(administrator, page, "rename", name="Council of the second")
        told = notice_in(refused).replace(title_of(page), "")
        assert told.startswith("Changed meanwhile") and not re.search("[Α-Ωα-ω]{3}", told)
        assert "What you asked for was not done: Rename: Council of the second." in told
        assert "Name: Council of the first (before: )" in told and "It is deactivated." in told


async def test_form_that_does_not_tell_what_was_seen_is_answered_with_what_is() -> None:
    async with running_accounts() as server, server.visitor() as administrator:
        await administrator.enter(ADMINISTRATOR)
        page = await administrator.get(await first_body(administrator))
        await send(administrator, page, "set")
        told = await administrator.post(page.path, version="x", name="", seen_state="broken")
        assert told.status == 409 and "Τι άλλαξε" not in notice_in(told)
        assert f"Τώρα ισχύει: {title_of(page)}. Έχει απενεργοποιηθεί." in notice_in(told)
        assert "ζητήσατε: Μετονομασία." in notice_in(told)
        mistaken = await press_in_notice(administrator, told)
        assert mistaken.status == 422 and "Γράψτε ένα όνομα." in mistaken.text


async def test_refused_name_of_a_unit_stays_in_its_field() -> None:
    async with running_accounts() as server, server.visitor() as administrator:
        await administrator.enter(ADMINISTRATOR)
        page = await administrator.get(await first_body(administrator))
        unit = unit_in(page)
        refused = await send(administrator, page, f"rename-{unit}", name="Π" * 201)
        assert refused.status == 422 and "Το όνομα έχει έως 200 χαρακτήρες." in refused.text
        assert form_named(refused, f"rename-{unit}").fields["name"] == "Π" * 201
        assert form_named(refused, "rename").fields["name"] == title_of(page)
