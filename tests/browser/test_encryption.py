"""Kep calls in real browsers: encrypted end to end, never open by mistake, and honest about it."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from tests.browser.conftest import SMALL, Stage
from tests.browser.test_pages import axe_findings
from tests.support.browser import eventually
from tests.support.key_swapper import key_swapper
from tests.support.participant import Participant, Sight, perceive, see_and_hear_each_other
from tests.support.rtc_peer import rtc_peer
from tests.support.service import Service, running_service

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(150),
]

READ = """async () => {
  const now = await window.synedrion.encryption();
  const shown = document.querySelector('#encryption');
  return now && { ...now, codes: Object.fromEntries(now.codes), shown: shown.textContent,
    alarm: shown.dataset.state === 'alarm' };
}"""
WITHOUT_TRANSFORMS = "delete window.RTCRtpScriptTransform"


class Encryption(msgspec.Struct, frozen=True):
    """What a page knows and shows of its encryption."""

    state: str
    codes: dict[str, str]
    frames: dict[str, int]
    shown: str
    alarm: bool


async def encryption_of(person: Participant) -> Encryption:
    """Return it once the page has everybody's keys."""

    async def read() -> Encryption | None:
        value: Any = await person.window.call(READ)
        return None if value is None else msgspec.convert(value, Encryption)

    found = await eventually(
        read, lambda each: each is not None and each.state in ("on", "plain"), "encryption"
    )
    assert found is not None
    return found


async def meet(stage: Stage, room: str) -> list[Participant]:
    """Let a citizen and an employee meet, in two kinds of browsers."""
    people = await stage.enter_all(
        room, ("chromium", "Πολίτης", "citizen"), ("firefox", "ΚΕΠ", "employee")
    )
    await see_and_hear_each_other(people)
    return people


async def test_two_browsers_meet_encrypted_and_show_the_same_code(stage: Stage) -> None:
    people = await meet(stage, stage.service.new_kep_room("?lang=el"))

    seen = [await encryption_of(person) for person in people]

    (code,), (other_code,) = (each.codes.values() for each in seen)
    assert code == other_code
    chromium = people[0].window
    assert await axe_findings(chromium) == []
    await chromium.call("() => document.querySelector('#encryption').click()")
    explained = await chromium.call("() => document.querySelector('dialog[open]').textContent")
    assert code in explained and "Διαβάστε τον κωδικό δυνατά" in explained
    assert await axe_findings(chromium) == []
    for each in seen:
        assert code in each.shown and "Κρυπτογραφημένη" in each.shown
        assert not each.alarm
        assert each.frames["sealed"] > 20 and each.frames["opened"] > 20
        assert not {"plain", "forged", "replayed", "refused_key"} & set(each.frames)


async def test_a_newcomer_and_a_leaver_change_the_keys_and_nobody_loses_the_call(
    stage: Stage,
) -> None:
    room = stage.service.new_kep_room()
    people = await meet(stage, room)
    before = [await encryption_of(person) for person in people]

    interpreter = await stage.enter(room, "chromium", "Διερμηνέας", role="interpreter")
    await see_and_hear_each_other([*people, interpreter])

    codes = [(await encryption_of(person)).codes for person in (*people, interpreter)]
    assert [len(each) for each in codes] == [2, 2, 2]
    assert codes[0][people[1].id] == before[0].codes[people[1].id]
    assert codes[2][people[0].id] == codes[0][interpreter.id]
    await interpreter.press("leave")
    for person in people:
        await person.wait(lambda seen: len(seen.participants) == 2, "the leaver gone")
    await see_and_hear_each_other(people)
    for person in people:
        assert (await encryption_of(person)).state == "on"


async def test_a_server_that_swaps_keys_is_betrayed_by_the_codes(stage: Stage) -> None:
    room = stage.service.new_kep_room().removeprefix(stage.service.base)
    async with key_swapper(stage.service.base) as attacker:
        windows = [
            await stage.browsers[name].window(capture=SMALL) for name in ("chromium", "firefox")
        ]
        people = [
            Participant(window, name)
            for window, name in zip(windows, ("Πολίτης", "ΚΕΠ"), strict=True)
        ]
        try:
            for person, role in zip(people, ("citizen", "employee"), strict=True):
                await person.enter(attacker.address + room, role=role)
            await see_and_hear_each_other(people)
            seen = [await encryption_of(person) for person in people]
        finally:
            await asyncio.gather(*(window.close() for window in windows))

    # The attack is complete: picture and sound flow, and the attacker has everybody's keys.
    assert {who for who, _ in attacker.secrets} == {person.id for person in people}
    (code,), (other_code,) = (each.codes.values() for each in seen)
    assert code != other_code
    for each, own, others in zip(seen, (code, other_code), (other_code, code), strict=True):
        assert own in each.shown and others not in each.shown


@pytest.mark.parametrize("viewing", ["chromium", "firefox"])
async def test_plain_frames_are_never_shown(stage: Stage, viewing: str) -> None:
    room = stage.service.new_kep_room()
    viewer = await stage.enter(room, viewing, "ΚΕΠ", role="employee")
    async with rtc_peer(
        stage.service.base, room.rpartition("/")[2], "Πολίτης", role="citizen"
    ) as rogue:

        def received(seen: Sight) -> bool:
            video, audio = seen.video_of(rogue.id), seen.audio_of(rogue.id)
            return bool(video and audio and video.packets_received > 60
                        and audio.packets_received > 100)  # fmt: skip

        seen = await viewer.wait(received, "the plain packets of the rogue")
        now: Any = await viewer.window.call(READ)

    video, audio = seen.video_of(rogue.id), seen.audio_of(rogue.id)
    assert video is not None and audio is not None
    assert (video.frames_decoded, video.frame_height) == (0, 0)
    assert audio.total_audio_energy < 1e-6
    assert now["state"] == "waiting"
    assert now["frames"].get("opened", 0) == 0
    assert sum(now["frames"].values()) > 50


async def test_lost_socket_new_path_and_dead_worker_leave_the_call_encrypted(
    stage: Stage,
) -> None:
    people = await meet(stage, stage.service.new_kep_room())
    before = [await encryption_of(person) for person in people]

    for person in people:
        await person.window.call("() => window.synedrion.loseSocket()")
    for person in people:
        await person.wait(lambda seen: seen.link == "connected", "resumed", deadline_s=15)
        await person.window.call("() => window.dispatchEvent(new Event('online'))")
    await see_and_hear_each_other(people)
    assert [(await encryption_of(person)).codes for person in people] == [
        each.codes for each in before
    ]

    for person in people:
        await person.probe("rememberTransport")
    stage.service.kill(stage.service.worker_id("kep"))
    for person in people:
        await eventually(
            functools.partial(person.probe, "isSameTransport"), lambda same: not same, "a transport"
        )
    await stage.service.wait_until_ready()
    for person in people:
        seen = await person.wait(lambda seen: len(seen.participants) == 2, "both again")
        person.id = seen.self
    await see_and_hear_each_other(people)
    after = [await encryption_of(person) for person in people]
    assert next(iter(after[0].codes.values())) == next(iter(after[1].codes.values()))
    assert not any("plain" in each.frames for each in after)


@pytest.mark.parametrize(
    ("language", "text"), [("el", "δεν υποστηρίζει"), ("en", "does not support")]
)
async def test_a_browser_that_cannot_encrypt_is_refused_with_an_explanation(
    stage: Stage, language: str, text: str
) -> None:
    window = await stage.window("chromium")
    await window.page.add_init_script(WITHOUT_TRANSFORMS)  # type: ignore[attr-defined]
    await window.open(stage.service.new_kep_room(f"?lang={language}"))

    alert = await eventually(
        lambda: window.call("() => document.querySelector('.lobby-encryption')?.textContent"),
        bool,
        "the explanation",
    )

    assert text in alert
    assert await window.call("() => document.querySelector('.lobby-join')") is None


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lenient_service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """A service whose operator admits browsers that cannot encrypt."""
    folder: Path = tmp_path_factory.mktemp("lenient")
    async with running_service(folder, "lenient", allows_unencrypted=True) as running:
        yield running


async def test_operators_exception_goes_on_only_where_the_person_agrees_and_is_seen(
    lenient_service: Service, stage: Stage
) -> None:
    stage.service = lenient_service
    room = lenient_service.new_kep_room("?lang=el")
    employee = await stage.enter(room, "firefox", "ΚΕΠ", role="employee")
    window = await stage.window("chromium")
    await window.page.add_init_script(WITHOUT_TRANSFORMS)  # type: ignore[attr-defined]
    citizen = Participant(window, "Πολίτης")
    await citizen.enter(room, role="citizen")
    question = "() => document.querySelector('dialog[open]')?.textContent"
    asked = await eventually(lambda: employee.window.call(question), bool, "the question")
    assert "Πολίτης" in asked and "διακομιστής" in asked
    before: Any = await employee.window.call(READ)
    assert before["state"] == "ask" and before["alarm"]
    assert "plain" not in before["frames"]

    await employee.window.call(
        "() => document.querySelector('dialog[open] .govgr-btn-warning').click()"
    )

    await asyncio.gather(perceive(employee, citizen.id), perceive(citizen, employee.id))
    assert (await encryption_of(employee)).state == "plain"
    for person in (employee, citizen):
        shown = await person.window.call(
            "() => document.querySelector('#encryption[data-state=alarm]')?.textContent"
        )
        assert "Χωρίς κρυπτογράφηση" in shown
    log = lenient_service.log.read_text(encoding="utf-8")
    assert "without end-to-end encryption" in log
    assert "Πολίτης" not in log
