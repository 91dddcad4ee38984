"""Files and functions stay small enough to read. The list of exceptions may only shrink."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

from tests.support.repository import ROOT, relative, tracked

Function = ast.FunctionDef | ast.AsyncFunctionDef

MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 50
MAX_PARAMETERS = 5
"""Positional ones, `self` apart: those given by name say what they are."""

LONG_FILES: dict[str, int] = {}
"""Path → lines it has. To be shortened; nothing is ever added or raised."""
LONG_FUNCTIONS: dict[str, int] = {}
"""path::name → lines it has. Likewise."""
CROWDED_FUNCTIONS: dict[str, int] = {
    "sfu/engine.py::set_srtp_keys": 6,
    "sfu/worker_media.py::__init__": 6,
    "tests/support/signaling_server.py::__init__": 6,
}
"""path::name → positional parameters it has. Likewise."""


def test_files_are_at_most_500_lines() -> None:
    lengths = {relative(path): _length(path) for path in _budgeted_files()}
    assert lengths
    _assert_within(lengths, MAX_FILE_LINES, LONG_FILES)


def test_python_functions_are_at_most_50_lines() -> None:
    _assert_within(_largest(_lines), MAX_FUNCTION_LINES, LONG_FUNCTIONS)


def test_python_functions_take_few_positional_parameters() -> None:
    _assert_within(_largest(_positional), MAX_PARAMETERS, CROWDED_FUNCTIONS)


def test_python_modules_say_what_they_are() -> None:
    silent = [
        relative(path)
        for path in _python_files()
        if path.read_text(encoding="utf-8").strip()
        and ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) is None
    ]
    assert silent == []


def _assert_within(found: dict[str, int], limit: int, exceptions: dict[str, int]) -> None:
    excess = {name: size for name, size in found.items() if size > exceptions.get(name, limit)}
    assert excess == {}, f"more than {limit} (or than the exception says)"
    stale = {name: found.get(name, 0) for name in exceptions if found.get(name, 0) <= limit}
    assert stale == {}, "no longer too much: take these out of the list of exceptions"
    loose = {name: found[name] for name, lines in exceptions.items() if found[name] < lines}
    assert loose == {}, "less than the exception says: lower it"


def _largest(measure: Callable[[Function], int]) -> dict[str, int]:
    """Return the measure of each function by path::name; of several of one name the largest."""
    sizes: dict[str, int] = {}
    for path in _python_files():
        for function in _functions(path):
            name = f"{relative(path)}::{function.name}"
            sizes[name] = max(sizes.get(name, 0), measure(function))
    assert sizes
    return sizes


def _budgeted_files() -> list[Path]:
    """Return the product's files, and the tests in Rust: those of other languages may be longer."""
    code = tracked(".py", ".pyi", ".js", ".mjs", ".css")
    return [path for path in code if not _is_test(path)] + tracked(".rs")


def _python_files() -> list[Path]:
    # Tests in Python are apart in their size only as files; their functions are held to the same.
    return tracked(".py")


def _is_test(path: Path) -> bool:
    parts = path.relative_to(ROOT).parts
    return "tests" in parts or path.stem in ("test", "tests") or path.stem.endswith("_tests")


def _length(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def _functions(path: Path) -> list[Function]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def _lines(function: Function) -> int:
    return (function.end_lineno or 0) - function.lineno + 1


def _positional(function: Function) -> int:
    names = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
    return len([name for name in names if name not in ("self", "cls")])
