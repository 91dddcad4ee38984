//! VP8 payload descriptor (RFC 7741 §4.2) and the start of the frame header (RFC 6386 §9.1).

use super::{PayloadInfo, PictureIds, read_picture_id};

const EXTENDED: u8 = 0x80;
const START_OF_PARTITION: u8 = 0x10;
const PARTITION_INDEX: u8 = 0x07;
const HAS_PICTURE_ID: u8 = 0x80;
const HAS_TL0_PICTURE_INDEX: u8 = 0x40;
const HAS_TEMPORAL_LAYER: u8 = 0x20;
const HAS_KEY_INDEX: u8 = 0x10;

pub(super) fn describe(payload: &[u8]) -> Option<PayloadInfo> {
    let first = *payload.first()?;
    let mut info = PayloadInfo {
        starts_frame: first & START_OF_PARTITION != 0 && first & PARTITION_INDEX == 0,
        is_switch_point: true,
        ..PayloadInfo::default()
    };
    let mut offset = 1;
    if first & EXTENDED != 0 {
        offset = read_extension(payload, &mut info)?;
    }
    // The descriptor is always followed by a part of the frame.
    let frame = payload.get(offset..).filter(|frame| !frame.is_empty())?;
    if info.starts_frame {
        let is_keyframe = frame[0] & 1 == 0;
        info.starts_keyframe = is_keyframe;
        if is_keyframe {
            info.resolution = read_resolution(frame);
        }
    }
    info.is_inter_predicted = !info.starts_keyframe;
    Some(info)
}

/// Read the X octet and the fields it announces; return the offset of the frame's bytes.
fn read_extension(payload: &[u8], info: &mut PayloadInfo) -> Option<usize> {
    let flags = *payload.get(1)?;
    let mut offset = 2;
    let mut ids = PictureIds::default();
    if flags & HAS_PICTURE_ID != 0 {
        offset = read_picture_id(payload, offset, &mut ids)?;
    }
    if flags & HAS_TL0_PICTURE_INDEX != 0 {
        ids.tl0_picture_index = Some((*payload.get(offset)?, offset as u8));
        offset += 1;
    }
    if flags & (HAS_TEMPORAL_LAYER | HAS_KEY_INDEX) != 0 {
        let byte = *payload.get(offset)?;
        // RFC 7741 §4.2: TID and Y mean nothing without T, KEYIDX nothing without K.
        if flags & HAS_TEMPORAL_LAYER != 0 {
            info.temporal_layer = byte >> 6;
            info.is_switch_point = byte & 0x20 != 0 || info.temporal_layer == 0;
        }
        if flags & HAS_KEY_INDEX != 0 {
            ids.key_index = Some((byte & 0x1f, offset as u8));
        }
        offset += 1;
    }
    info.picture = (flags & HAS_PICTURE_ID != 0).then_some(ids);
    Some(offset)
}

/// RFC 6386 §9.1: 3-byte tag, start code, then 14-bit width and height, little endian, with 2 bits of scale each.
fn read_resolution(frame: &[u8]) -> Option<(u16, u16)> {
    let header = frame.first_chunk::<10>()?;
    if header[3..6] != [0x9d, 0x01, 0x2a] {
        return None;
    }
    let width = u16::from_le_bytes([header[6], header[7]]) & 0x3fff;
    let height = u16::from_le_bytes([header[8], header[9]]) & 0x3fff;
    Some((width, height))
}
