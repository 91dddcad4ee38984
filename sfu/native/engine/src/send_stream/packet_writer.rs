//! Writes one packet in the subscriber's terms: header, extensions under its ids, payload with continuous picture ids.
//! The same inputs give the same bytes: a plain retransmission must be the packet that was sent, because SRTP protects it
//! under the same index and so, with AES-GCM, the same nonce (RFC 7714 §10.1).

use super::units::SendTime;
use crate::media_config::SubscribeConfig;
use crate::packet::SourcePacket;
use wire::codec::{Codec, rewrite_picture_ids};
use wire::dependency_descriptor::write_active_decode_targets;
use wire::extensions::{ExtensionIds, ExtensionWriter};
use wire::rtp::OutgoingHeader;

/// What a packet is written with beside its source.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rewrite {
    /// Fixed header.
    pub(super) header: OutgoingHeader,
    /// Original sequence number: makes it an RTX packet (RFC 4588 §4).
    pub(super) original_sequence_number: Option<u16>,
    /// Send the mid extension.
    pub(super) has_mid: bool,
    /// Append a byte of padding.
    pub(super) is_evened: bool,
    /// For the abs-send-time extension.
    pub(super) sent_at: SendTime,
    /// For the transport-wide extension.
    pub(super) transport_sequence_number: Option<u16>,
    /// Picture id and TL0PICIDX.
    pub(super) picture: Option<(u16, u8)>,
    /// Added to the dependency descriptor's frame number.
    pub(super) frame_number_offset: u16,
    /// The descriptor's active decode targets; 0: as the sender wrote them.
    pub(super) decode_targets: u32,
    /// RED carried on: the payload type its blocks get.
    pub(super) block_payload_type: Option<u8>,
}

/// Append the packet with `payload` (the source's, or its RED primary) and return the length of the clear part.
pub(super) fn write_packet(
    out: &mut Vec<u8>,
    config: &SubscribeConfig,
    rewrite: &Rewrite,
    source: &SourcePacket<'_>,
    payload: &[u8],
) -> usize {
    let start = out.len();
    out.reserve(MAX_HEADER_BYTES + source.dependency_descriptor.len() + payload.len());
    let has_extensions = config.extensions != ExtensionIds::default();
    rewrite.header.write(out, has_extensions, rewrite.is_evened);
    if has_extensions {
        write_extensions(out, config, rewrite, source);
    }
    let header_bytes = out.len() - start;
    if let Some(number) = rewrite.original_sequence_number {
        out.extend_from_slice(&number.to_be_bytes());
    }
    let payload_start = out.len();
    out.extend_from_slice(payload);
    let written = &mut out[payload_start..];
    if let (Some((picture_id, tl0)), Some(at)) = (rewrite.picture, &source.meta.info.picture) {
        rewrite_picture_ids(written, at, picture_id, tl0);
    }
    if let (Some(payload_type), Codec::Red) = (rewrite.block_payload_type, source.meta.codec) {
        rewrite_red_payload_types(written, payload_type);
    }
    if rewrite.is_evened {
        write_padding_byte(out);
    }
    header_bytes
}

/// Append a packet of padding alone: 12 bytes of header, one of padding.
pub(super) fn write_filler(out: &mut Vec<u8>, header: &OutgoingHeader) -> usize {
    let start = out.len();
    header.write(out, false, true);
    let header_bytes = out.len() - start;
    write_padding_byte(out);
    header_bytes
}

/// RFC 3550 §5.1: the last byte of padding says how many there are.
fn write_padding_byte(out: &mut Vec<u8>) {
    out.push(1);
}

fn write_extensions(
    out: &mut Vec<u8>,
    config: &SubscribeConfig,
    rewrite: &Rewrite,
    source: &SourcePacket<'_>,
) {
    let ids = &config.extensions;
    let meta = source.meta;
    let descriptor_id = ids
        .dependency_descriptor
        .filter(|_| !source.dependency_descriptor.is_empty() && needs_descriptor(meta.codec));
    let mut room;
    let mut descriptor = &[][..];
    if descriptor_id.is_some() {
        room = [0; MAX_TWO_BYTE_ELEMENT];
        descriptor = write_descriptor(rewrite, source, &mut room);
    }
    let is_long = descriptor.len() > MAX_ONE_BYTE_ELEMENT;
    let mut writer = ExtensionWriter::new(out, is_long || has_high_id(ids));
    if let (Some(id), true) = (ids.mid, rewrite.has_mid) {
        writer.push(id, config.mid.as_bytes());
    }
    if let Some(id) = ids.absolute_send_time {
        writer.push(id, &rewrite.sent_at.absolute_send_time());
    }
    if let (Some(id), Some(number)) = (
        ids.transport_sequence_number,
        rewrite.transport_sequence_number,
    ) {
        writer.push(id, &number.to_be_bytes());
    }
    if let (Some(id), Some(level)) = (ids.audio_level, meta.audio_level) {
        // RFC 6464 §3: V bit, then 7 bits of −dBov.
        writer.push(
            id,
            &[u8::from(level.is_voice) << 7 | (level.minus_dbov & 0x7f)],
        );
    }
    if let (Some(id), Some(orientation)) = (ids.video_orientation, meta.video_orientation) {
        writer.push(id, &[orientation]);
    }
    if let (Some(id), Some((min, max))) = (ids.playout_delay, meta.playout_delay) {
        let both = u32::from(min & 0xfff) << 12 | u32::from(max & 0xfff);
        writer.push(id, &both.to_be_bytes()[1..]);
    }
    if let Some(id) = descriptor_id.filter(|_| !descriptor.is_empty()) {
        writer.push(id, descriptor);
    }
    writer.finish();
}

/// VP8 and H.264 payloads tell a receiver all there is to know; AV1 needs the descriptor, VP9 profits where layers are dropped.
fn needs_descriptor(codec: Codec) -> bool {
    matches!(codec, Codec::Av1 | Codec::Vp9)
}

/// The descriptor in the subscriber's terms, in `room`; empty if it does not fit. The frame number is bytes 1–2 (AV1 RTP spec,
/// A.4.1): references are differences, so a constant shift is all it takes.
fn write_descriptor<'a>(
    rewrite: &Rewrite,
    source: &SourcePacket<'_>,
    room: &'a mut [u8; MAX_TWO_BYTE_ELEMENT],
) -> &'a [u8] {
    let descriptor = source.dependency_descriptor;
    let narrowed = Some(rewrite.decode_targets)
        .filter(|&mask| mask != 0)
        .and_then(|mask| {
            write_active_decode_targets(descriptor, source.meta.targets_field, mask, room)
        });
    let length = narrowed.unwrap_or(descriptor.len());
    let Some(copy) = room.get_mut(..length) else {
        return &[];
    };
    if narrowed.is_none() {
        copy.copy_from_slice(descriptor);
    }
    if let Some(number) = frame_number(copy) {
        copy[1..3].copy_from_slice(
            &number
                .wrapping_add(rewrite.frame_number_offset)
                .to_be_bytes(),
        );
    }
    copy
}

/// Frame number of a dependency descriptor.
pub(super) fn frame_number(descriptor: &[u8]) -> Option<u16> {
    match descriptor {
        [_, high, low, ..] => Some(u16::from_be_bytes([*high, *low])),
        _ => None,
    }
}

fn has_high_id(ids: &ExtensionIds) -> bool {
    [
        ids.mid,
        ids.absolute_send_time,
        ids.transport_sequence_number,
        ids.audio_level,
        ids.video_orientation,
        ids.playout_delay,
        ids.dependency_descriptor,
    ]
    .iter()
    .any(|id| id.is_some_and(|id| id > MAX_ONE_BYTE_ID))
}

/// RFC 2198 §3: the payload type is the low 7 bits of each block header, 4 bytes while F is set, then 1 byte.
fn rewrite_red_payload_types(payload: &mut [u8], payload_type: u8) {
    let mut at = 0;
    while let Some(header) = payload.get_mut(at) {
        let has_next = *header & 0x80 != 0;
        *header = *header & 0x80 | payload_type;
        if !has_next {
            return;
        }
        at += 4;
    }
}

/// Fixed header, and every extension but the descriptor in its longest form, with room for SRTP's tag.
const MAX_HEADER_BYTES: usize = 96;
/// RFC 8285 §4.2: ids 1–14, 1–16 bytes.
const MAX_ONE_BYTE_ID: u8 = 14;
const MAX_ONE_BYTE_ELEMENT: usize = 16;
/// RFC 8285 §4.3.
const MAX_TWO_BYTE_ELEMENT: usize = 255;
