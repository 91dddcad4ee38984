//! Two descriptors of one stream: the first byte is the length of the first, whose structure the second may refer to.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::dependency_descriptor::{parse, write_active_decode_targets};

fuzz_target!(|data: &[u8]| {
    let Some((&length, descriptors)) = data.split_first() else {
        return;
    };
    let middle = usize::from(length).min(descriptors.len());
    let (first, second) = descriptors.split_at(middle);
    let structure = parse(first, None)
        .ok()
        .and_then(|descriptor| descriptor.structure);
    if let Ok(descriptor) = parse(second, structure.as_ref()) {
        assert!(descriptor.decode_target_indications.len() <= 32);
        assert!(descriptor.structure.is_some() || structure.is_some());
        let mut out = [0; 512];
        let field = descriptor.targets_field;
        if let Some(length) = write_active_decode_targets(second, field, 1, &mut out) {
            let rewritten = parse(&out[..length], structure.as_ref());
            assert_eq!(rewritten.map(|after| after.active_decode_targets), Ok(Some(1)));
        }
    }
});
