"""Strict decoding of client messages, and encoding of the server's. Pure.

Stricter than RFC 8259 §4 asks: a name that occurs twice in an object is refused, because two
readers may each believe another one (the defect of JSA-2023-0001).
"""

from __future__ import annotations

import json
import re
from typing import Any, get_args

import msgspec

from signaling.errors import ErrorCode, RequestError
from signaling.messages import MAX_MESSAGE_BYTES, ClientMessage, ClientMessages, ServerMessage

MAX_DEPTH = 16
"""Deepest nesting of arrays and objects. Our own messages need 3."""
MAX_INTEGER_DIGITS = 20
"""2⁵³ has 16 digits. Bounds the quadratic cost of long integers."""


class MessageRefused(RequestError):
    """A text that is no message of ours. `request_id` is its id if one could be read, `asked_type` its
    type if that is the only thing wrong."""

    def __init__(
        self, code: ErrorCode, detail: str, request_id: int | None = None, asked_type: str = ""
    ) -> None:
        super().__init__(code, detail)
        self.request_id = request_id
        self.asked_type = asked_type


class MessageDecoder:
    """Decodes the messages of one kind of socket."""

    def __init__(self, messages: Any) -> None:
        """`messages` is the union of the types of messages."""
        self._types = frozenset(str(each.__struct_config__.tag) for each in get_args(messages))
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(messages)

    def decode(self, text: str) -> ClientMessage:
        """Return the message in `text`.

        Raises:
            MessageRefused: it is too large, no JSON, or no message of these.
        """
        if (
            len(text) > MAX_MESSAGE_BYTES
            or len(text.encode("utf-8", "replace")) > MAX_MESSAGE_BYTES
        ):
            raise MessageRefused(ErrorCode.TOO_LARGE, f"more than {MAX_MESSAGE_BYTES} bytes")
        value = _parse(text)
        if not isinstance(value, dict):
            raise MessageRefused(ErrorCode.BAD_MESSAGE, "a message is one JSON object")
        request_id = _request_id(value)
        message_type = value.get("type")
        if isinstance(message_type, str) and message_type not in self._types:
            raise MessageRefused(
                ErrorCode.UNKNOWN_TYPE, "no such message type", request_id, message_type
            )
        try:
            # From the text once more, not from `value`: msgspec also refuses lone surrogates.
            message: ClientMessage = self._decoder.decode(text)
            return message
        except msgspec.DecodeError as error:
            raise MessageRefused(ErrorCode.BAD_MESSAGE, safe_detail(error), request_id) from None


def decode_client_message(text: str) -> ClientMessage:
    """Return the message of a participant in `text`; see `MessageDecoder`."""
    return _PARTICIPANTS.decode(text)


def is_strict_json(text: str) -> bool:
    """Return whether `text` is JSON without repeated names, deep nesting, long or odd numbers."""
    try:
        _parse(text)
    except MessageRefused:
        return False
    return True


def encode_server_message(message: ServerMessage) -> str:
    """Return the text frame of `message`."""
    return _ENCODER.encode(message).decode()


class SharedEncoder:
    """Encodes a message once however many sockets it goes to, if they ask one after the other."""

    def __init__(self) -> None:
        self._last_message: ServerMessage | None = None
        self._last_text = ""

    def encode(self, message: ServerMessage) -> str:
        """Return the text frame of `message`."""
        if message is not self._last_message:
            self._last_text = encode_server_message(message)
            self._last_message = message
        return self._last_text


def _parse(text: str) -> Any:
    if _depth(text) > MAX_DEPTH:
        raise MessageRefused(ErrorCode.BAD_MESSAGE, f"nested deeper than {MAX_DEPTH}")
    try:
        return _STRICT_JSON.decode(text)
    except ValueError:
        raise MessageRefused(ErrorCode.BAD_MESSAGE, "not strict JSON") from None


def _depth(text: str) -> int:
    """Return the deepest nesting, counted before any parser recurses. Exact for valid JSON."""
    deepest = depth = 0
    for bracket in _BRACKET.findall(_STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate name")
    return members


def _bounded_int(digits: str) -> int:
    if len(digits) > MAX_INTEGER_DIGITS:
        raise ValueError("integer too long")
    return int(digits)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _request_id(members: dict[str, Any]) -> int | None:
    request_id = members.get("id")
    is_valid = type(request_id) is int and 0 <= request_id <= 2**53 - 1
    return request_id if is_valid else None


def safe_detail(error: msgspec.DecodeError) -> str:
    """Return which field is wrong, without the value: that may be a name or a token."""
    if not isinstance(error, msgspec.ValidationError):
        return "not strict JSON"
    detail = str(error)
    return "unexpected value" if detail.startswith("Invalid") else detail[:200]


# Possessive, and an unterminated string runs to the end: linear for every input.
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")
_STRICT_JSON = json.JSONDecoder(
    object_pairs_hook=_refuse_duplicates, parse_int=_bounded_int, parse_constant=_refuse_constant
)
_PARTICIPANTS = MessageDecoder(ClientMessages)
_ENCODER = msgspec.json.Encoder()
