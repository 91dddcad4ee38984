//! AV1 dependency descriptor (AOM RTP spec, appendix A): templates, decode targets, chains; bit reader, bounded.

mod decode_targets;
mod structure;
#[cfg(test)]
mod tests;

use crate::ParseError;
use crate::codec::bit_reader::BitReader;

pub use decode_targets::{
    DecodeTargets, MAX_DECODE_TARGETS, TargetsField, write_active_decode_targets,
};

/// LIMIT: frames one frame refers to. AV1 has 7 references and libwebrtc keeps 5 inline; a longer list is refused.
pub const MAX_FRAME_DIFFS: usize = 8;
/// LIMIT: spatial layers, as AV1 has (0-3).
pub const MAX_SPATIAL_LAYERS: u8 = 4;
/// LIMIT: temporal layers, as AV1 has (0-7).
pub const MAX_TEMPORAL_LAYERS: u8 = 8;

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
    /// Differences to the frame numbers of the frames this one needs.
    pub frame_diffs: Vec<u16>,
    /// Per chain the difference to its previous frame, 0 if this frame starts the chain anew.
    pub chain_diffs: Vec<u8>,
    /// New structure carried by this packet (a keyframe).
    pub structure: Option<TemplateStructure>,
    /// Active decode targets bitmask (bit 0 is target 0), if sent; all of them when a structure is sent without it.
    pub active_decode_targets: Option<u32>,
    /// Where that bitmask is, or would be.
    pub targets_field: TargetsField,
}

/// Parse `bytes`; `structure` is the last one seen on this SSRC (needed unless the packet carries its own).
///
/// # Errors
/// `ParseError` on truncation, an unknown template id, or counts over the limits above.
pub fn parse(
    bytes: &[u8],
    structure: Option<&TemplateStructure>,
) -> Result<DependencyDescriptor, ParseError> {
    let mut reader = Reader::new(bytes);
    let mut descriptor = DependencyDescriptor {
        starts_frame: reader.flag()?,
        ends_frame: reader.flag()?,
        ..DependencyDescriptor::default()
    };
    let template_id = reader.bits(6)? as u8;
    descriptor.frame_number = reader.bits(16)? as u16;
    let mut custom = CustomFields::default();
    descriptor.targets_field.bit_offset = EXTENDED_FLAGS_END;
    if bytes.len() > MANDATORY_BYTES {
        let has_structure = reader.flag()?;
        let has_active_targets = reader.flag()?;
        custom = CustomFields {
            has_indications: reader.flag()?,
            has_frame_diffs: reader.flag()?,
            has_chain_diffs: reader.flag()?,
        };
        if has_structure {
            let carried = structure::read(&mut reader)?;
            descriptor.active_decode_targets = Some(all_targets(carried.decode_target_count));
            descriptor.structure = Some(carried);
        }
        descriptor.targets_field.bit_offset = reader.0.position() as u16;
        descriptor.targets_field.is_present = has_active_targets;
        if has_active_targets {
            let count = descriptor
                .structure
                .as_ref()
                .or(structure)
                .ok_or(ParseError::BadValue(NAME))?
                .decode_target_count;
            descriptor.active_decode_targets = Some(reader.bits(count.into())?);
        }
    }
    // Taken out while its templates are read, to fill the other fields.
    let carried = descriptor.structure.take();
    let structure = carried
        .as_ref()
        .or(structure)
        .ok_or(ParseError::BadValue(NAME))?;
    descriptor.targets_field.target_count = structure.decode_target_count;
    resolve(&mut reader, template_id, custom, structure, &mut descriptor)?;
    descriptor.structure = carried;
    Ok(descriptor)
}

const NAME: &str = "dependency descriptor";
/// Flags, template id, frame number; more bytes mean that the extended fields follow.
const MANDATORY_BYTES: usize = 3;
/// Bits of those and of the five flags that the extended fields begin with.
const EXTENDED_FLAGS_END: u16 = 29;
/// Template ids are 6 bits.
const TEMPLATE_IDS: u8 = 64;

#[derive(Debug, Clone, Copy, Default)]
struct CustomFields {
    has_indications: bool,
    has_frame_diffs: bool,
    has_chain_diffs: bool,
}

/// `frame_dependency_definition`: what the packet states itself, the rest from its template.
fn resolve(
    reader: &mut Reader,
    template_id: u8,
    custom: CustomFields,
    structure: &TemplateStructure,
    descriptor: &mut DependencyDescriptor,
) -> Result<(), ParseError> {
    let index = (template_id + TEMPLATE_IDS - structure.template_id_offset) % TEMPLATE_IDS;
    let template = structure
        .templates
        .get(usize::from(index))
        .ok_or(ParseError::BadValue(NAME))?;
    descriptor.spatial_layer = template.spatial_layer;
    descriptor.temporal_layer = template.temporal_layer;
    descriptor.decode_target_indications = if custom.has_indications {
        reader.indications(structure.decode_target_count)?
    } else {
        template.decode_target_indications.clone()
    };
    descriptor.frame_diffs = if custom.has_frame_diffs {
        read_frame_diffs(reader)?
    } else {
        template.frame_diffs.clone()
    };
    descriptor.chain_diffs = if custom.has_chain_diffs {
        (0..structure.chain_count)
            .map(|_| Ok(reader.bits(8)? as u8))
            .collect::<Result<_, ParseError>>()?
    } else {
        template.chain_diffs.clone()
    };
    Ok(())
}

/// `frame_fdiffs`: a 2-bit size in nibbles before each, 0 ends.
fn read_frame_diffs(reader: &mut Reader) -> Result<Vec<u16>, ParseError> {
    let mut diffs = Vec::new();
    loop {
        let nibbles = reader.bits(2)?;
        if nibbles == 0 {
            return Ok(diffs);
        }
        if diffs.len() >= MAX_FRAME_DIFFS {
            return Err(ParseError::TooMany(NAME));
        }
        diffs.push(reader.bits(4 * nibbles)? as u16 + 1);
    }
}

fn all_targets(count: u8) -> u32 {
    // `count` is 1-32.
    u32::MAX >> (32 - u32::from(count))
}

/// The shared bit reader, with this format's error.
struct Reader<'a>(BitReader<'a>);

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self(BitReader::new(bytes))
    }

    fn flag(&mut self) -> Result<bool, ParseError> {
        self.0.flag().ok_or(ParseError::Truncated(NAME))
    }

    fn bits(&mut self, count: u32) -> Result<u32, ParseError> {
        self.0.bits(count).ok_or(ParseError::Truncated(NAME))
    }

    /// `ns(n)`: a value under `count`, in as few bits as it needs.
    fn non_symmetric(&mut self, count: u32) -> Result<u32, ParseError> {
        let width = u32::BITS - count.leading_zeros();
        let short_values = (1 << width) - count;
        let value = self.bits(width - 1)?;
        if value < short_values {
            return Ok(value);
        }
        Ok((value << 1) - short_values + self.bits(1)?)
    }

    fn indications(&mut self, count: u8) -> Result<Vec<u8>, ParseError> {
        (0..count).map(|_| Ok(self.bits(2)? as u8)).collect()
    }
}
