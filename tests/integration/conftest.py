"""What integration tests need. A missing native engine fails them; it is never a reason to skip."""

from __future__ import annotations

import importlib

import pytest


@pytest.fixture(scope="session", autouse=True)
def native_engine() -> None:
    try:
        importlib.import_module("sfu._engine")
    except ImportError as error:
        pytest.fail(f"the native engine is not built (make build): {error}")
