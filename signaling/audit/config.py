"""Configuration of the audit chain: the table [audit]."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class AuditConfig:
    """Where the chain of kep calls is kept, and for how long its receipts."""

    log_file: str = ""
    """The chain. Empty: `audit.log` in the data folder."""
    signing_key: str = ""
    """PEM file with the key that signs it, made at the first start; the public one is beside it with
    the ending `.pub`. Empty: `audit-key.pem` in the data folder."""
    private_file: str = ""
    """What may be erased: keys of pseudonyms, secrets of receipts. Empty: `audit-private.sqlite3` in
    the data folder."""
    anchor_interval_s: float = 300.0
    """How often the rows of the database's trail are anchored in the chain, 1 or more."""
    receipt_days: int = 30
    """How long participants may fetch the receipt of a call, 1 or more."""


@dataclass(frozen=True)
class AuditPaths:
    """The files, wherever they are configured."""

    log: Path
    key: Path
    private: Path

    @classmethod
    def of(cls, config: AuditConfig, data_folder: Path) -> AuditPaths:
        """Return the files of a service."""
        return cls(
            Path(config.log_file or data_folder / "audit.log"),
            Path(config.signing_key or data_folder / "audit-key.pem"),
            Path(config.private_file or data_folder / "audit-private.sqlite3"),
        )


def audit_problems(config: AuditConfig) -> list[str]:
    """Return what types cannot say, each with key, value and remedy."""
    problems = []
    if config.anchor_interval_s < 1:
        problems.append(f"audit.anchor_interval_s = {config.anchor_interval_s}: use 1 or more")
    if config.receipt_days < 1:
        problems.append(f"audit.receipt_days = {config.receipt_days}: use 1 or more")
    return problems
