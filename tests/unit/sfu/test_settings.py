"""Settings load strictly, and every fault tells the operator what to write."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sfu import config
from sfu.media import CodecName
from sfu.settings import SettingsError, load
from sfu.values import RoomClass


@dataclass(frozen=True)
class Inner:
    port: int = 1
    name: str = "x"


@dataclass(frozen=True)
class Outer:
    path: Path
    kind: RoomClass = RoomClass.COUNCIL
    inner: Inner = field(default_factory=Inner)
    optional: Inner | None = None
    several: tuple[Inner, ...] = ()
    codecs: tuple[CodecName, ...] = ()
    ratio: float = 0.5
    flag: bool = False
    limit: int | None = None


def test_mapping_becomes_a_tree_of_dataclasses() -> None:
    loaded = load(
        Outer,
        {
            "path": "/run/x",
            "kind": "kep",
            "inner": {"port": 5},
            "optional": {"name": "y"},
            "several": [{"port": 7}, {}],
            "codecs": ["vp8", "av1"],
            "ratio": 2,
            "limit": 3,
        },
    )

    assert loaded == Outer(
        path=Path("/run/x"),
        kind=RoomClass.KEP,
        inner=Inner(port=5),
        optional=Inner(name="y"),
        several=(Inner(port=7), Inner()),
        codecs=(CodecName.VP8, CodecName.AV1),
        ratio=2.0,
        limit=3,
    )


@pytest.mark.parametrize(
    ("mapping", "parts"),
    [
        ({"pth": "x"}, ["unknown key pth", "did you mean path?"]),
        ({"path": "x", "inner": {"prt": 1}}, ["unknown key inner.prt", "did you mean port?"]),
        ({"path": "x", "zzz": 1}, ["unknown key zzz", "known keys here: codecs, flag"]),
        ({}, ["missing key path", 'write path = "text"']),
        ({"path": 5}, ["path = 5", "expected a string"]),
        ({"path": "x", "inner": {"port": "5"}}, ["inner.port = '5'", "Expected `int`", "1"]),
        ({"path": "x", "inner": 5}, ["inner = 5", "expected a table [inner]"]),
        ({"path": "x", "flag": 1}, ["flag = 1", "true"]),
        ({"path": "x", "kind": "party"}, ["kind = 'party'", '"council" or "kep"']),
        ({"path": "x", "codecs": ["vp7"]}, ["codecs = ['vp7']", '"vp8"']),
        ({"path": "x", "several": [1]}, ["several.0 = 1", "expected a table"]),
    ],
)
def test_fault_names_key_value_and_remedy(mapping: dict[str, Any], parts: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        load(Outer, mapping, "dev.toml")

    for part in ["dev.toml: ", *parts]:
        assert part in str(caught.value)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        load(Outer, {"kind": "party", "zzz": 1, "inner": {"port": "x"}})

    assert len(caught.value.faults) == 4


@pytest.mark.parametrize("kind", [config.MediaConfig, config.WorkerConfig])
def test_every_field_is_documented(kind: type[Any]) -> None:
    (body,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(body, ast.ClassDef)
    documented = {
        before.target.id
        for before, after in zip(body.body, body.body[1:], strict=False)
        if isinstance(before, ast.AnnAssign)
        and isinstance(before.target, ast.Name)
        and isinstance(after, ast.Expr)
        and isinstance(after.value, ast.Constant)
        and isinstance(after.value.value, str)
    }

    assert documented == {item.name for item in dataclasses.fields(kind)}


@pytest.mark.parametrize(
    ("mapping", "part"),
    [
        ({"first_port": 80}, "first_port = 80: use 1024"),
        ({"listen_addresses": []}, "listen_addresses is empty"),
        ({"max_video_streams": 65}, "use 1 to 64"),
        ({"abandoned_after_s": 0.5}, "abandoned_after_s = 0.5: use 1 to 86400"),
        ({"video_codecs": ["opus"]}, "name video codecs"),
    ],
)
def test_impossible_media_settings_are_refused(mapping: dict[str, Any], part: str) -> None:
    with pytest.raises(SettingsError, match=part):
        load(config.MediaConfig, mapping)
