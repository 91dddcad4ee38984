//! What the control plane tells the engine.

use crate::ids::{ParticipantId, RoomId};
use crate::media_config::{PublishConfig, SubscribeConfig};
use wire::extensions::Tag;
use wire::srtp::SrtpProfile;

/// A command. The engine answers with `Result<(), CommandError>`; effects show as events and transmits.
#[derive(Debug, Clone)]
#[allow(missing_docs)] // each variant's sentence tells its fields
pub enum Command {
    /// Make a room.
    AddRoom { room: RoomId },
    /// Remove a room and everybody in it.
    RemoveRoom { room: RoomId },
    /// Make a participant and its transport; it answers STUN for this ufrag.
    AddParticipant {
        room: RoomId,
        participant: ParticipantId,
        ice_ufrag: String,
        ice_pwd: String,
    },
    /// Say BYE, forget everything, zero the keys.
    RemoveParticipant { participant: ParticipantId },
    /// Accept checks of this remote ufrag.
    SetRemoteIce {
        participant: ParticipantId,
        remote_ufrag: String,
    },
    /// New credentials; the old pair serves until a new one is nominated.
    RestartIce {
        participant: ParticipantId,
        ice_ufrag: String,
        ice_pwd: String,
        remote_ufrag: String,
    },
    /// A negotiation's whole result. What stays the same keeps running.
    SetMedia {
        participant: ParticipantId,
        published: Vec<PublishConfig>,
        subscribed: Vec<SubscribeConfig>,
    },
    /// The handshake's outcome.
    SetSrtpKeys {
        participant: ParticipantId,
        keys: SrtpKeys,
    },
    /// A handshake datagram to send to the selected tuple.
    SendDtls {
        participant: ParticipantId,
        datagram: Vec<u8>,
    },
    /// What a receive-only video m-line carries. `max_height` 0 pauses.
    SetSource {
        participant: ParticipantId,
        mid: Tag,
        source: Option<(ParticipantId, Tag)>,
        max_height: u16,
    },
    /// The grant at ingress of one published m-line; a new one has none.
    SetForwarding {
        participant: ParticipantId,
        mid: Tag,
        is_allowed: bool,
    },
}

/// SRTP master keys of both directions. `Debug` shows the profile only.
#[derive(Clone)]
pub struct SrtpKeys {
    /// Negotiated profile.
    pub profile: SrtpProfile,
    /// Protects what we send.
    pub local_key: Vec<u8>,
    /// Salt of what we send.
    pub local_salt: Vec<u8>,
    /// Opens what we receive.
    pub remote_key: Vec<u8>,
    /// Salt of what we receive.
    pub remote_salt: Vec<u8>,
}

impl std::fmt::Debug for SrtpKeys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SrtpKeys")
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

/// Why a command was refused: always the caller's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No such room.
    #[error("unknown room {}", .0.0)]
    UnknownRoom(RoomId),
    /// No such participant.
    #[error("unknown participant {}", .0.0)]
    UnknownParticipant(ParticipantId),
    /// The id or ufrag is taken.
    #[error("{0} is already in use")]
    AlreadyExists(&'static str),
    /// The participant has no such m-line.
    #[error("unknown mid {0:?}")]
    UnknownMid(Tag),
    /// The publisher is in another room.
    #[error("the publisher is in another room")]
    OtherRoom,
    /// A value out of range.
    #[error("bad {0}")]
    BadValue(&'static str),
    /// Over a stated limit.
    #[error("too many {0}")]
    TooMany(&'static str),
}
