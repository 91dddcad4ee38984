"""Every file in configs/ parses, and every key there is appears with a comment."""

from __future__ import annotations

import dataclasses
import re
import tomllib
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from signaling.config import Config, load_config
from tests.support.repository import relative, tracked

SERVICE_CONFIGS = [
    path for path in tracked(".toml", under="configs") if path.parent.name == "configs"
]
"""Those of load tests, in a folder below, are parsed by tests/unit/loadtest/test_scenario.py."""
KEY = re.compile(r"^\s*(?P<off># ?)?(?P<key>[a-z_]+) = ")
TABLE = re.compile(r"^\s*\[+[\w.]+\]+")


@pytest.mark.parametrize("path", SERVICE_CONFIGS, ids=relative)
def test_config_is_valid(path: Path) -> None:
    assert isinstance(load_config(path), Config)


@pytest.mark.parametrize("path", SERVICE_CONFIGS, ids=relative)
def test_every_key_has_a_comment(path: Path) -> None:
    """One above it, above the keys it stands with, or above its table."""
    bare = []
    is_explained, is_repeated = False, False
    tables: set[str] = set()
    for line in path.read_text(encoding="utf-8").splitlines():
        if (table := TABLE.match(line)) is not None:
            # The second worker or room says nothing new about the same keys.
            is_repeated = table.group() in tables
            tables.add(table.group())
        elif (key := KEY.match(line)) is not None:
            if not (is_explained or is_repeated or " #" in line):
                bare.append(key["key"])
        else:
            is_explained = line.startswith("#")
    assert bare == []


def test_every_key_is_shown() -> None:
    shown = set()
    for path in SERVICE_CONFIGS:
        text = path.read_text(encoding="utf-8")
        shown |= {match["key"] for line in text.splitlines() if (match := KEY.match(line))}
        shown |= _keys_of(tomllib.loads(text))
    assert sorted(set(_fields(Config)) - shown) == []


def _keys_of(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {key for each in value.values() for key in _keys_of(each)}
    if isinstance(value, list):
        return {key for each in value for key in _keys_of(each)}
    return set()


def _fields(kind: type) -> Iterator[str]:
    """Names of all keys, those of nested tables too."""
    hints = typing.get_type_hints(kind)
    for each in dataclasses.fields(kind):
        nested = [hints[each.name], *typing.get_args(hints[each.name])]
        tables = [one for one in nested if dataclasses.is_dataclass(one)]
        if not tables:
            yield each.name
        for table in tables:
            assert isinstance(table, type)
            yield from _fields(table)
