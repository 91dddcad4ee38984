"""Logs: one JSON object a line on standard error, without anything that identifies a person.

On the standard library alone: a worker must be back at once after a crash, and importing a logging
framework costs a third of a second.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

ALLOWED_KEYS = frozenset(
    {
        "event", "level", "timestamp", "logger", "exception", "stack",
        "method", "route", "status", "duration_ms",
        "worker", "room_class", "connected", "restarted", "rooms", "code", "detail",
        "process", "exit_code", "delay_s", "lag_s", "reason", "error", "reasons", "connections",
        "address", "port", "signal", "kind", "transport",
    }
)  # fmt: skip
"""LIMIT: what may be logged. The value of any other key is replaced by `removed`: a new key is a
decision, made here, not an accident. `transport` is the engine's running number."""

LOG_LEVELS = ("debug", "info", "warning", "error")
OUR_PACKAGES = ("sfu", "signaling")
MAX_STACK_FRAMES = 20
"""LIMIT: frames of a logged exception, innermost last."""


class Log:
    """Says one event and its fields, as in `log.info("worker ready", worker="council-0")`."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def debug(self, event: str, **fields: Any) -> None:
        self._logger.debug(event, extra={_FIELDS: fields})

    def info(self, event: str, **fields: Any) -> None:
        self._logger.info(event, extra={_FIELDS: fields})

    def warning(self, event: str, **fields: Any) -> None:
        self._logger.warning(event, extra={_FIELDS: fields})

    def error(self, event: str, **fields: Any) -> None:
        self._logger.error(event, extra={_FIELDS: fields})

    def exception(self, event: str, **fields: Any) -> None:
        """Say an error with the exception that is being handled."""
        self._logger.error(event, extra={_FIELDS: fields}, exc_info=True)


def configure_logs(level: str) -> None:
    """Write what our packages log from `level` (one of `LOG_LEVELS`) on, and others' warnings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for package in OUR_PACKAGES:
        logging.getLogger(package).setLevel(level.upper())


class JsonLines(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {"event": _text_of(record), **getattr(record, _FIELDS, {})}
        entry["level"] = record.levelname.lower()
        entry["logger"] = record.name
        entry["timestamp"] = datetime.fromtimestamp(record.created, UTC).isoformat()
        if record.exc_info and record.exc_info[0] is not None:
            # Not its text: that may quote a name, a room or what a client sent.
            entry["exception"] = record.exc_info[0].__name__
            entry["stack"] = _frames(record.exc_info[2])
        return json.dumps(keep_allowed_keys(entry), ensure_ascii=False, default=repr)


def keep_allowed_keys(entry: dict[str, Any]) -> dict[str, Any]:
    """Replace the values of keys that are not on the list."""
    return {key: value if key in ALLOWED_KEYS else "removed" for key, value in entry.items()}


def _text_of(record: logging.LogRecord) -> str:
    # asyncio describes the task or callback, arguments included, after the first line.
    return record.getMessage().partition("\n")[0]


def _frames(traceback: TracebackType | None) -> list[str]:
    frames: list[str] = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        frames.append(f"{code.co_filename}:{traceback.tb_lineno} {code.co_name}")
        traceback = traceback.tb_next
    return frames[-MAX_STACK_FRAMES:]


_FIELDS = "synedrion_fields"
"""Attribute of a log record that has the event's fields."""
