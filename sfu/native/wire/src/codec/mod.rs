//! What a payload says about itself: frame and keyframe starts, layers, picture ids, resolution.
//! VP8 (RFC 7741), VP9 (RFC 9628), H.264 (RFC 6184), AV1 (AOM RTP spec), Opus (RFC 7587).

mod av1;
pub(crate) mod bit_reader;
mod h264;
mod h264_sps;
#[cfg(test)]
mod tests;
mod vp8;
mod vp9;

/// A codec the server forwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// RFC 7587.
    Opus,
    /// RFC 2198 over Opus.
    Red,
    /// RFC 7741.
    Vp8,
    /// RFC 9628.
    Vp9,
    /// RFC 6184.
    H264,
    /// AOM "RTP Payload Format For AV1".
    Av1,
}

/// What one packet's payload descriptor says.
// Each is a bit of a payload descriptor, independent of the others.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PayloadInfo {
    /// First packet of a frame (of a layer frame under SVC). H.264 has no such bit: true on a packet with parameter sets
    /// and again on the first slice after it.
    pub starts_frame: bool,
    /// This packet starts a frame from which a decoder can begin (VP8/VP9 key frame's first packet, H.264 packet with
    /// SPS or IDR start, AV1 with N bit / sequence header).
    pub starts_keyframe: bool,
    /// Temporal layer, 0 where the codec does not say.
    pub temporal_layer: u8,
    /// Spatial layer (VP9 SVC, AV1), 0 otherwise.
    pub spatial_layer: u8,
    /// True where a decoder may switch up to this temporal layer here (VP8 Y, VP9 U, or layer 0).
    pub is_switch_point: bool,
    /// Ends a layer frame (VP9 E bit).
    pub ends_frame: bool,
    /// Depends on earlier pictures: the P bit of VP9; for other video, simply not `starts_keyframe`.
    pub is_inter_predicted: bool,
    /// Width and height in pixels when the packet's key frame header tells (VP9, AV1: of the highest spatial layer).
    pub resolution: Option<(u16, u16)>,
    /// VP8/VP9 ids that must be continuous for a receiver, and where they lie.
    pub picture: Option<PictureIds>,
}

/// VP8 and VP9 descriptor fields that are rewritten on forwarding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PictureIds {
    /// Picture id value.
    pub picture_id: u16,
    /// True for 15 bits, false for 7 (such a source wraps at 128).
    pub is_15_bit: bool,
    /// Offset in the payload of the picture id's first byte.
    pub picture_id_offset: u8,
    /// TL0PICIDX and its offset in the payload.
    pub tl0_picture_index: Option<(u8, u8)>,
    /// VP8 KEYIDX (5 bits) and its offset in the payload.
    pub key_index: Option<(u8, u8)>,
}

/// Describe `payload` of `codec`. A malformed payload yields `None`: the packet is dropped with `DropReason::BadPayload`.
pub fn describe(codec: Codec, payload: &[u8]) -> Option<PayloadInfo> {
    match codec {
        Codec::Opus | Codec::Red => describe_audio(payload),
        Codec::Vp8 => vp8::describe(payload),
        Codec::Vp9 => vp9::describe(payload),
        Codec::H264 => h264::describe(payload),
        Codec::Av1 => av1::describe(payload),
    }
}

/// Sizes of the spatial layers, lowest first, as a keyframe's VP9 scalability structure has them (RFC 9628 §4.2.1). Of other
/// codecs the dependency descriptor tells them, if anything does.
pub fn spatial_layer_sizes(codec: Codec, payload: &[u8]) -> impl Iterator<Item = (u16, u16)> {
    let payload = if codec == Codec::Vp9 { payload } else { &[] };
    vp9::spatial_layer_sizes(payload)
}

/// Overwrite the ids of a forwarded VP8/VP9 payload in place, keeping each field's width.
pub fn rewrite_picture_ids(
    payload: &mut [u8],
    at: &PictureIds,
    picture_id: u16,
    tl0_picture_index: u8,
) {
    let start = usize::from(at.picture_id_offset);
    if at.is_15_bit {
        if let Some(field) = payload.get_mut(start..start + 2) {
            field.copy_from_slice(&(HAS_15_BITS_WORD | picture_id).to_be_bytes());
        }
    } else if let Some(field) = payload.get_mut(start) {
        *field = picture_id as u8 & 0x7f;
    }
    if let Some((_, offset)) = at.tl0_picture_index
        && let Some(field) = payload.get_mut(usize::from(offset))
    {
        *field = tl0_picture_index;
    }
}

/// M bit of a picture id (RFC 7741 §4.2, RFC 9628 §4.2): 15 bits follow instead of 7.
const HAS_15_BITS: u8 = 0x80;
const HAS_15_BITS_WORD: u16 = 0x8000;

/// Each audio packet is a whole frame, and a decoder can begin at any (RFC 7587 §4.2).
fn describe_audio(payload: &[u8]) -> Option<PayloadInfo> {
    payload.first()?;
    Some(PayloadInfo {
        starts_frame: true,
        starts_keyframe: true,
        is_switch_point: true,
        ends_frame: true,
        ..PayloadInfo::default()
    })
}

/// Read the 7- or 15-bit picture id that VP8 and VP9 share; return the offset after it.
fn read_picture_id(payload: &[u8], offset: usize, ids: &mut PictureIds) -> Option<usize> {
    let first = *payload.get(offset)?;
    ids.picture_id_offset = offset as u8;
    ids.is_15_bit = first & HAS_15_BITS != 0;
    if !ids.is_15_bit {
        ids.picture_id = first.into();
        return Some(offset + 1);
    }
    ids.picture_id = u16::from_be_bytes([first & !HAS_15_BITS, *payload.get(offset + 1)?]);
    Some(offset + 2)
}
