//! Any FCI as transport feedback; what it says survives being written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::rtcp::{RtcpPacket, packets};
use wire::transport_feedback::{FeedbackView, MAX_PACKET_BYTES, REFERENCE_UNIT_MICROS, write};

/// Where the 24-bit reference time wraps.
const WRAP_MICROS: i64 = REFERENCE_UNIT_MICROS << 24;

fuzz_target!(|fci: &[u8]| {
    let Ok(view) = FeedbackView::parse(fci) else {
        return;
    };
    let (numbers, arrivals): (Vec<u16>, Vec<Option<i64>>) = view.statuses().unzip();
    assert_eq!(numbers.len(), usize::from(view.status_count));

    let mut written = Vec::new();
    let taken = write(&mut written, 1, 2, 3, view.base_sequence_number, &arrivals);
    assert!(taken > 0 && written.len() <= MAX_PACKET_BYTES);
    let Some(Ok(RtcpPacket::TransportFeedback(again))) = packets(&written).next() else {
        panic!("a written feedback is not read");
    };
    let expected = numbers.iter().zip(&arrivals).take(taken);
    assert_eq!(again.statuses().count(), taken);
    for ((number, arrival), (expected_number, expected_arrival)) in again.statuses().zip(expected) {
        assert_eq!(number, *expected_number);
        assert_eq!(
            arrival.map(|arrival| arrival.rem_euclid(WRAP_MICROS)),
            expected_arrival.map(|arrival| arrival.rem_euclid(WRAP_MICROS)),
        );
    }
});
