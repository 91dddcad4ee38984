//! What the process hears and says: one JSON object a line. Two steps make a participant, as in JSEP: `add` opens its socket and
//! is answered by `ready` with what an offer needs; `connect` gives what the answer said. `expect` tells the judge what ought to be
//! seen and heard, as often as that changes; `link` puts a bad network under a participant.

use crate::histogram::Histogram;
use crate::report::Report;
use crate::totals::Totals;
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
        /// Of its random numbers and of its links' draws; by default of the agent's.
        seed: Option<u64>,
        /// SRTP profiles to offer.
        #[serde(default)]
        srtp: SrtpOffer,
        /// The link that carries what it sends; by default a perfect one.
        #[serde(default)]
        up: LinkSpec,
        /// The link that carries what it receives.
        #[serde(default)]
        down: LinkSpec,
    },
    /// Say where the server is and what was negotiated.
    Connect(Connect),
    /// Say what a second answer says: m-lines that are known by their mid go on as they are, others start, missing ones end.
    Renegotiate {
        /// The participant.
        id: u32,
        /// All that it sends from now on.
        send: Vec<SendMedia>,
        /// All that it receives from now on.
        receive: Vec<ReceiveMedia>,
    },
    /// Replace what the participant ought to see and hear from now on. Without it, wishes and silence are not judged.
    Expect(Expect),
    /// Replace both links under a participant; what is in flight arrives as planned.
    Link {
        /// The participant.
        id: u32,
        /// What it sends.
        #[serde(default)]
        up: LinkSpec,
        /// What it receives.
        #[serde(default)]
        down: LinkSpec,
    },
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

/// Which SRTP profiles a participant offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SrtpOffer {
    /// As browsers: the server chooses.
    #[default]
    All,
    /// `AEAD_AES_128_GCM` alone (RFC 7714).
    AeadAes128Gcm,
    /// `AES_CM_128_HMAC_SHA1_80` alone (RFC 5764).
    #[serde(rename = "aes128_cm_sha1_80")]
    Aes128CmSha1_80,
}

/// What one direction of a participant's network does. The default does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinkSpec {
    /// Share of packets lost, 0.0–1.0.
    pub loss: f64,
    /// Mean length of a burst of losses in packets (Gilbert); absent, each packet is lost by itself.
    pub burst_packets: Option<f64>,
    /// Propagation delay.
    pub delay_ms: f64,
    /// Most that is added to it, evenly distributed, without changing the order.
    pub jitter_ms: f64,
    /// Share of packets held back while later ones overtake them.
    pub reorder: f64,
    /// How long they are.
    pub reorder_by_ms: f64,
    /// Share of packets that arrive twice.
    pub duplicate: f64,
    /// Bottleneck; absent is none.
    pub rate_kbps: Option<f64>,
    /// How long a packet may wait at the bottleneck before its queue drops at the tail; 0 is 200 ms.
    pub queue_ms: f64,
}

/// What a participant ought to see and hear.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The participant.
    pub id: u32,
    /// On its video m-lines; pictures on those not named are unwished.
    #[serde(default)]
    pub video: Vec<ExpectVideo>,
    /// Publishers to be heard, on whichever m-line; absent, whoever is heard is judged for loss and nobody for silence.
    pub audio: Option<Vec<u32>>,
}

/// What one video m-line ought to carry. One that is wished for but muted is `is_muted`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectVideo {
    /// The m-line.
    pub mid: String,
    /// The publisher of the marks; absent is anybody of the room (whoever speaks).
    pub publisher: Option<u32>,
    /// Which of its tracks.
    #[serde(default = "Source::camera")]
    pub source: Source,
    /// Height of the layer that ought to come; absent is not judged.
    pub height: Option<u16>,
    /// Nothing needs to come now.
    #[serde(default)]
    pub is_muted: bool,
}

/// What a track shows, as signalling calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Sound.
    Microphone,
    /// Pictures.
    Camera,
    /// Pictures.
    Screen,
}

impl Source {
    const fn camera() -> Self {
        Self::Camera
    }
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
    /// VP8 or H.264.
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
    /// What it is; absent: microphone or camera, by kind.
    pub source: Option<Source>,
    /// Of the codec of its loops.
    pub payload_type: u8,
    /// Sends each sound packet again in the next (RFC 2198) if it was agreed.
    pub red_payload_type: Option<u8>,
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
    /// Those agreed that are H.264 or its retransmissions; others are VP8.
    #[serde(default)]
    pub h264_payload_types: Vec<u8>,
    /// Payload type of RED among those agreed.
    pub red_payload_type: Option<u8>,
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
    /// A mark that must not be here: at once and once for each run of them, not only in the report.
    WrongSource {
        /// What is wrong with it.
        reason: WrongSource,
        /// Who got it.
        id: u32,
        /// On which m-line.
        mid: String,
        /// Room of the mark.
        room: u32,
        /// Publisher of the mark.
        publisher: u32,
    },
    /// Nothing was seen or heard of somebody for over 2 s who was wished for and is not muted. Once for each silence.
    Silent {
        /// Who ought to get it.
        id: u32,
        /// On which m-line; absent is sound.
        mid: Option<String>,
        /// Of whom; absent is anybody.
        publisher: Option<u32>,
    },
    /// A command was not understood or not possible.
    Refused {
        /// For people.
        reason: String,
    },
    /// Every second.
    Statistics(Box<Statistics>),
    /// Answers `report`.
    Report {
        /// Of all participants there are or were.
        participants: Vec<Report>,
        /// Of all together.
        statistics: Box<Statistics>,
    },
}

/// Why a frame must not have arrived where it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WrongSource {
    /// Of another room: a security failure.
    ForeignRoom,
    /// Of the viewer itself: a security failure.
    Oneself,
    /// Sound on a video m-line or the reverse: a security failure.
    WrongKind,
    /// Of the right room, but not what was wished for on the m-line.
    Unwished,
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
    /// The same, of the time since the statistics before: one point of a time series. Empty in a report.
    pub interval: Totals,
    /// How long that time was.
    pub interval_us: u64,
    /// Due time → handed to the kernel, for each media frame sent.
    pub send_lateness: Histogram,
    /// Kernel's receive time → handled.
    pub receive_lateness: Histogram,
    /// Due time → handled, for every timer: media, handshakes, reports, emulated links.
    pub timer_lateness: Histogram,
    /// The worst three of the interval: send, receive, timer.
    pub interval_lateness_us: [u64; 3],
    /// CPU time of the process.
    pub cpu_us: u64,
}
