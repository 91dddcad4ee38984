"""`synedrion audit verify|export|statement|forget`: for auditors and data protection officers."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recording_policy.sandbox import faults_of
from recording_policy.sandbox.code import hash_code
from recording_policy.sandbox.statement import SandboxStatement
from recording_policy.verify import CALL_OPENED, STATEMENT, LogIsWrong, parse_line, read_key, verify
from signaling.audit.anchoring import faults_of_trail, read_anchors
from signaling.audit.config import AuditPaths
from signaling.audit.private_store import PrivateStore
from signaling.audit.service import PSEUDONYM_SECRET
from signaling.config import Config, load_config
from signaling.secrets import SecretMissing, load_or_create_secret, read_secret
from signaling.storage.database import Database, StorageUnavailable, database_url
from signaling.storage.migrate import migrate
from signaling.tokens import room_scoped_subject
from signaling.vault import Vault

WORKER_PACKAGES = ("recording_policy", "sfu")
"""As in `sfu.worker`."""
EXIT_WRONG = 1
EXIT_UNREADABLE = 2


def add_parser(commands: Any, default_config: Path) -> None:
    """Add `audit` with its commands to the command line."""
    audit = commands.add_parser("audit", help="verify and read the audit chain")
    kinds = audit.add_subparsers(required=True, metavar="COMMAND")
    check = kinds.add_parser("verify", help="verify the chain, and the trail in the database by it")
    check.add_argument(
        "--anchor", action="append", default=[], metavar="SEQUENCE:HASH",
        help="an entry noted earlier, which must still be there",
    )  # fmt: skip
    check.add_argument(
        "--without-trail", action="store_true", help="the chain only: the database is not asked"
    )
    check.set_defaults(audit_command=_verify)
    export = kinds.add_parser("export", help="print entries, one JSON object a line")
    export.add_argument("--call", default="", help="of this call only")
    export.add_argument("--kind", default="", help="of this kind only, such as verb_refused")
    export.add_argument("--person", default="", help="of the person with this id only")
    export.add_argument("--since", type=int, default=0, help="not before: ms since 1970")
    export.set_defaults(audit_command=_export)
    statement = kinds.add_parser("statement", help="print what the kep workers proved, and compare")
    statement.set_defaults(audit_command=_statement)
    forget = kinds.add_parser("forget", help="destroy the keys of a person's pseudonyms, for good")
    forget.add_argument("--person", required=True, help="id of the person")
    forget.set_defaults(audit_command=_forget)
    for command in (check, export, statement, forget):
        command.add_argument("--config", type=Path, default=default_config, help="TOML file")
        command.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Do one of the commands. Exit status: 0 done or it holds, 1 it does not hold, 2 cannot be read."""
    config = load_config(options.config)
    paths = AuditPaths.of(config.audit, Path(config.data_folder))
    try:
        status: int = options.audit_command(options, config, paths)
    except LogIsWrong as fault:
        print(f"WRONG  {paths.log}: {fault}")
        return EXIT_WRONG
    except (OSError, ValueError, SecretMissing, StorageUnavailable) as error:
        print(f"synedrion audit: {error}", file=sys.stderr)
        return EXIT_UNREADABLE
    return status


def _verify(options: argparse.Namespace, config: Config, paths: AuditPaths) -> int:
    key = read_key(paths.key.with_name(paths.key.name + ".pub"))
    anchors = dict(_noted(text) for text in options.anchor)
    with paths.log.open("rb") as lines:
        result = verify(_whole(lines), key, anchors)
    print(f"HOLDS  {paths.log}: {result.entries} entries, signed up to {result.signed_entries - 1}")
    print(f"       anchor {result.entries - 1}:{result.head}")
    if options.without_trail:
        return 0
    trail = read_anchors(paths.log)
    faults = asyncio.run(_trail_faults(config, paths))
    for fault in faults:
        print(f"WRONG  audit trail in the database, {fault}")
    if not faults:
        last = trail[-1].last if trail else 0
        print(f"HOLDS  audit trail in the database: rows up to {last}, {len(trail)} anchors")
    return EXIT_WRONG if faults else 0


async def _trail_faults(config: Config, paths: AuditPaths) -> list[str]:
    folder, name = Path(config.data_folder), config.storage.password
    password = read_secret(config.secrets_folder, name) if name else None
    database = Database(database_url(config.storage, folder, password))
    try:
        await migrate(database)
        async with database.read() as session:
            return await faults_of_trail(session, read_anchors(paths.log))
    finally:
        await database.close()


def _export(options: argparse.Namespace, config: Config, paths: AuditPaths) -> int:
    actors: set[str] = set()
    if options.person:
        actors = set(_pseudonyms(options.person, _store(config, paths), paths).values())
        if not actors:
            return _nobody()
    for body in _entries(paths.log):
        facts = body["facts"]
        if options.call and facts.get("call") != options.call:
            continue
        if options.kind and body["kind"] != options.kind:
            continue
        if actors and actors.isdisjoint(each for each in facts.values() if isinstance(each, str)):
            continue
        if body["time_ms"] >= options.since:
            print(json.dumps(body, sort_keys=True))
    return 0


def _statement(options: argparse.Namespace, config: Config, paths: AuditPaths) -> int:
    latest: dict[str, dict[str, Any]] = {}
    for body in _entries(paths.log):
        if body["kind"] == STATEMENT:
            latest[body["facts"]["worker"]] = body
    here, status = hash_code(WORKER_PACKAGES), 0
    for worker, body in sorted(latest.items()):
        stated = SandboxStatement(**body["facts"]["statement"])
        faults = faults_of(stated)
        is_same = (stated.code, stated.native) == (here.python, here.native)
        status = EXIT_WRONG if faults or not is_same else status
        print(f"worker {worker}, entry {body['sequence']}, {body['time_ms']} ms")
        print(f"  Linux {stated.kernel}, Landlock ABI {stated.landlock_abi}")
        print(f"  seccomp {stated.seccomp_mode}, filter {stated.seccomp_filter}")
        print(f"  code {stated.code}, native {stated.native}")
        print(
            "  the code is the one installed here" if is_same else "  OTHER CODE is installed here"
        )
        for name, answers in stated.probes.items():
            print(f"  {name}: {', '.join(f'{what} {answer}' for what, answer in answers.items())}")
        print(f"  FAULTS: {'; '.join(faults)}" if faults else "  no prohibition is missing")
    if not latest:
        print("no worker has stated anything yet")
    return status


def _forget(options: argparse.Namespace, config: Config, paths: AuditPaths) -> int:
    store = _store(config, paths)
    names = _pseudonyms(options.person, store, paths)
    if not names:
        return _nobody()
    for name in names:
        store.forget(name)
    print("Forgotten. Their entries stay, and are nobody's.")
    return 0


def _nobody() -> int:
    print("synedrion audit: nobody of that id appears, or they are forgotten", file=sys.stderr)
    return EXIT_WRONG


def _pseudonyms(person: str, store: PrivateStore, paths: AuditPaths) -> dict[str, str]:
    """Return a person's pseudonyms by the name that each is of: the id, as who asks the centre, and
    one for every room: in the chain people cannot be matched between calls. O(log)."""
    rooms = {body["facts"]["room"] for body in _entries(paths.log) if body["kind"] == CALL_OPENED}
    names = [person, *(room_scoped_subject(room, person) for room in rooms)]
    found = {name: store.known_pseudonym(name) for name in names}
    return {name: pseudonym for name, pseudonym in found.items() if pseudonym is not None}


def _store(config: Config, paths: AuditPaths) -> PrivateStore:
    secret = load_or_create_secret(Path(config.data_folder) / PSEUDONYM_SECRET)
    return PrivateStore(paths.private, Vault(secret))


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as lines:
        for line in _whole(lines):
            yield parse_line(line[:-1])


def _whole(lines: Iterator[bytes] | Any) -> Iterator[bytes]:
    """Leave out a last line that a running service is writing at this moment."""
    return (line for line in lines if line.endswith(b"\n"))


def _noted(text: str) -> tuple[int, str]:
    sequence, _, head = text.partition(":")
    if len(head) != 64 or not sequence.isdigit():
        raise ValueError(f'--anchor "{text}": write SEQUENCE:HASH, the hash in 64 hex digits')
    return int(sequence), head.lower()
