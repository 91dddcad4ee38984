//! What the process hears and says: one JSON object a line. Two steps make a participant, as in JSEP: `add` opens its socket and
//! is answered by `ready` with what an offer needs; `connect` gives what the answer said.

use crate::histogram::Histogram;
use crate::judge::{Report, Totals};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// Standard input.
#[derive(Debug, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Read a media loop from a file and call it `name`.
    Load {
        /// What encodings call it.
        name: String,
        /// See `media_loop`.
        path: String,
    },
    /// Make a participant.
    Add {
        /// Chosen by the driver, unique in all its agents: it is the publisher of the marks.
        id: u32,
        /// Room of the marks.
        room: u32,
    },
    /// Say where the server is and what was negotiated.
    Connect(Connect),
    /// Go on or pause sending on an m-line.
    Publish {
        /// The participant.
        id: u32,
        /// Its m-line.
        mid: String,
        /// Whether to send.
        is_active: bool,
    },
    /// Forget a participant, after a BYE.
    Remove {
        /// The participant.
        id: u32,
    },
    /// Ask for a `report` of each participant, and count anew if `resets`.
    Report {
        /// Start all counts again afterwards.
        #[serde(default)]
        resets: bool,
    },
}

/// The second step.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connect {
    /// The participant.
    pub id: u32,
    /// Of the answer.
    pub ice_ufrag: String,
    /// Of the answer.
    pub ice_pwd: String,
    /// sha-256, hex pairs with colons.
    pub fingerprint: String,
    /// Host candidates in the order to try them.
    pub candidates: Vec<SocketAddr>,
    /// What it sends.
    pub send: Vec<SendMedia>,
    /// What it receives.
    pub receive: Vec<ReceiveMedia>,
}

/// Ids of the header extensions of one m-line that were agreed.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Extensions {
    /// sdes:mid
    pub mid: Option<u8>,
    /// sdes:rtp-stream-id
    pub rid: Option<u8>,
    /// sdes:repaired-rtp-stream-id
    pub repaired_rid: Option<u8>,
    /// abs-send-time
    pub absolute_send_time: Option<u8>,
    /// transport-wide-cc-extensions-01
    pub transport_sequence_number: Option<u8>,
    /// ssrc-audio-level
    pub audio_level: Option<u8>,
}

/// Kind of an m-line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Opus.
    Audio,
    /// VP8.
    Video,
}

/// An m-line that the participant sends on.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendMedia {
    /// a=mid
    pub mid: String,
    /// Its kind.
    pub kind: Kind,
    /// Of VP8 or Opus.
    pub payload_type: u8,
    /// Answers NACKs if it was agreed.
    pub rtx_payload_type: Option<u8>,
    /// Agreed ids.
    #[serde(default)]
    pub extensions: Extensions,
    /// One, or one for each rid, smallest first.
    pub encodings: Vec<SendEncoding>,
    /// Whether it sends at once.
    #[serde(default = "yes")]
    pub is_active: bool,
    /// −dBov that its packets tell instead of the loop's.
    pub minus_dbov: Option<u8>,
}

fn yes() -> bool {
    true
}

/// One encoding of a sent m-line.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendEncoding {
    /// Simulcast only.
    pub rid: Option<String>,
    /// Its SSRC.
    pub ssrc: u32,
    /// SSRC of its retransmissions.
    pub rtx_ssrc: Option<u32>,
    /// Name of a loaded loop.
    pub media: String,
}

/// A receive-only m-line.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiveMedia {
    /// a=mid
    pub mid: String,
    /// Its kind.
    pub kind: Kind,
    /// As the answer states.
    pub ssrc: u32,
    /// As the answer states.
    pub rtx_ssrc: Option<u32>,
    /// Whether lost packets are asked for.
    #[serde(default)]
    pub has_nack: bool,
    /// Agreed ids.
    #[serde(default)]
    pub extensions: Extensions,
}

/// Standard output.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Answers `add`.
    Ready {
        /// The participant.
        id: u32,
        /// Ours.
        ice_ufrag: String,
        /// Ours.
        ice_pwd: String,
        /// sha-256 of the process's certificate.
        fingerprint: String,
        /// The socket's.
        address: SocketAddr,
    },
    /// ICE and DTLS are done.
    Connected {
        /// The participant.
        id: u32,
        /// Monotonic clock.
        at_us: u64,
        /// Since `connect`.
        after_us: u64,
        /// Chosen by the server.
        profile: &'static str,
    },
    /// The first packet with media on an m-line.
    FirstMedia {
        /// The participant.
        id: u32,
        /// The m-line.
        mid: String,
        /// Monotonic clock, when the kernel had it.
        at_us: u64,
    },
    /// The participant is of no more use.
    Failed {
        /// The participant.
        id: u32,
        /// For people.
        reason: String,
    },
    /// A mark of another room, of oneself or of the wrong kind: at once, not only in the report.
    WrongSource {
        /// Who got it.
        id: u32,
        /// On which m-line.
        mid: String,
        /// Room of the mark.
        room: u32,
        /// Publisher of the mark.
        publisher: u32,
    },
    /// A command was not understood or not possible.
    Refused {
        /// For people.
        reason: String,
    },
    /// Every second.
    Statistics(Statistics),
    /// Answers `report`.
    Report {
        /// Of all participants there are or were.
        participants: Vec<Report>,
        /// Of all together.
        statistics: Statistics,
    },
}

/// The agent's state.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Statistics {
    /// Monotonic clock.
    pub at_us: u64,
    /// Participants that exist.
    pub participants: usize,
    /// Those whose DTLS is done.
    pub connected: usize,
    /// Sums over all participants since the start or the last reset.
    pub totals: Totals,
    /// Due time → handed to the kernel, for each media frame sent.
    pub send_lateness: Histogram,
    /// Kernel's receive time → handled.
    pub receive_lateness: Histogram,
    /// CPU time of the process.
    pub cpu_us: u64,
}
