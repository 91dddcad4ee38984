"""Where the database is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StorageConfig:
    """People, roles, sessions, mail and audit. Rooms and running calls do not need it."""

    url: str = ""
    """`postgresql://USER@HOST:PORT/NAME` or `sqlite:///FILE`. Empty: SQLite in the data folder."""
    password: str = ""
    """Name of the secret with PostgreSQL's password (see `secrets_folder`). Empty: none is sent."""
    pool_size: int = 5
    """Connections kept to PostgreSQL, 1 to 100; as many again may be opened for a peak."""


def storage_problems(config: StorageConfig) -> list[str]:
    """Return what types cannot say, each with key, value and remedy."""
    problems = []
    if config.url and not config.url.startswith(("postgresql://", "sqlite:///")):
        # The value may hold a password: it is not repeated.
        problems.append("storage.url: write postgresql://USER@HOST/NAME or sqlite:///FILE")
    if "@" in config.url and ":" in config.url.partition("://")[2].rpartition("@")[0]:
        problems.append("storage.url: holds a password: put it into a secret (storage.password)")
    if not 1 <= config.pool_size <= 100:
        problems.append(f"storage.pool_size = {config.pool_size}: use 1 to 100")
    return problems
