//! A recorded loop of encoded frames, read from a cache file that the driver wrote.
//!
//! All numbers big endian: `SYNLOOP1`, codec (u8: 1 VP8, 2 Opus), frame interval in µs (u32), count of frames (u32); then for
//! each frame its length (u32), flags (u8: 1 keyframe), audio level in −dBov (u8), bytes.

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
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// A decoder may start here.
    pub is_keyframe: bool,
    /// RFC 6464 level, sound only.
    pub minus_dbov: u8,
    /// The encoder's output, never empty.
    pub data: Vec<u8>,
}

/// A whole loop; its first frame is a keyframe.
#[derive(Debug, Clone)]
pub struct MediaLoop {
    /// What it is encoded as.
    pub codec: LoopCodec,
    /// Time from frame to frame.
    pub interval_micros: u32,
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
            _ => return None,
        };
        let interval_micros = u32::from_be_bytes(take(&mut rest)?);
        let count = u32::from_be_bytes(take(&mut rest)?);
        if count == 0 || count > MAX_FRAMES || interval_micros == 0 {
            return None;
        }
        let frames: Option<Vec<_>> = (0..count).map(|_| take_frame(&mut rest)).collect();
        let frames = frames?;
        (rest.is_empty() && frames[0].is_keyframe).then_some(Self {
            codec,
            interval_micros,
            frames,
        })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (chunk, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*chunk)
}

fn take_frame(rest: &mut &[u8]) -> Option<Frame> {
    let length = u32::from_be_bytes(take(rest)?) as usize;
    let [flags, minus_dbov] = take(rest)?;
    let (data, after) = rest.split_at_checked(length)?;
    *rest = after;
    (!data.is_empty()).then(|| Frame {
        is_keyframe: flags & 1 != 0,
        minus_dbov,
        data: data.to_vec(),
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
    }
}
