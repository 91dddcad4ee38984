//! What a payload says about itself: frame and keyframe starts, layers, picture ids, resolution.
//! VP8 (RFC 7741), VP9 (RFC 9628), H.264 (RFC 6184), AV1 (AOM RTP spec), Opus (RFC 7587).

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PayloadInfo {
    /// First packet of a frame (of a layer frame under SVC).
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
    /// VP9: not used for inter-layer prediction / D bit and P bit as read.
    pub is_inter_predicted: bool,
    /// Width and height in pixels when the packet's key frame header tells.
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
pub fn describe(_codec: Codec, _payload: &[u8]) -> Option<PayloadInfo> {
    todo!("codecs")
}

/// Overwrite the ids of a forwarded VP8/VP9 payload in place, keeping each field's width.
pub fn rewrite_picture_ids(
    _payload: &mut [u8],
    _at: &PictureIds,
    _picture_id: u16,
    _tl0_picture_index: u8,
) {
    todo!("codecs")
}
