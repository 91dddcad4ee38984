//! AV1 aggregation headers and their first units.

use super::samples::*;
use crate::codec::*;

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
