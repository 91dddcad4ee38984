"""From the first sign-in to an approved role, over HTTP, on both databases."""

from __future__ import annotations

import html
import re

import pytest

from signaling.storage.models import Person
from tests.support.accounts_server import (
    ADMINISTRATOR,
    CLERK,
    MEMBER,
    AccountsServer,
    VisitorClient,
    running_accounts,
)
from tests.support.databases import BACKENDS

pytestmark = pytest.mark.asyncio

REQUEST = {
    "body_name": "δημος  παραδειγματος",
    "unit_name": "",
    "phone": "210 1234567",
    "purpose": "Συνεδριάσεις του Δημοτικού Συμβουλίου, δύο τον μήνα.",
}


async def file_request(visitor: VisitorClient, **changes: str) -> str:
    await visitor.get("/account/role-request")
    shown = await visitor.post("/account/role-request", **(REQUEST | changes))
    assert shown.path == "/account", shown.text
    return shown.text


async def open_request(administrator: VisitorClient) -> str:
    """Open the first pending request and return its path."""
    shown = await administrator.get("/administration/requests")
    found = re.search(r'href="(/administration/requests/[0-9a-f]{32})"', shown.text)
    assert found is not None, shown.text
    assert (await administrator.get(found[1])).status == 200
    return found[1]


def fields_of(text: str) -> dict[str, str]:
    """Return the fields of a decision form as a browser would send them unchanged."""
    selected = re.search(r'<option value="([0-9a-f]*)" selected', text)
    version = re.search(r'name="version" value="(\d+)"', text)
    assert version is not None
    return {"body_id": selected[1] if selected else "", "version": version[1]}


@pytest.mark.parametrize("backend", BACKENDS)
async def test_clerk_becomes_coordinator(backend: str) -> None:
    async with (
        running_accounts(backend) as server,
        server.visitor() as clerk,
        server.visitor() as administrator,
    ):
        shown = await clerk.enter(CLERK, "clerk@dimos.gr")
        assert "ΜΑΡΙΑ ΓΡΑΜΜΑΤΕΑΣ" in shown.text and "Απλός χρήστης" in shown.text
        assert "000" in shown.text and CLERK not in shown.text
        await file_request(clerk)
        assert "Σε εκκρεμότητα" in (await clerk.get("/account")).text

        await administrator.enter(ADMINISTRATOR)
        path = await open_request(administrator)
        assert administrator.last is not None
        fields = fields_of(administrator.last.text)
        assert fields["body_id"], "the body was not recognised by its name"
        decided = await administrator.post(
            path, verdict="approve", role="body_coordinator", **fields
        )
        assert decided.path == "/administration/requests"

        account = (await clerk.get("/account")).text
        assert "Συντονιστής Φορέα" in account and "Δήμος Παραδείγματος" in account
        outbox = (await clerk.get("/outbox")).text
        assert "Το Αίτημα Αλλαγής Ρόλου εγκρίθηκε" in outbox and "clerk@dimos.gr" in outbox
        bodies = (await clerk.get("/administration/bodies")).text
        assert "Δήμος Παραδείγματος" in bodies and "Δήμος Νέας Δοκιμής" not in bodies
        await _manages_units_of_own_body_only(clerk, administrator)
        await _audit_names_nobody(administrator, server)


async def _manages_units_of_own_body_only(
    clerk: VisitorClient, administrator: VisitorClient
) -> None:
    shown = await clerk.get("/administration/bodies")
    own = re.findall(r'href="(/administration/bodies/[0-9a-f]{32})"', shown.text)
    assert len(own) == 1
    await clerk.get(own[0])
    assert "Νέο Τμήμα" in (await clerk.post(own[0] + "/units", unit_name="Νέο Τμήμα")).text
    again = await clerk.post(own[0] + "/units", unit_name="ΝΕΟ ΤΜΗΜΑ")
    assert again.status == 422 and "Υπάρχει ήδη" in again.text
    listed = (await administrator.get("/administration/bodies")).text
    foreign = next(
        each for each in re.findall(r'href="(/administration/bodies/[0-9a-f]{32})"', listed)
        if each not in own
    )  # fmt: skip
    random = "/administration/bodies/" + "0" * 32
    await clerk.get(own[0])
    token = clerk.csrf
    for path in (foreign, random):
        assert (await clerk.get(path)).status == 404
        assert (await clerk.post(path + "/units", csrf=token, unit_name="x")).status == 404
        assert (await clerk.post(path, csrf=token, name="x", version="1")).status == 404
    assert (await clerk.post(own[0], csrf=token, name="x", version="1")).status == 404


async def _audit_names_nobody(administrator: VisitorClient, server: AccountsServer) -> None:
    first = await administrator.get("/administration/audit")
    assert first.status == 200
    for text in ("Απόδοση ρόλου", "Υποβολή αιτήματος", "Επιβεβαίωση e-mail", "Αποδοχή όρων"):
        assert text in first.text
    table = first.text[first.text.index("<table") :]
    assert "ΓΡΑΜΜΑΤΕΑΣ" not in table and "@" not in table
    async with server.service.database.read() as session:
        people = (await session.scalars(Person.__table__.select())).all()
    for person_id in people:
        assert str(person_id) not in table
    # Reading is itself a record of the next reading.
    assert table.count("Ανάγνωση ιχνών") == 0
    again = await administrator.get("/administration/audit?action=read_audit")
    assert again.text[again.text.index("<table") :].count("Ανάγνωση ιχνών") == 1


@pytest.mark.parametrize("backend", BACKENDS)
async def test_refusal_needs_a_reason_and_tells_it(backend: str) -> None:
    async with (
        running_accounts(backend) as server,
        server.visitor() as clerk,
        server.visitor() as administrator,
    ):
        await clerk.enter(CLERK)
        await file_request(clerk, unit_name="Γραφείο <b>Χ</b>")
        await administrator.enter(ADMINISTRATOR)
        path = await open_request(administrator)
        assert administrator.last is not None
        assert "Γραφείο &lt;b&gt;Χ&lt;/b&gt;" in administrator.last.text
        fields = fields_of(administrator.last.text)

        mistake = await administrator.post(path, verdict="refuse", **fields)
        assert mistake.status == 422 and "Γράψτε την αιτιολογία" in mistake.text
        reason = "Λείπει η απόφαση ορισμού."
        await administrator.post(path, verdict="refuse", reason=reason, **fields)

        # Decided once: a second decision, or one on what was read before, changes nothing.
        late = await administrator.post(
            path, csrf=administrator.csrf, verdict="approve", role="body_coordinator", **fields
        )
        assert late.status == 409
        account = (await clerk.get("/account")).text
        assert reason in account and "Απορρίφθηκε" in account
        assert reason in html.unescape((await clerk.get("/outbox")).text)
        await file_request(clerk)


@pytest.mark.parametrize("backend", BACKENDS)
async def test_unit_coordinator_gets_a_unit_that_is_made(backend: str) -> None:
    async with (
        running_accounts(backend) as server,
        server.visitor() as clerk,
        server.visitor() as administrator,
    ):
        await clerk.enter(CLERK)
        await file_request(clerk, body_name="Δήμος Ολοκαίνουργιος", unit_name="Ταμείο")
        await administrator.enter(ADMINISTRATOR)
        path = await open_request(administrator)
        assert administrator.last is not None
        fields = fields_of(administrator.last.text)
        assert fields["body_id"] == ""
        mistake = await administrator.post(
            path, verdict="approve", role="unit_coordinator", body_name="Δήμος Ολοκαίνουργιος",
            **fields,
        )  # fmt: skip
        assert mistake.status == 422 and "Γράψτε την οργανική μονάδα" in mistake.text
        await administrator.post(
            path, verdict="approve", role="unit_coordinator", body_name="Δήμος Ολοκαίνουργιος",
            unit_name="Ταμείο", **fields,
        )  # fmt: skip

        account = (await clerk.get("/account")).text
        assert "Συντονιστής Οργανικής Μονάδας" in account and "Ταμείο" in account
        # Closing the body takes its coordinators' rights away at once.
        listed = (await administrator.get("/administration/bodies")).text
        path = re.findall(
            r'href="(/administration/bodies/[0-9a-f]{32})">Δήμος Ολοκαίνουργιος', listed
        )[0]
        shown = await administrator.get(path)
        assert "ΜΑΡΙΑ ΓΡΑΜΜΑΤΕΑΣ" in shown.text
        end = re.findall(r'action="([^"]+/roles/[0-9a-f]{32}/end)"', shown.text)[0]
        await administrator.post(end)
        assert (
            "Συντονιστής"
            not in (await clerk.get("/account")).text.partition("roles-title")[2][:600]
        )


@pytest.mark.parametrize("backend", BACKENDS)
async def test_form_sent_twice_is_one_request_and_may_be_withdrawn_by_its_own(
    backend: str,
) -> None:
    async with (
        running_accounts(backend) as server,
        server.visitor() as clerk,
        server.visitor() as member,
    ):
        await clerk.enter(CLERK)
        await file_request(clerk)
        shown = await clerk.post("/account/role-request", **REQUEST)
        assert shown.path == "/account" and "ήδη ένα αίτημα" in shown.text
        assert shown.text.count("/withdraw") == 1
        path = re.findall(r'action="([^"]+/withdraw)"', shown.text)[0]

        await member.enter(MEMBER)
        foreign = await member.post(path)
        await member.get("/account")
        unknown = await member.post(f"/account/role-request/{'0' * 32}/withdraw")
        assert (foreign.status, unknown.status) == (404, 404)
        assert foreign.text == unknown.text.replace("0" * 32, path.split("/")[3])

        assert "ανακλήθηκε" in (await clerk.post(path)).text


async def test_mistakes_of_the_form_are_named_and_nothing_typed_is_lost() -> None:
    async with running_accounts() as server, server.visitor() as clerk:
        await clerk.enter(CLERK)
        await clerk.get("/account/role-request")
        shown = await clerk.post(
            "/account/role-request", body_name=' "><script>x</script>', unit_name="Μονάδα",
            phone="12", purpose="",
        )  # fmt: skip
        assert shown.status == 422
        for text in ("Υπάρχει πρόβλημα", "10 έως 15 ψηφία", "Περιγράψτε τον σκοπό", "Μονάδα"):
            assert text in shown.text
        assert "<script>x" not in shown.text and "&lt;script&gt;x" in shown.text
        assert 'aria-invalid="true"' in shown.text and 'href="#phone"' in shown.text
        english = await clerk.get("/account/role-request?lang=en")
        assert "Request for a role" in english.text and 'lang="en"' in english.text
