//! AV1 dependency descriptor (AOM RTP spec, appendix A): templates, decode targets, chains; bit reader, bounded.

mod decode_targets;
mod structure;
#[cfg(test)]
mod tests;

use crate::ParseError;
use crate::codec::bit_reader::BitReader;
use arrayvec::ArrayVec;

pub use decode_targets::{
    DecodeTargets, MAX_DECODE_TARGETS, TargetsField, write_active_decode_targets,
};

/// LIMIT: frames one frame refers to. AV1 has 7 references and libwebrtc keeps 5 inline; a longer list is refused.
pub const MAX_FRAME_DIFFS: usize = 8;
/// LIMIT: template ids are 6 bits.
pub const MAX_TEMPLATES: usize = 64;
/// LIMIT: spatial layers, as AV1 has (0-3).
pub const MAX_SPATIAL_LAYERS: u8 = 4;
/// LIMIT: temporal layers, as AV1 has (0-7).
pub const MAX_TEMPORAL_LAYERS: u8 = 8;

/// One per decode target: 0 not present, 1 discardable, 2 switch, 3 required.
pub type Indications = ArrayVec<u8, MAX_DECODE_TARGETS>;

/// The part of a structure that later descriptors refer to, 3 KB. Kept per SSRC by the caller.
///
/// Frame differences and chains are read over: layers are left out whole, so nobody asks which frames one needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TemplateStructure {
    /// Template id offset of the first template.
    pub template_id_offset: u8,
    /// By id, from the offset on.
    pub templates: ArrayVec<Template, MAX_TEMPLATES>,
    /// Number of decode targets, 1–32.
    pub decode_target_count: u8,
    /// For each decode target the highest (spatial, temporal) layer it needs.
    pub decode_target_layers: ArrayVec<(u8, u8), MAX_DECODE_TARGETS>,
    /// Number of chains, 0–32.
    pub chain_count: u8,
    /// Width and height per spatial layer, if sent.
    pub resolutions: ArrayVec<(u16, u16), { MAX_SPATIAL_LAYERS as usize }>,
}

/// One template.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Template {
    /// Spatial layer, 0–3.
    pub spatial_layer: u8,
    /// Temporal layer, 0–7.
    pub temporal_layer: u8,
    /// One per decode target.
    pub decode_target_indications: Indications,
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
    pub decode_target_indications: Indications,
    /// The packet brings a structure of its own (a keyframe).
    pub carries_structure: bool,
    /// Active decode targets bitmask (bit 0 is target 0), if sent; all of them when a structure is sent without it.
    pub active_decode_targets: Option<u32>,
    /// Where that bitmask is, or would be.
    pub targets_field: TargetsField,
}

/// Parse `bytes`, without allocating. `known` is the last structure seen on this SSRC, needed unless the packet carries its own,
/// which is read into `carried`.
///
/// # Errors
/// `ParseError` on truncation, an unknown template id, or counts over the limits above; `carried` may then hold anything.
pub fn parse(
    bytes: &[u8],
    known: Option<&TemplateStructure>,
    carried: &mut TemplateStructure,
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
        descriptor.carries_structure = reader.flag()?;
        let has_active_targets = reader.flag()?;
        custom = CustomFields {
            has_indications: reader.flag()?,
            has_frame_diffs: reader.flag()?,
            has_chain_diffs: reader.flag()?,
        };
        if descriptor.carries_structure {
            structure::read(&mut reader, carried)?;
            descriptor.active_decode_targets = Some(all_targets(carried.decode_target_count));
        }
        descriptor.targets_field.bit_offset = reader.0.position() as u16;
        descriptor.targets_field.is_present = has_active_targets;
    }
    let structure = if descriptor.carries_structure {
        carried
    } else {
        known.ok_or(ParseError::BadValue(NAME))?
    };
    if descriptor.targets_field.is_present {
        let mask = reader.bits(structure.decode_target_count.into())?;
        descriptor.active_decode_targets = Some(mask);
    }
    descriptor.targets_field.target_count = structure.decode_target_count;
    resolve(&mut reader, template_id, custom, structure, &mut descriptor)?;
    Ok(descriptor)
}

const NAME: &str = "dependency descriptor";
/// Flags, template id, frame number; more bytes mean that the extended fields follow.
const MANDATORY_BYTES: usize = 3;
/// Bits of those and of the five flags that the extended fields begin with.
const EXTENDED_FLAGS_END: u16 = 29;

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
    // Ids begin anew after 63; 64 divides the 256 that the subtraction wraps at.
    let index = usize::from(template_id.wrapping_sub(structure.template_id_offset)) % MAX_TEMPLATES;
    let template = structure
        .templates
        .get(index)
        .ok_or(ParseError::BadValue(NAME))?;
    descriptor.spatial_layer = template.spatial_layer;
    descriptor.temporal_layer = template.temporal_layer;
    descriptor.decode_target_indications = if custom.has_indications {
        reader.indications(structure.decode_target_count)?
    } else {
        template.decode_target_indications.clone()
    };
    if custom.has_frame_diffs {
        skip_frame_diffs(reader)?;
    }
    if custom.has_chain_diffs {
        for _ in 0..structure.chain_count {
            reader.bits(8)?;
        }
    }
    Ok(())
}

/// `frame_fdiffs`: a 2-bit size in nibbles before each, 0 ends.
fn skip_frame_diffs(reader: &mut Reader) -> Result<(), ParseError> {
    for _ in 0..MAX_FRAME_DIFFS {
        let nibbles = reader.bits(2)?;
        if nibbles == 0 {
            return Ok(());
        }
        reader.bits(4 * nibbles)?;
    }
    match reader.bits(2)? {
        0 => Ok(()),
        _ => Err(ParseError::TooMany(NAME)),
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

    fn indications(&mut self, count: u8) -> Result<Indications, ParseError> {
        (0..count).map(|_| Ok(self.bits(2)? as u8)).collect()
    }
}
