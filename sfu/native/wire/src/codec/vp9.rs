//! VP9 payload descriptor (RFC 9628 §4.2), flexible and non-flexible mode.

use super::{PayloadInfo, PictureIds, read_picture_id};

const HAS_PICTURE_ID: u8 = 0x80;
const INTER_PICTURE_PREDICTED: u8 = 0x40;
const HAS_LAYERS: u8 = 0x20;
const FLEXIBLE: u8 = 0x10;
const BEGINS_FRAME: u8 = 0x08;
const ENDS_FRAME: u8 = 0x04;
const HAS_SCALABILITY_STRUCTURE: u8 = 0x02;

/// RFC 9628 §4.2: `P_DIFF` occurs up to three times; the third ends the list whatever its N bit says.
const MAX_REFERENCES: usize = 3;

/// Sizes of the spatial layers, lowest first, of a payload that `describe` took; none if it does not tell them.
pub(super) fn spatial_layer_sizes(payload: &[u8]) -> impl Iterator<Item = (u16, u16)> {
    let sizes = read(payload).map_or(&[][..], |(_, sizes)| sizes);
    sizes.as_chunks().0.iter().copied().map(read_size)
}

pub(super) fn describe(payload: &[u8]) -> Option<PayloadInfo> {
    let (mut info, sizes) = read(payload)?;
    info.resolution = sizes.last_chunk().copied().map(read_size);
    Some(info)
}

/// The descriptor, and the 4 bytes for each spatial layer's size if it has sizes.
fn read(payload: &[u8]) -> Option<(PayloadInfo, &[u8])> {
    let first = *payload.first()?;
    let mut info = PayloadInfo {
        starts_frame: first & BEGINS_FRAME != 0,
        ends_frame: first & ENDS_FRAME != 0,
        is_inter_predicted: first & INTER_PICTURE_PREDICTED != 0,
        is_switch_point: true,
        ..PayloadInfo::default()
    };
    let mut offset = 1;
    let mut ids = PictureIds::default();
    if first & HAS_PICTURE_ID != 0 {
        offset = read_picture_id(payload, offset, &mut ids)?;
    }
    if first & HAS_LAYERS != 0 {
        let byte = *payload.get(offset)?;
        info.temporal_layer = byte >> 5;
        info.spatial_layer = byte >> 1 & 0x07;
        info.is_switch_point = byte & 0x10 != 0 || info.temporal_layer == 0;
        offset += 1;
        if first & FLEXIBLE == 0 {
            ids.tl0_picture_index = Some((*payload.get(offset)?, offset as u8));
            offset += 1;
        }
    }
    if first & FLEXIBLE != 0 && info.is_inter_predicted {
        offset = skip_references(payload, offset)?;
    }
    let mut sizes = &[][..];
    if first & HAS_SCALABILITY_STRUCTURE != 0 {
        (offset, sizes) = read_scalability_structure(payload, offset)?;
    }
    // The descriptor is always followed by a part of the frame.
    if offset >= payload.len() {
        return None;
    }
    info.starts_keyframe = info.starts_frame && !info.is_inter_predicted && info.spatial_layer == 0;
    info.picture = (first & HAS_PICTURE_ID != 0).then_some(ids);
    Some((info, sizes))
}

fn skip_references(payload: &[u8], mut offset: usize) -> Option<usize> {
    for _ in 0..MAX_REFERENCES {
        let has_more = *payload.get(offset)? & 1 != 0;
        offset += 1;
        if !has_more {
            break;
        }
    }
    Some(offset)
}

/// Return the offset after the structure, and the 4 bytes for each spatial layer's size if it has sizes.
fn read_scalability_structure(payload: &[u8], mut offset: usize) -> Option<(usize, &[u8])> {
    let first = *payload.get(offset)?;
    offset += 1;
    let spatial_layers = usize::from(first >> 5) + 1;
    let mut sizes = &[][..];
    if first & 0x10 != 0 {
        sizes = payload.get(offset..offset + 4 * spatial_layers)?;
        offset += sizes.len();
    }
    if first & 0x08 != 0 {
        let pictures = *payload.get(offset)?;
        offset += 1;
        for _ in 0..pictures {
            let references = *payload.get(offset)? >> 2 & 0x03;
            offset += 1 + usize::from(references);
        }
    }
    Some((offset, sizes))
}

fn read_size([w1, w0, h1, h0]: [u8; 4]) -> (u16, u16) {
    (u16::from_be_bytes([w1, w0]), u16::from_be_bytes([h1, h0]))
}
