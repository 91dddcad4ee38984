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

/// Read the extensions of `packet` that `ids` names. Unknown ids are skipped, as are known ones whose data has the wrong
/// size; an element that reaches past the block ends the scan, keeping what was read before it; of duplicates the last
/// counts. Never fails: extensions are hints, the packet stands without them.
pub fn parse<'a>(packet: &'a [u8], header: &RtpHeader, ids: &ExtensionIds) -> Extensions<'a> {
    let mut extensions = Extensions::default();
    for (id, data) in elements(packet, header) {
        extensions.read(ids, id, data);
    }
    extensions
}

/// Walk all elements of a packet's extension block: (id, data), padding left out. Data is never empty: no element the
/// server knows is, and the one-byte form cannot express it.
pub fn elements<'a>(packet: &'a [u8], header: &RtpHeader) -> Elements<'a> {
    let end = header
        .extension_start
        .saturating_add(header.extension_bytes);
    let form = match header.extension_profile {
        Some(ONE_BYTE_PROFILE) => Some(Form::OneByte),
        // RFC 8285 §4.3: the low four bits are "appbits", of no meaning here.
        Some(profile) if profile & 0xfff0 == TWO_BYTE_PROFILE => Some(Form::TwoByte),
        _ => None,
    };
    match (form, packet.get(header.extension_start..end)) {
        (Some(form), Some(rest)) => Elements { form, rest },
        _ => Elements {
            form: Form::OneByte,
            rest: &[],
        },
    }
}

/// Iterator over the elements of one extension block.
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    form: Form,
    rest: &'a [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    OneByte,
    TwoByte,
}

impl<'a> Elements<'a> {
    /// Read one element and return (id, data, what follows); `None` ends the scan.
    fn split(&self, first: u8, after: &'a [u8]) -> Option<(u8, &'a [u8], &'a [u8])> {
        let (id, length, after) = match self.form {
            // RFC 8285 §4.2: id 15 stops, and so does id 0 with a length.
            Form::OneByte if matches!(first >> 4, 0 | 15) => return None,
            Form::OneByte => (first >> 4, usize::from(first & 0x0f) + 1, after),
            Form::TwoByte => {
                let (&length, after) = after.split_first()?;
                (first, usize::from(length), after)
            }
        };
        let (data, rest) = after.split_at_checked(length)?;
        Some((id, data, rest))
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        while let Some((&first, after)) = self.rest.split_first() {
            if first == 0 {
                self.rest = after;
                continue;
            }
            let Some((id, data, rest)) = self.split(first, after) else {
                self.rest = &[];
                return None;
            };
            self.rest = rest;
            if !data.is_empty() {
                return Some((id, data));
            }
        }
        None
    }
}

impl<'a> Extensions<'a> {
    fn read(&mut self, ids: &ExtensionIds, id: u8, data: &'a [u8]) {
        let id = Some(id);
        if id == ids.mid {
            self.mid = Some(data);
        } else if id == ids.transport_sequence_number {
            // Version 2 of the extension has two more bytes, a feedback request, which browsers do not send.
            if let Some(number) = data.first_chunk() {
                self.transport_sequence_number = Some(u16::from_be_bytes(*number));
            }
        } else if id == ids.absolute_send_time {
            if let &[a, b, c] = data {
                self.absolute_send_time = Some(u32::from_be_bytes([0, a, b, c]));
            }
        } else if id == ids.audio_level {
            if let Some(&byte) = data.first() {
                self.audio_level = Some(AudioLevel::from_byte(byte));
            }
        } else if id == ids.dependency_descriptor {
            self.dependency_descriptor = Some(data);
        } else if id == ids.rid {
            self.rid = Some(data);
        } else if id == ids.repaired_rid {
            self.repaired_rid = Some(data);
        } else if id == ids.video_orientation {
            self.video_orientation = data.first().copied();
        } else if id == ids.playout_delay
            && let &[a, b, c] = data
        {
            let (a, b, c) = (u16::from(a), u16::from(b), u16::from(c));
            self.playout_delay = Some((a << 4 | b >> 4, (b & 0x0f) << 8 | c));
        }
    }
}

impl AudioLevel {
    /// Read the element's one byte: V bit, then seven bits of level.
    pub const fn from_byte(byte: u8) -> Self {
        Self {
            minus_dbov: byte & 0x7f,
            is_voice: byte & 0x80 != 0,
        }
    }

    /// The element's one byte.
    pub const fn to_byte(self) -> u8 {
        (self.minus_dbov & 0x7f) | ((self.is_voice as u8) << 7)
    }
}

/// True if an element of `data_bytes` under `id` fits the one-byte form (RFC 8285 §4.2); otherwise the whole block must
/// be of the two-byte form.
pub const fn fits_one_byte(id: u8, data_bytes: usize) -> bool {
    matches!(id, 1..=14) && matches!(data_bytes, 1..=16)
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
        let profile = if two_byte {
            TWO_BYTE_PROFILE
        } else {
            ONE_BYTE_PROFILE
        };
        let [high, low] = profile.to_be_bytes();
        out.extend_from_slice(&[high, low, 0, 0]);
        Self {
            out,
            start,
            two_byte,
        }
    }

    /// Append one element and return the offset in `out` of its data, so that send time can be patched later.
    ///
    /// An element that the form cannot hold (see [`fits_one_byte`]; id 0 or over 255 bytes in the two-byte form) is left
    /// out, and `None` returned.
    pub fn try_push(&mut self, id: u8, data: &[u8]) -> Option<usize> {
        if self.two_byte {
            let length = u8::try_from(data.len()).ok()?;
            if id == 0 {
                return None;
            }
            self.out.extend_from_slice(&[id, length]);
        } else {
            if !fits_one_byte(id, data.len()) {
                return None;
            }
            self.out.push(id << 4 | (data.len() - 1) as u8);
        }
        let offset = self.out.len();
        self.out.extend_from_slice(data);
        Some(offset)
    }

    /// [`Self::try_push`] for elements known to fit: one that does not is left out, and the returned offset is the end
    /// of `out`.
    pub fn push(&mut self, id: u8, data: &[u8]) -> usize {
        self.try_push(id, data).unwrap_or(self.out.len())
    }

    /// Pad to 32 bits and fill in the preamble.
    pub fn finish(self) {
        let elements_start = self.start + 4;
        let element_bytes = self.out.len() - elements_start;
        let words = element_bytes.div_ceil(4);
        self.out.resize(elements_start + words * 4, 0);
        // LIMIT: 255 elements of 257 bytes are 16,384 words, well inside the field.
        self.out[self.start + 2..elements_start].copy_from_slice(&(words as u16).to_be_bytes());
    }
}

/// RFC 8285 §4.2.
const ONE_BYTE_PROFILE: u16 = 0xbede;
/// RFC 8285 §4.3.
const TWO_BYTE_PROFILE: u16 = 0x1000;

#[cfg(test)]
mod tests;
