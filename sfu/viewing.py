"""Who sees and hears whom in a room: live video, wishes, the speaker, audio slots → sources.
SANS-IO.

Each `handle_*` returns the viewers whose m-lines may change; `poll_sources` decides one viewer's
anew. The indexes exist so that a mute costs the viewers of that picture, not the whole room.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sfu.layout import SpeakerOrder, choose_speaker
from sfu.participant import Participant
from sfu.room_outputs import Output, SetSource
from sfu.values import Kind, StreamSource, TrackSource, VideoWish


class Viewing:
    """Part of one room. `participants` is the room's own map, read only here."""

    def __init__(self, participants: Mapping[str, Participant]) -> None:
        self._participants = participants
        self._speakers = SpeakerOrder()
        self._audio_slots: list[str | None] = []
        self._live: dict[TrackSource, dict[str, str]] = {
            source: {} for source in TrackSource if source.kind is Kind.VIDEO
        }
        """Who can be shown, longest first → on which of its m-lines."""
        self._followers: dict[TrackSource, set[str]] = {source: set() for source in self._live}
        """Viewers with an m-line that follows the speaker."""
        self._watchers: dict[str, set[str]] = {}
        """Participant named in a wish → viewers. It need not be (or be any more) in the room."""

    @property
    def speaking(self) -> list[str]:
        """Who speaks now, loudest first."""
        return self._speakers.speaking

    def handle_speakers(self, speaking: Sequence[str]) -> set[str]:
        """Take who speaks now, loudest first; all of them are in the room."""
        if not self._speakers.handle_speakers(speaking):
            return set()
        return set().union(*self._followers.values())

    def handle_audio_slots(self, slots: Sequence[str | None]) -> None:
        self._audio_slots = [slot if slot in self._participants else None for slot in slots]

    def handle_publisher(self, publisher: Participant) -> set[str]:
        """Take that the tracks of `publisher` may have become live, not live, or moved."""
        viewers = set(self._watchers.get(publisher.id, ()))
        for source, live in self._live.items():
            mid = publisher.live_mid(source)
            if mid == live.get(publisher.id):
                continue
            if mid is None:
                del live[publisher.id]
            else:
                live[publisher.id] = mid
            viewers |= self._followers[source]
        return viewers

    def handle_gone(self, participant: Participant) -> set[str]:
        """Take that the participant left; the room's map has it no more."""
        self.handle_wishes(participant, {})
        for live in self._live.values():
            live.pop(participant.id, None)
        self._speakers.handle_gone(participant.id)
        viewers = set(self._watchers.get(participant.id, ())).union(*self._followers.values())
        if participant.id in self._audio_slots:
            self._audio_slots = [None if p == participant.id else p for p in self._audio_slots]
            viewers |= self._participants.keys()
        return viewers

    def handle_wishes(self, viewer: Participant, wishes: dict[str, VideoWish]) -> None:
        """Replace the wishes of `viewer`."""
        for wish in viewer.wishes.values():
            watchers = self._watchers.get(wish.participant or "")
            if watchers is not None:
                watchers.discard(viewer.id)
                if not watchers:
                    del self._watchers[wish.participant or ""]
        for followers in self._followers.values():
            followers.discard(viewer.id)
        viewer.wishes = wishes
        for wish in wishes.values():
            if wish.speaker:
                self._followers[wish.source].add(viewer.id)
            elif wish.participant is not None:
                self._watchers.setdefault(wish.participant, set()).add(viewer.id)

    def handle_m_lines(self, viewer: Participant) -> None:
        """Take that `viewer` negotiated: wishes for m-lines that are gone go with them."""
        mids = set(viewer.mids(Kind.VIDEO))
        self.handle_wishes(viewer, {mid: w for mid, w in viewer.wishes.items() if mid in mids})
        # The engine forgets those m-lines by itself.
        viewer.applied = {mid: command for mid, command in viewer.applied.items() if mid in mids}

    def poll_sources(self, viewer: Participant) -> list[Output]:
        """Decide each video m-line of `viewer` anew; return only what changed."""
        changed: list[Output] = []
        for mid in viewer.mids(Kind.VIDEO) if viewer.has_transport else []:
            wanted = self._decide_source(viewer, mid)
            if viewer.applied.get(mid, _nothing(viewer.id, mid)) != wanted:
                changed.append(wanted)
            viewer.applied[mid] = wanted
        return changed

    def sources(self, viewer: Participant) -> list[StreamSource]:
        """Return what the receive-only m-lines of `viewer` carry, in m-line order."""
        sources = []
        slots = iter(self._audio_slots)
        for media in viewer.subscribed:
            who: str | None
            what: TrackSource | None
            if media.kind is Kind.AUDIO:
                who, what = next(slots, None), TrackSource.MICROPHONE
                if who == viewer.id:  # nobody hears oneself
                    who = None
            else:
                applied = viewer.applied.get(media.mid)
                who = applied.publisher if applied is not None else None
                what = None if who is None else viewer.wishes[media.mid].source
            what = what if who is not None else None
            sources.append(
                StreamSource(mid=media.mid, kind=media.kind, participant=who, source=what)
            )
        return sources

    def _decide_source(self, viewer: Participant, mid: str) -> SetSource:
        wish = viewer.wishes.get(mid)
        if wish is None:
            return _nothing(viewer.id, mid)
        live = self._live[wish.source]
        publisher_id = wish.participant
        if wish.speaker:
            publisher_id = choose_speaker(viewer.id, self._speakers, live, live.__contains__)
        if publisher_id is None or publisher_id not in live:
            return _nothing(viewer.id, mid)
        return SetSource(viewer.id, mid, publisher_id, live[publisher_id], wish.max_height)


def _nothing(viewer: str, mid: str) -> SetSource:
    return SetSource(viewer, mid, None, None, 0)
