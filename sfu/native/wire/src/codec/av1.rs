//! AV1 aggregation header and OBU elements (AOM "RTP Payload Format For AV1" §4.4), OBU headers (AV1 §5.3), and the
//! picture size of a sequence header (AV1 §5.5).

use super::PayloadInfo;
use super::bit_reader::BitReader;

const CONTINUES_OBU: u8 = 0x80;
const STARTS_SEQUENCE: u8 = 0x08;
const OBU_SEQUENCE_HEADER: u8 = 1;
const OBU_FRAME_HEADER: u8 = 3;
const OBU_FRAME: u8 = 6;
/// LIMIT: OBU elements looked at in a packet. A frame's packet holds a handful.
const MAX_OBU_ELEMENTS: usize = 32;
/// §4.9.5 of AV1: leb128 has at most 8 bytes.
const MAX_LEB128_BYTES: usize = 8;

pub(super) fn describe(payload: &[u8]) -> Option<PayloadInfo> {
    let (&aggregation, mut rest) = payload.split_first()?;
    let starts_sequence = aggregation & STARTS_SEQUENCE != 0;
    let continues = aggregation & CONTINUES_OBU != 0;
    // §4.4: N is 1 only where a coded video sequence starts, so nothing can be continued.
    if rest.is_empty() || (starts_sequence && continues) {
        return None;
    }
    let mut info = PayloadInfo {
        starts_keyframe: starts_sequence,
        is_inter_predicted: !starts_sequence,
        ..PayloadInfo::default()
    };
    let counted = usize::from(aggregation >> 4 & 0x03);
    let mut has_layers = false;
    for at in 0..MAX_OBU_ELEMENTS {
        if rest.is_empty() {
            break;
        }
        // W elements, of which the last has no length; W = 0: each has one.
        let element;
        (element, rest) = if counted != 0 && at + 1 == counted {
            (rest, &[][..])
        } else {
            let (length, after) = read_leb128(rest)?;
            after.split_at_checked(length)?
        };
        if !(at == 0 && continues) {
            describe_obu(element, &mut info, &mut has_layers)?;
        }
    }
    info.is_switch_point = info.temporal_layer == 0;
    Some(info)
}

/// Take from one OBU (or its first fragment) what its header says.
fn describe_obu(obu: &[u8], info: &mut PayloadInfo, has_layers: &mut bool) -> Option<()> {
    let Some((&header, mut body)) = obu.split_first() else {
        return Some(());
    };
    if header & 0x80 != 0 {
        return None;
    }
    if header & 0x04 != 0 {
        let (&extension, after) = body.split_first()?;
        if !*has_layers {
            *has_layers = true;
            info.temporal_layer = extension >> 5;
            info.spatial_layer = extension >> 3 & 0x03;
        }
        body = after;
    }
    if header & 0x02 != 0 {
        (_, body) = read_leb128(body)?;
    }
    match header >> 3 & 0x0f {
        OBU_SEQUENCE_HEADER => {
            info.starts_frame = true;
            info.resolution = read_resolution(body);
        }
        OBU_FRAME_HEADER | OBU_FRAME => info.starts_frame = true,
        _ => {}
    }
    Some(())
}

fn read_leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0u64;
    for (at, byte) in bytes.iter().take(MAX_LEB128_BYTES).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value.try_into().ok()?, &bytes[at + 1..]));
        }
    }
    None
}

/// Maximum frame size of a sequence header, `None` if it is cut.
fn read_resolution(sequence_header: &[u8]) -> Option<(u16, u16)> {
    let mut reader = BitReader::new(sequence_header);
    reader.skip(4)?; // seq_profile, still_picture
    let is_reduced = reader.flag()?;
    if is_reduced {
        reader.skip(5)?; // seq_level_idx
    } else {
        skip_operating_points(&mut reader)?;
    }
    let width_bits = reader.bits(4)? + 1;
    let height_bits = reader.bits(4)? + 1;
    let width = reader.bits(width_bits)? + 1;
    let height = reader.bits(height_bits)? + 1;
    Some((width.try_into().ok()?, height.try_into().ok()?))
}

fn skip_operating_points(reader: &mut BitReader) -> Option<()> {
    let mut delay_bits = None;
    if reader.flag()? {
        reader.skip(64)?; // num_units_in_display_tick, time_scale
        if reader.flag()? {
            skip_uvlc(reader)?; // num_ticks_per_picture_minus_1
        }
        if reader.flag()? {
            delay_bits = Some(reader.bits(5)? as usize + 1);
            reader.skip(42)?; // num_units_in_decoding_tick, two lengths
        }
    }
    let has_display_delay = reader.flag()?;
    let operating_points = reader.bits(5)? + 1;
    for _ in 0..operating_points {
        reader.skip(12)?; // operating_point_idc
        if reader.bits(5)? > 7 {
            reader.skip(1)?; // seq_tier
        }
        if let Some(delay_bits) = delay_bits
            && reader.flag()?
        {
            reader.skip(2 * delay_bits + 1)?;
        }
        if has_display_delay && reader.flag()? {
            reader.skip(4)?;
        }
    }
    Some(())
}

/// AV1 §4.10.3: 32 leading zeros or more stand for the largest value and have no further bits.
fn skip_uvlc(reader: &mut BitReader) -> Option<()> {
    let mut zeros = 0;
    while !reader.flag()? {
        zeros += 1;
    }
    if zeros < 32 {
        reader.skip(zeros)
    } else {
        Some(())
    }
}
