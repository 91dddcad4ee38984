"""When a worker that nobody looks after ends by itself. Pure: processes and time come in.

A worker is looked after while the process that started it is there, or a control plane is connected:
each alone can bring the other back. Without both nobody can ever end its calls, and its port is taken.
"""

from __future__ import annotations


class Abandoned(Exception):
    """Nobody has looked after the worker for too long."""


class Abandonment:
    """Watches over one worker."""

    def __init__(self, after_s: float, starter: int) -> None:
        """`starter`: process id of the parent at the start. Who dies is replaced as parent by
        another process (`init` or a subreaper), so that another id says that it is gone."""
        self._after_s = after_s
        self._starter = starter
        self._alone_since_s: float | None = None

    def check(self, parent: int, is_controlled: bool, now_s: float) -> None:
        """Look who is there: the present parent's process id, and whether a control plane is
        connected.

        Raises:
            Abandoned: nobody has been for too long.
        """
        if is_controlled or parent == self._starter:
            self._alone_since_s = None
        elif self._alone_since_s is None:
            self._alone_since_s = now_s
        elif now_s - self._alone_since_s >= self._after_s:
            raise Abandoned
