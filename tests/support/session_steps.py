"""Steps of tests of sessions, on top of `signaling_parts`."""

from __future__ import annotations

from typing import Any

from tests.support.signaling_parts import Socket, World


def code_of(replies: list[dict[str, Any]]) -> str:
    assert replies and replies[0]["type"] == "error", replies
    return str(replies[0]["code"])


def resume(world: World, lost: Socket, secret: str | None = None
           ) -> tuple[Socket, list[dict[str, Any]]]:  # fmt: skip
    socket = world.socket()
    replies = socket.send(
        type="resume", id=1, room=lost.joined["room"], participant=lost.participant,
        secret=secret or lost.joined["secret"],
    )  # fmt: skip
    if replies[0]["type"] == "joined":
        socket.joined = replies[0]
    return socket, replies
