//! A captured Chrome L3T3 sequence, hand-made limits, and a round trip through a writer that only the tests have.

use proptest::prelude::*;

use super::*;

mod active_targets;
mod writer;

use writer::{BitWriter, Sent, any_case, any_structure, one_template, write};

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

        let expected = if is_accepted {
            Ok(())
        } else {
            Err(ParseError::TooMany(NAME))
        };
        assert_eq!(result.map(|_| ()), expected, "{count} differences");
    }
}

#[test]
fn a_template_with_too_many_differences_is_refused() {
    for (count, is_accepted) in [(MAX_FRAME_DIFFS, true), (MAX_FRAME_DIFFS + 1, false)] {
        let (structure, mut rest) = one_template();
        rest.templates[0].frame_diffs = vec![16; count];
        let descriptor = DependencyDescriptor {
            carries_structure: true,
            ..DependencyDescriptor::default()
        };
        let sent = Sent {
            rest,
            ..Sent::default()
        };

        let result = read(&write(&descriptor, 0, &structure, &sent), None);

        let expected = if is_accepted {
            Ok(Some(structure))
        } else {
            Err(ParseError::TooMany(NAME))
        };
        assert_eq!(result.map(|(_, carried)| carried), expected, "{count}");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_parsed((structure, template_id, sent, descriptor) in any_case()) {
        let bytes = write(&descriptor, template_id, &structure, &sent);
        // A packet's own structure replaces the known one.
        let foreign = chrome_structure();
        let known = if descriptor.carries_structure { &foreign } else { &structure };

        let (parsed, carried) = read(&bytes, Some(known)).expect("as written");
        // Where the mask is, is of the bytes; rewriting it tests that.
        let expected = DependencyDescriptor { targets_field: parsed.targets_field, ..descriptor };
        prop_assert_eq!(parsed, expected);
        prop_assert!(carried.is_none_or(|carried| carried == structure));
        // What is read over is read to its end.
        if descriptor.carries_structure || sent.has_any() {
            let cut = read(&bytes[..bytes.len() - 1], Some(known));
            let is_short = bytes.len() - 1 == MANDATORY_BYTES;
            prop_assert_eq!(cut.map(|_| ()), if is_short { Ok(()) } else { Err(ParseError::Truncated(NAME)) });
        }
    }

    #[test]
    fn no_bytes_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..120),
        (structure, _) in any_structure(),
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
