"""The virus scanner, if one is configured: a program that reads a file on standard input."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from sfu.logs import Log

log = Log(__name__)

SCAN_TIMEOUT_S = 60.0
CLEAN, INFECTED = 0, 1
"""Exit statuses of clamscan and clamdscan."""


class ScannerUnavailable(Exception):
    """It could not be known whether the file is clean: it is not kept."""


class Scanner:
    """Runs the configured command, such as `["clamdscan", "--no-summary", "-"]`."""

    def __init__(self, command: Sequence[str]) -> None:
        """Without a command every file counts as clean."""
        self._command = tuple(command)

    async def is_clean(self, content: bytes) -> bool:
        """Return whether the scanner finds nothing.

        Raises:
            ScannerUnavailable: it cannot be run, answers neither yes nor no, or takes too long.
        """
        if not self._command:
            return True
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
        except OSError as error:
            log.warning("virus scanner cannot be run", error=type(error).__name__)
            raise ScannerUnavailable from error
        try:
            async with asyncio.timeout(SCAN_TIMEOUT_S):
                await process.communicate(content)
        except TimeoutError:
            log.warning("virus scanner took too long", limit_s=SCAN_TIMEOUT_S)
            raise ScannerUnavailable from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode not in (CLEAN, INFECTED):
            log.warning("virus scanner failed", status=process.returncode)
            raise ScannerUnavailable
        return process.returncode == CLEAN
