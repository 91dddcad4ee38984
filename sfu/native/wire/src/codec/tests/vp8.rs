//! VP8 descriptors by hand from the bit tables of RFC 7741.

use super::samples::*;
use crate::codec::*;

#[test]
fn vp8_full_descriptor_of_a_key_frame() {
    // X S, PID 0 | I L T K | M + 15 bits 0x1234 | TL0PICIDX 77 | TID 0, Y 1, KEYIDX 9
    let payload = join(&[&[0x90, 0xf0, 0x92, 0x34, 77, 0x29], &VP8_KEY_FRAME]);

    let info = describe(Codec::Vp8, &payload);

    assert_eq!(
        info,
        Some(PayloadInfo {
            starts_frame: true,
            starts_keyframe: true,
            is_switch_point: true,
            resolution: Some((640, 360)),
            picture: Some(PictureIds {
                picture_id: 0x1234,
                is_15_bit: true,
                picture_id_offset: 2,
                tl0_picture_index: Some((77, 4)),
                key_index: Some((9, 5)),
            }),
            ..PayloadInfo::default()
        })
    );
}

#[test]
fn vp8_descriptor_variants() {
    // (descriptor, starts frame, temporal layer, switch point, picture id, is 15 bit)
    type Case = (&'static [u8], bool, u8, bool, Option<(u16, bool)>);
    let cases: [Case; 9] = [
        (&[0x10], true, 0, true, None),
        (&[0x00], false, 0, true, None),
        (&[0x11], false, 0, true, None), // start of partition 1
        (&[0x90, 0x00], true, 0, true, None),
        (&[0x90, 0x80, 0x7f], true, 0, true, Some((127, false))),
        (
            &[0x90, 0x80, 0xff, 0xff],
            true,
            0,
            true,
            Some((32767, true)),
        ),
        (&[0x90, 0xa0, 5, 0x40], true, 1, false, Some((5, false))),
        (&[0x90, 0xa0, 5, 0xa0], true, 2, true, Some((5, false))),
        // K without T: TID and Y bits mean nothing.
        (&[0x90, 0x90, 5, 0xdf], true, 0, true, Some((5, false))),
    ];
    for (descriptor, starts_frame, temporal_layer, is_switch_point, picture) in cases {
        let payload = join(&[descriptor, &VP8_DELTA_FRAME]);

        let info = describe(Codec::Vp8, &payload).expect("well formed");

        assert_eq!(info.starts_frame, starts_frame, "{descriptor:x?}");
        assert!(!info.starts_keyframe && info.resolution.is_none());
        assert_eq!(info.temporal_layer, temporal_layer, "{descriptor:x?}");
        assert_eq!(info.is_switch_point, is_switch_point, "{descriptor:x?}");
        let read = info.picture.map(|ids| (ids.picture_id, ids.is_15_bit));
        assert_eq!(read, picture, "{descriptor:x?}");
    }
}

#[test]
fn vp8_key_frame_bytes_inside_a_frame_start_nothing() {
    let payload = join(&[&[0x80, 0x80, 0x05], &VP8_KEY_FRAME]);

    let info = describe(Codec::Vp8, &payload).expect("well formed");

    assert!(!info.starts_frame && !info.starts_keyframe);
}
