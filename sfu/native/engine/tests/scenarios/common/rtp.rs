//! Packets that clients publish.

use super::{OPUS, VP8, VP8_RTX};
use wire::extensions::{AudioLevel, ExtensionWriter};
use wire::rtp::OutgoingHeader;

/// A packet to publish.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rtp<'a> {
    pub ssrc: u32,
    pub sequence_number: u16,
    pub timestamp: u32,
    pub payload_type: u8,
    pub marker: bool,
    pub mid: &'a str,
    pub rid: Option<&'a str>,
    pub level: Option<AudioLevel>,
    /// Dependency descriptor; empty without one.
    pub descriptor: &'a [u8],
    pub payload: &'a [u8],
}

impl Rtp<'static> {
    /// Of a camera, one packet a frame.
    pub(crate) const PICTURE: Self = Self {
        ssrc: 0,
        sequence_number: 0,
        timestamp: 0,
        payload_type: VP8,
        marker: true,
        mid: "cam",
        rid: None,
        level: None,
        descriptor: &[],
        payload: &[],
    };
    /// Of a microphone.
    pub(crate) const SOUND: Self = Self {
        payload_type: OPUS,
        marker: false,
        mid: "mic",
        ..Self::PICTURE
    };
}

impl Rtp<'_> {
    pub(super) fn write(&self, transport_sequence_number: &mut u16) -> Vec<u8> {
        let mut out = Vec::new();
        let header = OutgoingHeader {
            marker: self.marker,
            payload_type: self.payload_type,
            sequence_number: self.sequence_number,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
        };
        header.write(&mut out, true, false);
        let mut writer = ExtensionWriter::new(&mut out, !self.descriptor.is_empty());
        writer.push(1, self.mid.as_bytes());
        if let Some(rid) = self.rid {
            let id = if self.payload_type == VP8_RTX { 3 } else { 2 };
            writer.push(id, rid.as_bytes());
        }
        writer.push(5, &transport_sequence_number.to_be_bytes());
        *transport_sequence_number = transport_sequence_number.wrapping_add(1);
        if let Some(level) = self.level {
            writer.push(6, &[u8::from(level.is_voice) << 7 | level.minus_dbov]);
        }
        if !self.descriptor.is_empty() {
            writer.push(9, self.descriptor);
        }
        writer.finish();
        out.extend_from_slice(self.payload);
        out
    }
}

/// One VP8 frame of a camera encoding in one packet, a keyframe if it has a height. Payload bytes tell publisher, encoding
/// and frame.
pub(crate) fn vp8_payload(
    publisher: u8,
    encoding: u8,
    picture_id: u16,
    keyframe_height: Option<u16>,
) -> Vec<u8> {
    let mut payload = vp8_descriptor(picture_id, true);
    write_vp8_header(&mut payload, keyframe_height);
    payload.extend_from_slice(&[publisher, encoding]);
    payload.extend_from_slice(&picture_id.to_be_bytes());
    payload.resize(200, 0x55);
    payload
}

/// RFC 7741 §4.2: X, S on a frame's first packet; I and L; picture id of 15 bits; TL0PICIDX.
pub(super) fn vp8_descriptor(picture_id: u16, is_first: bool) -> Vec<u8> {
    vec![
        if is_first { 0x90 } else { 0x80 },
        0xc0,
        0x80 | (picture_id >> 8) as u8,
        picture_id as u8,
        picture_id as u8,
    ]
}

/// RFC 6386 §9.1: the P bit is 0 on a keyframe; then start code and dimensions, 16:9.
pub(super) fn write_vp8_header(payload: &mut Vec<u8>, keyframe_height: Option<u16>) {
    payload.extend_from_slice(&[u8::from(keyframe_height.is_none()), 0, 0]);
    if let Some(height) = keyframe_height {
        payload.extend_from_slice(&[0x9d, 0x01, 0x2a]);
        payload.extend_from_slice(&(height / 9 * 16).to_le_bytes());
        payload.extend_from_slice(&height.to_le_bytes());
    }
}
