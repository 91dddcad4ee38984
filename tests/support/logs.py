"""Undo `configure_logs`, which is for a whole process."""

from __future__ import annotations

import logging

from sfu.logs import OUR_PACKAGES


def forget_logs() -> None:
    logging.getLogger().handlers[:] = []
    for name in ("", *OUR_PACKAGES):
        logging.getLogger(name).setLevel(logging.WARNING)
