"""What operators do to accounts from the command line."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select

from signaling.accounts.assignments import grant
from signaling.accounts.rights import AccountRole, HeldRole
from signaling.audit.trail import SYSTEM_ACTOR, AuditAction, AuditEntry, StoredTrail
from signaling.config import Config
from signaling.secrets import load_or_create_secret, read_secret
from signaling.storage.database import Database, database_url
from signaling.storage.migrate import migrate
from signaling.storage.models import Person
from signaling.vault import Vault


class NoSuchPerson(Exception):
    """Nobody, or more than one, has confirmed the address."""


async def make_administrator(config: Config, email: str) -> None:
    """Make who has confirmed `email` a system administrator.

    Raises:
        NoSuchPerson: see above.
        SecretMissing: a secret cannot be read.
        StorageUnavailable: the database is away.
    """
    folder = Path(config.data_folder)
    name = config.storage.password
    password = read_secret(config.secrets_folder, name) if name else None
    trail = StoredTrail(Vault(load_or_create_secret(folder / "personal-data-key")))
    database = Database(database_url(config.storage, folder, password))
    try:
        await migrate(database)
        async with database.write() as session:
            people = list(await session.scalars(select(Person).where(Person.email == email)))
            if len(people) != 1:
                raise NoSuchPerson
            now = datetime.now(UTC)
            held = HeldRole(AccountRole.ADMINISTRATOR)
            assignment = await grant(session, people[0].id, held, now)
            facts = {"role": held.role.value, "by": SYSTEM_ACTOR}
            entry = AuditEntry(
                now, None, AuditAction.GRANT_ROLE, "role_assignment", assignment.id, facts=facts
            )
            await trail.record(session, entry)
    finally:
        await database.close()
