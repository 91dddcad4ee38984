"""Coordinators are appointed by invitation (R24): the link is for the invited person alone."""

from __future__ import annotations

import html
import re

import pytest

from tests.support.accounts_server import (
    ADMINISTRATOR,
    CLERK,
    MEMBER,
    VisitorClient,
    running_accounts,
)
from tests.support.databases import BACKENDS

pytestmark = pytest.mark.asyncio

_LINK = re.compile(r'href="(http[^"]*/role-invitations/[^"]+)"')


async def first_body(administrator: VisitorClient) -> str:
    listed = (await administrator.get("/administration/bodies")).text
    found = re.search(r'href="(/administration/bodies/[0-9a-f]{32})"', listed)
    assert found is not None
    return found[1]


async def offered_link(visitor: VisitorClient) -> str:
    found = _LINK.search((await visitor.get("/outbox")).text)
    assert found is not None
    return html.unescape(found[1])


@pytest.mark.parametrize("backend", BACKENDS)
async def test_an_offer_becomes_a_role_when_the_invited_person_accepts(backend: str) -> None:
    async with (
        running_accounts(backend) as server,
        server.visitor() as administrator,
        server.visitor() as clerk,
        server.visitor() as member,
    ):
        await administrator.enter(ADMINISTRATOR)
        body = await first_body(administrator)
        shown = await administrator.get(body)
        unit = re.search(r'<option value="([0-9a-f]{32})">', shown.text)
        assert unit is not None, "no unit to appoint for"
        sent = await administrator.post(
            body + "/invitations", invite_email="Clerk@Dimos.GR", place=unit[1]
        )
        assert "Η πρόσκληση στάλθηκε" in sent.text and "clerk@dimos.gr" in sent.text
        link = await offered_link(administrator)

        await member.enter(MEMBER, "member@dimos.gr")
        random = f"{server.url}/role-invitations/{'x' * 43}"
        forwarded, unknown = await member.get(link), await member.get(random)
        assert forwarded.status == unknown.status == 404
        await member.get("/account")
        assert (await member.post(link)).status == 404

        await clerk.enter(CLERK, "clerk@dimos.gr")
        assert "Συντονιστής Οργανικής Μονάδας" in (await clerk.get(link)).text
        accepted = await clerk.post(link)
        assert accepted.path == "/account" and "Ο ρόλος σας ενεργοποιήθηκε" in accepted.text
        assert (await clerk.get(link)).status == 404, "a link is good once"
        assert "Συντονιστής Οργανικής Μονάδας" in accepted.text


async def test_a_revoked_or_expired_offer_is_no_offer() -> None:
    async with (
        running_accounts() as server,
        server.visitor() as administrator,
        server.visitor() as clerk,
    ):
        await administrator.enter(ADMINISTRATOR)
        await clerk.enter(CLERK, "clerk@dimos.gr")
        body = await first_body(administrator)
        await administrator.get(body)
        shown = await administrator.post(body + "/invitations", invite_email="clerk@dimos.gr")
        link = await offered_link(administrator)
        assert (await clerk.get(link)).status == 200
        revoke = re.search(r'action="([^"]+/revoke)"', shown.text)
        assert revoke is not None
        await administrator.get(body)
        await administrator.post(revoke[1])
        assert (await clerk.get(link)).status == 404

        await administrator.get(body)
        await administrator.post(body + "/invitations", invite_email="clerk@dimos.gr")
        link = await offered_link(administrator)
        assert (await clerk.get(link)).status == 200
        server.clock.shift_s += 15 * 24 * 3600
        await clerk.enter(CLERK)
        assert (await clerk.get(link)).status == 404


async def test_who_may_not_appoint_gets_what_a_random_body_answers() -> None:
    async with (
        running_accounts() as server,
        server.visitor() as administrator,
        server.visitor() as member,
    ):
        await administrator.enter(ADMINISTRATOR)
        body = await first_body(administrator)
        await member.enter(MEMBER)
        token = member.csrf
        for path in (body, "/administration/bodies/" + "0" * 32):
            path += "/invitations"
            answer = await member.post(path, csrf=token, invite_email="x@dimos.gr")
            assert answer.status == 404
        await administrator.get(body)
        mistaken = await administrator.post(body + "/invitations", invite_email="nobody")
        assert "onoma@dimos.gr" in mistaken.text
        outbox = (await administrator.get("/outbox")).text
        assert "/role-invitations/" not in outbox
