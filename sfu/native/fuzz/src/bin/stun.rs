//! Any datagram as STUN: parse, authenticate, and read a response's address.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::stun::{StunMessage, mapped_address, parse, verify_integrity};

fuzz_target!(|datagram: &[u8]| {
    // RFC 5769's password, under which the seeds are authentic.
    let password = b"VOkJxbRl1RmTxUk/WvJxBt";
    mapped_address(datagram);
    let is_authentic = verify_integrity(datagram, password);
    if let Ok(StunMessage::Request(request)) = parse(datagram) {
        assert!(!request.local_ufrag.is_empty() && !request.remote_ufrag.is_empty());
        assert_eq!(request.verify(password), is_authentic);
    }
});
