"""Where somebody was going when sign-in, terms or e-mail came between (R13–R17).

Their browser keeps it, sealed: nothing is stored for who has not signed in, the secret of a mailed
link shows in no other address, and nobody else says where one is led.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import msgspec
from aiohttp import web

from signaling.vault import Vault, VaultError

ANONYMOUS_LIFETIME_S = 3600
"""For who has not signed in: the next at a shared computer is not led along."""
MAX_COOKIE_LENGTH = 2048
MAX_PATH_LENGTH = 300
_PLACE = "destination"


class Kept(msgspec.Struct, frozen=True):
    """What the cookie holds."""

    goal: str = ""
    """Path asked for first; empty: none."""
    step: str = ""
    """Path of a mailed confirmation link: comes before the goal."""
    person_id: str = ""
    """Whose goal it is; empty: of who signs in next."""
    until_s: int = 0


@dataclass(frozen=True)
class Destinations:
    """Writes and reads the cookie."""

    vault: Vault
    is_https: bool
    lifetime_s: int
    """For who has signed in: as long as the confirmation of an e-mail address may take."""
    now: Callable[[], datetime]

    @property
    def cookie_name(self) -> str:
        """Return the cookie's name; the prefix as for the session."""
        return "__Host-destination" if self.is_https else "destination"

    def note(
        self, request: web.Request, response: web.StreamResponse, path: str, *,
        person_id: str = "", is_step: bool = False,
    ) -> None:  # fmt: skip
        """Let the browser keep `path`, if a person is to be led there: not what a script asked for."""
        path = safe_path(path, "")
        if not path or request.headers.get("Sec-Fetch-Mode", "navigate") != "navigate":
            return
        if is_step:
            old = self._read(request)
            self._write(response, old.goal, path, old.person_id or person_id)
        else:
            self._write(response, path, "", person_id)

    def of(self, request: web.Request, person_id: str) -> Kept:
        """Return what was kept for this person: nothing of somebody else's goal."""
        kept = self._read(request)
        if kept.person_id not in ("", person_id):
            return Kept(step=kept.step)
        return kept

    def keep(
        self, request: web.Request, response: web.StreamResponse, kept: Kept, person_id: str
    ) -> None:
        """Keep it on for this person, from now; without anything to keep, forget."""
        if kept.goal or kept.step:
            self._write(response, kept.goal, kept.step, person_id)
        else:
            self.forget(request, response)

    def forget(self, request: web.Request, response: web.StreamResponse) -> None:
        """Take the cookie from the browser."""
        if self.cookie_name in request.cookies:
            response.del_cookie(self.cookie_name, path="/", secure=self.is_https, httponly=True)

    def _write(self, response: web.StreamResponse, goal: str, step: str, person_id: str) -> None:
        lifetime_s = self.lifetime_s if person_id else ANONYMOUS_LIFETIME_S
        kept = Kept(goal, step, person_id, int(self.now().timestamp()) + lifetime_s)
        sealed = self.vault.encrypt(msgspec.json.encode(kept).decode(), _PLACE)
        # Lax: a link in a mail is a navigation from another site.
        response.set_cookie(
            self.cookie_name, base64.urlsafe_b64encode(sealed).decode(), max_age=lifetime_s,
            path="/", httponly=True, samesite="Lax", secure=self.is_https,
        )  # fmt: skip

    def _read(self, request: web.Request) -> Kept:
        cookie = request.cookies.get(self.cookie_name, "")
        try:
            sealed = base64.b64decode(cookie[:MAX_COOKIE_LENGTH], altchars=b"-_", validate=True)
            kept = msgspec.json.decode(self.vault.decrypt(sealed, _PLACE), type=Kept)
        except (ValueError, VaultError, msgspec.DecodeError):
            return Kept()
        return kept if kept.until_s > self.now().timestamp() else Kept()


def safe_path(path: str | None, default: str = "/account") -> str:
    """Return `path` if it leads to a page of ours, else `default`: no open redirect."""
    if not path or not path.startswith("/") or path.startswith(("//", "/\\")):
        return default
    if len(path) > MAX_PATH_LENGTH or not path.isascii() or not path.isprintable():
        return default
    return default if "\\" in path else path
