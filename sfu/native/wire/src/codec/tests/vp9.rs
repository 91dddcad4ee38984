//! VP9 descriptors by hand from the bit tables of RFC 9628.

use super::samples::*;
use crate::codec::*;

fn plain_vp9() -> PayloadInfo {
    PayloadInfo {
        is_switch_point: true,
        ..PayloadInfo::default()
    }
}

#[test]
fn vp9_non_flexible_key_frame_with_structure() {
    // I L B E V | 15 bits 0x0102 | TID 0 U 0 SID 0 D 0 | TL0PICIDX 200 |
    // SS: N_S 1 (two layers), Y, G | 320x180 | 640x360 | N_G 2: (TID 0, R 1), (TID 1 U, R 2)
    let payload = join(&[
        &[0xae, 0x81, 0x02, 0x00, 200],
        &[0x38, 1, 64, 0, 180, 2, 128, 1, 104],
        &[2, 0x04, 1, 0x38, 1, 2],
        &[0x82, 0x49, 0x83],
    ]);

    let info = describe(Codec::Vp9, &payload);

    assert_eq!(
        info,
        Some(PayloadInfo {
            starts_frame: true,
            starts_keyframe: true,
            ends_frame: true,
            resolution: Some((640, 360)),
            picture: Some(PictureIds {
                picture_id: 0x0102,
                is_15_bit: true,
                picture_id_offset: 1,
                tl0_picture_index: Some((200, 4)),
                key_index: None,
            }),
            ..plain_vp9()
        })
    );
}

#[test]
fn vp9_layer_fields_and_flexible_references() {
    // (descriptor, expected); one byte of frame follows.
    let cases: [(&[u8], PayloadInfo); 7] = [
        (
            &[0x08], // B alone: a key frame of a stream without ids
            PayloadInfo {
                starts_frame: true,
                starts_keyframe: true,
                ..plain_vp9()
            },
        ),
        (
            &[0x4c], // P B E
            PayloadInfo {
                starts_frame: true,
                ends_frame: true,
                is_inter_predicted: true,
                ..plain_vp9()
            },
        ),
        (
            &[0x28, 0x03, 9], // L B: SID 1, D: upper layer of a key picture
            PayloadInfo {
                starts_frame: true,
                spatial_layer: 1,
                ..plain_vp9()
            },
        ),
        (
            &[0x64, 0x44, 9], // L P E: TID 2, U 0, SID 2
            PayloadInfo {
                ends_frame: true,
                is_inter_predicted: true,
                temporal_layer: 2,
                spatial_layer: 2,
                is_switch_point: false,
                ..PayloadInfo::default()
            },
        ),
        (
            &[0x70, 0x30, 0x03, 0x05, 0x07], // L P F: TID 1 U; three P_DIFF, the third's N bit ends nothing
            PayloadInfo {
                is_inter_predicted: true,
                temporal_layer: 1,
                ..plain_vp9()
            },
        ),
        (
            &[0x58, 0x02], // P F B, one P_DIFF
            PayloadInfo {
                starts_frame: true,
                is_inter_predicted: true,
                ..plain_vp9()
            },
        ),
        (
            &[0x98, 0x05], // I F B, P 0: no references although flexible
            PayloadInfo {
                starts_frame: true,
                starts_keyframe: true,
                picture: Some(PictureIds {
                    picture_id: 5,
                    picture_id_offset: 1,
                    ..PictureIds::default()
                }),
                ..plain_vp9()
            },
        ),
    ];
    for (descriptor, expected) in cases {
        let payload = join(&[descriptor, &[0x86]]);

        assert_eq!(
            describe(Codec::Vp9, &payload),
            Some(expected),
            "{descriptor:x?}"
        );
        assert_eq!(
            describe(Codec::Vp9, descriptor),
            None,
            "no frame: {descriptor:x?}"
        );
    }
}
