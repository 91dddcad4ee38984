"""Scenario files: all that come with the product are good, and every mistake is named with its remedy."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path
from typing import Any

import pytest

from loadtest import scenario as scenario_module
from loadtest.scenario import Scenario
from loadtest.scenario_file import BadScenario, known_scenarios, read_scenario

NAMES = ("smoke", "kep_peak", "council", "big_room", "join_storm", "churn", "lossy")


def settings() -> list[type[Any]]:
    return [
        each
        for _, each in inspect.getmembers(scenario_module, dataclasses.is_dataclass)
        if isinstance(each, type)
    ]


def test_all_promised_scenarios_are_there() -> None:
    assert set(NAMES) == set(known_scenarios())


@pytest.mark.parametrize("name", NAMES)
def test_scenario_is_good_and_tells_what_it_stands_for(name: str) -> None:
    scenario = read_scenario(name)
    assert scenario.title and len(scenario.description) > 60
    assert scenario.thresholds.wrong_source_frames == 0
    assert known_scenarios()[name].read_text(encoding="utf-8").startswith("# Load test: ")


@pytest.mark.parametrize("kind", settings(), ids=lambda kind: kind.__name__)
def test_every_field_is_documented(kind: type[Any]) -> None:
    source = inspect.getsource(kind)
    for field in dataclasses.fields(kind):
        line = next(each for each in source.splitlines() if each.startswith(f"    {field.name}:"))
        follower = source.split(line + "\n", 1)[1].lstrip()
        assert follower.startswith('"""'), f"{kind.__name__}.{field.name}"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["rooms.cuont=3"], "unknown key rooms.cuont: did you mean count?"),
        (["colour=red"], "unknown key colour: known keys here: "),
        (["hold_s=soon"], "hold_s = 'soon'"),
        (["hold_s=0.0"], "hold_s = 0"),
        (["hold_s=inf"], "hold_s = inf"),
        (["hold_s=nan"], "hold_s = nan"),
        (["scale=0.0"], "scale = 0"),
        (["scale=nan"], "scale = nan"),
        (["rooms.count=0"], "count = 0: use 1 or more"),
        (["rooms.room_class=parliament"], "room_class"),
        (["groups.members.per_room=0"], "per_room = 0"),
        (["groups.members.role=king"], "role"),
        (["groups.members.shows_video=50"], "shows_video = 50: use 0 to 20"),
        (["groups.nobody.per_room=1"], "no groups.nobody (there are: members)"),
        (["ramp.within_s=10.0"], "set exactly one above 0"),
        (["ramp.joins_per_s=-1.0"], "not below 0"),
        (["ramp.joins_per_s=1e-9"], "use 0.001 or more"),
        (["floor.every_s=nan"], "floor.every_s = nan: use a number"),
        (["floor.groups=[\"mayor\"]"], 'floor.groups = "mayor": no such group, use one of members'),
        (["churn.per_minute=5.0"], "name who leaves and comes"),
        (["rooms.count=100000"], "one machine can play at most 20000"),
        (["churn.per_minute=1e9", "churn.group=members"], "too much happens"),
        (["thresholds.join_p95=3.0"], "did you mean join_p95_ms?"),
        (["title"], "write KEY=VALUE"),
        (["=3"], "write KEY=VALUE"),
        (["title.length=3"], "title is no table"),
        (["hold_s=true"], "hold_s"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_remedy(changes: list[str], words: str) -> None:
    with pytest.raises(BadScenario) as refusal:
        read_scenario("smoke", changes)
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("smok", "did you mean smoke?"),
        ("xyzzy", "there are: "),
        ("/nowhere/file.toml", "cannot be read"),
    ],
)
def test_an_unknown_scenario_is_named(name: str, words: str) -> None:
    with pytest.raises(BadScenario) as refusal:
        read_scenario(name)
    assert words in str(refusal.value)


@pytest.mark.parametrize("content", [b"title = ", b"\xff\xfe", b"a = 1\na = 2"])
def test_what_is_no_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(BadScenario, match="not TOML"):
        read_scenario(str(path))


def test_any_value_can_be_changed_on_the_command_line() -> None:
    changed = read_scenario(
        "kep_peak",
        ["scale=0.1", "ramp.joins_per_s=20.0", "ramp.within_s=0.0", "ramp.order=rooms",
         "groups.interpreters.share_of_rooms=0.5", "thresholds.join_p95_ms=400"],
    )  # fmt: skip
    assert (changed.room_count, changed.ramp.joins_per_s, changed.ramp.order) == (87, 20, "rooms")
    assert changed.groups[2].share_of_rooms == 0.5
    assert changed.thresholds.join_p95_ms == 400


def test_links_cannot_be_shared_by_more_than_there_are() -> None:
    with pytest.raises(BadScenario, match="together more than 1"):
        read_scenario("lossy", ["links.0.share=0.9"])


def test_scaling_keeps_at_least_one_of_each() -> None:
    council = read_scenario("council", ["scale=0.05"])
    assert [council.per_room(group) for group in council.groups] == [1, 1, 2, 2]
    assert council.room_count == 1
    assert isinstance(council, Scenario)
