//! Two descriptors of one stream: the first byte is the length of the first, whose structure the second may refer to.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::dependency_descriptor::{TemplateStructure, parse, write_active_decode_targets};

fuzz_target!(|data: &[u8]| {
    let Some((&length, descriptors)) = data.split_first() else {
        return;
    };
    let middle = usize::from(length).min(descriptors.len());
    let (first, second) = descriptors.split_at(middle);
    let (mut first_carried, mut second_carried) = Default::default();
    let known = parse(first, None, &mut first_carried)
        .is_ok_and(|descriptor| descriptor.carries_structure)
        .then_some(&first_carried);
    if let Ok(descriptor) = parse(second, known, &mut second_carried) {
        assert!(descriptor.carries_structure || known.is_some());
        let mut out = [0; 512];
        let field = descriptor.targets_field;
        if let Some(length) = write_active_decode_targets(second, field, 1, &mut out) {
            let rewritten = parse(&out[..length], known, &mut TemplateStructure::default());
            assert_eq!(rewritten.map(|after| after.active_decode_targets), Ok(Some(1)));
        }
    }
});
