//! What a negotiation decided for one participant: the m-lines it sends on and those it receives on.

use crate::ids::Kind;
use wire::codec::Codec;
use wire::extensions::{ExtensionIds, Tag};

/// One negotiated codec of an m-line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodecConfig {
    /// RTP payload type in this participant's negotiation.
    pub payload_type: u8,
    /// Which codec.
    pub codec: Codec,
    /// RTP clock in Hz: 90,000 for video, 48,000 for Opus.
    pub clock_rate: u32,
    /// Payload type of RTX for it (RFC 4588), if negotiated.
    pub rtx_payload_type: Option<u8>,
    /// Opus: payload type of audio/red around it, if negotiated.
    pub red_payload_type: Option<u8>,
    /// Two codecs are the same to a decoder if `codec` and this key are equal.
    pub format_key: String,
    /// Generic NACK was negotiated.
    pub has_nack: bool,
}

/// An m-line on which the participant sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishConfig {
    /// a=mid.
    pub mid: Tag,
    /// Audio or video.
    pub kind: Kind,
    /// In order of preference.
    pub codecs: Vec<CodecConfig>,
    /// Simulcast rids in the answer's order (lowest first by our page's convention); empty for one stream. At most 3 used.
    pub rids: Vec<Tag>,
    /// Signalled SSRCs with their RTX SSRCs; may be empty.
    pub ssrcs: Vec<(u32, Option<u32>)>,
    /// Extension ids on this m-line.
    pub extensions: ExtensionIds,
}

/// A receive-only m-line of the participant: one send stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscribeConfig {
    /// a=mid.
    pub mid: Tag,
    /// Audio or video.
    pub kind: Kind,
    /// SSRC of the send stream, for life.
    pub ssrc: u32,
    /// SSRC of its retransmissions, if RTX was negotiated.
    pub rtx_ssrc: Option<u32>,
    /// What the participant can decode, with its payload types.
    pub codecs: Vec<CodecConfig>,
    /// Extension ids on this m-line.
    pub extensions: ExtensionIds,
}

/// LIMIT: m-lines in each direction of one participant.
pub const MAX_MEDIA: usize = 80;
/// LIMIT: simulcast encodings of one track.
pub const MAX_ENCODINGS: usize = 3;
