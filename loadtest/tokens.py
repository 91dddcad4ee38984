"""Where room tokens come from: the demo entrance of the service, or a command of the operator's."""

from __future__ import annotations

import asyncio
import shlex
from typing import Protocol

import aiohttp

COMMAND_TIMEOUT_S = 10.0


class TokenRefused(Exception):
    """No token was given; the text says why."""


class TokenSource(Protocol):
    """Gives tokens."""

    async def token(self, room: str, name: str, role: str) -> str:
        """Return a token that admits `name` to `room`."""


class DemoTokens:
    """`POST /api/v1/demo/tokens` of the service under test."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url

    async def token(self, room: str, name: str, role: str) -> str:
        body = {"room": room, "display_name": name, "role": role}
        async with self._http.post(
            f"{self._url}/api/v1/demo/tokens", json=body, headers={"Origin": self._url}
        ) as response:
            if response.status != 200:
                text = (await response.text())[:200]
                raise TokenRefused(f"{room}: the demo entrance says {response.status} {text}")
            return str((await response.json())["token"])


class TokenCommand:
    """A command that prints a token; `{room}`, `{name}` and `{role}` in it are replaced."""

    def __init__(self, template: str) -> None:
        self._words = shlex.split(template)

    async def token(self, room: str, name: str, role: str) -> str:
        words = [word.format(room=room, name=name, role=role) for word in self._words]
        process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
        async with asyncio.timeout(COMMAND_TIMEOUT_S):
            output, _ = await process.communicate()
        if process.returncode != 0 or not output.strip():
            raise TokenRefused(f"{room}: the token command failed ({process.returncode})")
        return output.decode().strip()
