//! A recorded loop of encoded frames, read from a cache file that the driver wrote.
//!
//! All numbers big endian: `SYNLOOP1`, codec (u8: 1 VP8, 2 Opus, 3 H.264 in Annex B form), frame interval in µs (u32), count of
//! frames (u32); then for each frame its length (u32), flags (u8: 1 keyframe), audio level in −dBov (u8), bytes. A frame of sound
//! without bytes is silence: nothing is sent for it (DTX, RFC 7587 §3.1.3).

use crate::h264::{self, Part};
use crate::protocol::Kind;
use std::io;
use std::path::Path;

const MAGIC: &[u8; 8] = b"SYNLOOP1";
/// LIMIT: frames of one loop: 10 minutes of sound.
const MAX_FRAMES: u32 = 30_000;

/// What the loop is encoded as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoopCodec {
    /// RFC 6386.
    Vp8,
    /// RFC 6716.
    Opus,
    /// H.264, packetization mode 1.
    H264,
}

impl LoopCodec {
    /// Sound or pictures.
    pub const fn kind(self) -> Kind {
        match self {
            Self::Opus => Kind::Audio,
            Self::Vp8 | Self::H264 => Kind::Video,
        }
    }
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// A decoder may start here.
    pub is_keyframe: bool,
    /// RFC 6464 level, sound only.
    pub minus_dbov: u8,
    /// The encoder's output; empty is silence.
    pub data: Vec<u8>,
    /// Sound: for how long nothing is to be heard after it.
    pub rest_ms: u16,
    /// H.264: what each packet carries.
    pub parts: Vec<Part>,
}

/// A whole loop; its first frame is a keyframe.
#[derive(Debug, Clone)]
pub struct MediaLoop {
    /// What it is encoded as.
    pub codec: LoopCodec,
    /// Time from frame to frame.
    pub interval_micros: u32,
    /// Of its pictures, as its first keyframe says; 0 for sound.
    pub height: u16,
    /// Sound: longest silence between two of its sounds.
    pub longest_pause_ms: u16,
    /// At least one.
    pub frames: Vec<Frame>,
}

impl MediaLoop {
    /// Read a cache file.
    ///
    /// # Errors
    /// `InvalidData` if it is no loop; else why it cannot be read.
    pub fn read(path: &Path) -> io::Result<Self> {
        Self::parse(&std::fs::read(path)?)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not a media loop"))
    }

    /// Parse the file's bytes; `None` if they are no loop.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(MAGIC)?;
        let codec = match take::<1>(&mut rest)?[0] {
            1 => LoopCodec::Vp8,
            2 => LoopCodec::Opus,
            3 => LoopCodec::H264,
            _ => return None,
        };
        let interval_micros = u32::from_be_bytes(take(&mut rest)?);
        let count = u32::from_be_bytes(take(&mut rest)?);
        if count == 0 || count > MAX_FRAMES || interval_micros == 0 {
            return None;
        }
        let frames: Option<Vec<_>> = (0..count).map(|_| take_frame(codec, &mut rest)).collect();
        let mut frames = frames?;
        if codec == LoopCodec::Opus {
            plan_rests(&mut frames, interval_micros);
        }
        (rest.is_empty() && frames[0].is_keyframe).then(|| Self {
            codec,
            interval_micros,
            height: height_of(codec, &frames[0]),
            longest_pause_ms: longest_pause_ms(&frames),
            frames,
        })
    }
}

impl Frame {
    /// Nothing is to be heard of it (RFC 6464: 127 is digital silence).
    pub fn is_silent(&self) -> bool {
        self.data.is_empty() || self.minus_dbov == SILENCE_MINUS_DBOV
    }
}

/// Tell each frame how much silence follows it; a loop goes on at its start.
fn plan_rests(frames: &mut [Frame], interval_micros: u32) {
    let interval_ms = (interval_micros / 1_000) as u16;
    let mut rest: u16 = 0;
    // Twice around: a silence may reach over the end.
    for index in (0..frames.len()).rev().chain((0..frames.len()).rev()) {
        frames[index].rest_ms = rest;
        rest = if frames[index].is_silent() {
            rest.saturating_add(interval_ms)
        } else {
            0
        };
    }
}

/// Who says nothing at all makes no pause.
fn longest_pause_ms(frames: &[Frame]) -> u16 {
    let sounds = frames.iter().filter(|frame| !frame.is_silent());
    sounds.map(|frame| frame.rest_ms).max().unwrap_or(0)
}

/// RFC 6464 §3.
const SILENCE_MINUS_DBOV: u8 = 127;

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (chunk, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*chunk)
}

/// RFC 6386 §9.1: after a keyframe's tag and start code, width and height in 14 bits each.
fn height_of(codec: LoopCodec, frame: &Frame) -> u16 {
    match (codec, frame.data.get(8..10)) {
        (LoopCodec::Vp8, Some(&[low, high])) => u16::from_le_bytes([low, high]) & 0x3fff,
        (LoopCodec::H264, _) => h264::height(&frame.data).unwrap_or(0),
        _ => 0,
    }
}

fn take_frame(codec: LoopCodec, rest: &mut &[u8]) -> Option<Frame> {
    let length = u32::from_be_bytes(take(rest)?) as usize;
    let [flags, minus_dbov] = take(rest)?;
    let (data, after) = rest.split_at_checked(length)?;
    *rest = after;
    let parts = if codec == LoopCodec::H264 {
        h264::plan(data)
    } else {
        Vec::new()
    };
    let is_sendable = match codec {
        LoopCodec::Opus => true,
        LoopCodec::Vp8 => !data.is_empty(),
        LoopCodec::H264 => !parts.is_empty(),
    };
    is_sendable.then(|| Frame {
        is_keyframe: flags & 1 != 0,
        minus_dbov,
        rest_ms: 0,
        data: data.to_vec(),
        parts,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(count: u32, frames: &[(u8, &[u8])]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.push(1);
        bytes.extend_from_slice(&50_000u32.to_be_bytes());
        bytes.extend_from_slice(&count.to_be_bytes());
        for (flags, data) in frames {
            bytes.extend_from_slice(&(data.len() as u32).to_be_bytes());
            bytes.extend_from_slice(&[*flags, 127]);
            bytes.extend_from_slice(data);
        }
        bytes
    }

    #[test]
    fn a_whole_file_is_read_and_every_cut_one_refused() {
        let bytes = file(2, &[(1, b"key"), (0, b"delta")]);
        let media = MediaLoop::parse(&bytes).expect("a loop");

        assert_eq!(media.interval_micros, 50_000);
        assert_eq!(media.frames[1].data, b"delta");
        for length in 0..bytes.len() {
            assert!(MediaLoop::parse(&bytes[..length]).is_none(), "{length}");
        }
    }

    #[test]
    fn loops_that_cannot_be_played_are_refused() {
        assert!(MediaLoop::parse(&file(0, &[])).is_none());
        assert!(MediaLoop::parse(&file(1, &[(0, b"delta first")])).is_none());
        assert!(MediaLoop::parse(&file(1, &[(1, b"")])).is_none());
        let mut h264 = file(1, &[(1, b"no NAL unit")]);
        h264[8] = 3;
        assert!(MediaLoop::parse(&h264).is_none());
    }

    #[test]
    fn silence_is_sound_without_bytes() {
        let mut bytes = file(2, &[(1, b"voice"), (1, b"")]);
        bytes[8] = 2;
        let media = MediaLoop::parse(&bytes).expect("a loop");
        assert!(media.frames[1].data.is_empty() && media.height == 0);
    }

    #[test]
    fn the_longest_pause_lies_between_two_sounds_and_may_reach_around_the_end() {
        for (levels, pause_ms) in [
            (vec![30, 30], 0),
            (vec![30, 127, 30, 127, 127], 40),
            (vec![127, 30, 127, 127], 60),
            (vec![127, 127], 0),
        ] {
            let mut bytes = MAGIC.to_vec();
            bytes.push(2);
            bytes.extend_from_slice(&20_000u32.to_be_bytes());
            bytes.extend_from_slice(&(levels.len() as u32).to_be_bytes());
            for level in &levels {
                bytes.extend_from_slice(&[0, 0, 0, 1, 1, *level, 9]);
            }
            let media = MediaLoop::parse(&bytes).expect("a loop");
            assert_eq!(media.longest_pause_ms, pause_ms, "{levels:?}");
        }
    }

    #[test]
    fn each_frame_knows_the_silence_that_follows_it_around_the_end() {
        let mut frames: Vec<_> = [127, 30, 30, 127, 127]
            .map(|minus_dbov| Frame {
                is_keyframe: true,
                minus_dbov,
                rest_ms: 0,
                data: vec![1],
                parts: vec![],
            })
            .into();
        plan_rests(&mut frames, 20_000);
        let rests: Vec<_> = frames.iter().map(|frame| frame.rest_ms).collect();
        assert_eq!(rests, [0, 0, 60, 40, 20]);
    }

    #[test]
    fn the_height_is_that_of_the_keyframe() {
        let keyframe = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x42, 0x68, 0x41];
        let media = MediaLoop::parse(&file(1, &[(1, &keyframe)])).expect("a loop");
        assert_eq!(media.height, 360);
    }
}
