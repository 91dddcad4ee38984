//! `template_dependency_structure` of the dependency descriptor (AOM RTP spec, appendix A.8.3).

use super::{
    MAX_FRAME_DIFFS, MAX_SPATIAL_LAYERS, MAX_TEMPORAL_LAYERS, NAME, Reader, TEMPLATE_IDS, Template,
    TemplateStructure,
};
use crate::ParseError;

/// Values of `next_layer_idc`.
const NEXT_TEMPORAL_LAYER: u32 = 1;
const NEXT_SPATIAL_LAYER: u32 = 2;
const NO_MORE_TEMPLATES: u32 = 3;

pub(super) fn read(reader: &mut Reader) -> Result<TemplateStructure, ParseError> {
    let template_id_offset = reader.bits(6)? as u8;
    let decode_target_count = reader.bits(5)? as u8 + 1;
    let mut structure = TemplateStructure {
        template_id_offset,
        templates: read_layers(reader)?,
        decode_target_count,
        ..TemplateStructure::default()
    };
    for template in &mut structure.templates {
        template.decode_target_indications = reader.indications(decode_target_count)?;
    }
    for template in &mut structure.templates {
        template.frame_diffs = read_frame_diffs(reader)?;
    }
    read_chains(reader, &mut structure)?;
    structure.decode_target_layers = decode_target_layers(&structure);
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
    Ok(structure)
}

/// `template_layers`: layers never go down in order, so the last template has the highest spatial layer.
fn read_layers(reader: &mut Reader) -> Result<Vec<Template>, ParseError> {
    let mut templates = Vec::new();
    let (mut spatial_layer, mut temporal_layer) = (0, 0);
    loop {
        if templates.len() >= usize::from(TEMPLATE_IDS)
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
            NO_MORE_TEMPLATES => return Ok(templates),
            _ => {}
        }
    }
}

/// `template_fdiffs` of one template: each 1-16, preceded by a flag.
fn read_frame_diffs(reader: &mut Reader) -> Result<Vec<u16>, ParseError> {
    let mut diffs = Vec::new();
    while reader.flag()? {
        if diffs.len() >= MAX_FRAME_DIFFS {
            return Err(ParseError::TooMany(NAME));
        }
        diffs.push(reader.bits(4)? as u16 + 1);
    }
    Ok(diffs)
}

fn read_chains(reader: &mut Reader, structure: &mut TemplateStructure) -> Result<(), ParseError> {
    let targets = structure.decode_target_count;
    structure.chain_count = reader.non_symmetric(u32::from(targets) + 1)? as u8;
    if structure.chain_count == 0 {
        return Ok(());
    }
    for _ in 0..targets {
        let chain = reader.non_symmetric(structure.chain_count.into())?;
        structure.decode_target_protected_by.push(chain as u8);
    }
    for template in &mut structure.templates {
        for _ in 0..structure.chain_count {
            template.chain_diffs.push(reader.bits(4)? as u8);
        }
    }
    Ok(())
}

/// For each decode target the highest layers among the templates present in it.
fn decode_target_layers(structure: &TemplateStructure) -> Vec<(u8, u8)> {
    let mut layers = vec![(0, 0); usize::from(structure.decode_target_count)];
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
