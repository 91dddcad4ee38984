"""HTTP to sign-in services: bounded in time and size, no redirects, nothing of it logged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiohttp
import msgspec

from signaling.identity.provider import ProviderRefused, ProviderUnavailable

TIMEOUT_S = 10.0
MAX_ANSWER_BYTES = 128 * 1024


class ProviderHttp:
    """One HTTP client for all services; made at the first use, within a running loop."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def get(
        self, url: str, *, params: Mapping[str, str] | None = None, bearer: str | None = None
    ) -> tuple[int, bytes]:
        """Return status and body.

        Raises:
            ProviderUnavailable: no answer, a redirect, a server error, or too much.
        """
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        return await self._request("GET", url, params=params, headers=headers)

    async def post_form(self, url: str, form: Mapping[str, str]) -> tuple[int, bytes]:
        """As `get`."""
        return await self._request("POST", url, data=form, headers={"Accept": "application/json"})

    async def post_json(
        self, url: str, body: Mapping[str, Any], *, user: str, password: str
    ) -> tuple[int, bytes]:
        """As `get`, with HTTP Basic authentication."""
        credentials = aiohttp.encode_basic_auth(user, password, encoding="utf-8")
        return await self._request(
            "POST", url, json=dict(body), headers={"Authorization": credentials}
        )

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _request(self, method: str, url: str, **options: Any) -> tuple[int, bytes]:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
            jar = aiohttp.DummyCookieJar()
            self._session = aiohttp.ClientSession(timeout=timeout, cookie_jar=jar)
        try:
            async with self._session.request(
                method, url, allow_redirects=False, **options
            ) as response:
                body = await response.content.read(MAX_ANSWER_BYTES + 1)
                while not response.content.at_eof() and len(body) <= MAX_ANSWER_BYTES:
                    body += await response.content.read(MAX_ANSWER_BYTES + 1 - len(body))
                status = response.status
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ProviderUnavailable(type(error).__name__) from error
        if status >= 500 or 300 <= status < 400 or len(body) > MAX_ANSWER_BYTES:
            raise ProviderUnavailable(f"answer {status}")
        return status, body


def read_json(body: bytes) -> dict[str, Any]:
    """Return a JSON object.

    Raises:
        ProviderUnavailable: it is none.
    """
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ProviderUnavailable("answer is no JSON object")
    return value


async def fetch_token(http: ProviderHttp, url: str, form: Mapping[str, str]) -> dict[str, Any]:
    """Exchange a code (RFC 6749 §4.1.3) and return the answer, which has an access token.

    Raises:
        ProviderUnavailable: see above.
        ProviderRefused: the code is stale, used, or not ours.
    """
    status, body = await http.post_form(url, form)
    answer = read_json(body)
    if status != 200 or "error" in answer:
        raise ProviderRefused("token_error")
    if not isinstance(answer.get("access_token"), str):
        raise ProviderUnavailable("answer has no access token")
    return answer
