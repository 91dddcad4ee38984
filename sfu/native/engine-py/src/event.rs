//! Events as the tuples of the stub.

use engine::Event;
use engine::ids::ParticipantId;
use engine_io::ShellEvent;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use wire::extensions::Tag;

/// The tuple whose first item names the event.
pub(crate) fn to_python(py: Python<'_>, event: ShellEvent) -> PyResult<Bound<'_, PyTuple>> {
    match event {
        ShellEvent::Engine(event) => engine_event(py, event),
        ShellEvent::CommandFailed { participant, error } => {
            ("command_failed", participant, error.to_string()).into_pyobject(py)
        }
    }
}

fn engine_event(py: Python<'_>, event: Event) -> PyResult<Bound<'_, PyTuple>> {
    match event {
        Event::Dtls {
            participant,
            datagram,
        } => ("dtls", participant.0, PyBytes::new(py, &datagram)).into_pyobject(py),
        Event::IceState {
            participant,
            is_connected,
        } => {
            let state = if is_connected {
                "connected"
            } else {
                "disconnected"
            };
            ("ice_state", participant.0, state).into_pyobject(py)
        }
        Event::Speakers { room, participants } => {
            let ids: Vec<u64> = participants.into_iter().map(id).collect();
            ("speakers", room.0, ids).into_pyobject(py)
        }
        Event::AudioSlots { room, participants } => {
            let ids: Vec<Option<u64>> = participants.iter().map(|slot| slot.map(id)).collect();
            ("audio_slots", room.0, ids).into_pyobject(py)
        }
        Event::TrackState {
            participant,
            mid,
            is_flowing,
        } => ("track_state", participant.0, mid.as_str(), is_flowing).into_pyobject(py),
        Event::SourceStarted {
            participant,
            mid,
            source,
        } => {
            let publisher = source.map(|(publisher, _)| publisher.0);
            let publisher_mid = source.as_ref().map(|(_, mid): &(_, Tag)| mid.as_str());
            (
                "source_started",
                participant.0,
                mid.as_str(),
                publisher,
                publisher_mid,
            )
                .into_pyobject(py)
        }
        Event::Quality {
            participant,
            quality,
        } => (
            "quality",
            participant.0,
            quality.score,
            quality.round_trip.map(|round_trip| round_trip.as_millis()),
            quality.loss_received,
            quality.loss_sent,
        )
            .into_pyobject(py),
    }
}

fn id(participant: ParticipantId) -> u64 {
    participant.0
}
