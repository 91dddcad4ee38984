//! H.264 payloads (RFC 6184) and the size in their parameter sets.

use super::samples::*;
use crate::codec::*;

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
