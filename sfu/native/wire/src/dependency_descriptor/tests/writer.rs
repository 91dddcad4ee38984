//! What the parser only reads, written: structures, descriptors, and what of them is read over.

use super::*;

#[derive(Default)]
pub(super) struct BitWriter {
    bits: Vec<bool>,
}

impl BitWriter {
    pub(super) fn put(&mut self, value: u32, width: u32) {
        self.bits
            .extend((0..width).rev().map(|bit| value >> bit & 1 == 1));
    }

    pub(super) fn put_non_symmetric(&mut self, value: u32, count: u32) {
        let width = 32 - count.leading_zeros();
        let short_values = (1 << width) - count;
        if value < short_values {
            self.put(value, width - 1);
        } else {
            self.put(value + short_values, width);
        }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        let byte = |bits: &[bool]| {
            (0..8).fold(0, |byte, at| {
                byte << 1 | u8::from(bits.get(at) == Some(&true))
            })
        };
        self.bits.chunks(8).map(byte).collect()
    }
}

/// What a structure says that is read over.
#[derive(Debug, Clone, Default)]
pub(super) struct Rest {
    pub(super) templates: Vec<Differences>,
    /// For each decode target the chain protecting it (empty without chains).
    pub(super) protected_by: Vec<u8>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Differences {
    /// To the frame numbers of the frames needed.
    pub(super) frame_diffs: Vec<u16>,
    /// To the previous frame of each chain.
    pub(super) chain_diffs: Vec<u8>,
}

pub(super) fn one_template() -> (TemplateStructure, Rest) {
    let structure = TemplateStructure {
        decode_target_count: 1,
        templates: bounded(vec![Template {
            decode_target_indications: bounded(vec![2]),
            ..Template::default()
        }]),
        decode_target_layers: bounded(vec![(0, 0)]),
        ..TemplateStructure::default()
    };
    let rest = Rest {
        templates: vec![Differences::default()],
        protected_by: Vec::new(),
    };
    (structure, rest)
}

pub(super) fn write_structure(writer: &mut BitWriter, structure: &TemplateStructure, rest: &Rest) {
    writer.put(structure.template_id_offset.into(), 6);
    writer.put(u32::from(structure.decode_target_count) - 1, 5);
    for pair in structure.templates.windows(2) {
        let next = if pair[1].spatial_layer == pair[0].spatial_layer {
            u32::from(pair[1].temporal_layer != pair[0].temporal_layer)
        } else {
            2
        };
        writer.put(next, 2);
    }
    writer.put(3, 2);
    for template in &structure.templates {
        for &indication in &template.decode_target_indications {
            writer.put(indication.into(), 2);
        }
    }
    for template in &rest.templates {
        for &diff in &template.frame_diffs {
            writer.put(1, 1);
            writer.put(u32::from(diff) - 1, 4);
        }
        writer.put(0, 1);
    }
    let chains = u32::from(structure.chain_count);
    writer.put_non_symmetric(chains, u32::from(structure.decode_target_count) + 1);
    for &chain in &rest.protected_by {
        writer.put_non_symmetric(chain.into(), chains);
    }
    for template in &rest.templates {
        for &diff in &template.chain_diffs {
            writer.put(diff.into(), 4);
        }
    }
    writer.put(u32::from(!structure.resolutions.is_empty()), 1);
    for &(width, height) in &structure.resolutions {
        writer.put(u32::from(width) - 1, 16);
        writer.put(u32::from(height) - 1, 16);
    }
}

/// Which extended fields a written descriptor states itself, and what is read over of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Sent {
    pub(super) active_targets: bool,
    pub(super) indications: bool,
    pub(super) frame_diffs: Option<Vec<u16>>,
    pub(super) chain_diffs: Option<Vec<u8>>,
    pub(super) rest: Rest,
}

impl Sent {
    pub(super) fn has_any(&self) -> bool {
        self.active_targets
            || self.indications
            || self.frame_diffs.is_some()
            || self.chain_diffs.is_some()
    }
}

pub(super) fn write(
    descriptor: &DependencyDescriptor,
    template_id: u8,
    structure: &TemplateStructure,
    sent: &Sent,
) -> Vec<u8> {
    let mut writer = BitWriter::default();
    writer.put(descriptor.starts_frame.into(), 1);
    writer.put(descriptor.ends_frame.into(), 1);
    writer.put(template_id.into(), 6);
    writer.put(descriptor.frame_number.into(), 16);
    for flag in [
        descriptor.carries_structure,
        sent.active_targets,
        sent.indications,
        sent.frame_diffs.is_some(),
        sent.chain_diffs.is_some(),
    ] {
        writer.put(flag.into(), 1);
    }
    if descriptor.carries_structure {
        write_structure(&mut writer, structure, &sent.rest);
    }
    if sent.active_targets {
        let mask = descriptor.active_decode_targets.expect("to be sent");
        writer.put(mask, structure.decode_target_count.into());
    }
    if sent.indications {
        for &indication in &descriptor.decode_target_indications {
            writer.put(indication.into(), 2);
        }
    }
    if let Some(diffs) = &sent.frame_diffs {
        for &diff in diffs {
            let nibbles = 1 + u32::from(diff > 16) + u32::from(diff > 256);
            writer.put(nibbles, 2);
            writer.put(u32::from(diff) - 1, 4 * nibbles);
        }
        writer.put(0, 2);
    }
    if let Some(diffs) = &sent.chain_diffs {
        for &diff in diffs {
            writer.put(diff.into(), 8);
        }
    }
    writer.finish()
}

pub(super) fn bounded<T, const N: usize>(items: Vec<T>) -> ArrayVec<T, N> {
    items.into_iter().collect()
}

pub(super) fn any_structure() -> impl Strategy<Value = (TemplateStructure, Rest)> {
    let layers = prop::collection::vec(0u8..3, 0..12);
    (1u8..=32, layers, 0u8..64)
        .prop_flat_map(|(targets, steps, offset)| {
            let mut layers = vec![(0u8, 0u8)];
            for step in steps {
                let (spatial, temporal) = *layers.last().expect("never empty");
                layers.push(match step {
                    1 if temporal < 7 => (spatial, temporal + 1),
                    2 if spatial < 3 => (spatial + 1, 0),
                    _ => (spatial, temporal),
                });
            }
            (Just(targets), Just(layers), Just(offset), 0..=targets)
        })
        .prop_flat_map(|(targets, layers, offset, chains)| {
            let template = (
                prop::collection::vec(0u8..4, usize::from(targets)),
                prop::collection::vec(1u16..=16, 0..=MAX_FRAME_DIFFS),
                prop::collection::vec(0u8..16, usize::from(chains)),
            );
            let protected = if chains == 0 { 0 } else { usize::from(targets) };
            let spatial_layers = layers.last().map_or(0, |last| usize::from(last.0) + 1);
            let sizes = prop::collection::vec((1u16.., 1u16..), spatial_layers);
            (
                Just((targets, layers.clone(), offset, chains)),
                prop::collection::vec(template, layers.len()),
                prop::collection::vec(0..chains.max(1), protected),
                prop::option::of(sizes),
            )
        })
        .prop_map(
            |((targets, layers, offset, chains), templates, protected, sizes)| {
                let mut rest = Rest {
                    templates: Vec::new(),
                    protected_by: protected,
                };
                let build = |(&(spatial_layer, temporal_layer), fields): (&(u8, u8), _)| {
                    let (decode_target_indications, frame_diffs, chain_diffs) = fields;
                    rest.templates.push(Differences {
                        frame_diffs,
                        chain_diffs,
                    });
                    Template {
                        spatial_layer,
                        temporal_layer,
                        decode_target_indications: bounded(decode_target_indications),
                    }
                };
                let templates: ArrayVec<_, _> = layers.iter().zip(templates).map(build).collect();
                let highest = |target: usize, layer: fn(&Template) -> u8| {
                    let present = templates
                        .iter()
                        .filter(|t| t.decode_target_indications[target] != 0);
                    present.map(layer).max().unwrap_or(0)
                };
                let structure = TemplateStructure {
                    template_id_offset: offset,
                    decode_target_count: targets,
                    decode_target_layers: (0..usize::from(targets))
                        .map(|target| {
                            (
                                highest(target, |t| t.spatial_layer),
                                highest(target, |t| t.temporal_layer),
                            )
                        })
                        .collect(),
                    chain_count: chains,
                    resolutions: bounded(sizes.unwrap_or_default()),
                    templates,
                };
                (structure, rest)
            },
        )
}

prop_compose! {
    pub(super) fn any_case()((structure, rest) in any_structure())(
        template in 0..structure.templates.len(),
        flags in any::<[bool; 7]>(),
        frame_number in any::<u16>(),
        mask in any::<u32>(),
        indications in prop::collection::vec(0u8..4, usize::from(structure.decode_target_count)),
        frame_diffs in prop::collection::vec(1u16..=4096, 0..=MAX_FRAME_DIFFS),
        chain_diffs in prop::collection::vec(any::<u8>(), usize::from(structure.chain_count)),
        (structure, rest) in Just((structure, rest)),
    ) -> (TemplateStructure, u8, Sent, DependencyDescriptor) {
        let [starts_frame, ends_frame, carries, active_targets, own_indications, own_frame_diffs, own_chain_diffs] = flags;
        let sent = Sent {
            active_targets,
            indications: own_indications,
            frame_diffs: own_frame_diffs.then_some(frame_diffs),
            chain_diffs: own_chain_diffs.then_some(chain_diffs),
            rest,
        };
        let source = structure.templates[template].clone();
        let all = all_targets(structure.decode_target_count);
        let descriptor = DependencyDescriptor {
            starts_frame,
            ends_frame,
            frame_number,
            spatial_layer: source.spatial_layer,
            temporal_layer: source.temporal_layer,
            decode_target_indications: if own_indications { bounded(indications) } else { source.decode_target_indications },
            carries_structure: carries,
            active_decode_targets: if active_targets { Some(mask & all) } else { carries.then_some(all) },
            targets_field: TargetsField::default(),
        };
        let template_id = (structure.template_id_offset + template as u8) % MAX_TEMPLATES as u8;
        (structure, template_id, sent, descriptor)
    }
}
