//! `template_dependency_structure` of the dependency descriptor (AOM RTP spec, appendix A.8.3).

use super::{
    MAX_DECODE_TARGETS, MAX_FRAME_DIFFS, MAX_SPATIAL_LAYERS, MAX_TEMPLATES, MAX_TEMPORAL_LAYERS,
    NAME, Reader, Template, TemplateStructure,
};
use crate::ParseError;
use arrayvec::ArrayVec;
use std::iter::repeat_n;

/// Values of `next_layer_idc`.
const NEXT_TEMPORAL_LAYER: u32 = 1;
const NEXT_SPATIAL_LAYER: u32 = 2;
const NO_MORE_TEMPLATES: u32 = 3;

/// Read one into the place of another, which is gone even if this one turns out to be damaged.
pub(super) fn read(
    reader: &mut Reader,
    structure: &mut TemplateStructure,
) -> Result<(), ParseError> {
    *structure = TemplateStructure::default();
    structure.template_id_offset = reader.bits(6)? as u8;
    structure.decode_target_count = reader.bits(5)? as u8 + 1;
    read_layers(reader, &mut structure.templates)?;
    for template in &mut structure.templates {
        template.decode_target_indications = reader.indications(structure.decode_target_count)?;
    }
    for _ in &structure.templates {
        skip_frame_diffs(reader)?;
    }
    read_chains(reader, structure)?;
    structure.decode_target_layers = decode_target_layers(structure);
    if reader.flag()? {
        let spatial_layers = structure
            .templates
            .last()
            .map_or(0, |template| template.spatial_layer + 1);
        for _ in 0..spatial_layers {
            let size = (read_size(reader)?, read_size(reader)?);
            structure.resolutions.push(size);
        }
    }
    Ok(())
}

/// `template_layers`: layers never go down in order, so the last template has the highest spatial layer.
fn read_layers(
    reader: &mut Reader,
    templates: &mut ArrayVec<Template, MAX_TEMPLATES>,
) -> Result<(), ParseError> {
    let (mut spatial_layer, mut temporal_layer) = (0, 0);
    loop {
        if templates.is_full()
            || spatial_layer >= MAX_SPATIAL_LAYERS
            || temporal_layer >= MAX_TEMPORAL_LAYERS
        {
            return Err(ParseError::TooMany(NAME));
        }
        templates.push(Template {
            spatial_layer,
            temporal_layer,
            ..Template::default()
        });
        match reader.bits(2)? {
            NEXT_TEMPORAL_LAYER => temporal_layer += 1,
            NEXT_SPATIAL_LAYER => {
                temporal_layer = 0;
                spatial_layer += 1;
            }
            NO_MORE_TEMPLATES => return Ok(()),
            _ => {}
        }
    }
}

/// `template_fdiffs` of one template: 4 bits each, preceded by a flag.
fn skip_frame_diffs(reader: &mut Reader) -> Result<(), ParseError> {
    for _ in 0..MAX_FRAME_DIFFS {
        if !reader.flag()? {
            return Ok(());
        }
        reader.bits(4)?;
    }
    if reader.flag()? {
        return Err(ParseError::TooMany(NAME));
    }
    Ok(())
}

/// Their number; which protects each target, and each template's differences, are read over.
fn read_chains(reader: &mut Reader, structure: &mut TemplateStructure) -> Result<(), ParseError> {
    let targets = structure.decode_target_count;
    structure.chain_count = reader.non_symmetric(u32::from(targets) + 1)? as u8;
    if structure.chain_count == 0 {
        return Ok(());
    }
    for _ in 0..targets {
        reader.non_symmetric(structure.chain_count.into())?;
    }
    for _ in 0..structure.templates.len() * usize::from(structure.chain_count) {
        reader.bits(4)?;
    }
    Ok(())
}

/// For each decode target the highest layers among the templates present in it.
fn decode_target_layers(structure: &TemplateStructure) -> ArrayVec<(u8, u8), MAX_DECODE_TARGETS> {
    let count = structure.decode_target_count.into();
    let mut layers: ArrayVec<_, _> = repeat_n((0, 0), count).collect();
    for template in &structure.templates {
        for (layer, &indication) in layers.iter_mut().zip(&template.decode_target_indications) {
            if indication != 0 {
                layer.0 = layer.0.max(template.spatial_layer);
                layer.1 = layer.1.max(template.temporal_layer);
            }
        }
    }
    layers
}

fn read_size(reader: &mut Reader) -> Result<u16, ParseError> {
    // 65,536 pixels do not fit our fields and no encoder makes them.
    u16::try_from(reader.bits(16)? + 1).map_err(|_| ParseError::BadValue(NAME))
}
