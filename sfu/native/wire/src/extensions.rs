//! RTP header extensions (RFC 8285, one-byte and two-byte forms) and the elements the server reads or writes.

use crate::rtp::RtpHeader;

/// A negotiated text id (a=mid, a=rid): at most 16 bytes, as RFC 8852 §3 and the one-byte form allow.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Tag {
    bytes: [u8; 16],
    length: u8,
}

impl Tag {
    /// Build from text; `None` if empty, longer than 16 bytes or not RFC 4566 token characters.
    pub fn new(text: &[u8]) -> Option<Self> {
        let is_token = |b: &u8| b.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]".contains(b);
        if text.is_empty() || text.len() > 16 || !text.iter().all(is_token) {
            return None;
        }
        let mut bytes = [0; 16];
        bytes[..text.len()].copy_from_slice(text);
        Some(Self {
            bytes,
            length: text.len() as u8,
        })
    }

    /// The text's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// The text; tokens are ASCII.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl std::fmt::Debug for Tag {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:?}", self.as_str())
    }
}

/// The ids one m-line negotiated, one field per extension the server knows; `None` was not negotiated.
/// Ids are 1–14, or up to 255 where `extmap-allow-mixed` was agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExtensionIds {
    /// `urn:ietf:params:rtp-hdrext:sdes:mid`
    pub mid: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id`
    pub rid: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id`
    pub repaired_rid: Option<u8>,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time`
    pub absolute_send_time: Option<u8>,
    /// `http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01`
    pub transport_sequence_number: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:ssrc-audio-level` (RFC 6464)
    pub audio_level: Option<u8>,
    /// `urn:3gpp:video-orientation`
    pub video_orientation: Option<u8>,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/playout-delay`
    pub playout_delay: Option<u8>,
    /// `https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension`
    pub dependency_descriptor: Option<u8>,
}

/// What one packet's extensions said. Borrowed from the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extensions<'a> {
    /// Media identification, raw bytes.
    pub mid: Option<&'a [u8]>,
    /// RTP stream id, raw bytes.
    pub rid: Option<&'a [u8]>,
    /// RTP stream id of the stream an RTX packet repairs.
    pub repaired_rid: Option<&'a [u8]>,
    /// 24-bit seconds, 6.18 fixed point.
    pub absolute_send_time: Option<u32>,
    /// Transport-wide sequence number.
    pub transport_sequence_number: Option<u16>,
    /// RFC 6464.
    pub audio_level: Option<AudioLevel>,
    /// CVO byte (3GPP TS 26.114): camera, flip, rotation.
    pub video_orientation: Option<u8>,
    /// Minimum and maximum delay in units of 10 ms, 12 bits each.
    pub playout_delay: Option<(u16, u16)>,
    /// Dependency descriptor, unparsed.
    pub dependency_descriptor: Option<&'a [u8]>,
}

/// RFC 6464: loudness of the packet's audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioLevel {
    /// −dBov, 0 (loudest) to 127 (digital silence).
    pub minus_dbov: u8,
    /// V bit: the sender believes it holds voice.
    pub is_voice: bool,
}

/// Read the extensions of `packet` that `ids` names. Unknown ids are skipped; a malformed element ends the scan,
/// keeping what was read before it. Never fails: extensions are hints, the packet stands without them.
pub fn parse<'a>(_packet: &'a [u8], _header: &RtpHeader, _ids: &ExtensionIds) -> Extensions<'a> {
    todo!("wire formats")
}

/// Appends one extension block to a packet being written: `new`, elements, `finish`.
///
/// Chooses the one-byte form, unless `two_byte` was asked for (an id above 14 or an element over 16 bytes needs it).
pub struct ExtensionWriter<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    two_byte: bool,
}

impl<'a> ExtensionWriter<'a> {
    /// Open a block at the end of `out`, right after the fixed header.
    pub fn new(out: &'a mut Vec<u8>, two_byte: bool) -> Self {
        let start = out.len();
        Self {
            out,
            start,
            two_byte,
        }
    }

    /// Append one element and return the offset in `out` of its data, so that send time can be patched later.
    pub fn push(&mut self, _id: u8, _data: &[u8]) -> usize {
        todo!("wire formats")
    }

    /// Pad to 32 bits and fill in the preamble.
    pub fn finish(self) {
        let _ = (self.out, self.start, self.two_byte);
        todo!("wire formats")
    }
}
