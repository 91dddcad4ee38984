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

from sfu.values import Role, RoomClass
from signaling import limits, messages
from signaling.clock import read_clocks
from signaling.door.messages import DoorClientMessages, DoorServerMessages
from signaling.door.values import DoorLimits, Window
from signaling.errors import CloseCode, ErrorCode
from signaling.messages import ClientMessage, ServerMessage, ServerMessages
from signaling.room_session import RoomDescription
from signaling.wire_json import MessageDecoder, decode_client_message
from tests.support.door_parts import RecordingJournal, caller
from tests.support.signaling_parts import CountingRandomness
from tests.support.signaling_server import Client, Server, running_server

DOCUMENT = Path(__file__).parents[2] / "docs" / "signaling-protocol.md"
AT_DOOR = MessageDecoder(DoorClientMessages)
SITTING = RoomDescription("sitting-room", RoomClass.COUNCIL, "Συνεδρίαση")
BLOCK = re.compile(r"^```json (?P<label>\S+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Example:
    """One JSON block of the document."""

    label: str
    """`client`, `server`, `from=NAME` or `to=NAME`; at the door the name is `door:NAME`."""
    text: str

    @property
    def is_at_door(self) -> bool:
        return "=door:" in self.label

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
        decode = AT_DOOR.decode if example.is_at_door else decode_client_message
        decode(example.text)
    else:
        union: Any = DoorServerMessages if example.is_at_door else ServerMessages
        decoded: Any = msgspec.json.decode(example.text, type=union, strict=True)
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
    session, outgoing, door = limits.SessionLimits(), limits.OutgoingLimits(), DoorLimits()
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
        f"after a lost socket | {door.away_s:.0f} s",
        f"token of an admission | {door.ticket_s:.0f} s",
        f"before one may enter | {door.early_s / 3600:.0f} h",
        f"after a refusal | {door.pause_s:.0f} s, doubled by each further one up to 1 h",
        f"removal from the room | {door.removal_pause_s:.0f} s",
        f"at one door | {door.places} |",
    ):
        assert fact in text, fact


def dialogue() -> Iterator[tuple[str, bool, dict[str, Any]]]:
    """Yield (name, whether the client sends it, message) in the order of the document."""
    for example in examples():
        direction, _, name = example.label.partition("=")
        if name:
            yield name, direction == "from", example.value


class Dialogue:
    """What stands in the document for tickets and tokens, and the clients by name."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.clients: dict[str, Client] = {}
        self.ids: dict[str, str] = {}
        """Id on the wire → id in the document."""
        self.words = {
            "TOKEN-OF-ANNA": server.token(name="Άννα", role=Role.CHAIR),
            "TOKEN-OF-VASILIS": server.token(name="Βασίλης", role=Role.MEMBER),
        }
        self.people = {
            "eleni": (Role.CHAIR, True), "manos": (Role.MEMBER, False), "guest": (Role.GUEST, False)
        }  # fmt: skip
        server.control.doors.open(SITTING, RecordingJournal())

    async def client(self, name: str) -> Client:
        if name not in self.clients:
            path = "/door" if name.startswith("door:") else "/ws"
            browser = {"X-Test-Browser": name.removeprefix("door:")}
            self.clients[name] = await self.server.connect(path, **browser)
        return self.clients[name]

    async def send(self, name: str, message: dict[str, Any]) -> None:
        if "token" in message:
            message["token"] = self.words[message["token"]]
        if "ticket" in message:
            message["ticket"] = self.ticket(name.removeprefix("door:"))
        wire = {document: id for id, document in self.ids.items()}
        message = {key: wire.get(str(value), value) for key, value in message.items()}
        client = await self.client(name)
        await client.socket.send_str(msgspec.json.encode(message).decode())

    def ticket(self, name: str) -> str:
        role, at_once = self.people[name]
        now_s = read_clocks().wall_s
        who = caller(
            name, role=role, at_once=at_once, window=Window(now_s - 60, now_s + 3600), holder=name,
            name={word: each for each, word in WORDS.items()}.get(name, name),
            room=SITTING.room, is_known=name != "guest",
        )  # fmt: skip
        return self.server.control.doors.give_ticket(who)

    async def expect(self, name: str, expected: dict[str, Any]) -> None:
        """Read until `expected` comes. Other notifications may come before it, and `done`."""
        client = await self.client(name)
        while True:
            message = await client.receive()
            if message["type"] == "admitted":
                self.words[f"TOKEN-OF-{name.removeprefix('door:').upper()}"] = message["token"]
            self.learn(message)
            if self.blurred(message) == self.blurred(expected):
                return
            is_own = client.heard and message["type"] in ("done", "joined", "knocked")
            assert "id" not in message or is_own, f"{message} instead of {expected}"

    def learn(self, message: dict[str, Any]) -> None:
        """Note the ids that the section about the door writes as words."""
        for each in message.get("knocks", ()):
            self.ids[each["knock"]] = f"knock-of-{WORDS[each['display_name']]}"
        if (
            message["type"] == "participant_joined"
            and message["participant"]["display_name"] in WORDS
        ):
            who = message["participant"]
            self.ids[who["participant"]] = f"participant-{WORDS[who['display_name']]}"

    def blurred(self, message: Any) -> Any:
        """Return the message with ids as in the document, and times and secrets by their form."""
        if isinstance(message, list):
            return [self.blurred(each) for each in message]
        if not isinstance(message, dict):
            return self.ids.get(str(message), message)
        for name, end in TIMES.items():
            form = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d" + end
            assert name not in message or re.fullmatch(form, message[name]), message
        hidden = {*TIMES, "token", "ticket"}
        return {key: key if key in hidden else self.blurred(value)
                for key, value in message.items()}  # fmt: skip


WORDS = {"Μάνος": "manos", "Σοφία": "guest"}
TIMES = {"sent_at": r"\.\d{3}Z", "knocked_at": r"\.\d{3}Z", "opens_at": "Z", "closes_at": "Z"}


@pytest.mark.asyncio
async def test_dialogue_happens_on_the_real_server() -> None:
    async with running_server(randomness=CountingRandomness()) as server:
        replayed = Dialogue(server)
        for name, is_sent, message in dialogue():
            await (replayed.send if is_sent else replayed.expect)(name, message)

        closed = {name: await client.closed() for name, client in replayed.clients.items()
                  if name != "eleni"}  # fmt: skip
        assert closed == {
            "anna": CloseCode.ROOM_CLOSED, "vasilis": CloseCode.KICKED, "manos": CloseCode.MOVED_BACK,
            "door:eleni": CloseCode.NORMAL, "door:manos": CloseCode.NORMAL,
            "door:guest": CloseCode.REFUSED,
        }  # fmt: skip
