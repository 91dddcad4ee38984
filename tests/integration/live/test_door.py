"""The door of a sitting over HTTP and WebSockets, on both databases, with a worker's semantics."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from signaling.errors import CloseCode, ErrorCode
from signaling.live import sitting_rooms
from signaling.scheduling.values import SittingState
from signaling.storage.models import Invitation, new_id
from tests.support.databases import BACKENDS
from tests.support.door_server import (
    CHAIR,
    CHAIR_NAME,
    ELENI,
    ELENI_NAME,
    GIORGOS,
    DoorServer,
    Guest,
    queue_of,
    running_door,
)
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.asyncio


@dataclass
class Council:
    """A sitting with a chair and a councillor, both signed in; Giorgos is signed in and nothing."""

    server: DoorServer
    chair: Guest
    eleni: Guest
    giorgos: Guest


@contextlib.asynccontextmanager
async def council(folder: Path, backend: str = "sqlite", **sitting: Any) -> AsyncIterator[Council]:
    async with (
        running_door(backend, folder) as server,
        server.accounts.visitor() as first,
        server.accounts.visitor() as second,
        server.accounts.visitor() as third,
    ):
        people = [
            await server.person(visitor, tax_number)
            for visitor, tax_number in ((first, CHAIR), (second, ELENI), (third, GIORGOS))
        ]
        await server.add_sitting(**sitting)
        await server.invite(CHAIR, "chair")
        await server.invite(ELENI)
        yield Council(server, *people)


@pytest.mark.parametrize("backend", BACKENDS)
async def test_a_member_knocks_and_the_chair_admits(backend: str, tmp_path: Path) -> None:
    async with council(tmp_path, backend) as sitting:
        assert await sitting.eleni.open() == 200
        door = await sitting.eleni.knock()
        assert (await door.hear("waiting"))["state"] == "unattended"
        assert sitting.server.room not in sitting.server.accounts.directory.rooms.rooms

        chair = await sitting.chair.walk_in()
        assert chair.joined["role"] == "chair" and chair.joined["title"] == "Δημοτικό Συμβούλιο"
        (knock,) = await queue_of(chair, 1)
        assert (knock["display_name"], knock["role"]) == (ELENI_NAME, "member")
        assert (await door.hear("waiting"))["state"] == "waiting"

        assert (await chair.request(type="admit", knock=knock["knock"]))["type"] == "done"
        eleni = await sitting.eleni.enter(door)
        assert await door.closed() == CloseCode.NORMAL
        assert [each["display_name"] for each in eleni.joined["participants"]] == [
            CHAIR_NAME, ELENI_NAME,
        ]  # fmt: skip
        await eleni.request(type="leave")
        await chair.hear("participant_left")
        assert await sitting.server.audited("admit_to_room") == 1
        await settled(sitting, [
            ("entered", CHAIR_NAME), ("entered", ELENI_NAME), ("left", ELENI_NAME),
        ])  # fmt: skip


async def settled(sitting: Council, expected: list[tuple[str, str]]) -> None:
    """Wait until the presence is written."""
    async with asyncio.timeout(PATIENCE_S):
        while (found := await sitting.server.presence()) != expected:
            assert len(found) <= len(expected), found
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("backend", BACKENDS)
async def test_a_forwarded_link_is_answered_like_a_random_one(backend: str, tmp_path: Path) -> None:
    async with council(tmp_path, backend) as sitting:
        random = f"/sittings/{new_id()}/enter"
        api = sitting.server.path.replace("/sittings/", "/api/v1/sittings/").replace(
            "/enter", "/tickets"
        )
        stranger = sitting.giorgos
        real_page = await stranger.visitor.get(sitting.server.path)
        random_page = await stranger.visitor.get(random)
        assert real_page.status == random_page.status == 404
        hidden = re.compile(r"/sittings/[0-9a-f]{32}")
        assert hidden.sub("", real_page.text) == hidden.sub("", random_page.text)
        foreign, unknown = (
            await stranger.ticket(path=api),
            await stranger.ticket(path=api.replace(sitting.server.sitting_id, new_id())),
        )
        assert foreign == unknown and foreign[0] == 404


async def test_who_has_not_signed_in_is_sent_to_sign_in_whatever_the_id(tmp_path: Path) -> None:
    async with council(tmp_path) as sitting, sitting.server.accounts.visitor() as nobody:
        for path in (sitting.server.path, f"/sittings/{new_id()}/enter", "/sittings/x/enter"):
            shown = await nobody.get(path, follow=False)
            assert (shown.status, shown.headers["Location"]) == (303, "/sign-in")
        assert (await Guest(sitting.server, nobody).ticket())[0] == 404


async def test_who_comes_early_waits_and_is_not_admitted_by_the_hour(tmp_path: Path) -> None:
    async with council(tmp_path) as sitting:
        now = sitting.server.accounts.service._now()
        await sitting.server.change(starts_at=now + timedelta(minutes=28))
        door = await sitting.eleni.knock()
        assert (await door.hear("waiting"))["state"] == "early"
        chair = await sitting.chair.walk_in()  # the chair's window is open already
        (knock,) = await queue_of(chair, 1)
        assert knock["is_early"] is True
        refused = await chair.request(type="admit", knock=knock["knock"])
        assert refused["code"] == ErrorCode.TOO_EARLY
        assert (await chair.request(type="admit"))["type"] == "done"

        sitting.server.accounts.clock.shift_s += 14 * 60
        assert (await door.hear("waiting"))["state"] == "waiting"
        assert "admitted" not in [each["type"] for each in door.heard]


async def test_nobody_waits_for_a_sitting_of_next_week(tmp_path: Path) -> None:
    async with council(tmp_path) as sitting:
        now = sitting.server.accounts.service._now()
        week = timedelta(days=7)
        await sitting.server.change(starts_at=now + week, ends_at=now + week + timedelta(hours=1))
        page = await sitting.eleni.visitor.get(sitting.server.path)
        assert "δεν έχει ανοίξει" in page.text and "main.js" not in page.text
        status, answer = await sitting.eleni.ticket()
        door = await sitting.eleni.socket("/door")
        reply = await door.request(type="knock", ticket=answer["ticket"])
        assert (status, reply["code"]) == (200, ErrorCode.TOO_EARLY)


async def test_ticket_and_token_are_good_once_and_only_in_their_browser(tmp_path: Path) -> None:
    async with council(tmp_path) as sitting:
        _, answer = await sitting.eleni.ticket()
        thief = await sitting.giorgos.socket("/door")
        stolen = await thief.request(type="knock", ticket=answer["ticket"])
        assert stolen["code"] == ErrorCode.BAD_TICKET

        door = await sitting.chair.knock()
        token = (await door.hear("admitted"))["token"]
        first = await sitting.chair.socket("/ws")
        assert (await first.request(type="join", token=token))["type"] == "joined"
        second = await sitting.chair.socket("/ws")
        replay = await second.request(type="join", token=token)
        assert replay["code"] == ErrorCode.TOKEN_USED


async def test_the_cookie_alone_opens_nothing_and_other_sites_open_no_socket(
    tmp_path: Path,
) -> None:
    async with council(tmp_path) as sitting:
        door = await sitting.eleni.socket("/door")
        reply = await door.request(type="knock", ticket=sitting.eleni.visitor.cookie())
        assert reply["code"] == ErrorCode.BAD_TICKET
        http, url = sitting.eleni.visitor.http, sitting.server.accounts.url
        for origin in ("https://evil.test", "null", f"{url}.evil.test"):
            async with http.get(url + "/door", headers={"Origin": origin}) as response:
                assert response.status == 403
            async with http.post(
                f"{url}/api/v1/sittings/{sitting.server.sitting_id}/tickets",
                json={}, headers={"Origin": origin},
            ) as response:  # fmt: skip
                assert response.status == 403


async def test_before_the_admission_a_knocker_learns_nothing(tmp_path: Path) -> None:
    async with council(tmp_path) as sitting:
        await sitting.chair.walk_in()
        door = await sitting.eleni.knock()
        await door.hear("waiting")
        text = str(door.heard)
        assert CHAIR_NAME not in text and sitting.server.room not in text
        page = await sitting.eleni.visitor.get(sitting.server.path)
        assert CHAIR_NAME not in page.text and sitting.server.room not in page.text
        room_page = await sitting.eleni.visitor.get(f"/rooms/{sitting.server.room}")
        assert room_page.status == 404
        for message in ({"type": "offer", "sdp": "v=0"}, {"type": "chat", "text": "x"}):
            assert (await door.request(**message))["code"] == ErrorCode.UNKNOWN_TYPE


async def test_the_refused_is_out_and_cannot_come_back_at_once(
    tmp_path: Path,
) -> None:
    async with council(tmp_path) as sitting:
        chair = await sitting.chair.walk_in()
        door = await sitting.eleni.knock()
        (knock,) = await queue_of(chair, 1)
        await chair.request(type="refuse", knock=knock["knock"], reason="Όχι τώρα")
        async with asyncio.timeout(PATIENCE_S):
            assert await door.closed() == CloseCode.REFUSED
        assert door.heard[-1]["reason"] == "Όχι τώρα"
        _, answer = await sitting.eleni.ticket()
        again = await sitting.eleni.socket("/door")
        reply = await again.request(type="knock", ticket=answer["ticket"])
        assert reply["code"] == ErrorCode.KNOCK_LATER
        sitting.server.accounts.clock.shift_s += 61
        assert (await (await sitting.eleni.knock()).hear("waiting"))["state"] == "waiting"
        assert await sitting.server.audited("refuse_entry") == 1
        await settled(sitting, [("entered", CHAIR_NAME), ("refused", ELENI_NAME)])


@pytest.mark.parametrize("backend", BACKENDS)
async def test_the_moved_back_waits_again_and_the_token_is_worthless(
    backend: str, tmp_path: Path
) -> None:
    async with council(tmp_path, backend) as sitting:
        chair = await sitting.chair.walk_in()
        door = await sitting.eleni.knock()
        await queue_of(chair, 1)
        await chair.request(type="admit")
        eleni = await sitting.eleni.enter(door)
        await chair.request(type="move_back", participant=eleni.joined["participant"])
        assert await eleni.closed() == CloseCode.MOVED_BACK
        assert eleni.heard[-1]["type"] == "moved_back"
        back = await sitting.eleni.socket("/ws")
        refused = await back.request(**eleni.resume_message())
        assert refused["code"] == ErrorCode.RESUME_REFUSED
        await sitting.eleni.knock()
        (knock,) = [
            each for each in await queue_of(chair, 1) if each["is_connected"]
        ] or await queue_of(chair, 1)
        assert knock["display_name"] == ELENI_NAME
        assert await audited_soon(sitting, "move_back") == 1


async def audited_soon(sitting: Council, action: str) -> int:
    for _ in range(50):
        if found := await sitting.server.audited(action):
            return found
        await asyncio.sleep(0.05)
    return 0


async def test_guests_enter_a_sitting_that_admits_them_one_by_one(tmp_path: Path) -> None:
    async with (
        council(tmp_path, admits_guests=True) as sitting,
        sitting.server.accounts.visitor() as visitor,
    ):
        guest = Guest(sitting.server, visitor)
        assert (await guest.ticket("Σοφία"))[0] == 403, "without the page's cookie"
        assert await guest.open() == 200
        assert (await guest.ticket("‮evil"))[0] == 400
        door = await guest.knock("Σοφία")
        chair = await sitting.chair.walk_in()
        (knock,) = await queue_of(chair, 1)
        assert (knock["display_name"], knock["is_known"]) == ("Σοφία", False)
        await chair.request(type="admit")
        await chair.request(type="admit", knock=knock["knock"])
        room = await guest.enter(door)
        assert room.joined["role"] == "guest" and room.joined["grants"]["microphone"] is False


async def test_a_closed_sitting_admits_no_guests_whatever_its_row_says(tmp_path: Path) -> None:
    async with (
        council(tmp_path, admits_guests=True, is_closed=True) as sitting,
        sitting.server.accounts.visitor() as visitor,
    ):
        guest = Guest(sitting.server, visitor)
        shown = await visitor.get(sitting.server.path, follow=False)
        assert shown.status == 303
        assert (await guest.ticket("Σοφία"))[0] == 404
        assert await sitting.giorgos.open() == 404


async def test_guests_who_wait_are_not_admitted_once_the_sitting_is_closed(
    tmp_path: Path,
) -> None:
    async with (
        council(tmp_path, admits_guests=True) as sitting,
        sitting.server.accounts.visitor() as visitor,
    ):
        guest = Guest(sitting.server, visitor)
        await guest.open()
        await guest.knock("Σοφία")
        chair = await sitting.chair.walk_in()
        (knock,) = await queue_of(chair, 1)
        await sitting.server.change(is_closed=True)
        refused = await chair.request(type="admit", knock=knock["knock"])
        assert refused["code"] == ErrorCode.NOT_ALLOWED


async def test_the_uninvited_is_not_admitted_any_more(tmp_path: Path) -> None:
    async with council(tmp_path) as sitting:
        await sitting.eleni.knock()
        chair = await sitting.chair.walk_in()
        (knock,) = await queue_of(chair, 1)
        await revoke(sitting, "eleni@dimos.gr")
        refused = await chair.request(type="admit", knock=knock["knock"])
        assert refused["code"] == ErrorCode.NOT_ALLOWED
        assert await sitting.eleni.open() == 404


async def revoke(sitting: Council, email: str) -> None:
    service = sitting.server.accounts.service
    async with service.database.write() as session:
        await session.execute(
            update(Invitation).where(Invitation.email == email).values(revoked_at=service._now())
        )


async def test_the_coordinator_enters_at_once_and_sees_the_live_view(tmp_path: Path) -> None:
    async with council(tmp_path) as sitting:
        live = f"/desk/sittings/{sitting.server.sitting_id}/live"
        assert (await sitting.giorgos.visitor.get(live)).status == 404
        await sitting.server.make_coordinator(GIORGOS)
        await sitting.eleni.knock()
        room = await sitting.giorgos.walk_in()
        assert room.joined["role"] == "coordinator" and room.joined["grants"]["moderate"] is True
        shown = await sitting.giorgos.visitor.get(live)
        assert shown.status == 200 and ELENI_NAME in shown.text and "ΓΙΩΡΓΟΣ" in shown.text
        part = await sitting.giorgos.visitor.get(live + "?part=1")
        assert ELENI_NAME in part.text and "<html" not in part.text
        assert (await sitting.eleni.visitor.get(live)).status == 404


@pytest.fixture
def fast_refresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read again every few seconds is read at once."""
    monkeypatch.setattr(sitting_rooms, "REFRESH_S", 0.05)


@pytest.mark.usefixtures("fast_refresh")
@pytest.mark.parametrize("backend", BACKENDS)
async def test_the_room_is_warned_and_closed_at_its_end_and_an_extension_moves_it(
    backend: str, tmp_path: Path
) -> None:
    async with council(tmp_path, backend) as sitting:
        server = sitting.server
        end = server.accounts.service._now() + timedelta(minutes=5)
        await server.change(ends_at=end)  # the room closes a quarter of an hour later
        chair = await sitting.chair.walk_in()
        await move_on(sitting, 10.5)
        assert (await chair.hear("closing_soon"))["minutes"] == 10
        await server.change(ends_at=end + timedelta(minutes=12))
        await asyncio.sleep(0.3)
        await move_on(sitting, 20.5)
        assert (await chair.request(type="ping"))["type"] == "done", "extended by twelve minutes"
        await move_on(sitting, 30.2)
        assert (await chair.hear("closing_soon"))["minutes"] == 2
        door = await sitting.eleni.knock()
        server.accounts.clock.shift_s = 32.2 * 60
        assert (await chair.hear("room_closed"))["reason"] == "time_over"
        assert await chair.closed() == CloseCode.ROOM_CLOSED
        assert await door.closed() == CloseCode.ROOM_CLOSED
        assert (await sitting.eleni.ticket())[0] == 409
        await gone(sitting)


async def move_on(sitting: Council, minutes: float) -> None:
    """Move the clock, with a page opened on the way so that nobody is signed out."""
    sitting.server.accounts.clock.shift_s = minutes * 60
    await sitting.eleni.open()
    await asyncio.sleep(0.3)


async def gone(sitting: Council) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while sitting.server.room in sitting.server.accounts.directory.rooms.rooms:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


@pytest.mark.usefixtures("fast_refresh")
@pytest.mark.parametrize("state", [SittingState.CANCELLED, SittingState.ENDED])
async def test_cancelled_or_ended_the_room_is_closed(state: SittingState, tmp_path: Path) -> None:
    async with council(tmp_path) as sitting:
        chair = await sitting.chair.walk_in()
        door = await sitting.eleni.knock()
        await sitting.server.change(state=state.value)
        assert (await chair.hear("room_closed"))["reason"] == state.value
        assert (await door.hear("dismissed"))["outcome"] == state.value
        await gone(sitting)
        page = await sitting.eleni.visitor.get(sitting.server.path)
        assert page.status == 200 and "main.js" not in page.text
        await settled(sitting, [("entered", CHAIR_NAME), ("left", CHAIR_NAME)])


async def test_without_the_database_the_room_goes_on_and_entries_fail_cleanly(
    tmp_path: Path,
) -> None:
    async with council(tmp_path) as sitting:
        chair = await sitting.chair.walk_in()
        await sitting.eleni.knock()
        (knock,) = await queue_of(chair, 1)
        database = sitting.server.accounts.service.database
        database.is_migrated = False  # every session says StorageUnavailable
        refused = await chair.request(type="admit", knock=knock["knock"])
        assert (refused["code"], refused["retry_after_s"]) == (ErrorCode.ROOM_UNAVAILABLE, 5)
        assert (await chair.request(type="chat", text="Συνεχίζουμε"))["type"] == "done"
        api = f"/api/v1/sittings/{sitting.server.sitting_id}/tickets"
        url = sitting.server.accounts.url
        async with sitting.eleni.visitor.http.post(
            url + api, json={}, headers={"Origin": url}
        ) as response:
            assert response.status == 503 and response.headers["Retry-After"]
        page = await sitting.eleni.visitor.get(sitting.server.path)
        assert page.status == 503 and page.headers["Retry-After"]
        await chair.request(type="refuse", knock=knock["knock"])
        database.is_migrated = True
        await settled(sitting, [("entered", CHAIR_NAME), ("refused", ELENI_NAME)])
