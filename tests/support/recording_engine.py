"""A stand-in for the native engine: records commands, and reports what the test pushes."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from typing import Any


class RecordingEngine:
    """Has the methods of `sfu._engine.Engine`; each call becomes (name, arguments) in `calls`."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.on_send_dtls: Callable[[int, bytes], None] = lambda participant, datagram: None
        self.is_closed = False
        self._events: deque[tuple[Any, ...]] = deque()
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK)

    def push(self, *event: Any) -> None:
        """Report an event, as the engine's thread would."""
        self._events.append(event)
        os.eventfd_write(self._descriptor, 1)

    def of(self, name: str) -> list[tuple[Any, ...]]:
        """Return the arguments of every call of `name`."""
        return [arguments for called, arguments in self.calls if called == name]

    def event_descriptor(self) -> int:
        return self._descriptor

    def take_events(self, limit: int = 1024) -> list[Any]:
        taken = [self._events.popleft() for _ in range(min(limit, len(self._events)))]
        if not self._events:
            os.eventfd_read(self._descriptor)
        return taken

    def send_dtls(self, participant: int, datagram: bytes) -> None:
        self.on_send_dtls(participant, datagram)

    def snapshot(self) -> dict[str, Any]:
        return {
            "counters": {"packets_received": 7},
            "drops": {"no_grant": 3},
            "gauges": {"cached_bytes": 5, "send_streams": 2, "receive_streams": 1},
            "forwarding_delay_buckets": [(0.001, 4)],
            "forwarding_delay_sum_s": 0.002,
            "forwarding_delay_count": 5,
            "cpu_time_s": 1.5,
        }

    def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            os.close(self._descriptor)

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name not in _COMMANDS:
            raise AttributeError(name)

        def record(*arguments: Any) -> None:
            self.calls.append((name, arguments))

        return record


_COMMANDS = frozenset(
    {"add_room", "remove_room", "add_participant", "remove_participant", "set_remote_ice"}
    | {"restart_ice", "set_media", "set_srtp_keys", "set_source", "set_forwarding"}
)
