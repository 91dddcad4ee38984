"""What all tables share: names of constraints, ids, and times in UTC."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, MetaData, String
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

ID_LENGTH = 32
_ID = re.compile(rf"[0-9a-f]{{{ID_LENGTH}}}")


class UtcDateTime(TypeDecorator[datetime]):
    """A moment. Stored in UTC, given back aware; a naive one is a defect of the caller."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Refuse naive moments, convert the others."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """SQLite gives naive moments back."""
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class Base(DeclarativeBase):
    """Base of all tables."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime}  # noqa: RUF012


Id = String(ID_LENGTH)


def is_id(text: str) -> bool:
    """Return whether a text that somebody typed can be an id."""
    return _ID.fullmatch(text) is not None


def new_id() -> str:
    """Return 128 random bits: an id that is guessed tells nothing."""
    return secrets.token_hex(ID_LENGTH // 2)
