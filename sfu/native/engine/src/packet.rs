//! A media packet as the server keeps it: parsed once, stored once, rewritten on the way out to each subscriber.

use crate::time::Time;
use wire::codec::{Codec, PayloadInfo};
use wire::dependency_descriptor::{DecodeTargets, TargetsField};
use wire::extensions::AudioLevel;

/// Everything forwarding needs to know of a source packet, without its bytes.
#[derive(Debug, Clone, Copy)]
pub struct PacketMeta {
    /// Unwrapped sequence number on its source SSRC.
    pub extended_sequence_number: u64,
    /// Wire timestamp on its source SSRC.
    pub timestamp: u32,
    /// Marker bit.
    pub marker: bool,
    /// The codec of the payload (RED kept apart from Opus).
    pub codec: Codec,
    /// Index into the track's negotiated codecs, for matching with what a subscriber can decode.
    pub codec_index: u8,
    /// When the engine received it.
    pub arrival: Time,
    /// Frame, keyframe, layer and picture ids.
    pub info: PayloadInfo,
    /// RFC 6464, audio only.
    pub audio_level: Option<AudioLevel>,
    /// CVO byte.
    pub video_orientation: Option<u8>,
    /// Playout delay limits in 10 ms units.
    pub playout_delay: Option<(u16, u16)>,
    /// Where its dependency descriptor tells which decode targets are active.
    pub targets_field: TargetsField,
}

/// A stored packet, borrowed from the cache of its encoding.
#[derive(Debug, Clone, Copy)]
pub struct SourcePacket<'a> {
    /// What is known of it.
    pub meta: &'a PacketMeta,
    /// Dependency descriptor bytes; empty if none.
    pub dependency_descriptor: &'a [u8],
    /// What its encoding's newest dependency structure says can be decoded, if there is one.
    pub decode_targets: Option<&'a DecodeTargets>,
    /// Payload without padding.
    pub payload: &'a [u8],
    /// A byte shorter than others of its picture: a byte of padding lets it leave in one message with them.
    pub is_evened: bool,
}
