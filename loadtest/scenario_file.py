"""Scenario files: found by name, read as TOML, changed by `--set`, refused with a remedy."""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loadtest.scenario import Scenario
from sfu.settings import SettingsError, load

FOLDERS = (Path("configs/loadtest"), Path(__file__).parents[1] / "configs" / "loadtest")
"""Of this folder, or of the source tree."""


class BadScenario(Exception):
    """There is no such scenario, or it is wrong. The text names key, value and remedy."""


def known_scenarios() -> dict[str, Path]:
    """Return name → file of the scenarios that come with the product."""
    found: dict[str, Path] = {}
    for folder in FOLDERS:
        for path in sorted(folder.glob("*.toml")):
            found.setdefault(path.stem, path)
    return found


def read_scenario(name: str, changes: Sequence[str] = ()) -> Scenario:
    """Return the scenario of that name or file, with `changes` such as "ramp.joins_per_s=20".

    Raises:
        BadScenario: see there.
    """
    path = _find(name)
    try:
        mapping: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadScenario(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadScenario(f"{path}: not TOML: {error}") from error
    for change in changes:
        apply_change(mapping, change)
    endless = [f"{path}: {key} = {value}: use a number" for key, value in _endless(mapping)]
    if endless:
        raise BadScenario("\n".join(endless))
    try:
        return load(Scenario, mapping, str(path))
    except SettingsError as error:
        raise BadScenario(str(error)) from error


def apply_change(mapping: dict[str, Any], change: str) -> None:
    """Change one value: `key.key=VALUE`, in a list of tables `groups.NAME.key=VALUE` or by number.

    VALUE is TOML; what is not is taken as text, so that `ramp.order=random` needs no quotes.

    Raises:
        BadScenario: the change has no `=`, or leads nowhere.
    """
    key, separator, text = change.partition("=")
    keys = key.strip().split(".")
    if not separator or not all(keys):
        raise BadScenario(f'--set "{change}": write KEY=VALUE, such as ramp.joins_per_s=20')
    place: Any = mapping
    for depth, part in enumerate(keys[:-1]):
        place = _step(place, part, change, ".".join(keys[: depth + 1]))
    if not isinstance(place, dict):
        raise BadScenario(f'--set "{change}": {".".join(keys[:-1])} is no table')
    place[keys[-1]] = _value(text.strip())


def _step(place: Any, part: str, change: str, so_far: str) -> Any:
    if isinstance(place, dict):
        return place.setdefault(part, {})
    if isinstance(place, list):
        for index, each in enumerate(place):
            if part == str(index) or (isinstance(each, Mapping) and each.get("name") == part):
                return each
        names = ", ".join(str(each.get("name")) for each in place if isinstance(each, Mapping))
        raise BadScenario(f'--set "{change}": no {so_far} (there are: {names})')
    raise BadScenario(f'--set "{change}": {so_far} is no table')


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _endless(value: Any, path: str = "") -> list[tuple[str, float]]:
    """Return the keys whose value TOML calls a number and arithmetic does not: inf and nan."""
    if isinstance(value, Mapping):
        return [row for key, each in value.items() for row in _endless(each, f"{path}.{key}")]
    if isinstance(value, list):
        return [
            row for index, each in enumerate(value) for row in _endless(each, f"{path}.{index}")
        ]
    is_endless = isinstance(value, float) and not math.isfinite(value)
    return [(path.lstrip("."), value)] if is_endless else []


def _find(name: str) -> Path:
    if name.endswith(".toml"):
        return Path(name)
    known = known_scenarios()
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(known) or 'none'}"
    raise BadScenario(f'no scenario "{name}": {hint} (or name a .toml file)')
