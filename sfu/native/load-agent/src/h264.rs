//! H.264 payloads (RFC 6184, packetization mode 1): parameter sets together, slices alone or in fragments, and at the end of
//! each picture the mark, in a NAL unit of filler data (H.264 §7.3.2.7), which decoders skip.

use crate::mark::{MARK_BYTES, Mark};
use crate::vp8::MAX_PAYLOAD_BYTES;
use std::ops::Range;
use wire::codec::{self, Codec};

const NAL_TYPE: u8 = 0x1f;
const NAL_FILLER: u8 = 12;
const NAL_STAP_A: u8 = 24;
const NAL_FU_A: u8 = 28;
const FU_START: u8 = 0x80;
const FU_END: u8 = 0x40;
/// Filler header, two bytes for each of the mark, stop bit.
const FILLER_BYTES: usize = 1 + 2 * MARK_BYTES + 1;
/// RFC 6184 §5.7.1: before each unit of an aggregate.
const SIZE_BYTES: usize = 2;
/// What of a unit still fits beside a mark.
const MAX_LAST_BYTES: usize = MAX_PAYLOAD_BYTES - 1 - 2 * SIZE_BYTES - FILLER_BYTES;

/// What one packet of a picture carries; ranges are of the picture's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// NAL units as STAP-A.
    Together(Vec<Range<usize>>),
    /// One NAL unit as it is.
    Alone(Range<usize>),
    /// A piece of one, its header left out, as FU-A.
    Fragment {
        /// The piece.
        bytes: Range<usize>,
        /// The unit's header byte.
        header: u8,
        /// Start and end bits.
        flags: u8,
    },
}

/// Plan the packets of a picture in Annex B form; the last one takes the mark. Empty if there is no NAL unit.
pub fn plan(picture: &[u8]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut small = Vec::new();
    for unit in units(picture) {
        let is_parameters = matches!(picture[unit.start] & NAL_TYPE, 6..=9);
        if is_parameters {
            small.push(unit);
            continue;
        }
        if !small.is_empty() {
            parts.push(Part::Together(std::mem::take(&mut small)));
        }
        if unit.len() <= MAX_PAYLOAD_BYTES {
            parts.push(Part::Alone(unit));
        } else {
            parts.extend(fragments(picture[unit.start], unit.start + 1..unit.end));
        }
    }
    if parts.is_empty() && small.is_empty() {
        return parts;
    }
    match parts.pop() {
        Some(Part::Alone(unit)) if unit.len() <= MAX_LAST_BYTES && small.is_empty() => {
            parts.push(Part::Together(vec![unit]));
        }
        last => {
            parts.extend(last);
            parts.push(Part::Together(small));
        }
    }
    parts
}

/// Append the payload of `part`; `mark` only with the last.
pub fn write(out: &mut Vec<u8>, picture: &[u8], part: &Part, mark: Option<&Mark>) {
    match part {
        Part::Alone(unit) => out.extend_from_slice(&picture[unit.clone()]),
        Part::Fragment {
            bytes,
            header,
            flags,
        } => {
            out.extend_from_slice(&[header & !NAL_TYPE | NAL_FU_A, flags | header & NAL_TYPE]);
            out.extend_from_slice(&picture[bytes.clone()]);
        }
        Part::Together(units) => {
            // RFC 6184 §5.7.1: the highest importance of the units.
            let importance = units.iter().map(|unit| picture[unit.start] & 0x60).max();
            out.push(importance.unwrap_or(0) | NAL_STAP_A);
            for unit in units {
                out.extend_from_slice(&(unit.len() as u16).to_be_bytes());
                out.extend_from_slice(&picture[unit.clone()]);
            }
            if let Some(mark) = mark {
                write_filler(out, mark);
            }
        }
    }
}

/// Height of the pictures, if there is a sequence parameter set in this one.
pub fn height(picture: &[u8]) -> Option<u16> {
    let resolutions = units(picture).into_iter().filter_map(|unit| {
        let info = codec::describe(Codec::H264, &picture[unit])?;
        info.resolution
    });
    resolutions.map(|(_, height)| height).next()
}

/// Read the mark that ends `payload`.
pub fn read_mark(payload: &[u8]) -> Option<Mark> {
    let filler = payload.last_chunk::<FILLER_BYTES>()?;
    if filler[0] & NAL_TYPE != NAL_FILLER {
        return None;
    }
    let mut mark = [0; MARK_BYTES];
    for (byte, pair) in mark.iter_mut().zip(filler[1..].chunks_exact(2)) {
        *byte = pair[0] << 4 | pair[1] & 0x0f;
    }
    Mark::parse(&mark)
}

fn write_filler(out: &mut Vec<u8>, mark: &Mark) {
    out.extend_from_slice(&(FILLER_BYTES as u16).to_be_bytes());
    out.push(NAL_FILLER);
    // Half a byte in each, never 0: nothing in it can be taken for a start code (H.264 §7.4.1).
    for byte in mark.to_bytes() {
        out.extend_from_slice(&[0x10 | byte >> 4, 0x10 | byte & 0x0f]);
    }
    out.push(0x80);
}

fn fragments(header: u8, body: Range<usize>) -> Vec<Part> {
    let count = body.len().div_ceil(MAX_PAYLOAD_BYTES - 2);
    let bound = |index: usize| body.start + body.len() * index / count;
    (0..count)
        .map(|index| Part::Fragment {
            bytes: bound(index)..bound(index + 1),
            header,
            flags: if index == 0 { FU_START } else { 0 }
                | if index + 1 == count { FU_END } else { 0 },
        })
        .collect()
}

/// NAL units between start codes (Annex B), none of them empty.
fn units(picture: &[u8]) -> Vec<Range<usize>> {
    let mut units = Vec::new();
    let mut start = None;
    let mut at = 0;
    while at + 3 <= picture.len() {
        if picture[at..at + 3] == [0, 0, 1] {
            // A longer start code has a zero more, and so may a unit's end.
            close(picture, start, at, &mut units);
            start = Some(at + 3);
            at += 3;
        } else {
            at += 1;
        }
    }
    close(picture, start, picture.len(), &mut units);
    units
}

fn close(picture: &[u8], start: Option<usize>, end: usize, units: &mut Vec<Range<usize>>) {
    let Some(start) = start else {
        return;
    };
    let zeros = picture[start..end]
        .iter()
        .rev()
        .take_while(|byte| **byte == 0);
    let end = end - zeros.count();
    if end > start {
        units.push(start..end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::codec::describe;

    const MARK: Mark = Mark {
        room: 0,
        publisher: 1,
        track: 0x80,
        encoding: 0,
        frame: 0,
        idle_ms: 0,
        height: 720,
        rest_ms: 0,
        sent: crate::time::Time(0),
    };

    /// SPS, PPS, an IDR slice of `size` bytes that starts with macroblock 0.
    fn picture(size: usize) -> Vec<u8> {
        let mut bytes = vec![
            0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1f, 0, 0, 0, 1, 0x68, 0xce, 0x3c,
        ];
        bytes.extend_from_slice(&[0, 0, 1, 0x65]);
        bytes.resize(bytes.len() + size - 1, 0x88);
        bytes
    }

    fn packets(picture: &[u8]) -> Vec<Vec<u8>> {
        let parts = plan(picture);
        let last = parts.len() - 1;
        (parts.iter().enumerate())
            .map(|(index, part)| {
                let mut out = Vec::new();
                write(&mut out, picture, part, (index == last).then_some(&MARK));
                out
            })
            .collect()
    }

    #[test]
    fn parameter_sets_come_first_and_the_mark_last_in_packets_that_fit() {
        for size in [
            2,
            900,
            MAX_LAST_BYTES,
            MAX_LAST_BYTES + 1,
            1_150,
            1_151,
            9_000,
        ] {
            let packets = packets(&picture(size));
            let first = describe(Codec::H264, &packets[0]).expect("readable");
            assert!(first.starts_frame && first.starts_keyframe);
            let (last, others) = packets.split_last().expect("a packet");
            assert_eq!(read_mark(last), Some(MARK), "{size}");
            for packet in &packets {
                assert!(
                    packet.len() <= MAX_PAYLOAD_BYTES,
                    "{size}: {}",
                    packet.len()
                );
                assert!(describe(Codec::H264, packet).is_some());
            }
            assert!(others.iter().all(|packet| read_mark(packet).is_none()));
        }
    }

    #[test]
    fn fragments_carry_the_whole_slice_with_its_header() {
        let picture = picture(3_000);
        let mut slice = Vec::new();
        for packet in packets(&picture) {
            if packet[0] & NAL_TYPE == NAL_FU_A {
                if packet[1] & FU_START != 0 {
                    slice.push(packet[0] & !NAL_TYPE | packet[1] & NAL_TYPE);
                }
                slice.extend_from_slice(&packet[2..]);
            }
        }
        assert_eq!(slice, picture[picture.len() - 3_000..]);
    }

    #[test]
    fn nothing_in_a_filler_looks_like_a_start_code() {
        let mut out = Vec::new();
        write_filler(&mut out, &MARK);
        assert!(out[2..].windows(2).all(|pair| pair != [0, 0]));
        assert!(plan(&[1, 2, 3]).is_empty());
    }
}
