//! Descriptors by hand from the RFCs' bit tables; frames as libx264, libvpx and SVT-AV1 wrote them (through `PyAV` 18.1).

use proptest::prelude::*;

use super::*;

/// libvpx, 640x360, first bytes of a key frame and of the frame after it.
const VP8_KEY_FRAME: [u8; 12] = [
    0x30, 0x33, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01, 0x00, 0x47,
];
const VP8_DELTA_FRAME: [u8; 4] = [0xd1, 0x06, 0x00, 0x05];

/// libx264: NAL units with their headers, and the size that was asked for.
const H264_SPS: [(&[u8], (u16, u16)); 7] = [
    // Constrained baseline, whole macroblocks.
    (
        b"\x67\x42\xc0\x1f\xda\x01\x40\x16\xe8\x40\x00\x00\x03\x00\x40\x00\x00\x0f\x23\xc6\x0c\xa8",
        (1280, 720),
    ),
    // 1080 rows are 67.5 macroblocks: cropped.
    (
        b"\x67\x42\xc0\x28\xda\x01\xe0\x08\x9f\x96\x10\x00\x00\x03\x00\x10\x00\x00\x03\x03\xc8\xf1\x83\x2a",
        (1920, 1080),
    ),
    // High 4:2:2 and High 4:4:4: crop units differ.
    (
        b"\x67\x7a\x00\x1e\xbc\xb4\x05\x01\x7f\xcf\x08\x00\x00\x03\x00\x08\x00\x00\x03\x01\xe4\x78\xb1\x75",
        (640, 362),
    ),
    (
        b"\x67\xf4\x00\x1e\x91\x96\x80\xa0\x2f\xee\x2e\x10\x00\x00\x03\x00\x10\x00\x00\x03\x03\xc8\xf1\x62\xea",
        (638, 358),
    ),
    // Interlaced: map units are pairs of macroblock rows.
    (
        b"\x67\x4d\x40\x15\xf4\x0a\x19\xf9\x21\x00\x00\x03\x00\x01\x00\x00\x03\x00\x3c\x9f\x14\x2a\xa0",
        (320, 180),
    ),
    // By hand: picture order count type 1, scaling matrix with one list.
    (H264_SPS_BY_HAND, (16, 16)),
    // By hand: id 63 after two zero bytes, so that an emulation prevention byte lies before the size.
    (b"\x67\x42\x00\x00\x03\x02\x05\xa7\x90", (16, 16)),
];
/// profile 100, level 30, id 0, 4:2:0, 8 bit, matrix: list 0 of 16 deltas 0; then `log2_max_frame_num` 4, order count
/// type 1 with a cycle of 1, 1 reference frame, 1x1 macroblocks, frame only, no cropping.
/// Bits: 1 010 1 1 0 1 1 1{16} 0{7} | 1 | 010 0 1 1 010 1 | 010 0 1 1 1 0 0 0 | stop.
const H264_SPS_BY_HAND: &[u8] = &[
    0x67,
    100,
    0,
    30,
    0b1010_1101,
    0b1111_1111,
    0b1111_1111,
    0b1000_0000,
    0b1010_0110,
    0b1010_1001,
    0b1110_0010,
];
const H264_IDR_SLICE: [u8; 4] = [0x65, 0x88, 0x84, 0x3a];
const H264_SECOND_IDR_SLICE: [u8; 4] = [0x65, 0x00, 0x39, 0x88];
const H264_PPS: [u8; 4] = [0x68, 0xce, 0x0f, 0xc8];

/// SVT-AV1, 640x360: sequence header OBU as written (with a size field), and without (as in RTP).
const AV1_SEQUENCE_HEADER: [u8; 11] = [
    0x08, 0x00, 0x00, 0x00, 0x0c, 0xc4, 0xff, 0x67, 0x1a, 0xbe, 0x60,
];
const AV1_SEQUENCE_HEADER_SIZED: [u8; 12] = [
    0x0a, 0x0b, 0x00, 0x00, 0x00, 0x0c, 0xc4, 0xff, 0x67, 0x1a, 0xbe, 0x60,
];

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn plain_vp9() -> PayloadInfo {
    PayloadInfo {
        is_switch_point: true,
        ..PayloadInfo::default()
    }
}

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

#[test]
fn h264_sps_tells_the_cropped_size() {
    for (sps, resolution) in H264_SPS {
        let info = describe(Codec::H264, sps).expect("well formed");

        assert_eq!(info.resolution, Some(resolution));
        assert!(info.starts_frame && info.starts_keyframe);
    }
}

#[test]
fn h264_payload_kinds() {
    let sps = H264_SPS[0].0;
    let stap_a = join(&[
        &[0x78, 0, sps.len() as u8],
        sps,
        &[0, H264_PPS.len() as u8],
        &H264_PPS,
        &[0, H264_IDR_SLICE.len() as u8],
        &H264_IDR_SLICE,
    ]);
    // (payload, starts frame, starts keyframe)
    for (payload, starts_frame, starts_keyframe) in [
        (&stap_a[..], true, true),
        (&H264_IDR_SLICE, true, true),
        (&H264_SECOND_IDR_SLICE, false, false),
        (&H264_PPS, true, false),
        (&[0x41, 0x9a, 0x24], true, false),
        (&[0x41, 0x00, 0x9a], false, false), // a later slice
        (&[0x06, 0x05, 0x01], false, false), // SEI
        (&[0x09, 0x10], true, false),
        (&[0x7c, 0x85, 0x88, 0x84], true, true), // FU-A, S bit, IDR
        (&[0x7c, 0x05, 0x88, 0x84], false, false), // FU-A, middle
        (&[0x7c, 0x45, 0x88, 0x84], false, false), // FU-A, end
        (&[0x7c, 0x85, 0x00, 0x39], false, false), // FU-A, S bit, second IDR slice
        (&[0x5c, 0x81, 0x9a], true, false),
    ] {
        let info = describe(Codec::H264, payload).expect("well formed");

        assert_eq!(info.starts_frame, starts_frame, "{payload:x?}");
        assert_eq!(info.starts_keyframe, starts_keyframe, "{payload:x?}");
        assert_eq!(info.is_inter_predicted, !starts_keyframe);
    }
    assert_eq!(
        describe(Codec::H264, &stap_a).and_then(|info| info.resolution),
        Some((1280, 720))
    );
}

#[test]
fn h264_malformed_payloads_are_refused() {
    for payload in [
        &[][..],
        &[0x60],                   // type 0
        &[0x78],                   // empty STAP-A
        &[0x78, 0],                // cut size
        &[0x78, 0, 0],             // NAL unit of no bytes
        &[0x78, 0, 3, 0x68, 0xce], // size past the end
        &[0x79, 0, 0, 1, 0x41],    // STAP-B
        &[0x7c],                   // FU-A without its header
        &[0x7c, 0x85],             // FU-A without a fragment
        &[0x7d, 0x85, 0, 0, 1],    // FU-B
        &[0x7e, 1],
        &[0x7f, 1],
    ] {
        assert_eq!(describe(Codec::H264, payload), None, "{payload:x?}");
    }
}

#[test]
fn av1_new_sequence_with_its_size() {
    let frame = [0x30, 0x10, 0x00];
    // W = 2 and N: a length before the first element only.
    let counted = join(&[
        &[0x28, AV1_SEQUENCE_HEADER.len() as u8],
        &AV1_SEQUENCE_HEADER,
        &frame,
    ]);
    // W = 0: a length before each; OBU with its own size field.
    let delimited = join(&[
        &[0x08, AV1_SEQUENCE_HEADER_SIZED.len() as u8],
        &AV1_SEQUENCE_HEADER_SIZED,
        &[frame.len() as u8],
        &frame,
    ]);
    for payload in [counted, delimited] {
        let info = describe(Codec::Av1, &payload);

        assert_eq!(
            info,
            Some(PayloadInfo {
                starts_frame: true,
                starts_keyframe: true,
                is_switch_point: true,
                resolution: Some((640, 360)),
                ..PayloadInfo::default()
            })
        );
    }
}

#[test]
fn av1_continuations_and_layers() {
    // (payload, starts frame, temporal layer, spatial layer)
    for (payload, starts_frame, temporal_layer, spatial_layer) in [
        (&[0x10, 0x30, 0x10][..], true, 0, 0),      // W 1: frame OBU
        (&[0x50, 0x30, 0x10], true, 0, 0),          // Y: continued in the next packet
        (&[0x90, 0x30, 0x10], false, 0, 0),         // Z: the byte is not an OBU header
        (&[0x10, 0x34, 0x48, 0x10], true, 2, 1),    // extension: temporal 2, spatial 1
        (&[0x10, 0x24, 0x48, 0x10], false, 2, 1),   // tile group
        (&[0xa0, 1, 0xff, 0x18, 0x10], true, 0, 0), // Z, then a frame header
    ] {
        let info = describe(Codec::Av1, payload).expect("well formed");

        assert!(!info.starts_keyframe);
        assert_eq!(info.starts_frame, starts_frame, "{payload:x?}");
        assert_eq!(info.temporal_layer, temporal_layer, "{payload:x?}");
        assert_eq!(info.spatial_layer, spatial_layer, "{payload:x?}");
        assert_eq!(info.is_switch_point, temporal_layer == 0);
    }
}

#[test]
fn av1_malformed_payloads_are_refused() {
    for payload in [
        &[][..],
        &[0x10],
        &[0x98, 0x30, 0x10],    // Z and N
        &[0x10, 0xb0, 0x10],    // forbidden bit
        &[0x00, 5, 0x30, 0x10], // length past the end
        &[0x20, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
        &[0x10, 0x34], // no extension byte
    ] {
        assert_eq!(describe(Codec::Av1, payload), None, "{payload:x?}");
    }
}

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
