"""Where room tokens come from: an entrance of the service, or a command of the operator's."""

from __future__ import annotations

import asyncio
import shlex
from typing import TYPE_CHECKING, Protocol

import aiohttp

if TYPE_CHECKING:
    from loadtest.cast import Target

COMMAND_TIMEOUT_S = 10.0
DEMO_PATH = "/api/v1/demo/tokens"
LOADTEST_PATH = "/api/v1/loadtest"
"""docs/loadtest.md describes it."""


class TokenRefused(Exception):
    """No token was given; the text says why."""


class TokenSource(Protocol):
    """Gives tokens."""

    async def token(self, room: str, name: str, role: str) -> str:
        """Return a token that admits `name` to `room`.

        Raises:
            TokenRefused: see there.
        """


def token_source(http: aiohttp.ClientSession, target: Target) -> TokenSource:
    """Return the source that `target` names."""
    if target.token_command is not None:
        return TokenCommand(target.token_command)
    if target.secret is None:
        return ServiceTokens(http, target.url, DEMO_PATH)
    return ServiceTokens(http, target.url, f"{LOADTEST_PATH}/tokens", target.secret)


class ServiceTokens:
    """`POST` to an entrance of the service under test."""

    def __init__(self, http: aiohttp.ClientSession, url: str, path: str, secret: str = "") -> None:
        self._http = http
        self._url = url
        self._path = path
        self._headers = {"Origin": url, **authorization(secret)}

    async def token(self, room: str, name: str, role: str) -> str:
        body = {"room": room, "display_name": name, "role": role}
        url = f"{self._url}{self._path}"
        async with self._http.post(url, json=body, headers=self._headers) as response:
            if response.status != 200:
                raise TokenRefused(f"token: {await refusal_of(response)}")
            return str((await response.json())["token"])


class TokenCommand:
    """A command that prints a token; `{room}`, `{name}` and `{role}` in it are replaced."""

    def __init__(self, template: str) -> None:
        self._words = shlex.split(template)

    async def token(self, room: str, name: str, role: str) -> str:
        words = [word.format(room=room, name=name, role=role) for word in self._words]
        process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT_S):
                output, _ = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise TokenRefused("token: the token command takes too long") from None
        if process.returncode != 0 or not output.strip():
            raise TokenRefused(f"token: the token command failed ({process.returncode})")
        return output.decode().strip()


def authorization(secret: str) -> dict[str, str]:
    """Return the header that shows `secret`; nothing without one."""
    return {"Authorization": f"Bearer {secret}"} if secret else {}


async def refusal_of(response: aiohttp.ClientResponse) -> str:
    """Return status and code of problem details (RFC 9457), or the status alone."""
    try:
        problem = await response.json(content_type=None)
        return f"{response.status} {problem['code']}"
    except (ValueError, KeyError, TypeError, aiohttp.ClientError):
        return f"{response.status} {response.reason or ''}".strip()
