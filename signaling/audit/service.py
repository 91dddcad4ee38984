"""The audit chain put together: writer, recorder of kep calls, receipts, anchors of the trail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from aiohttp import web

from recording_policy.audit import AuditLog, AuditUnwritable, load_or_create_key
from recording_policy.verify import VerifiedReceipt, read_key
from sfu.logs import Log
from signaling.audit.anchoring import TrailAnchors
from signaling.audit.calls import CallRecorder, RecorderParts
from signaling.audit.config import AuditConfig, AuditPaths
from signaling.audit.private_store import PrivateStore
from signaling.audit.receipt_pages import CallIsOpen, ReceiptPages
from signaling.audit.receipts import build_receipt, check_receipt
from signaling.audit.writer import AuditWriter
from signaling.clock import Clock
from signaling.rendering import Renderer
from signaling.secrets import load_or_create_secret
from signaling.storage.database import Database
from signaling.vault import Vault

log = Log(__name__)

PSEUDONYM_SECRET = "audit-pseudonym-key"
"""In the data folder: apart from the key of personal data."""


RESTART_S = 1.0


class AuditService:
    """`run` must be running in a task of the owner."""

    def __init__(
        self, config: AuditConfig, data_folder: Path, clock: Clock,
        database: Database | None = None,
    ) -> None:  # fmt: skip
        """Read the secret; the log is opened by `run`, and again and again if it cannot be.

        Raises:
            SecretMissing: it cannot be read.
        """
        self._paths = AuditPaths.of(config, data_folder)
        self._clock = clock
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="audit")
        vault = Vault(load_or_create_secret(data_folder / PSEUDONYM_SECRET))
        self._store = PrivateStore(self._paths.private, vault)
        self.writer = AuditWriter(self._open_log, self._executor)
        self.calls = CallRecorder(
            RecorderParts(
                self.writer, self._store, self._executor, self._paths.log, clock,
                config.receipt_days,
            )
        )  # fmt: skip
        self._anchors = None
        if database is not None:
            self._anchors = TrailAnchors(
                database, self.writer, self._paths.log, clock, config.anchor_interval_s
            )

    @property
    def key_path(self) -> Path:
        """The signing key; the public one is beside it."""
        return self._paths.key

    async def run(self) -> None:
        """Write, close and anchor until cancelled. A defect of ours refuses kep calls for a moment and
        ends nothing else."""
        try:
            while True:
                try:
                    await self._run_once()
                except* Exception:  # task root: council sessions go on
                    log.exception("audit failed")
                await asyncio.sleep(RESTART_S)
        finally:
            await self._in_thread(self._store.close)
            self._executor.shutdown(wait=False)

    async def _run_once(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.writer.run(), name="audit-writer")
            tasks.create_task(self.calls.run(), name="audit-calls")
            if self._anchors is not None:
                tasks.create_task(self._anchors.run(), name="audit-anchors")

    def add_routes(
        self, app: web.Application, renderer: Renderer,
        address_of: Callable[[web.Request], str],
    ) -> None:  # fmt: skip
        """Add the pages of receipts."""
        ReceiptPages(self, renderer, self._clock, address_of).add_routes(app)

    async def receipt(self, secret_digest: bytes) -> tuple[dict[str, Any], VerifiedReceipt] | None:
        """Return the receipt of a secret; None for an unknown or expired one.

        Raises:
            CallIsOpen: the call has not ended.
            AuditError: the log cannot be read.
        """
        found: tuple[dict[str, Any], VerifiedReceipt] | None = await self._in_thread(
            self._receipt, secret_digest
        )
        return found

    def _receipt(self, secret_digest: bytes) -> tuple[dict[str, Any], VerifiedReceipt] | None:
        found = self._store.receipt_of(secret_digest, int(self._clock().wall_s * 1000))
        if found is None:
            return None
        call, actor, places = found
        if places is None:
            raise CallIsOpen
        receipt = build_receipt(self._paths.log, call, actor, places)
        try:
            key = read_key(self._paths.key.with_name(self._paths.key.name + ".pub"))
        except (OSError, ValueError) as error:
            raise AuditUnwritable(f"the public key: {error}") from error
        return receipt, check_receipt(receipt, key)

    def _open_log(self) -> AuditLog:
        key = load_or_create_key(self._paths.key)
        return AuditLog(self._paths.log, key, lambda: int(self._clock().wall_s * 1000))

    async def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(
            self._executor, function, *arguments
        )
