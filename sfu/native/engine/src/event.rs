//! What the engine tells the control plane. Batched, bounded, never per packet (DTLS handshakes apart).

use crate::ids::{ParticipantId, RoomId};
use crate::quality::Quality;
use wire::extensions::Tag;

/// An event.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // each variant's sentence tells its fields
pub enum Event {
    /// A handshake datagram from a validated tuple.
    Dtls {
        participant: ParticipantId,
        datagram: Vec<u8>,
    },
    /// A pair was nominated (true) or consent expired (false).
    IceState {
        participant: ParticipantId,
        is_connected: bool,
    },
    /// Who speaks, loudest first.
    Speakers {
        room: RoomId,
        participants: Vec<ParticipantId>,
    },
    /// Who is carried on each audio stream.
    AudioSlots {
        room: RoomId,
        participants: [Option<ParticipantId>; AUDIO_SLOTS],
    },
    /// RTP began or stopped to flow on a published m-line.
    TrackState {
        participant: ParticipantId,
        mid: Tag,
        is_flowing: bool,
    },
    /// A receive-only m-line now really carries this.
    SourceStarted {
        participant: ParticipantId,
        mid: Tag,
        source: Option<(ParticipantId, Tag)>,
    },
    /// How a transport does, when that changed.
    Quality {
        participant: ParticipantId,
        quality: Quality,
    },
}

/// Voices carried at once in a room: the loudest three.
pub const AUDIO_SLOTS: usize = 3;
