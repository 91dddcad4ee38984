"""Where the next page of a list begins: the time and id of the last row shown. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

_TIME = "%Y%m%dT%H%M%S.%f"
MAX_ID_LENGTH = 32

Cursor = tuple[datetime, str]


def write_cursor(moment: datetime, row_id: str) -> str:
    """Return what the link to the next page carries."""
    return f"{moment.astimezone(UTC):{_TIME}}_{row_id}"


def parse_cursor(text: str) -> Cursor | None:
    """Return time and id; None: the first page, or something that is no cursor."""
    time_text, separator, row_id = text.partition("_")
    try:
        moment = datetime.strptime(time_text, _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None
    return (moment, row_id[:MAX_ID_LENGTH]) if separator else None
