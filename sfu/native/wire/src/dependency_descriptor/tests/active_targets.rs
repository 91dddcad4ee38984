//! The bitmask of active decode targets: what is left within limits, and how it is put into another's descriptor.

use super::*;

fn rewrite(bytes: &[u8], known: Option<&TemplateStructure>, mask: u32) -> Vec<u8> {
    let (descriptor, _) = read(bytes, known).expect("a descriptor");
    let field = descriptor.targets_field;
    let mut out = vec![0xff; bytes.len() + 5];
    let length = write_active_decode_targets(bytes, field, mask, &mut out).expect("fits");
    out[..length].to_vec()
}

#[test]
fn dropped_layers_leave_the_targets_that_need_none_of_them() {
    let mut targets = DecodeTargets::new(&chrome_structure());

    assert_eq!(targets.count(), 9);
    for (spatial, temporal, expected) in [
        (u8::MAX, u8::MAX, 0x1ff),
        (2, 2, 0x1ff),
        (1, 2, 0b000_111_111),
        (0, u8::MAX, 0b000_000_111),
        (0, 0, 1),
        (2, 1, 0b011_011_011),
    ] {
        assert_eq!(targets.within(spatial, temporal), expected);
    }
    targets.active = 0b000_111_011;
    assert_eq!(targets.within(1, 1), 0b000_011_011);
    assert_eq!(targets.within(2, 2), 0b000_111_011);
}

#[test]
fn the_mask_of_a_captured_descriptor_is_what_chrome_itself_would_write() {
    let structure = chrome_structure();
    let known = Some(&structure);

    // A short one grows by the flags and the mask: as Chrome writes 0x3f in the same capture.
    assert_eq!(
        rewrite(&[0x8b, 0x01, 0x74], known, 0x3f),
        [0x8b, 0x01, 0x74, 0x40, 0xfc]
    );
    // One that has a mask keeps its length.
    assert_eq!(
        rewrite(&[0x86, 0x01, 0x73, 0x40, 0xfc], known, 0x07),
        [0x86, 0x01, 0x73, 0x40, 0x1c]
    );
    // One that brings the structure has the mask after it.
    let rewritten = rewrite(CHROME_L3T3, None, 0x07);
    let (parsed, carried) = read(&rewritten, None).expect("still whole");
    assert_eq!(parsed.active_decode_targets, Some(0x07));
    assert_eq!(carried, Some(structure));
}

#[test]
fn a_field_of_another_descriptor_is_refused() {
    let (descriptor, _) = read(CHROME_L3T3, None).expect("a captured descriptor");
    let field = descriptor.targets_field;
    let mut out = [0; 255];

    let short = [0x8b, 0x01, 0x74, 0x40, 0xfc];
    assert_eq!(
        write_active_decode_targets(&short, field, 1, &mut out),
        None
    );
    let none = TargetsField::default();
    assert_eq!(write_active_decode_targets(&short, none, 1, &mut out), None);
    let narrow = &mut out[..CHROME_L3T3.len()];
    assert_eq!(
        write_active_decode_targets(CHROME_L3T3, field, 1, narrow),
        None
    );
}

proptest! {
    #[test]
    fn rewriting_changes_the_mask_and_nothing_else(
        (structure, template_id, sent, descriptor) in any_case(),
        mask: u32,
        is_short: bool,
    ) {
        let bytes = write(&descriptor, template_id, &structure, &sent);
        let has_fields = descriptor.carries_structure || sent.has_any();
        let bytes = if is_short && !has_fields { bytes[..MANDATORY_BYTES].to_vec() } else { bytes };
        let (before, _) = read(&bytes, Some(&structure)).expect("as written");
        let mask = mask & all_targets(structure.decode_target_count);

        let rewritten = rewrite(&bytes, Some(&structure), mask);

        let (after, _) = read(&rewritten, Some(&structure)).expect("still whole");
        prop_assert_eq!(after.active_decode_targets, Some(mask));
        prop_assert!(after.targets_field.is_present);
        prop_assert!(rewritten.len() <= bytes.len() + 5);
        let unmasked = |descriptor| DependencyDescriptor {
            active_decode_targets: None,
            targets_field: TargetsField::default(),
            ..descriptor
        };
        prop_assert_eq!(unmasked(after), unmasked(before));
        prop_assert_eq!(rewrite(&rewritten, Some(&structure), mask), rewritten);
    }

    #[test]
    fn no_field_panics(
        bytes in prop::collection::vec(any::<u8>(), 0..64),
        bit_offset: u16,
        target_count: u8,
        is_present: bool,
        mask: u32,
        room in 0usize..80,
    ) {
        let field = TargetsField { bit_offset, target_count, is_present };
        let mut out = vec![0xff; room];

        if let Some(length) = write_active_decode_targets(&bytes, field, mask, &mut out) {
            prop_assert!(length <= room);
        }
    }
}
