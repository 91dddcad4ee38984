//! VP8 payload descriptor, both ways (RFC 7741 §4.2), as a browser sends it: 15-bit picture id, TL0PICIDX, one temporal layer.

/// Length of the descriptor that [`descriptor`] gives.
pub const DESCRIPTOR_BYTES: usize = 6;
/// LIMIT: RTP payload of one packet: with SRTP, UDP and IPv6 it fits any path.
pub const MAX_PAYLOAD_BYTES: usize = 1_150;

/// The descriptor of one packet.
pub const fn descriptor(
    starts_frame: bool,
    picture_id: u16,
    tl0_picture_index: u8,
) -> [u8; DESCRIPTOR_BYTES] {
    // X and S; I, L and T; M and 15 bits of picture id; TL0PICIDX; TID 0.
    let [high, low] = picture_id.to_be_bytes();
    [
        0x80 | (starts_frame as u8) << 4,
        0xe0,
        0x80 | high,
        low,
        tl0_picture_index,
        0,
    ]
}

/// Cut `total` bytes of a frame into as few packets as may be, all of about one size: lengths differ by one at most, the
/// longer ones come last, as from libwebrtc.
pub fn part_bounds(total: usize, index: usize) -> (usize, usize) {
    let count = part_count(total);
    let (size, longer) = (total / count, total % count);
    let shorter = count - longer;
    let start = index * size + index.saturating_sub(shorter);
    (start, start + size + usize::from(index >= shorter))
}

/// How many packets that is, at least one.
pub fn part_count(total: usize) -> usize {
    total.div_ceil(MAX_PAYLOAD_BYTES - DESCRIPTOR_BYTES).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::codec::{Codec, describe};

    #[test]
    fn parts_cover_the_frame_without_gap_and_fit() {
        for total in [1, 27, 1_143, 1_144, 1_145, 5_000, 91_111] {
            let count = part_count(total);
            let mut end = 0;
            for index in 0..count {
                let (start, next) = part_bounds(total, index);
                assert_eq!(start, end);
                assert!(next - start <= MAX_PAYLOAD_BYTES - DESCRIPTOR_BYTES && next > start);
                end = next;
            }
            assert_eq!(end, total);
        }
    }

    #[test]
    fn the_engines_parser_reads_the_descriptor_as_meant() {
        for (starts_frame, picture_id) in [(true, 0), (false, 0x7fff), (true, 0x0123)] {
            let mut payload = descriptor(starts_frame, picture_id, 9).to_vec();
            payload.extend_from_slice(&[1, 0, 0, 5, 5]);
            let info = describe(Codec::Vp8, &payload).expect("a descriptor");

            assert_eq!(info.starts_frame, starts_frame);
            assert!(!info.starts_keyframe);
            assert_eq!(info.picture.map(|ids| ids.picture_id), Some(picture_id));
        }
    }
}
