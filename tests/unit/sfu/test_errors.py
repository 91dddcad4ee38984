"""Errors keep their code and facts over the wire, and the list of codes is closed."""

import msgspec
import pytest

from sfu import errors
from sfu.errors import ErrorCode, SfuError, error_of, failure_of
from sfu.rpc_messages import Failure
from sfu.values import RoomClass

EXAMPLES: list[SfuError] = [
    errors.RpcVersionMismatch(ours=1, theirs=2),
    errors.BadRequest(detail="no hello"),
    errors.UnknownRoom(room="plenary"),
    errors.UnknownParticipant(room="plenary", participant="p-1"),
    errors.RoomClassFixed(room="plenary", room_class=RoomClass.COUNCIL, asked=RoomClass.KEP),
    errors.WrongWorkerClass(worker_class=RoomClass.COUNCIL, asked=RoomClass.KEP),
    errors.RoomFull(room="plenary", capacity=2),
    errors.WorkerUnavailable(detail="not connected", retry_after_s=7),
    errors.BadSdp(detail="no mid", mid="0"),
    errors.UnsupportedSdp(detail="no ICE"),
    errors.FingerprintMissing(offered="sha-1"),
    errors.NotAllowed(participant="p-1", grant="camera"),
    errors.ResumeRefused(participant="p-1"),
    errors.TooManyStreams(what="m-lines", limit=80),
    errors.BadLayout(mid="3", detail="named twice"),
    errors.InternalError(),
]


def test_every_code_has_exactly_one_error() -> None:
    assert sorted(error.code for error in EXAMPLES) == sorted(ErrorCode)
    assert {type(error) for error in EXAMPLES} == set(SfuError.__subclasses__())


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: error.code)
def test_error_survives_the_wire(error: SfuError) -> None:
    frame = msgspec.msgpack.encode(failure_of(error))

    received = error_of(msgspec.msgpack.decode(frame, type=Failure))

    assert type(received) is type(error)
    assert vars(received) == vars(error)
    assert str(received) == str(error)
    assert received.retry_after_seconds == error.retry_after_seconds


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: error.code)
def test_text_names_the_facts(error: SfuError) -> None:
    text = str(error)

    for fact in vars(error).values():
        if isinstance(fact, str):
            assert str(fact) in text


def test_unknown_code_becomes_internal_error() -> None:
    received = error_of(Failure(code="from_the_future", message="what"))

    assert isinstance(received, errors.InternalError)
    assert "from_the_future" in str(received)


def test_facts_that_do_not_fit_become_internal_error() -> None:
    received = error_of(Failure(code="unknown_room", message="?", facts={"chamber": "x"}))

    assert isinstance(received, errors.InternalError)
