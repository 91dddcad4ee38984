//! H.264 payloads of packetization mode 0 and 1 (RFC 6184): single NAL unit, STAP-A, FU-A.

use super::PayloadInfo;
use super::h264_sps::read_resolution;

const NAL_TYPE: u8 = 0x1f;
const NAL_SLICE: u8 = 1;
const NAL_IDR_SLICE: u8 = 5;
const NAL_SPS: u8 = 7;
const NAL_PPS: u8 = 8;
const NAL_ACCESS_UNIT_DELIMITER: u8 = 9;
const NAL_STAP_A: u8 = 24;
const NAL_FU_A: u8 = 28;
const FU_START: u8 = 0x80;

/// H.264 has no bit for the start of a frame: parameter sets, an access unit delimiter, or the slice with macroblock 0
/// are taken for it, so that both an SPS and the IDR slice after it report one.
pub(super) fn describe(payload: &[u8]) -> Option<PayloadInfo> {
    let mut info = PayloadInfo {
        is_switch_point: true,
        is_inter_predicted: true,
        ..PayloadInfo::default()
    };
    match payload.first()? & NAL_TYPE {
        1..=23 => describe_nal_unit(payload, &mut info)?,
        NAL_STAP_A => {
            let mut rest = &payload[1..];
            if rest.is_empty() {
                return None;
            }
            while !rest.is_empty() {
                let (size, after) = rest.split_first_chunk::<2>()?;
                let (nal_unit, after) =
                    after.split_at_checked(usize::from(u16::from_be_bytes(*size)))?;
                describe_nal_unit(nal_unit, &mut info)?;
                rest = after;
            }
        }
        NAL_FU_A => {
            let header = *payload.get(1)?;
            let fragment = payload.get(2..).filter(|bytes| !bytes.is_empty())?;
            if header & FU_START != 0 {
                note_start(header & NAL_TYPE, fragment, &mut info);
            }
        }
        // Modes 0 and 1 know no other aggregation or fragmentation (RFC 6184 §5.4).
        _ => return None,
    }
    info.is_inter_predicted = !info.starts_keyframe;
    Some(info)
}

fn describe_nal_unit(nal_unit: &[u8], info: &mut PayloadInfo) -> Option<()> {
    let (header, body) = nal_unit.split_first()?;
    let nal_type = header & NAL_TYPE;
    if nal_type == NAL_SPS {
        info.resolution = read_resolution(body).or(info.resolution);
    }
    note_start(nal_type, body, info);
    Some(())
}

fn note_start(nal_type: u8, body: &[u8], info: &mut PayloadInfo) {
    match nal_type {
        NAL_SPS => {
            info.starts_frame = true;
            info.starts_keyframe = true;
        }
        NAL_PPS | NAL_ACCESS_UNIT_DELIMITER => info.starts_frame = true,
        NAL_SLICE | NAL_IDR_SLICE => {
            // H.264 §7.3.3: first_mb_in_slice is ue(v), so a leading 1 bit is macroblock 0.
            let has_first_macroblock = body.first().is_some_and(|byte| byte & 0x80 != 0);
            info.starts_frame |= has_first_macroblock;
            info.starts_keyframe |= has_first_macroblock && nal_type == NAL_IDR_SLICE;
        }
        _ => {}
    }
}
