"""Collective bodies and their members: by forms, by file, and linked to accounts."""

from __future__ import annotations

import html
import io

import aiohttp
import pytest

from signaling.scheduling.collective_bodies import MAX_MEMBERS
from tests.support.accounts_server import Shown, VisitorClient, running_accounts
from tests.support.databases import BACKENDS
from tests.support.desk import (
    CITIZEN,
    UNIT_HEAD,
    create_council,
    enter_as_head,
    stored_members,
    version_in,
)
from tests.support.sittings import person_by_email

pytestmark = pytest.mark.asyncio


async def upload(visitor: VisitorClient, path: str, **parts: str | bytes) -> Shown:
    """Send a form with a file; bytes are a file, text is a field."""
    form = aiohttp.FormData()
    form.add_field("csrf", visitor.csrf)
    for name, content in parts.items():
        if isinstance(content, bytes):
            form.add_field(name, io.BytesIO(content), filename="μέλη.csv", content_type="text/csv")
        else:
            form.add_field(name, content, content_type="text/plain; charset=utf-8")
    async with visitor.http.post(visitor.server.url + path, data=form) as response:
        return await visitor._keep(response)


@pytest.mark.parametrize("backend", BACKENDS)
async def test_members_are_added_changed_and_ended(backend: str) -> None:
    async with running_accounts(backend) as server, server.visitor() as head:
        body = await enter_as_head(server, head)
        council = await create_council(head, f"b:{body}")
        path = f"/desk/collective-bodies/{council}"
        await head.get(path)
        chair = {"name": "Νίκος Πρώτος", "email": "Nikos@Dimos.GR", "office": "chair"}
        assert "Νίκος Πρώτος" in (await head.post(path + "/members", **chair)).text
        for changes, words in (
            ({"email": "NIKOS@dimos.gr"}, "Υπάρχει ήδη μέλος"),
            ({"email": "nobody"}, "onoma@dimos.gr"),
            ({"name": " "}, "Γράψτε ένα όνομα"),
            ({"name": "Ν" * 201, "email": "x@dimos.gr"}, "200 χαρακτήρες"),
            ({"office": "emperor", "email": "x@dimos.gr"}, "Επιλέξτε ιδιότητα"),
        ):
            shown = await head.post(path + "/members", **(chair | changes))
            assert shown.status == 422 and words in shown.text, changes
        (member,) = await stored_members(server, council)
        assert (member.email, member.office, member.person_id) == ("nikos@dimos.gr", "chair", None)
        one = f"{path}/members/{member.id}"
        await head.post(one, name="Νίκος Α΄", email="n@dimos.gr", office="mayor")
        bad = await head.post(one, name="", email="n@dimos.gr", office="mayor")
        assert bad.status == 422
        await head.post(one + "/end")
        (member,) = await stored_members(server, council)
        assert (member.name, member.email, member.office) == ("Νίκος Α΄", "n@dimos.gr", "mayor")
        assert member.ended_at is not None
        await head.get(path)
        assert (await head.post(one + "/end")).status == 404
        # The seat is free again, for the same address too.
        await head.get(path)
        shown = await head.post(path + "/members", name="Ν", email="n@dimos.gr", office="member")
        assert shown.status == 200 and len(await stored_members(server, council)) == 2

        renamed = await head.post(path, version=version_in(shown), name="Δ.Σ.", kind="board")
        assert "Δ.Σ." in renamed.text
        closed = await head.post(path, version=version_in(renamed), set="closed")
        assert "Ανενεργός" in closed.text
        assert f"c:{council}" not in (await head.get("/desk/sittings/new")).text
        again = await head.post("/desk/collective-bodies", name="δ.σ.", kind="council",
                                place=f"b:{body}")  # fmt: skip
        assert again.status == 422 and "Υπάρχει ήδη" in again.text


@pytest.mark.parametrize("backend", BACKENDS)
async def test_second_to_rename_is_told_and_a_refused_name_is_kept(backend: str) -> None:
    async with running_accounts(backend) as server, server.visitor() as head:
        body = await enter_as_head(server, head)
        path = f"/desk/collective-bodies/{await create_council(head, f'b:{body}')}"
        shown = await head.get(path)
        renamed = await head.post(path, version=version_in(shown), name="Δ.Σ.", kind="board")
        second = await head.post(
            path, version=version_in(shown), name="Του <δεύτερου>", kind="committee"
        )
        assert second.status == 409 and "Άλλαξε εν τω μεταξύ" in second.text
        assert "<strong>Δ.Σ.</strong>, Διοικητικό συμβούλιο" in second.text, "what holds is told"
        assert 'value="Του &lt;δεύτερου&gt;"' in second.text, "what was typed is kept"
        assert '<option value="committee" selected>' in second.text
        assert version_in(second) == version_in(renamed)
        long = await head.post(path, version=version_in(second), name="Ο" * 201, kind="council")
        assert long.status == 422 and long.text.count("Ο" * 201) == 1
        assert '<option value="council" selected>' in long.text
        stale = await head.post(path, version=version_in(shown), set="closed")
        assert stale.status == 409 and "Με νέα αποθήκευση" not in stale.text


@pytest.mark.parametrize("backend", BACKENDS)
async def test_import_shows_first_what_it_will_do(backend: str) -> None:
    async with running_accounts(backend) as server, server.visitor() as head:
        body = await enter_as_head(server, head)
        council = await create_council(head, f"b:{body}")
        path = f"/desk/collective-bodies/{council}"
        await head.get(path)
        await head.post(path + "/members", name="Α", email="a@dimos.gr", office="member")
        await head.get(path + "/import")
        content = (
            "Όνομα;E-mail;Ιδιότητα\nΆννα;anna@dimos.gr;πρόεδρος\nΑ;a@dimos.gr;\n"
            'Κακή;nobody;\n"Ο ""Γ"" <b>";g@dimos.gr;γραμματέας\nΆννα;anna@dimos.gr;μέλος'
        ).encode("cp1253")
        shown = await upload(head, path + "/import", file=content)
        assert shown.status == 200, shown.text
        for words in ("<strong>2</strong> θα προστεθούν", "<strong>1</strong> υπάρχουν ήδη",
                      "<strong>2</strong> δεν μπορούν", "nobody", "&lt;b&gt;"):  # fmt: skip
            assert words in shown.text, words
        assert len(await stored_members(server, council)) == 1, "the preview has added somebody"
        text = shown.text.partition('<textarea name="people" hidden>\n')[2].partition(
            "</textarea>"
        )[0]
        done = await upload(head, path + "/import", people=html.unescape(text))
        assert "Νέα μέλη: 2" in done.text, done.text
        members = await stored_members(server, council)
        assert [(each.email, each.name, each.office) for each in members] == [
            ("a@dimos.gr", "Α", "member"), ("anna@dimos.gr", "Άννα", "chair"),
            ("g@dimos.gr", 'Ο "Γ" <b>', "secretary")]  # fmt: skip
        await head.get(path + "/import")
        again = await upload(head, path + "/import", people=html.unescape(text))
        assert "Νέα μέλη: 0" in again.text


async def test_import_refuses_what_is_too_much_or_unreadable() -> None:
    async with running_accounts() as server, server.visitor() as head:
        body = await enter_as_head(server, head)
        council = await create_council(head, f"b:{body}")
        path = f"/desk/collective-bodies/{council}/import"
        await head.get(path)
        lines = "\n".join(f"Μ{n};m{n}@dimos.gr" for n in range(MAX_MEMBERS + 1))
        for content, words in (
            (lines.encode(), "έως 1.000 μέλη"),
            (b"", "δεν έχει γραμμές"),
            (b"\x00\xff\xfe\xd2", "δεν διαβάζεται"),
            (b"a;b@c.gr\n" * 10_002, "10.000 γραμμές"),
        ):
            shown = await upload(head, path, file=content)
            assert shown.status == 422 and words in shown.text, words
        await head.get(path)
        assert (await upload(head, path, people=lines)).status == 422
        await head.get(path)
        assert (await upload(head, path, file=b"x" * (2 * 1024 * 1024 + 1))).status == 413
        assert await stored_members(server, council) == []
        await head.get(path)
        full = "\n".join(lines.splitlines()[:MAX_MEMBERS])
        assert (await upload(head, path, people=full)).status == 200
        assert len(await stored_members(server, council)) == MAX_MEMBERS
        listed = await head.get(f"/desk/collective-bodies/{council}?page=3")
        assert listed.status == 200 and listed.text.count("Λήξη θητείας") == 60
        shown = await head.post(f"/desk/collective-bodies/{council}/members",
                                name="Ένας ακόμη", email="more@dimos.gr", office="member")  # fmt: skip
        assert shown.status == 422 and "1.000" in shown.text


@pytest.mark.parametrize("backend", BACKENDS)
async def test_members_are_linked_at_confirmation_at_sign_in_and_when_added(backend: str) -> None:
    async with (
        running_accounts(backend) as server,
        server.visitor() as head,
        server.visitor() as late,
        server.visitor() as known,
    ):
        body = await enter_as_head(server, head)
        council = await create_council(head, f"b:{body}")
        path = f"/desk/collective-bodies/{council}/members"

        async def add(email: str) -> None:
            await head.get(f"/desk/collective-bodies/{council}")
            assert (await head.post(path, name="Μ", email=email, office="member")).status == 200

        async def linked() -> dict[str, str | None]:
            rows = await stored_members(server, council)
            return {each.email: each.person_id for each in rows}

        await add("late@dimos.gr")
        await add("twice@dimos.gr")
        assert set((await linked()).values()) == {None}
        await late.enter(UNIT_HEAD, "Late@dimos.gr")
        person = await person_by_email(server.service.database, "Late@dimos.gr")
        assert (await linked())["late@dimos.gr"] == person.id
        # Added when the account is there: linked at once.
        await known.enter(CITIZEN, "known@dimos.gr")
        await add("known@dimos.gr")
        citizen = await person_by_email(server.service.database, "known@dimos.gr")
        assert (await linked())["known@dimos.gr"] == citizen.id
        # Ended and added again while signed out, in a new seat: linked at the next sign-in.
        other = await create_council(head, f"b:{body}", "Επιτροπή")
        await head.get(f"/desk/collective-bodies/{other}")
        await head.post(f"/desk/collective-bodies/{other}/members", name="Μ",
                        email="late@dimos.gr", office="member")  # fmt: skip
        (seat,) = await stored_members(server, other)
        assert seat.person_id is None, "an address in other letters is found at sign-in only"
        await late.post("/sign-out")
        await late.sign_in(UNIT_HEAD)
        (seat,) = await stored_members(server, other)
        assert seat.person_id == person.id
        assert (await linked())["twice@dimos.gr"] is None
