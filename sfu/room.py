"""A room: who is in it, what they publish, who may, who sees whom. SANS-IO.

Each `handle_*` takes an input and returns `Output`s in the order to apply them; `next_timeout` says
when to call `handle_timeout`. The calling rule: one `handle_*`, then apply all it returned, then
the next. A refused input raises a `SfuError` and changes nothing.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sfu import rpc_messages as messages
from sfu.errors import (
    BadRequest,
    NotAllowed,
    ResumeRefused,
    RoomFull,
    UnknownParticipant,
)
from sfu.hands import RaisedHands
from sfu.layout import check_layout
from sfu.negotiation import Negotiated, Negotiator
from sfu.participant import Participant, Presence, PresenceEvent, TransportEvent
from sfu.quality import QualityMeter
from sfu.room_outputs import (
    AddTransport,
    JoinTimed,
    Output,
    RemoveTransport,
    RestartIce,
    SetForwarding,
    SetMedia,
)
from sfu.values import (
    ConnectionQuality,
    Grants,
    Kind,
    ParticipantInfo,
    RoomClass,
    TrackSource,
    TransportState,
    VideoWish,
)
from sfu.viewing import Viewing

RESUME_WINDOW_S = 30.0
"""How long a participant whose socket is lost keeps its place. Source: the protocol's promise."""

QUALITY_INTERVAL_S = 2.0
"""How often changed connection qualities are told, together. The engine reports each this often."""

Outputs = list[Output]


@dataclass(frozen=True)
class RoomConfig:
    """What a room is made with. Nothing of it ever changes: the class least of all."""

    room: str
    room_class: RoomClass
    title: str
    capacity: int
    """Most participants, those who may still resume included."""


class Room:
    """One room's whole state."""

    def __init__(self, config: RoomConfig, new_negotiator: Callable[[], Negotiator]) -> None:
        self._config = config
        self._new_negotiator = new_negotiator
        self._participants: dict[str, Participant] = {}
        self._by_subject: dict[str, str] = {}
        self._detached: dict[str, Participant] = {}
        """Who is here without a socket, the longest first."""
        self._hands = RaisedHands()
        self._viewing = Viewing(self._participants)
        self._changed_quality: dict[str, None] = {}
        self._quality_due: float | None = None

    @property
    def config(self) -> RoomConfig:
        return self._config

    def __len__(self) -> int:
        return len(self._participants)

    def transport_states(self) -> list[TransportState]:
        """Return the state of each participant's transport, for the metric."""
        return [participant.transport for participant in self._participants.values()]

    def state(self) -> messages.RoomState:
        qualities = [participant.quality.told for participant in self._participants.values()]
        return messages.RoomState(
            room=self._config.room,
            room_class=self._config.room_class,
            title=self._config.title,
            participants=[self._info(participant) for participant in self._participants.values()],
            subjects={participant: subject for subject, participant in self._by_subject.items()},
            quality=[quality for quality in qualities if quality is not None],
        )

    def admission(self, participant_id: str) -> messages.Admission:
        participant = self._participant(participant_id)
        return messages.Admission(
            state=self.state(),
            role=participant.role,
            grants=participant.grants,
            sources=self._viewing.sources(participant),
            transport=participant.transport,
        )

    def next_timeout(self) -> float | None:
        """Return when `handle_timeout` is due."""
        longest = next(iter(self._detached.values()), None)
        window_over = longest.detached_at + RESUME_WINDOW_S if longest is not None else None
        due = [at for at in (window_over, self._quality_due) if at is not None]
        return min(due, default=None)

    # Inputs from people, by way of signaling.

    def handle_join(self, join: messages.Join, now: float) -> Outputs:
        """Add a participant; one of the same subject is replaced.

        Raises:
            RoomFull, BadRequest: the room is full, or the id is taken.
        """
        replaced = self._by_subject.get(join.subject)
        if join.participant in self._participants and join.participant != replaced:
            raise BadRequest(detail=f"participant id {join.participant} is taken")
        if len(self._participants) - (replaced is not None) >= self._config.capacity:
            raise RoomFull(room=self._config.room, capacity=self._config.capacity)
        outputs = self._remove(replaced, "replaced") if replaced is not None else []
        participant = Participant(
            id=join.participant,
            subject=join.subject,
            display_name=join.display_name,
            role=join.role,
            grants=join.grants,
            secret_digest=join.secret_digest,
            encryption=join.encryption,
            joined_at=now,
            negotiator=self._new_negotiator(),
            quality=QualityMeter(join.participant),
        )
        self._participants[participant.id] = participant
        self._by_subject[participant.subject] = participant.id
        room = self._config.room
        return [
            *outputs,
            messages.ParticipantJoined(
                room=room, participant=self._info(participant), subject=participant.subject
            ),
            *self._tell_speakers(),
        ]

    def handle_resume(self, resume: messages.Resume, now: float) -> Outputs:
        """Attach a new socket.

        Raises:
            ResumeRefused: the participant is gone, its window over, or the digest is another.
        """
        participant = self._participants.get(resume.participant)
        digest = participant.secret_digest if participant is not None else b""
        is_secret = hmac.compare_digest(digest, resume.secret_digest)
        if participant is None or not is_secret or self._is_window_over(participant, now):
            raise ResumeRefused(participant=resume.participant)
        participant.secret_digest = resume.next_secret_digest
        changed = participant.handle_presence(PresenceEvent.RESUMED)
        self._detached.pop(participant.id, None)
        outputs: Outputs = [self._updated(participant)] if changed else []
        return outputs + self._tell_speakers()

    def handle_detach(self, participant_id: str, now: float) -> Outputs:
        participant = self._participant(participant_id)
        if not participant.handle_presence(PresenceEvent.SOCKET_LOST):
            return []
        participant.detached_at = now
        self._detached[participant.id] = participant
        return [self._updated(participant)]

    def handle_leave(self, participant_id: str, reason: str) -> Outputs:
        self._participant(participant_id)
        return self._remove(participant_id, reason)

    def handle_close(self, reason: str) -> Outputs:
        """End the room: every transport goes; one event stands for all who were in it."""
        outputs: Outputs = [
            RemoveTransport(participant.id)
            for participant in self._participants.values()
            if participant.has_transport
        ]
        self._participants.clear()
        self._detached.clear()
        return [*outputs, messages.RoomClosed(room=self._config.room, reason=reason)]

    def handle_offer(
        self, participant_id: str, sdp: str, tracks: Mapping[str, TrackSource]
    ) -> tuple[str, Outputs]:
        """Return the answer, and what follows from it.

        Raises:
            BadSdp, UnsupportedSdp, FingerprintMissing, TooManyStreams: nothing has changed.
        """
        participant = self._participant(participant_id)
        info_before = self._info(participant)
        negotiated = participant.negotiator.handle_offer(sdp, tracks)
        outputs = self._apply_transport(participant, negotiated)
        outputs += self._apply_media(participant, negotiated)
        outputs += self._show(self._viewing.handle_publisher(participant) | {participant.id})
        if self._info(participant) != info_before:
            outputs.append(self._updated(participant))
        return negotiated.sdp, outputs

    def handle_layout(self, participant_id: str, wishes: Sequence[VideoWish]) -> Outputs:
        """Replace all wishes of a viewer.

        Raises:
            BadLayout: see `check_layout`.
        """
        participant = self._participant(participant_id)
        checked = check_layout(wishes, participant.mids(Kind.VIDEO))
        self._viewing.handle_wishes(participant, checked)
        return self._show({participant.id})

    def handle_mute(self, participant_id: str, source: TrackSource, is_muted: bool) -> Outputs:
        participant = self._participant(participant_id)
        if (source in participant.muted) == is_muted:
            return []
        (participant.muted.add if is_muted else participant.muted.discard)(source)
        if participant.media_of(source) is None:
            return []
        return [
            *self._show(self._viewing.handle_publisher(participant)),
            self._updated(participant),
        ]

    def handle_grants(self, participant_id: str, grants: Grants) -> Outputs:
        participant = self._participant(participant_id)
        if participant.grants == grants:
            return []
        before = {
            media.mid: participant.may_publish(media.source) for media in participant.published
        }
        participant.grants = grants
        outputs: Outputs = [
            SetForwarding(participant.id, media.mid, participant.may_publish(media.source))
            for media in participant.published
            if participant.may_publish(media.source) != before[media.mid]
        ]
        outputs += self._show(self._viewing.handle_publisher(participant))
        behind = [] if grants.hand else self._hands.handle_lower(participant.id)
        return outputs + self._update_all([participant.id, *behind])

    def handle_hand(self, participant_id: str, is_raised: bool) -> Outputs:
        """Raise or lower a hand.

        Raises:
            NotAllowed: raising without the grant.
        """
        participant = self._participant(participant_id)
        if is_raised and not participant.grants.hand:
            raise NotAllowed(participant=participant_id, grant="hand")
        change = self._hands.handle_raise if is_raised else self._hands.handle_lower
        return self._update_all(change(participant_id))

    # Inputs from the engine and the handshake. They may be about who has just left: no error then.

    def handle_speakers(self, speaking: Sequence[str]) -> Outputs:
        """Take who speaks now, loudest first."""
        present = [participant for participant in speaking if participant in self._participants]
        told = self._viewing.speaking
        outputs = self._show(self._viewing.handle_speakers(present))
        if present != told:
            outputs.append(messages.SpeakersChanged(room=self._config.room, participants=present))
        return outputs

    def handle_audio_slots(self, slots: Sequence[str | None]) -> Outputs:
        """Take who is carried on the first, second, third audio stream."""
        self._viewing.handle_audio_slots(slots)
        return self._tell_sources(self._participants)

    def handle_transport(self, participant_id: str, event: TransportEvent, now: float) -> Outputs:
        participant = self._participants.get(participant_id)
        if participant is None or not participant.handle_transport(event):
            return []
        state = participant.transport
        outputs: Outputs = [self._transport_changed(participant)]
        if state is TransportState.CONNECTED and not participant.was_connected:
            participant.was_connected = True
            outputs.append(JoinTimed(now - participant.joined_at))
        participant.quality.handle_connectivity(
            state not in (TransportState.NEW, TransportState.CONNECTED)
        )
        self._note_quality(participant.id, now)
        return outputs + self._show(self._viewing.handle_publisher(participant))

    def handle_quality(self, quality: ConnectionQuality, now: float) -> Outputs:
        """Take what the engine tells of a connection."""
        participant = self._participants.get(quality.participant)
        if participant is not None:
            participant.quality.handle_report(quality)
            self._note_quality(participant.id, now)
        return []

    def handle_flow(self, participant_id: str, mid: str, is_flowing: bool) -> Outputs:
        """Take that packets on an m-line began or ceased to arrive."""
        participant = self._participants.get(participant_id)
        if participant is None or self._config.room_class is not RoomClass.KEP:
            return []
        camera = participant.media_of(TrackSource.CAMERA)
        if camera is None or camera.mid != mid:
            return []
        change = participant.flowing.add if is_flowing else participant.flowing.discard
        change(TrackSource.CAMERA)
        return [self._updated(participant)]

    def handle_timeout(self, now: float) -> Outputs:
        """Do what is due."""
        outputs: Outputs = []
        for participant in list(self._detached.values()):
            if self._is_window_over(participant, now):
                outputs += self._remove(participant.id, "lost")
        if self._quality_due is not None and now >= self._quality_due:
            outputs += self._tell_quality()
        return outputs

    # Lookups.

    def _participant(self, participant_id: str) -> Participant:
        participant = self._participants.get(participant_id)
        if participant is None:
            raise UnknownParticipant(room=self._config.room, participant=participant_id)
        return participant

    def _is_window_over(self, participant: Participant, now: float) -> bool:
        return (
            participant.presence is Presence.DETACHED
            and now >= participant.detached_at + RESUME_WINDOW_S
        )

    def _info(self, participant: Participant) -> ParticipantInfo:
        return participant.info(self._hands.rank(participant.id))

    # Changes.

    def _remove(self, participant_id: str, reason: str) -> Outputs:
        participant = self._participants.pop(participant_id)
        del self._by_subject[participant.subject]
        self._detached.pop(participant_id, None)
        self._changed_quality.pop(participant_id, None)
        told = self._viewing.speaking
        behind = self._hands.handle_lower(participant_id)
        outputs = self._show(self._viewing.handle_gone(participant))
        if participant.has_transport:
            outputs.append(RemoveTransport(participant_id))
        room = self._config.room
        outputs.append(
            messages.ParticipantLeft(room=room, participant=participant_id, reason=reason)
        )
        if (speaking := self._viewing.speaking) != told:
            outputs.append(messages.SpeakersChanged(room=room, participants=speaking))
        return outputs + self._update_all(p for p in behind if p != participant_id)

    def _apply_transport(self, participant: Participant, negotiated: Negotiated) -> Outputs:
        outputs: Outputs = []
        if negotiated.is_ice_restart:
            outputs.append(RestartIce(participant.id, negotiated.local_ice, negotiated.remote_ice))
        if not negotiated.is_new_transport:
            return outputs
        if participant.has_transport:
            outputs.append(RemoveTransport(participant.id))
        participant.has_transport = True
        participant.applied.clear()
        outputs.append(
            AddTransport(
                participant.id,
                negotiated.local_ice,
                negotiated.remote_ice,
                negotiated.dtls_role,
                negotiated.remote_fingerprints,
            )
        )
        if participant.handle_transport(TransportEvent.REPLACED):
            participant.quality.handle_connectivity(is_lost=False)
            outputs.append(self._transport_changed(participant))
        return outputs

    def _apply_media(self, participant: Participant, negotiated: Negotiated) -> Outputs:
        published, subscribed = negotiated.published, negotiated.subscribed
        is_same = (published, subscribed) == (participant.published, participant.subscribed)
        if is_same and not negotiated.is_new_transport:
            return []
        if negotiated.is_new_transport:
            participant.flowing.clear()
        participant.published, participant.subscribed = published, subscribed
        self._viewing.handle_m_lines(participant)
        return [
            SetMedia(participant.id, published, subscribed),
            *(
                SetForwarding(participant.id, media.mid, participant.may_publish(media.source))
                for media in published
            ),
        ]

    def _note_quality(self, participant_id: str, now: float) -> None:
        self._changed_quality[participant_id] = None
        if self._quality_due is None:
            self._quality_due = now + QUALITY_INTERVAL_S

    # Telling.

    def _show(self, viewers: set[str]) -> Outputs:
        """Return the sources that change for these viewers, and what they are to be told."""
        # Sorted, so that a run of a simulation repeats whatever the hash seed is.
        present = sorted(viewers & self._participants.keys())
        outputs: Outputs = []
        for viewer in present:
            outputs += self._viewing.poll_sources(self._participants[viewer])
        return outputs + self._tell_sources(present)

    def _updated(self, participant: Participant) -> messages.ParticipantUpdated:
        info = self._info(participant)
        return messages.ParticipantUpdated(room=self._config.room, participant=info)

    def _update_all(self, participants: Iterable[str]) -> Outputs:
        return [self._updated(self._participants[p]) for p in dict.fromkeys(participants)]

    def _transport_changed(self, participant: Participant) -> messages.TransportChanged:
        return messages.TransportChanged(
            room=self._config.room, participant=participant.id, state=participant.transport
        )

    def _tell_sources(self, participants: Iterable[str]) -> Outputs:
        outputs: Outputs = []
        for participant_id in participants:
            participant = self._participants[participant_id]
            sources = self._viewing.sources(participant)
            if sources != participant.told_sources:
                participant.told_sources = sources
                outputs.append(
                    messages.SourcesChanged(
                        room=self._config.room, participant=participant_id, sources=sources
                    )
                )
        return outputs

    def _tell_speakers(self) -> Outputs:
        """Who speaks is told on change only: a new socket must hear it once."""
        speaking = self._viewing.speaking
        if not speaking:
            return []
        return [messages.SpeakersChanged(room=self._config.room, participants=list(speaking))]

    def _tell_quality(self) -> Outputs:
        self._quality_due = None
        changes = [self._participants[p].quality.poll_change() for p in self._changed_quality]
        self._changed_quality.clear()
        told = [change for change in changes if change is not None]
        return [messages.QualityChanged(room=self._config.room, participants=told)] if told else []
