"""The repository as tests about it see it: what git tracks."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache
def tracked_files() -> tuple[Path, ...]:
    """Return every file git tracks or would track, without what is deleted and links."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True,
    ).stdout.decode()  # fmt: skip
    paths = (ROOT / name for name in sorted(set(listed.split("\0"))) if name)
    return tuple(path for path in paths if path.is_file() and not path.is_symlink())


def tracked(*suffixes: str, under: str = "") -> list[Path]:
    """Return the tracked files with one of `suffixes` in a folder of the repository."""
    folder = ROOT / under
    return [
        path for path in tracked_files() if path.suffix in suffixes and path.is_relative_to(folder)
    ]


def relative(path: Path) -> str:
    """Return the path as it is written in the repository."""
    return path.relative_to(ROOT).as_posix()
