"""What a simulated participant does as the page does: asking a busy service again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import msgspec
import pytest

from loadtest.participant import ATTEMPTS, JoinFailed, Participant
from signaling import messages

pytestmark = pytest.mark.asyncio

BUSY, FULL, DONE = "room_unavailable", "room_full", ""


class ScriptedSocket:
    """Answers requests at once, each with the next code; an empty one is success."""

    def __init__(self, participant: Participant, codes: Sequence[str]) -> None:
        self.participant = participant
        self.codes = list(codes)

    async def send_str(self, text: str) -> None:
        request = msgspec.json.decode(text)["id"]
        code = self.codes.pop(0)
        answer: messages.ServerMessage = messages.Done(id=request)
        if code:
            answer = messages.Error(id=request, code=code, message="", retry_after_s=0)
        self.participant._replies[request].set_result(answer)


def participant_told(*codes: str) -> Participant:
    nothing = cast(Any, None)
    made = Participant(1, 0, "load-1", nothing, nothing, nothing, "")
    made._socket = cast(Any, ScriptedSocket(made, codes))
    return made


async def test_busy_service_is_asked_again_and_that_is_noted() -> None:
    participant = participant_told(BUSY, BUSY, DONE)

    answer = await participant._request(messages.Leave)

    assert isinstance(answer, messages.Done)
    assert participant.errors == [BUSY, BUSY]


async def test_service_that_stays_busy_has_failed() -> None:
    participant = participant_told(*[BUSY] * ATTEMPTS, DONE)

    with pytest.raises(JoinFailed, match=BUSY):
        await participant._request(messages.Leave)


async def test_refusal_is_not_argued_with() -> None:
    participant = participant_told(FULL, DONE)

    with pytest.raises(JoinFailed, match=FULL):
        await participant._request(messages.Leave)
