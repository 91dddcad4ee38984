//! Frames as libx264, libvpx and SVT-AV1 wrote them (through `PyAV` 18.1).

/// libvpx, 640x360, first bytes of a key frame and of the frame after it.
pub(super) const VP8_KEY_FRAME: [u8; 12] = [
    0x30, 0x33, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01, 0x00, 0x47,
];
pub(super) const VP8_DELTA_FRAME: [u8; 4] = [0xd1, 0x06, 0x00, 0x05];

/// libx264: NAL units with their headers, and the size that was asked for.
pub(super) const H264_SPS: [(&[u8], (u16, u16)); 7] = [
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
pub(super) const H264_SPS_BY_HAND: &[u8] = &[
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
pub(super) const H264_IDR_SLICE: [u8; 4] = [0x65, 0x88, 0x84, 0x3a];
pub(super) const H264_SECOND_IDR_SLICE: [u8; 4] = [0x65, 0x00, 0x39, 0x88];
pub(super) const H264_PPS: [u8; 4] = [0x68, 0xce, 0x0f, 0xc8];

/// SVT-AV1, 640x360: sequence header OBU as written (with a size field), and without (as in RTP).
pub(super) const AV1_SEQUENCE_HEADER: [u8; 11] = [
    0x08, 0x00, 0x00, 0x00, 0x0c, 0xc4, 0xff, 0x67, 0x1a, 0xbe, 0x60,
];
pub(super) const AV1_SEQUENCE_HEADER_SIZED: [u8; 12] = [
    0x0a, 0x0b, 0x00, 0x00, 0x00, 0x0c, 0xc4, 0xff, 0x67, 0x1a, 0xbe, 0x60,
];

pub(super) fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}
