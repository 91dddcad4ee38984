"""Rooms of load tests exist only where the configuration says so, and safely."""

from __future__ import annotations

from pathlib import Path

import pytest

from sfu.settings import SettingsError
from sfu.values import RoomClass
from signaling.config import load_config
from signaling.loadtest_rooms import LoadTestConfig, loadtest_problems

BOTH = frozenset(RoomClass)


def test_there_are_none_by_default() -> None:
    assert LoadTestConfig().rooms() == []
    assert LoadTestConfig(council_rooms=3, kep_rooms=3).rooms() == []


def test_enabled_rooms_are_named_by_a_pattern_and_class() -> None:
    rooms = LoadTestConfig(enabled=True, council_rooms=1, kep_rooms=2).rooms()
    assert [(each.room, each.room_class) for each in rooms] == [
        ("loadtest-council-1", RoomClass.COUNCIL),
        ("loadtest-kep-1", RoomClass.KEP),
        ("loadtest-kep-2", RoomClass.KEP),
    ]


@pytest.mark.parametrize(
    ("config", "classes", "is_public", "words"),
    [
        (LoadTestConfig(enabled=True), BOTH, False, "without rooms"),
        (LoadTestConfig(enabled=True, kep_rooms=-1), BOTH, False, "use 0 to 5000"),
        (LoadTestConfig(enabled=True, kep_rooms=5001), BOTH, False, "use 0 to 5000"),
        (LoadTestConfig(enabled=True, kep_rooms=1), BOTH, True, "others may reach us"),
        (
            LoadTestConfig(enabled=True, kep_rooms=1),
            frozenset({RoomClass.COUNCIL}),
            False,
            "no worker of class kep",
        ),
    ],
)
def test_mistakes_are_named(
    config: LoadTestConfig, classes: frozenset[RoomClass], is_public: bool, words: str
) -> None:
    assert any(words in each for each in loadtest_problems(config, classes, is_public))


def test_a_public_service_without_a_secret_does_not_start(tmp_path: Path) -> None:
    path = tmp_path / "synedrion.toml"
    path.write_text(
        '[http]\norigins = ["https://meet.example.gr"]\n'
        '[[workers]]\nname = "kep"\nroom_class = "kep"\n'
        "[loadtest]\nenabled = true\nkep_rooms = 10\n"
    )
    with pytest.raises(SettingsError, match=r"loadtest\.secret"):
        load_config(path)
