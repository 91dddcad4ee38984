//! Any payload under the codec that the first byte picks; rewritten picture ids are read back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::codec::{Codec, describe, rewrite_picture_ids};

const CODECS: [Codec; 6] = [
    Codec::Opus,
    Codec::Red,
    Codec::Vp8,
    Codec::Vp9,
    Codec::H264,
    Codec::Av1,
];

fuzz_target!(|data: &[u8]| {
    let Some((&choice, payload)) = data.split_first() else {
        return;
    };
    let codec = CODECS[usize::from(choice) % CODECS.len()];
    let Some(info) = describe(codec, payload) else {
        return;
    };
    let Some(ids) = info.picture else {
        return;
    };

    let mut payload = payload.to_vec();
    let mask = if ids.is_15_bit { 0x7fff } else { 0x7f };
    let (picture_id, tl0_picture_index) = (!ids.picture_id & mask, 0xa5);
    rewrite_picture_ids(&mut payload, &ids, picture_id, tl0_picture_index);

    let again = describe(codec, &payload).and_then(|info| info.picture);
    let again = again.expect("the payload still has its ids");
    assert_eq!(again.picture_id, picture_id);
    assert_eq!(again.is_15_bit, ids.is_15_bit);
    assert_eq!(
        again.tl0_picture_index,
        ids.tl0_picture_index
            .map(|(_, offset)| (tl0_picture_index, offset))
    );
    assert_eq!(again.key_index, ids.key_index);
});
