"""Logs of the signalling process: as `sfu.logs` writes them, without what aiohttp would tell."""

from __future__ import annotations

import logging

from sfu import logs


def configure_logs(level: str) -> None:
    """Write JSON lines from `level` on; keep clients' addresses and paths out of them."""
    logs.configure_logs(level)
    for handler in logging.getLogger().handlers:
        handler.addFilter(hide_client_addresses)
    # It would write addresses and paths; `middlewares.access_log` writes what we want instead.
    logging.getLogger("aiohttp.access").disabled = True


def hide_client_addresses(record: logging.LogRecord) -> bool:
    """Replace aiohttp's texts, which name the client's address, by the kind of the failure."""
    if record.name.startswith("aiohttp"):
        kind = record.exc_info[0] if record.exc_info else None
        record.msg = f"{record.name}: {kind.__name__ if kind else 'bad request'}"
        record.args, record.exc_info, record.exc_text = (), None, None
    return True
