//! What holds for payloads of every codec: whole, cut, foreign, rewritten.

use super::samples::*;
use crate::codec::*;
use proptest::prelude::*;

#[test]
fn audio_packets_are_whole_frames() {
    for codec in [Codec::Opus, Codec::Red] {
        let info = describe(codec, &[0x78, 1, 2]).expect("not empty");

        assert!(info.starts_frame && info.starts_keyframe && info.ends_frame);
        assert_eq!(describe(codec, &[]), None);
    }
}

#[test]
fn rewriting_keeps_widths_and_all_other_bytes() {
    for (codec, payload, expected) in [
        (
            Codec::Vp8,
            &[0x90, 0xf0, 0x92, 0x34, 77, 0x29, 0x30, 0x33][..],
            &[0x90, 0xf0, 0xff, 0xff, 5, 0x29, 0x30, 0x33][..],
        ),
        (
            Codec::Vp8,
            &[0x90, 0xc0, 0x34, 77, 0x31],
            &[0x90, 0xc0, 0x7f, 5, 0x31],
        ),
        (
            Codec::Vp8,
            &[0x90, 0x80, 0x34, 0x31],
            &[0x90, 0x80, 0x7f, 0x31],
        ),
        (
            Codec::Vp9,
            &[0xa8, 0x81, 0x02, 0x00, 200, 0x86],
            &[0xa8, 0xff, 0xff, 0x00, 5, 0x86],
        ),
        (
            Codec::Vp9,
            &[0xb8, 0x02, 0x00, 0x86],
            &[0xb8, 0x7f, 0x00, 0x86],
        ),
    ] {
        let mut payload = payload.to_vec();
        let ids = describe(codec, &payload).and_then(|info| info.picture);

        rewrite_picture_ids(&mut payload, &ids.expect("has ids"), 0xffff, 5);

        assert_eq!(payload, expected);
    }
}

/// Every prefix of every sample is described or refused; what needs bytes that are cut is refused.
#[test]
fn truncated_payloads_never_panic() {
    let vp9 = [
        0xba, 0x81, 0x02, 0x00, 0x38, 1, 64, 0, 180, 2, 128, 1, 104, 1, 0x04, 1, 0x82,
    ];
    for length in 0..vp9.len() {
        assert_eq!(describe(Codec::Vp9, &vp9[..length]), None, "{length}");
    }
    assert!(describe(Codec::Vp9, &vp9).is_some());
    for (sps, _) in H264_SPS {
        let mut sizes = Vec::new();
        for length in 1..=sps.len() {
            sizes.push(describe(Codec::H264, &sps[..length]).and_then(|info| info.resolution));
        }
        assert_eq!(sizes[5], None, "cut before its size");
    }
    let av1 = join(&[&[0x28, 11], &AV1_SEQUENCE_HEADER, &[0x30]]);
    for length in 0..13 {
        assert_eq!(describe(Codec::Av1, &av1[..length]), None, "{length}");
    }
}

proptest! {
    #[test]
    fn no_payload_panics_and_offsets_lie_inside(
        payload in prop::collection::vec(any::<u8>(), 0..120),
        first: u8,
        picture_id: u16,
    ) {
        let mut payload = payload;
        // Half of the runs begin with a type that has inner structure.
        for lead in [first, 0x67, 0x78, 0x7c, 0x28, 0xff] {
            if let Some(byte) = payload.first_mut() {
                *byte = lead;
            }
            for codec in [Codec::Opus, Codec::Red, Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1] {
                let Some(info) = describe(codec, &payload) else { continue };
                let Some(ids) = info.picture else { continue };
                let mut rewritten = payload.clone();
                rewrite_picture_ids(&mut rewritten, &ids, picture_id, 9);
                let again = describe(codec, &rewritten).and_then(|info| info.picture);
                let again = again.expect("rewriting keeps the layout");
                let mask = if ids.is_15_bit { 0x7fff } else { 0x7f };
                prop_assert_eq!(again.picture_id, picture_id & mask);
                prop_assert_eq!(again.is_15_bit, ids.is_15_bit);
                prop_assert_eq!(again.key_index, ids.key_index);
                prop_assert_eq!(again.tl0_picture_index.map(|(_, at)| at), ids.tl0_picture_index.map(|(_, at)| at));
            }
        }
    }

    #[test]
    fn rewriting_foreign_payloads_never_panics(
        mut payload in prop::collection::vec(any::<u8>(), 0..8),
        picture_id_offset: u8,
        is_15_bit: bool,
        offset: u8,
    ) {
        let at = PictureIds { picture_id_offset, is_15_bit, tl0_picture_index: Some((0, offset)), ..PictureIds::default() };
        let length = payload.len();
        rewrite_picture_ids(&mut payload, &at, 1, 2);
        prop_assert_eq!(payload.len(), length);
    }
}
