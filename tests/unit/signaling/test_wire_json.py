"""Strict decoding: what is no message of ours is refused by name, whatever it is."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.errors import ErrorCode
from signaling.messages import MAX_MESSAGE_BYTES, Chat, ClientMessage, Error, Ping
from signaling.wire_json import (
    MAX_DEPTH,
    MESSAGE_TYPES,
    MessageRefused,
    SharedEncoder,
    _depth,
    decode_client_message,
)


def refusal(text: str) -> MessageRefused:
    with pytest.raises(MessageRefused) as refused:
        decode_client_message(text)
    return refused.value


BAD = {
    "empty": "",
    "no json": "hello",
    "list": "[]",
    "number": "1",
    "null": "null",
    "no type": '{"id":1}',
    "type is a number": '{"id":1,"type":1}',
    "type is a list": '{"id":1,"type":["ping"]}',
    "no id": '{"type":"ping"}',
    "negative id": '{"type":"ping","id":-1}',
    "id above 2^53": '{"type":"ping","id":9007199254740992}',
    "id is text": '{"type":"ping","id":"1"}',
    "id is a fraction": '{"type":"ping","id":1.5}',
    "id is true": '{"type":"ping","id":true}',
    "huge exponent": '{"type":"ping","id":1e999}',
    "million digits": '{"type":"ping","id":' + "9" * 60_000 + "}",
    "nan": '{"type":"ping","id":NaN}',
    "infinity": '{"type":"ping","id":-Infinity}',
    "duplicate name": '{"type":"ping","id":1,"id":2}',
    "duplicate type": '{"type":"ping","type":"leave","id":1}',
    "duplicate by escape": '{"type":"ping","id":1,"\\u0069d":2}',
    "duplicate in a nested object": (
        '{"type":"layout","id":1,"video":[{"mid":"1","max_height":1,"max_height":2}]}'
    ),
    "unknown field": '{"type":"ping","id":1,"x":1}',
    "__proto__": '{"type":"ping","id":1,"__proto__":{"moderate":true}}',
    "lone surrogate": '{"type":"chat","id":1,"text":"\\ud800"}',
    "control character": '{"type":"chat","id":1,"text":"\n"}',
    "empty text": '{"type":"chat","id":1,"text":""}',
    "long text": json.dumps({"type": "chat", "id": 1, "text": "x" * 2001}),
    "trailing bytes": '{"type":"ping","id":1} {}',
    "byte order mark": '\ufeff{"type":"ping","id":1}',
    "comment": '{"type":"ping",/**/"id":1}',
    "single quotes": "{'type':'ping','id':1}",
    "deep arrays": '{"type":"ping","id":' + "[" * 30_000 + "]" * 30_000 + "}",
    "deep unclosed": "[" * 60_000,
    "deep in an ignored place": (
        '{"type":"layout","id":1,"video":[{"mid":"1","x":' + "[" * 100 + "]" * 100 + "}]}"
    ),
    "source that is none": '{"type":"mute","id":1,"source":"smell","muted":true}',
    "bad identifier": '{"type":"kick","id":1,"participant":"../etc"}',
    "bad mid": '{"type":"layout","id":1,"video":[{"mid":"a b"}]}',
    "height below zero": '{"type":"layout","id":1,"video":[{"mid":"1","max_height":-1}]}',
    "too many wishes": json.dumps(
        {"type": "layout", "id": 1, "video": [{"mid": str(n)} for n in range(65)]}
    ),
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_what_is_no_message_is_refused(text: str) -> None:
    assert refusal(text).code is ErrorCode.BAD_MESSAGE


def test_unknown_type_has_its_own_code_and_keeps_the_id() -> None:
    error = refusal('{"type":"dance","id":7}')

    assert (error.code, error.request_id) == (ErrorCode.UNKNOWN_TYPE, 7)


def test_refusal_keeps_an_id_that_could_be_read() -> None:
    assert refusal('{"type":"chat","id":7}').request_id == 7
    assert refusal('{"type":"chat","id":-7}').request_id is None


def test_size_is_counted_in_bytes() -> None:
    greek = "Ω" * (MAX_MESSAGE_BYTES // 2)

    assert refusal(greek + "Ω").code is ErrorCode.TOO_LARGE
    assert refusal(greek).code is ErrorCode.BAD_MESSAGE


def test_refusal_does_not_repeat_the_senders_values() -> None:
    assert "needle" not in str(refusal('{"type":"mute","id":1,"source":"needle","muted":true}'))
    assert "needle" not in str(refusal('{"type":"join","id":"needle","token":"needle"}'))


def test_good_message_is_read() -> None:
    assert decode_client_message(' {"type":"ping","id":0} ') == Ping(id=0)
    assert decode_client_message('{"id":1,"text":"[{\\"","type":"chat"}') == Chat(id=1, text='[{"')


def test_every_client_message_is_known_by_type() -> None:
    assert len(MESSAGE_TYPES) == len(ClientMessage.__subclasses__()) == 13


@given(st.text(max_size=300))
def test_any_text_is_a_message_or_refused(text: str) -> None:
    try:
        decode_client_message(text)
    except MessageRefused as error:
        assert error.code in (ErrorCode.BAD_MESSAGE, ErrorCode.UNKNOWN_TYPE)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


@given(JSON)
def test_depth_is_exact(value: object) -> None:
    assert _depth(json.dumps(value)) == depth_of(value)


def depth_of(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)
    return 0


@pytest.mark.parametrize("unit", ['"', '\\"', '"\\', "\\", "[", '"a'], ids=repr)
def test_depth_is_counted_in_linear_time(unit: str) -> None:
    def cost(size: int) -> float:
        text = '"' + unit * (size // len(unit))
        started = time.process_time()
        for _ in range(5):
            _depth(text)
        return time.process_time() - started

    cost(1000)
    assert cost(64_000) < 0.5 + MAX_DEPTH * cost(16_000)


def test_shared_encoder_encodes_once_and_never_mixes_messages_up() -> None:
    encoder = SharedEncoder()
    first, second = (Error(id=n, code="x", message="") for n in (1, 2))

    assert encoder.encode(first) is encoder.encode(first)
    assert '"id":2' in encoder.encode(second)
    assert '"id":1' in encoder.encode(first)
