//! A captured Chrome L3T3 sequence, hand-made limits, and a round trip through a writer that only the tests have.

use proptest::prelude::*;

use super::*;

mod active_targets;

/// Key frame of a Chrome VP9 L3T3 stream, as published in the tests of `LiveKit`'s server (`dependencydescriptor`,
/// "hex bytes from traffic capture").
const CHROME_L3T3: &[u8] = &[
    0xc1, 0x01, 0x72, 0x80, 0x08, 0x14, 0x85, 0x21, 0x4e, 0xaf, 0xff, 0xaa, 0xaa, 0x86, 0x3c, 0xf0,
    0x43, 0x0c, 0x10, 0xc3, 0x02, 0xaf, 0xc0, 0xaa, 0xa0, 0x06, 0x3c, 0x00, 0x43, 0x00, 0x10, 0xc0,
    0x02, 0xa0, 0x00, 0xa8, 0x00, 0x06, 0x00, 0x00, 0x40, 0x00, 0x1d, 0x95, 0x49, 0x26, 0xe0, 0x82,
    0xb0, 0x4a, 0x09, 0x41, 0xb8, 0x20, 0xac, 0x12, 0x82, 0x50, 0x31, 0x57, 0xf9, 0x74, 0x00, 0x0c,
    0xa8, 0x64, 0x33, 0x0e, 0x22, 0x22, 0x22, 0xec, 0xa8, 0x65, 0x53, 0x04, 0x22, 0x42, 0x30, 0xec,
    0xa8, 0x77, 0x53, 0x00, 0x77, 0x00, 0x42, 0x00, 0xef, 0x00, 0x86, 0x01, 0xdf, 0x01, 0x0d,
];

/// Parse, with the structure that comes with it, if one does.
fn read(
    bytes: &[u8],
    known: Option<&TemplateStructure>,
) -> Result<(DependencyDescriptor, Option<TemplateStructure>), ParseError> {
    let mut carried = TemplateStructure::default();
    let descriptor = parse(bytes, known, &mut carried)?;
    let carried = Some(carried).filter(|_| descriptor.carries_structure);
    Ok((descriptor, carried))
}

fn chrome_structure() -> TemplateStructure {
    let (_, structure) = read(CHROME_L3T3, None).expect("a captured descriptor");
    structure.expect("carries a structure")
}

#[test]
fn captured_key_frame_describes_three_by_three_layers() {
    let (descriptor, structure) = read(CHROME_L3T3, None).expect("a captured descriptor");

    assert!(descriptor.starts_frame && descriptor.ends_frame);
    assert_eq!(descriptor.frame_number, 0x0172);
    assert_eq!(
        (descriptor.spatial_layer, descriptor.temporal_layer),
        (0, 0)
    );
    assert_eq!(descriptor.active_decode_targets, Some(0x1ff));
    assert!(
        descriptor.frame_diffs.is_empty(),
        "a key frame needs nothing"
    );
    assert_eq!(descriptor.chain_diffs[..], [0, 0, 0]);
    let structure = structure.expect("carries a structure");
    assert_eq!(structure.decode_target_count, 9);
    assert_eq!(
        structure.decode_target_layers[..],
        [
            (0, 0),
            (0, 1),
            (0, 2),
            (1, 0),
            (1, 1),
            (1, 2),
            (2, 0),
            (2, 1),
            (2, 2)
        ]
    );
    assert_eq!(structure.chain_count, 3);
    assert_eq!(
        structure.decode_target_protected_by[..],
        [0, 0, 0, 1, 1, 1, 2, 2, 2]
    );
    assert_eq!(
        structure.resolutions[..],
        [(120, 67), (240, 135), (480, 270)]
    );
}

#[test]
fn captured_frames_resolve_against_the_structure() {
    let structure = chrome_structure();
    // (bytes, starts, ends, frame number, layers, active targets), after the same capture.
    for (bytes, starts, ends, frame_number, layers, active) in [
        (
            &[0x86, 0x01, 0x73, 0x40, 0xfc][..],
            true,
            false,
            0x173,
            (1, 0),
            Some(0x3f),
        ),
        (
            &[0x46, 0x01, 0x73, 0x40, 0xfc],
            false,
            true,
            0x173,
            (1, 0),
            Some(0x3f),
        ),
        (
            &[0xc3, 0x01, 0x75, 0x40, 0xfc],
            true,
            true,
            0x175,
            (0, 2),
            Some(0x3f),
        ),
        (
            &[0x88, 0x01, 0x76, 0x40, 0xfc],
            true,
            false,
            0x176,
            (1, 2),
            Some(0x3f),
        ),
        (
            &[0xc2, 0x01, 0x78, 0x40, 0xfc],
            true,
            true,
            0x178,
            (0, 1),
            Some(0x3f),
        ),
        (&[0x8b, 0x01, 0x74], true, false, 0x174, (2, 0), None),
        (&[0x0b, 0x01, 0x74], false, false, 0x174, (2, 0), None),
    ] {
        let (descriptor, carried) = read(bytes, Some(&structure)).expect("a captured descriptor");

        assert_eq!(descriptor.starts_frame, starts, "{bytes:x?}");
        assert_eq!(descriptor.ends_frame, ends, "{bytes:x?}");
        assert_eq!(descriptor.frame_number, frame_number, "{bytes:x?}");
        let read = (descriptor.spatial_layer, descriptor.temporal_layer);
        assert_eq!(read, layers, "{bytes:x?}");
        assert_eq!(descriptor.active_decode_targets, active, "{bytes:x?}");
        assert_eq!(carried, None);
    }
}

#[test]
fn truncated_descriptors_are_refused() {
    for length in 0..CHROME_L3T3.len() {
        assert!(read(&CHROME_L3T3[..length], None).is_err(), "{length}");
    }
}

#[test]
fn descriptors_without_their_structure_are_refused() {
    let structure = chrome_structure();

    assert_eq!(
        read(&[0x86, 0x01, 0x73], None),
        Err(ParseError::BadValue(NAME))
    );
    assert_eq!(
        read(&[0x86, 0x01, 0x73, 0x40, 0xfc], None),
        Err(ParseError::BadValue(NAME))
    );
    // Templates are 1 to 15 here: ids before and after are unknown.
    let last = structure.template_id_offset + structure.templates.len() as u8 - 1;
    for (template_id, is_known) in [
        (structure.template_id_offset, true),
        (last, true),
        (last + 1, false),
        (structure.template_id_offset.wrapping_sub(1) & 63, false),
    ] {
        let result = read(&[0xc0 | template_id, 0, 0], Some(&structure));
        assert_eq!(result.is_ok(), is_known, "{template_id}");
    }
}

#[test]
fn counts_over_the_limits_are_refused() {
    // (next_layer_idc of all but the last template, how many of them, accepted)
    for (step, count, is_accepted) in [
        (0u32, 63, true),
        (0, 64, false),
        (1, 7, true),
        (1, 8, false),
        (2, 3, true),
        (2, 4, false),
    ] {
        let mut writer = BitWriter::default();
        writer.put(0, 24);
        writer.put(0b10000, 5);
        writer.put(0, 6 + 5);
        for _ in 0..count {
            writer.put(step, 2);
        }
        writer.put(3, 2);
        // Zeros: indications, no differences, no chains, no resolutions.
        let bytes = [writer.finish(), vec![0; 64]].concat();

        let result = read(&bytes, None);

        let expected = if is_accepted {
            Ok(())
        } else {
            Err(ParseError::TooMany(NAME))
        };
        assert_eq!(result.map(|_| ()), expected, "{count} times {step}");
    }
    let structure = chrome_structure();
    for (count, is_accepted) in [(MAX_FRAME_DIFFS, true), (MAX_FRAME_DIFFS + 1, false)] {
        let mut writer = BitWriter::default();
        writer.put(u32::from(structure.template_id_offset) << 16, 24);
        writer.put(0b00010, 5);
        for _ in 0..count {
            writer.put(3, 2);
            writer.put(4095, 12);
        }
        writer.put(0, 2);

        let result = read(&writer.finish(), Some(&structure));

        let diffs = result.map(|(descriptor, _)| descriptor.frame_diffs.to_vec());
        let expected = if is_accepted {
            Ok(vec![4096; count])
        } else {
            Err(ParseError::TooMany(NAME))
        };
        assert_eq!(diffs, expected);
    }
}

#[derive(Default)]
struct BitWriter {
    bits: Vec<bool>,
}

impl BitWriter {
    fn put(&mut self, value: u32, width: u32) {
        self.bits
            .extend((0..width).rev().map(|bit| value >> bit & 1 == 1));
    }

    fn put_non_symmetric(&mut self, value: u32, count: u32) {
        let width = 32 - count.leading_zeros();
        let short_values = (1 << width) - count;
        if value < short_values {
            self.put(value, width - 1);
        } else {
            self.put(value + short_values, width);
        }
    }

    fn finish(self) -> Vec<u8> {
        let byte = |bits: &[bool]| {
            (0..8).fold(0, |byte, at| {
                byte << 1 | u8::from(bits.get(at) == Some(&true))
            })
        };
        self.bits.chunks(8).map(byte).collect()
    }
}

fn write_structure(writer: &mut BitWriter, structure: &TemplateStructure) {
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
    for template in &structure.templates {
        for &diff in &template.frame_diffs {
            writer.put(1, 1);
            writer.put(u32::from(diff) - 1, 4);
        }
        writer.put(0, 1);
    }
    let chains = u32::from(structure.chain_count);
    writer.put_non_symmetric(chains, u32::from(structure.decode_target_count) + 1);
    for &chain in &structure.decode_target_protected_by {
        writer.put_non_symmetric(chain.into(), chains);
    }
    for template in &structure.templates {
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

/// Which extended fields a written descriptor states itself.
#[allow(clippy::struct_excessive_bools)] // bits of the format
#[derive(Debug, Clone, Copy)]
struct Sent {
    active_targets: bool,
    indications: bool,
    frame_diffs: bool,
    chain_diffs: bool,
}

fn write(
    descriptor: &DependencyDescriptor,
    template_id: u8,
    structure: &TemplateStructure,
    sent: Sent,
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
        sent.frame_diffs,
        sent.chain_diffs,
    ] {
        writer.put(flag.into(), 1);
    }
    if descriptor.carries_structure {
        write_structure(&mut writer, structure);
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
    if sent.frame_diffs {
        for &diff in &descriptor.frame_diffs {
            let nibbles = 1 + u32::from(diff > 16) + u32::from(diff > 256);
            writer.put(nibbles, 2);
            writer.put(u32::from(diff) - 1, 4 * nibbles);
        }
        writer.put(0, 2);
    }
    if sent.chain_diffs {
        for &diff in &descriptor.chain_diffs {
            writer.put(diff.into(), 8);
        }
    }
    writer.finish()
}

fn bounded<T, const N: usize>(items: Vec<T>) -> ArrayVec<T, N> {
    items.into_iter().collect()
}

fn any_structure() -> impl Strategy<Value = TemplateStructure> {
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
                let build = |(&(spatial_layer, temporal_layer), fields): (&(u8, u8), _)| {
                    let (decode_target_indications, frame_diffs, chain_diffs) = fields;
                    Template {
                        spatial_layer,
                        temporal_layer,
                        decode_target_indications: bounded(decode_target_indications),
                        frame_diffs: bounded(frame_diffs),
                        chain_diffs: bounded(chain_diffs),
                    }
                };
                let templates: ArrayVec<_, _> = layers.iter().zip(templates).map(build).collect();
                let highest = |target: usize, layer: fn(&Template) -> u8| {
                    let present = templates
                        .iter()
                        .filter(|t| t.decode_target_indications[target] != 0);
                    present.map(layer).max().unwrap_or(0)
                };
                TemplateStructure {
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
                    decode_target_protected_by: bounded(protected),
                    resolutions: bounded(sizes.unwrap_or_default()),
                    templates,
                }
            },
        )
}

prop_compose! {
    fn any_case()(structure in any_structure())(
        template in 0..structure.templates.len(),
        flags in any::<[bool; 7]>(),
        frame_number in any::<u16>(),
        mask in any::<u32>(),
        indications in prop::collection::vec(0u8..4, usize::from(structure.decode_target_count)),
        frame_diffs in prop::collection::vec(1u16..=4096, 0..=MAX_FRAME_DIFFS),
        chain_diffs in prop::collection::vec(any::<u8>(), usize::from(structure.chain_count)),
        structure in Just(structure),
    ) -> (TemplateStructure, u8, Sent, DependencyDescriptor) {
        let [starts_frame, ends_frame, carries, active_targets, own_indications, own_frame_diffs, own_chain_diffs] = flags;
        let sent = Sent { active_targets, indications: own_indications, frame_diffs: own_frame_diffs, chain_diffs: own_chain_diffs };
        let source = structure.templates[template].clone();
        let all = all_targets(structure.decode_target_count);
        let descriptor = DependencyDescriptor {
            starts_frame,
            ends_frame,
            frame_number,
            spatial_layer: source.spatial_layer,
            temporal_layer: source.temporal_layer,
            decode_target_indications: if own_indications { bounded(indications) } else { source.decode_target_indications },
            frame_diffs: if own_frame_diffs { bounded(frame_diffs) } else { source.frame_diffs },
            chain_diffs: if own_chain_diffs { bounded(chain_diffs) } else { source.chain_diffs },
            carries_structure: carries,
            active_decode_targets: if active_targets { Some(mask & all) } else { carries.then_some(all) },
            targets_field: TargetsField::default(),
        };
        let template_id = (structure.template_id_offset + template as u8) % MAX_TEMPLATES as u8;
        (structure, template_id, sent, descriptor)
    }
}

proptest! {
    #[test]
    fn what_is_written_is_parsed((structure, template_id, sent, descriptor) in any_case()) {
        let bytes = write(&descriptor, template_id, &structure, sent);
        // A packet's own structure replaces the known one.
        let foreign = chrome_structure();
        let known = if descriptor.carries_structure { &foreign } else { &structure };

        let (parsed, carried) = read(&bytes, Some(known)).expect("as written");
        // Where the mask is, is of the bytes; rewriting it tests that.
        let expected = DependencyDescriptor { targets_field: parsed.targets_field, ..descriptor };
        prop_assert_eq!(parsed, expected);
        prop_assert!(carried.is_none_or(|carried| carried == structure));
    }

    #[test]
    fn no_bytes_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..120),
        structure in any_structure(),
        flip in 0..CHROME_L3T3.len(),
        value: u8,
    ) {
        let _ = read(&bytes, None);
        let _ = read(&bytes, Some(&structure));
        let mut damaged = CHROME_L3T3.to_vec();
        damaged[flip] = value;
        if let Ok((descriptor, _)) = read(&damaged, Some(&structure)) {
            prop_assert!(descriptor.spatial_layer < MAX_SPATIAL_LAYERS);
        }
    }
}
