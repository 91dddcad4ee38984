"""Who may import whom, beyond what import-linter's contracts in pyproject.toml say."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.support.repository import relative, tracked

OURS = ("sfu", "signaling", "recording_policy", "loadtest", "tests")

SIGNALING_MAY_USE = {
    "sfu.client",
    "sfu.config",
    "sfu.errors",
    "sfu.logs",
    "sfu.metrics",
    "sfu.rpc_messages",
    "sfu.settings",
    "sfu.values",
}
"""What the control plane knows of the media server: its client and plain data."""

SUPERVISOR = "signaling/main.py"
"""The composition root may start every part."""


def test_only_sfu_engine_imports_the_native_module() -> None:
    importers = {relative(path) for path, module in _imports() if module.startswith("sfu._engine")}
    # Tests may reach past the wrapper; the product may not.
    assert {path for path in importers if not path.startswith("tests/")} <= {"sfu/engine.py"}


def test_recording_policy_imports_nothing_of_ours() -> None:
    strangers = {
        (relative(path), module)
        for path, module in _imports("recording_policy")
        if module.split(".")[0] in OURS and not module.startswith("recording_policy")
    }
    assert strangers == set()


def test_signaling_knows_only_the_media_servers_client_and_values() -> None:
    used = {
        (relative(path), module)
        for path, module in _imports("signaling")
        if module.startswith("sfu.") and relative(path) != SUPERVISOR
    }
    assert {
        (path, module) for path, module in used if _owner(module) not in SIGNALING_MAY_USE
    } == set()


@pytest.mark.parametrize("package", ["sfu", "signaling", "recording_policy", "loadtest"])
def test_the_product_does_not_import_its_tests(package: str) -> None:
    assert [relative(path) for path, module in _imports(package) if _root(module) == "tests"] == []


def test_no_sockets_or_clocks_in_sans_io_modules() -> None:
    """A module that calls itself SANS-IO reads no clock, opens nothing and awaits nothing."""
    forbidden = {"asyncio", "socket", "time", "threading", "random", "secrets", "os", "aiohttp"}
    found = []
    for path in tracked(".py"):
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        if (
            "sans-io" not in (ast.get_docstring(tree) or "").lower()
            or "/tests/" in f"/{relative(path)}"
        ):
            continue
        found += [(relative(path), name) for name in _modules(tree) if _root(name) in forbidden]
    assert found == []


def _imports(package: str = "") -> list[tuple[Path, str]]:
    return [
        (path, module)
        for path in tracked(".py", under=package)
        for module in _modules(ast.parse(path.read_text(encoding="utf-8")))
    ]


def _modules(tree: ast.Module) -> list[str]:
    """Return what the module imports when it runs: not what only type checkers read."""
    for_checkers = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for inner in ast.walk(node)
    }
    modules = []
    for node in ast.walk(tree):
        if id(node) in for_checkers:
            continue
        if isinstance(node, ast.Import):
            modules += [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            modules += [f"{node.module}.{each.name}" for each in node.names]
    return modules


def _owner(module: str) -> str:
    return ".".join(module.split(".")[:2])


def _root(module: str) -> str:
    return module.split(".")[0]
