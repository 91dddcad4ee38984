//! The mark at the end of every frame, by which the far end judges it. It must live through forwarding, which rewrites headers
//! and drops header extensions: so it lies in the payload, where decoders do not look. In VP8 it follows the frame's last
//! partition; in Opus it is the packet's padding (RFC 6716 §3.2.5).

use crate::protocol::{Kind, Source};
use crate::time::Time;

/// Length of a mark.
pub const MARK_BYTES: usize = 36;
const SUM_AT: usize = MARK_BYTES - 2;
const MAGIC: [u8; 4] = [0xd5, 0x59, 0x4e, 0x4d];

/// Who sent a frame, which one, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Room of the publisher, as the driver numbers them.
    pub room: u32,
    /// The publisher, as the driver numbers them.
    pub publisher: u32,
    /// Which of its tracks: see [`track_of`].
    pub track: u8,
    /// Which of the track's encodings; [`SILENT`] is sound of which nothing is to be heard, which need not be forwarded.
    pub encoding: u8,
    /// Counts what the track sent from 0, what is silent left out; equal in all encodings.
    pub frame: u32,
    /// How long the track has been muted, silent (DTX) or late so far: such pauses are not the server's fault.
    pub idle_ms: u32,
    /// Height of the picture, 0 for sound.
    pub height: u16,
    /// Sound: for how long nothing is to be heard after this.
    pub rest_ms: u16,
    /// When it was handed to the socket.
    pub sent: Time,
}

/// Bit of `Mark::track` that tells pictures from sound.
pub const VIDEO_TRACK: u8 = 0x80;

/// `Mark::encoding` of silence.
pub const SILENT: u8 = 0xff;

/// How marks call a track.
pub const fn track_of(source: Source) -> u8 {
    match source {
        Source::Microphone => 0,
        Source::Camera => VIDEO_TRACK,
        Source::Screen => VIDEO_TRACK | 1,
    }
}

impl Mark {
    /// What was sent.
    pub const fn kind(&self) -> Kind {
        if self.track & VIDEO_TRACK != 0 {
            Kind::Video
        } else {
            Kind::Audio
        }
    }

    /// The bytes: magic, room, publisher, frame, time, idle time, height, rest, track, encoding, checksum.
    pub fn to_bytes(&self) -> [u8; MARK_BYTES] {
        let mut bytes = [0; MARK_BYTES];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..8].copy_from_slice(&self.room.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.publisher.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.frame.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.sent.0.to_be_bytes());
        bytes[24..28].copy_from_slice(&self.idle_ms.to_be_bytes());
        bytes[28..30].copy_from_slice(&self.height.to_be_bytes());
        bytes[30..32].copy_from_slice(&self.rest_ms.to_be_bytes());
        bytes[32] = self.track;
        bytes[33] = self.encoding;
        let sum = checksum(&bytes[..SUM_AT]);
        bytes[SUM_AT..].copy_from_slice(&sum.to_be_bytes());
        bytes
    }

    /// Read the mark that ends `payload`; `None` if there is none or it was altered.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let bytes = payload.last_chunk::<MARK_BYTES>()?;
        let word = |at: usize| {
            bytes[at..]
                .first_chunk()
                .map_or(0, |word| u32::from_be_bytes(*word))
        };
        let sum = u16::from_be_bytes([bytes[SUM_AT], bytes[SUM_AT + 1]]);
        if bytes[..4] != MAGIC || sum != checksum(&bytes[..SUM_AT]) {
            return None;
        }
        Some(Self {
            room: word(4),
            publisher: word(8),
            frame: word(12),
            sent: Time(u64::from(word(16)) << 32 | u64::from(word(20))),
            idle_ms: word(24),
            height: u16::from_be_bytes([bytes[28], bytes[29]]),
            rest_ms: u16::from_be_bytes([bytes[30], bytes[31]]),
            track: bytes[32],
            encoding: bytes[33],
        })
    }
}

/// Fletcher-16: tells altered marks from whole ones, nothing more.
fn checksum(bytes: &[u8]) -> u16 {
    let (mut low, mut high) = (0u16, 0u16);
    for byte in bytes {
        low = (low + u16::from(*byte)) % 255;
        high = (high + low) % 255;
    }
    high << 8 | low
}

/// Append an Opus packet with `mark` as its padding. Only packets of one frame (code 0) can carry it, which is what 20 ms
/// encoders make; others are appended as they are.
pub fn write_marked_opus(out: &mut Vec<u8>, packet: &[u8], mark: &Mark) {
    let Some((&toc, frame)) = packet.split_first() else {
        return;
    };
    if toc & 0x03 != 0 {
        out.extend_from_slice(packet);
        return;
    }
    // RFC 6716 §3.2.5: code 3, one frame of any size, padding flag; then the count of padding bytes.
    out.extend_from_slice(&[toc | 0x03, 0x41, MARK_BYTES as u8]);
    out.extend_from_slice(frame);
    out.extend_from_slice(&mark.to_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: Mark = Mark {
        room: 3,
        publisher: 0x8000_0001,
        track: 1,
        encoding: 2,
        frame: 77,
        idle_ms: 70_000,
        height: 720,
        rest_ms: 40,
        sent: Time(0x1_0000_0005),
    };

    #[test]
    fn a_mark_is_read_back_from_the_end_of_a_payload() {
        let mut payload = vec![9; 50];
        payload.extend_from_slice(&MARK.to_bytes());

        assert_eq!(Mark::parse(&payload), Some(MARK));
    }

    #[test]
    fn altered_and_cut_marks_are_refused() {
        let bytes = MARK.to_bytes();
        for index in 0..MARK_BYTES {
            let mut altered = bytes;
            altered[index] ^= 0x10;
            assert_eq!(Mark::parse(&altered), None, "{index}");
            assert_eq!(Mark::parse(&bytes[..index]), None);
        }
    }

    #[test]
    fn opus_keeps_its_frame_and_gets_the_mark_as_padding() {
        let mut out = Vec::new();
        write_marked_opus(&mut out, &[0x78, 1, 2, 3], &MARK);

        assert_eq!(out[..6], [0x7b, 0x41, MARK_BYTES as u8, 1, 2, 3]);
        assert_eq!(Mark::parse(&out), Some(MARK));
    }
}
