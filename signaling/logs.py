"""Logs: one JSON object a line on standard error, without anything that identifies a person."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

ALLOWED_KEYS = frozenset(
    {
        "event", "level", "timestamp", "logger", "exception",
        "method", "route", "status", "duration_ms",
        "worker", "room_class", "connected", "restarted", "rooms", "code", "detail",
        "process", "exit_code", "delay_s", "lag_s", "reason", "error", "reasons", "connections",
        "address", "port", "signal",
    }
)  # fmt: skip
"""LIMIT: what may be logged. A key that is not here is replaced by `removed`: a new key is a
decision, made here, not an accident."""


def configure_logs(level: str) -> None:
    """Send structlog and the standard library's log through the same chain."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        keep_allowed_keys,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(ensure_ascii=False)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(hide_client_addresses)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processor=structlog.processors.JSONRenderer()
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    # It would write addresses and paths; `middlewares.access_log` writes what we want instead.
    logging.getLogger("aiohttp.access").disabled = True


def hide_client_addresses(record: logging.LogRecord) -> bool:
    """Replace aiohttp's texts, which name the client's address, by the kind of the failure."""
    if record.name.startswith("aiohttp"):
        kind = record.exc_info[0] if record.exc_info else None
        record.msg = f"{record.name}: {kind.__name__ if kind else 'bad request'}"
        record.args, record.exc_info, record.exc_text = (), None, None
    return True


def keep_allowed_keys(
    logger: Any, method_name: str, entry: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Drop the values of keys that are not on the list; a structlog processor."""
    return {key: value if key in ALLOWED_KEYS else "removed" for key, value in entry.items()}
