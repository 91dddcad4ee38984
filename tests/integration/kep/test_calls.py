"""Calls of appointments over HTTP and sockets, before a worker without media."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.databases import BACKENDS
from tests.support.kep_calls import CHECKED, running_call

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("backend", BACKENDS)
async def test_whole_call(backend: str, tmp_path: Path) -> None:
    async with running_call(backend, tmp_path) as call:
        await call.employee.ask("identity", **CHECKED)
