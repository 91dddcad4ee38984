//! AV1 dependency descriptor (AOM RTP spec, appendix A): templates, decode targets, chains; bit reader, bounded.

use crate::ParseError;

/// The part of a structure that later descriptors refer to. Kept per SSRC by the caller.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TemplateStructure {
    /// Template id offset of the first template.
    pub template_id_offset: u8,
    /// Per template: spatial layer, temporal layer, and one decode-target indication per target
    /// (0 not present, 1 discardable, 2 switch, 3 required).
    pub templates: Vec<Template>,
    /// Number of decode targets, 1–32.
    pub decode_target_count: u8,
    /// For each decode target the highest (spatial, temporal) layer it needs.
    pub decode_target_layers: Vec<(u8, u8)>,
    /// Number of chains, 0–32.
    pub chain_count: u8,
    /// For each decode target the chain protecting it (empty without chains).
    pub decode_target_protected_by: Vec<u8>,
    /// Width and height per spatial layer, if sent.
    pub resolutions: Vec<(u16, u16)>,
}

/// One template.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Template {
    /// Spatial layer, 0–3.
    pub spatial_layer: u8,
    /// Temporal layer, 0–7.
    pub temporal_layer: u8,
    /// One per decode target.
    pub decode_target_indications: Vec<u8>,
    /// Frame number differences, each 1–4096 at most 8.
    pub frame_diffs: Vec<u16>,
    /// Per chain distance.
    pub chain_diffs: Vec<u8>,
}

/// One packet's descriptor, resolved against the structure.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DependencyDescriptor {
    /// First packet of the frame.
    pub starts_frame: bool,
    /// Last packet of the frame.
    pub ends_frame: bool,
    /// Frame number, 16 bits.
    pub frame_number: u16,
    /// Spatial layer.
    pub spatial_layer: u8,
    /// Temporal layer.
    pub temporal_layer: u8,
    /// One per decode target (custom ones if the packet carries them).
    pub decode_target_indications: Vec<u8>,
    /// New structure carried by this packet (a keyframe).
    pub structure: Option<TemplateStructure>,
    /// Active decode targets bitmask, if sent; all are active when a structure is sent without it.
    pub active_decode_targets: Option<u32>,
}

/// Parse `bytes`; `structure` is the last one seen on this SSRC (needed unless the packet carries its own).
///
/// # Errors
/// `ParseError` on truncation, an unknown template id, or counts over the limits above.
pub fn parse(
    _bytes: &[u8],
    _structure: Option<&TemplateStructure>,
) -> Result<DependencyDescriptor, ParseError> {
    todo!("codecs")
}
