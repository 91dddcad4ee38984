//! Any payload as RED: the primary block is its end.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|payload: &[u8]| {
    if let Ok((payload_type, primary)) = wire::red::primary(payload) {
        assert!(payload_type < 128);
        assert!(payload.ends_with(primary));
    }
});
