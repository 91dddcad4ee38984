"""Knock tickets: who may knock was found out by a page; its script shows the ticket at the door.

A ticket is 256 random bits, good once, for a minute, and only in the browser it was given to. In
memory: after a restart the page asks for another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from signaling.clock import Instant
from signaling.door.values import Caller
from signaling.errors import ErrorCode, RequestError

MAX_TICKETS = 20_000
"""LIMIT: tickets out at once."""


@dataclass(frozen=True)
class Ticket:
    """What a ticket stands for."""

    caller: Caller
    expires_s: float
    """Monotonic."""
    is_return: bool
    """Given to who waits, to come back to the place with; worth nothing without the place."""


class TicketGate:
    """Gives tickets and takes each once."""

    def __init__(self, draw: Callable[[], str]) -> None:
        self._draw = draw
        self._tickets: dict[str, Ticket] = {}

    def issue(self, caller: Caller, lifetime_s: float, now: Instant, *, is_return: bool = False
              ) -> str:  # fmt: skip
        """Return a new ticket.

        Raises:
            RequestError: `room_unavailable`: too many are out.
        """
        if len(self._tickets) >= MAX_TICKETS:
            self._forget_expired(now)
        if len(self._tickets) >= MAX_TICKETS:
            raise RequestError(ErrorCode.ROOM_UNAVAILABLE, "too many tickets", retry_after_s=30)
        ticket = self._draw()
        self._tickets[ticket] = Ticket(caller, now.monotonic_s + lifetime_s, is_return)
        return ticket

    def redeem(self, ticket: str, holders: frozenset[str], now: Instant) -> Ticket:
        """Return what the ticket stands for; it is spent, even if another browser shows it.

        Raises:
            RequestError: `bad_ticket`.
        """
        found = self._tickets.pop(ticket, None)
        if found is None or now.monotonic_s >= found.expires_s:
            raise RequestError(ErrorCode.BAD_TICKET, "unknown, used or expired")
        if found.caller.holder not in holders:
            raise RequestError(ErrorCode.BAD_TICKET, "given to another browser")
        return found

    def withdraw(self, ticket: str) -> None:
        """Make the ticket worthless."""
        self._tickets.pop(ticket, None)

    def _forget_expired(self, now: Instant) -> None:
        self._tickets = {
            ticket: each for ticket, each in self._tickets.items()
            if each.expires_s > now.monotonic_s
        }  # fmt: skip
