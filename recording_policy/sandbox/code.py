"""Hashes of the code that a worker runs, so that an auditor can tell which it was."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

SKIPPED = frozenset({"native", "__pycache__"})
"""Folders without code that a worker loads: `native` holds the sources of the native module."""


@dataclass(frozen=True)
class CodeHashes:
    """SHA-256 in hexadecimal, over lines `HASH  PACKAGE/PATH` as `sha256sum` writes them, sorted by
    path."""

    python: str
    """All `.py` files."""
    native: str
    """All `.so` files."""


def hash_code(packages: Iterable[str]) -> CodeHashes:
    """Return the hashes over the installed packages' files.

    Raises:
        OSError: a file cannot be read.
    """
    files = sorted(each for package in packages for each in _files_of(package))
    return CodeHashes(
        _hash_of([each for each in files if each[0].endswith(".py")]),
        _hash_of([each for each in files if each[0].endswith(".so")]),
    )


def _files_of(package: str) -> list[tuple[str, Path]]:
    """Return (name, path) of each file of the package. Not imported: it may hold a second thread."""
    spec = importlib.util.find_spec(package)
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    return [
        (f"{package}/{relative.as_posix()}", Path(folder) / relative)
        for folder in folders
        for relative in _walk(Path(folder))
    ]


def _walk(folder: Path) -> list[Path]:
    found = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [each for each in folders if each not in SKIPPED]
        relative = Path(parent).relative_to(folder)
        found += [relative / each for each in files if each.endswith((".py", ".so"))]
    return found


def _hash_of(files: Iterable[tuple[str, Path]]) -> str:
    total = hashlib.sha256()
    for name, path in files:
        total.update(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}\n".encode())
    return total.hexdigest()
