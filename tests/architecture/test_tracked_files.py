"""What must not be in the repository: download addresses, paths of one machine, leftovers."""

from __future__ import annotations

import json
import re

import pytest

from tests.support.repository import ROOT, relative, tracked_files

ADDRESS = re.compile(r"(?:https?|git|ssh|ftp)(?:\+\w+)?://[^\s\"']+")
CARGO_REGISTRY = "registry+https://github.com/rust-lang/crates.io-index"
"""Cargo's own name of its standard registry: an identifier that cargo refuses to do without."""
LOCK_FILES = re.compile(r"(?:\.lock|package-lock\.json|requirements.*\.txt|\.npmrc|pip\.conf)$")
MACHINE_PATH = re.compile(r"(?<![\w.$}])/(?:work|root|home/[a-z]\w*|Users|mnt|nix)/[\w.-]+")
LEFTOVERS = re.compile(r"(?:\.orig|\.rej|\.swp|\.pyc|\.so|\.pem|\.key|\.log|~)$")
MAX_BYTES = 1_000_000


def test_lock_files_hold_no_download_address() -> None:
    locks = [path for path in tracked_files() if LOCK_FILES.search(path.name)]
    assert {path.name for path in locks} >= {"Cargo.lock", "package-lock.json", "requirements.lock"}
    for path in locks:
        text = path.read_text(encoding="utf-8")
        if path.name == "Cargo.lock":
            text = text.replace(CARGO_REGISTRY, "")
        if path.name == "package-lock.json":
            # Where to give its authors money: nobody downloads from there.
            text = re.sub(r'"funding": (\{[^}]*\}|\[[^\]]*\])', "", text)
        assert ADDRESS.findall(text) == [], relative(path)


def test_locked_npm_packages_have_a_hash() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    locked = {name: package for name, package in packages.items() if name}
    assert locked
    assert [name for name, package in locked.items() if "integrity" not in package] == []


def test_locked_python_packages_have_a_version_and_hashes() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    entries = [entry for entry in re.split(r"\n(?=[A-Za-z0-9])", text) if not entry.startswith("#")]
    assert entries
    loose = [entry for entry in entries if "==" not in entry or "--hash=sha256:" not in entry]
    assert loose == []


@pytest.mark.parametrize("pattern", [MACHINE_PATH], ids=["machine path"])
def test_no_tracked_file_names_a_path_of_one_machine(pattern: re.Pattern[str]) -> None:
    found = [
        (relative(path), match)
        for path in tracked_files()
        for match in pattern.findall(path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert found == []


def test_no_leftovers_and_nothing_large_is_tracked() -> None:
    leftovers = [relative(path) for path in tracked_files() if LEFTOVERS.search(path.name)]
    large = [relative(path) for path in tracked_files() if path.stat().st_size > MAX_BYTES]
    assert (leftovers, large) == ([], [])
