"""From an event of a media worker to what sockets are told. Pure."""

from __future__ import annotations

from sfu import rpc_messages as rpc
from signaling import messages
from signaling.messages import ServerMessage


def notification_of(event: rpc.Event) -> ServerMessage | None:
    """Return the message that tells `event`; None if sessions tell it in their own way."""
    match event:
        case rpc.ParticipantJoined():
            return messages.ParticipantJoined(participant=event.participant)
        case rpc.ParticipantUpdated():
            return messages.ParticipantUpdated(participant=event.participant)
        case rpc.ParticipantLeft():
            return messages.ParticipantLeft(participant=event.participant, reason=event.reason)
        case rpc.SpeakersChanged():
            return messages.Speakers(participants=event.participants)
        case rpc.SourcesChanged():
            return messages.Sources(sources=event.sources)
        case rpc.TransportChanged():
            return messages.MediaState(state=event.state.value)
        case rpc.QualityChanged():
            return messages.Quality(participants=event.participants)
        case _:
            return None


def addressee_of(event: rpc.Event) -> str | None:
    """Return the one participant whom `event` concerns; None if it concerns the whole room."""
    if isinstance(event, rpc.SourcesChanged | rpc.TransportChanged):
        return event.participant
    return None
