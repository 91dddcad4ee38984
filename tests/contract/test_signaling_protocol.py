"""docs/signaling-protocol.md is true: its examples parse, its tables are complete, its dialogue
happens so on the real server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sfu.values import Role
from signaling import limits, messages
from signaling.errors import CloseCode, ErrorCode
from signaling.messages import ClientMessage, ServerMessage, ServerMessages
from signaling.wire_json import decode_client_message
from tests.support.signaling_parts import CountingRandomness
from tests.support.signaling_server import Client, running_server

DOCUMENT = Path(__file__).parents[2] / "docs" / "signaling-protocol.md"
BLOCK = re.compile(r"^```json (?P<label>\S+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Example:
    """One JSON block of the document."""

    label: str
    """`client`, `server`, `from=NAME` or `to=NAME`."""
    text: str

    @property
    def is_from_client(self) -> bool:
        return self.label == "client" or self.label.startswith("from=")

    @property
    def value(self) -> dict[str, Any]:
        decoded: dict[str, Any] = msgspec.json.decode(self.text)
        return decoded


def examples() -> list[Example]:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text.count("```json") == len(BLOCK.findall(text)), "a JSON block without a label"
    return [Example(match["label"], match["text"]) for match in BLOCK.finditer(text)]


def types_of(base: type[msgspec.Struct]) -> set[str]:
    return {str(each.__struct_config__.tag) for each in base.__subclasses__()}


@pytest.mark.parametrize(
    "example", examples(), ids=lambda each: f"{each.label}-{each.value['type']}"
)
def test_example_is_a_message(example: Example) -> None:
    if example.is_from_client:
        decode_client_message(example.text)
    else:
        decoded: Any = msgspec.json.decode(example.text, type=ServerMessages, strict=True)
        assert msgspec.json.decode(msgspec.json.encode(decoded)) == example.value


def test_every_message_has_an_example() -> None:
    shown = {(example.is_from_client, example.value["type"]) for example in examples()}

    assert {kind for is_client, kind in shown if is_client} == types_of(ClientMessage)
    assert {kind for is_client, kind in shown if not is_client} == types_of(ServerMessage)


def table_after(heading: str) -> list[list[str]]:
    section = DOCUMENT.read_text(encoding="utf-8").split(heading)[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def test_error_table_is_complete() -> None:
    assert [row[0].strip("`") for row in table_after("## 7. Errors")] == list(ErrorCode)


def test_close_code_table_is_complete() -> None:
    documented = {(int(row[0]), row[1].split("`")[1]) for row in table_after("## 8. Close codes")}

    assert documented == {(code.value, code.name.lower()) for code in CloseCode}


def test_limits_are_as_documented() -> None:
    session, outgoing = limits.SessionLimits(), limits.OutgoingLimits()
    text = DOCUMENT.read_text(encoding="utf-8")

    for fact in (
        f"{messages.MAX_MESSAGE_BYTES:,} bytes, nesting 16",
        f"{session.message_burst:.0f} at once, then {session.message_rate:.0f} a second",
        f"{session.offer_burst:.0f} at once, then {session.offer_rate:.0f} a second",
        f"{session.chat_burst:.0f} at once, then {session.chat_rate:.0f} a second",
        f"| {session.waiting_requests} |",
        f"{session.refusals} refusals close",
        f"| {session.join_timeout_s:.0f} s | closed with 4000",
        f"| {session.idle_timeout_s:.0f} s | closed with 4001",
        f"| {session.join_attempts} | closed with 4007",
        f"more than {outgoing.messages:,} messages or 1 MiB",
    ):
        assert fact in text, fact


def dialogue() -> Iterator[tuple[str, bool, dict[str, Any]]]:
    """Yield (name, whether the client sends it, message) in the order of the document."""
    for example in examples():
        direction, _, name = example.label.partition("=")
        if name:
            yield name, direction == "from", example.value


@pytest.mark.asyncio
async def test_dialogue_happens_on_the_real_server() -> None:
    async with running_server(randomness=CountingRandomness()) as server:
        tokens = {
            "TOKEN-OF-ANNA": server.token(name="Άννα", role=Role.CHAIR),
            "TOKEN-OF-VASILIS": server.token(name="Βασίλης", role=Role.MEMBER),
        }
        clients: dict[str, Client] = {}
        for name, is_sent, message in dialogue():
            if name not in clients:
                clients[name] = await server.connect()
            if is_sent:
                if "token" in message:
                    message["token"] = tokens[message["token"]]
                await clients[name].socket.send_str(msgspec.json.encode(message).decode())
            else:
                await expect(clients[name], message)

        assert await clients["vasilis"].closed() == CloseCode.KICKED
        assert await clients["anna"].closed() == CloseCode.ROOM_CLOSED


async def expect(client: Client, expected: dict[str, Any]) -> None:
    """Read until `expected` comes. Other notifications may come before it, and `done`."""
    while True:
        message = await client.receive()
        if "sent_at" in message:
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", message["sent_at"])
            message["sent_at"] = expected.get("sent_at")
        if message == expected:
            return
        is_done = message["type"] == "done"
        assert "id" not in message or is_done, f"{message} instead of {expected}"
