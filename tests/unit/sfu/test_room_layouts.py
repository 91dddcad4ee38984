"""The room's rules of who is shown and heard, in virtual time."""

from __future__ import annotations

import pytest

from sfu import rpc_messages as messages
from sfu.errors import (
    BadLayout,
)
from sfu.room_outputs import (
    RemoveTransport,
    SetSource,
)
from sfu.values import Kind, StreamSource, TrackSource, VideoWish
from tests.support.rooms import SPEAKER, RoomDriver


class TestLayouts:
    @pytest.mark.parametrize(
        "wish",
        [
            pytest.param(VideoWish(mid="v9"), id="no such m-line"),
            pytest.param(VideoWish(mid="a0"), id="audio m-line"),
            pytest.param(VideoWish(mid="c"), id="sending m-line"),
            pytest.param(VideoWish(mid="v0", source=TrackSource.MICROPHONE), id="sound"),
            pytest.param(VideoWish(mid="v0", participant="babis", speaker=True), id="both"),
        ],
    )
    def test_wish_that_cannot_be_meant_is_refused(self, wish: VideoWish) -> None:
        driver = RoomDriver()
        driver.enter("anna", "babis")

        with pytest.raises(BadLayout) as caught:
            driver.layout("anna", VideoWish(mid="v1", participant="babis"), wish)

        assert caught.value.mid == wish.mid
        assert driver.shown("anna", "v1") is None

    def test_m_line_named_twice_is_refused(self) -> None:
        driver = RoomDriver()
        driver.enter("anna")

        with pytest.raises(BadLayout, match="twice"):
            driver.layout("anna", VideoWish(mid="v0"), VideoWish(mid="v0"))

    def test_m_lines_not_named_are_cleared_and_unchanged_ones_left_alone(self) -> None:
        driver = RoomDriver()
        driver.enter("anna", "babis")
        driver.layout("anna", *[VideoWish(mid=mid, participant="babis") for mid in ("v0", "v1")])
        driver.outputs.clear()

        driver.layout("anna", VideoWish(mid="v1", participant="babis"))

        assert driver.take(SetSource) == [SetSource("anna", "v0", None, None, 0)]

    def test_height_goes_to_the_engine_and_zero_still_names_the_source(self) -> None:
        driver = RoomDriver()
        driver.enter("anna", "babis")

        driver.layout("anna", VideoWish(mid="v0", participant="babis", max_height=0))

        assert driver.engine["anna", "v0"] == SetSource("anna", "v0", "babis", "c", 0)
        assert driver.told["anna"][3].participant == "babis"

    def test_wish_for_who_comes_later_is_kept(self) -> None:
        driver = RoomDriver()
        driver.enter("anna")
        driver.layout("anna", VideoWish(mid="v0", participant="babis"))

        driver.enter("babis")

        assert driver.shown("anna", "v0") == "babis"

    def test_source_is_cleared_before_its_publisher_goes(self) -> None:
        driver = RoomDriver()
        driver.enter("anna", "babis")
        driver.layout("anna", VideoWish(mid="v0", participant="babis"))
        driver.outputs.clear()

        driver.do(driver.room.handle_leave("babis", "left"))

        commands = [o for o in driver.outputs if isinstance(o, SetSource | RemoveTransport)]
        assert commands == [SetSource("anna", "v0", None, None, 0), RemoveTransport("babis")]


class TestSpeaker:
    def test_m_line_follows_the_speaker_but_never_shows_the_viewer(self) -> None:
        driver = RoomDriver()
        driver.enter("anna", "babis", "kostas")
        for viewer in ["anna", "babis", "kostas"]:
            driver.layout(viewer, SPEAKER)

        driver.do(driver.room.handle_speakers(["babis"]))
        driver.do(driver.room.handle_speakers(["kostas"]))

        assert {viewer: driver.shown(viewer, "v0") for viewer in ["anna", "babis", "kostas"]} == {
            "anna": "kostas",
            "babis": "kostas",
            "kostas": "babis",
        }

    def test_who_joins_while_somebody_speaks_is_told_who(self) -> None:
        driver = RoomDriver()
        driver.enter("anna")
        driver.do(driver.room.handle_speakers(["anna"]))
        driver.take(messages.SpeakersChanged)

        driver.enter("babis")

        assert [e.participants for e in driver.take(messages.SpeakersChanged)] == [["anna"]]

    def test_speaker_stays_while_speaking_and_when_all_fall_silent(self) -> None:
        driver = RoomDriver()
        driver.enter("anna", "babis", "kostas")
        driver.layout("anna", SPEAKER)

        for speaking in [["kostas"], ["babis", "kostas"], ["kostas", "babis"], []]:
            driver.do(driver.room.handle_speakers(speaking))
            assert driver.shown("anna", "v0") == "kostas"

        assert [e.participants for e in driver.take(messages.SpeakersChanged)] == [
            ["kostas"],
            ["babis", "kostas"],
            ["kostas", "babis"],
            [],
        ]

    def test_before_anybody_spoke_the_longest_live_other_is_shown(self) -> None:
        driver = RoomDriver()
        driver.enter("anna", "babis", "kostas")

        driver.layout("anna", SPEAKER)
        driver.layout("babis", SPEAKER)

        assert driver.shown("anna", "v0") == "babis"
        assert driver.shown("babis", "v0") == "anna"

    def test_speaker_without_live_video_is_passed_over(self) -> None:
        driver = RoomDriver()
        driver.enter("anna", "babis", "kostas")
        driver.layout("anna", SPEAKER)
        driver.do(driver.room.handle_speakers(["kostas"]))

        driver.do(driver.room.handle_mute("kostas", TrackSource.CAMERA, True))

        assert driver.shown("anna", "v0") == "babis"

    def test_speaker_may_be_shown_on_another_m_line_as_well(self) -> None:
        driver = RoomDriver()
        driver.enter("anna", "babis")

        driver.layout("anna", SPEAKER, VideoWish(mid="v1", participant="babis"))

        assert driver.shown("anna", "v0") == driver.shown("anna", "v1") == "babis"

    def test_leaving_speaker_is_told_and_followed_no_more(self) -> None:
        driver = RoomDriver()
        driver.enter("anna", "babis", "kostas")
        driver.layout("anna", SPEAKER)
        driver.do(driver.room.handle_speakers(["kostas", "babis"]))
        driver.outputs.clear()

        driver.do(driver.room.handle_leave("kostas", "left"))

        assert driver.shown("anna", "v0") == "babis"
        assert [e.participants for e in driver.take(messages.SpeakersChanged)] == [["babis"]]


class TestAudio:
    def test_slots_are_told_to_each_without_oneself(self) -> None:
        driver = RoomDriver()
        driver.enter("anna", "babis")

        driver.do(driver.room.handle_audio_slots(["anna", "babis", None]))

        heard = {
            viewer: [s.participant for s in driver.told[viewer] if s.kind is Kind.AUDIO]
            for viewer in ["anna", "babis"]
        }
        assert heard == {"anna": [None, "babis", None], "babis": ["anna", None, None]}
        assert driver.told["anna"][1] == StreamSource(
            mid="a1", kind=Kind.AUDIO, participant="babis", source=TrackSource.MICROPHONE
        )

    def test_who_leaves_leaves_the_slots(self) -> None:
        driver = RoomDriver()
        driver.enter("anna", "babis")
        driver.do(driver.room.handle_audio_slots(["babis", None, None]))

        driver.do(driver.room.handle_leave("babis", "left"))

        assert driver.told["anna"][0].participant is None
