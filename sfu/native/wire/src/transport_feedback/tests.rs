use super::*;
use crate::rtcp::{RtcpPacket, packets};
use proptest::prelude::*;

/// Base 5, seven packets, reference 3, count 9: a run of 2 small, then a two-bit vector (large, none, small, none, large).
const SAMPLE: [u8; 19] = [
    0,
    5,
    0,
    7,
    0,
    0,
    3,
    9,
    0x20,
    0x02,
    0b1110_0001,
    0b0010_0000,
    4,
    8,
    0x01,
    0x00,
    1,
    0xff,
    0xff,
];
const SAMPLE_ARRIVALS: [Option<i64>; 7] = [
    Some(193_000),
    Some(195_000),
    Some(259_000),
    None,
    Some(259_250),
    None,
    Some(259_000),
];

fn view(fci: &[u8]) -> FeedbackView<'_> {
    FeedbackView::parse(fci).expect("well-formed feedback")
}

/// Write all `arrivals` in as many packets as it takes; return for each its base, count and bytes.
fn write_all(base: u16, arrivals: &[Option<i64>]) -> Vec<(u16, usize, Vec<u8>)> {
    let mut written = Vec::new();
    let mut at = 0;
    while at < arrivals.len() {
        let mut out = Vec::new();
        let packet_base = base.wrapping_add(at as u16);
        let taken = write(
            &mut out,
            1,
            2,
            written.len() as u8,
            packet_base,
            &arrivals[at..],
        );
        assert!(taken > 0);
        written.push((packet_base, taken, out));
        at += taken;
    }
    written
}

fn read_one(packet: &[u8]) -> FeedbackView<'_> {
    let mut all = packets(packet);
    let Some(Ok(RtcpPacket::TransportFeedback(view))) = all.next() else {
        panic!("not a feedback: {packet:?}");
    };
    assert!(all.next().is_none());
    view
}

/// What survives: whole units of 250 µs, modulo the 24-bit reference time.
fn rounded(arrival: i64) -> i64 {
    arrival.div_euclid(DELTA_UNIT_MICROS) * DELTA_UNIT_MICROS
}

#[test]
fn runs_and_vectors_are_read() {
    let view = view(&SAMPLE);

    assert_eq!(view.base_sequence_number, 5);
    assert_eq!(view.status_count, 7);
    assert_eq!(view.reference_time, 3);
    assert_eq!(view.feedback_count, 9);
    let expected: Vec<_> = (5u16..).zip(SAMPLE_ARRIVALS).collect();
    assert_eq!(view.statuses().collect::<Vec<_>>(), expected);
}

#[test]
fn one_bit_vectors_are_read_and_numbers_wrap() {
    let fci = [
        0xff,
        0xfe,
        0,
        4,
        0xff,
        0xff,
        0xff,
        0,
        0b1010_1100,
        0,
        0,
        255,
        1,
        0,
    ];

    let view = view(&fci);

    assert_eq!(view.reference_time, -1);
    assert_eq!(
        view.statuses().collect::<Vec<_>>(),
        [
            (65_534, Some(-64_000)),
            (65_535, None),
            (0, Some(-64_000 + 63_750)),
            (1, Some(-64_000 + 64_000)),
        ]
    );
}

#[test]
fn every_cut_before_the_last_delta_is_refused() {
    for length in 0..SAMPLE.len() {
        assert!(FeedbackView::parse(&SAMPLE[..length]).is_err(), "{length}");
    }
    let padded = [&SAMPLE[..], &[0, 0, 0]].concat();
    assert_eq!(view(&padded).statuses().count(), 7);
}

#[test]
fn lying_counts_and_reserved_symbols_are_refused() {
    for (name, fci, error) in [
        (
            "no packets",
            &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..],
            ParseError::BadValue("transport feedback"),
        ),
        (
            "over the limit",
            &[0, 0, 0x20, 0x01, 0, 0, 0, 0, 0x1f, 0xff, 0, 2],
            ParseError::TooMany("transport feedback"),
        ),
        (
            "reserved symbol in a run",
            &[0, 0, 0, 1, 0, 0, 0, 0, 0x60, 0x01, 0, 0],
            ParseError::BadValue("transport feedback"),
        ),
        (
            "reserved symbol in a vector",
            &[0, 0, 0, 2, 0, 0, 0, 0, 0b1100_1100, 0, 0, 0],
            ParseError::BadValue("transport feedback"),
        ),
        (
            "more packets than chunks",
            &[0, 0, 0, 9, 0, 0, 0, 0, 0x00, 0x08],
            ParseError::Truncated("transport feedback"),
        ),
        (
            "runs of no length only",
            &[0, 0, 0, 1, 0, 0, 0, 0, 0x20, 0x00, 0x20, 0x00],
            ParseError::Truncated("transport feedback"),
        ),
        (
            "no room for the deltas",
            &[0, 0, 0, 2, 0, 0, 0, 0, 0x20, 0x02, 1],
            ParseError::Truncated("transport feedback"),
        ),
    ] {
        assert_eq!(FeedbackView::parse(fci).unwrap_err(), error, "{name}");
    }
}

#[test]
fn reserved_symbol_beyond_the_count_is_unused_room() {
    let fci = [0, 0, 0, 1, 0, 0, 0, 0, 0b1100_1111, 0xff, 7];

    assert_eq!(view(&fci[..10]).statuses().collect::<Vec<_>>(), [(0, None)]);
}

#[test]
fn run_longer_than_the_count_is_cut_and_empty_runs_are_skipped() {
    let fci = [0, 0, 0, 2, 0, 0, 0, 0, 0x00, 0x00, 0x3f, 0xff, 1, 2];

    assert_eq!(
        view(&fci).statuses().collect::<Vec<_>>(),
        [(0, Some(250)), (1, Some(750))]
    );
}

#[test]
fn most_statuses_allowed_are_read() {
    let fci = [0, 0, 0x20, 0x00, 0, 0, 0, 0, 0x1f, 0xff, 0x00, 0x01];

    assert_eq!(view(&fci).statuses().count(), usize::from(MAX_STATUSES));
}

#[test]
fn sample_arrivals_are_written_as_the_sample() {
    let mut out = vec![0xee];
    let taken = write(&mut out, 0x0102_0304, 0x0506_0708, 9, 5, &SAMPLE_ARRIVALS);

    assert_eq!(taken, 7);
    assert_eq!(out[..13], [0xee, 0xaf, 205, 0, 7, 1, 2, 3, 4, 5, 6, 7, 8]);
    // The writer prefers one vector of seven to the sample's run and vector.
    assert_eq!(out[13..21], SAMPLE[..8]);
    assert_eq!(out[21..23], [0b1101_0110, 0b0001_0010]);
    assert_eq!(out[23..30], SAMPLE[12..]);
    assert_eq!(out[30..], [0, 0, 3]);
}

#[test]
fn chunks_are_compact() {
    let steady = |count: usize| -> Vec<_> { (0..count).map(|i| Some(i as i64 * 1_000)).collect() };
    let every_third: Vec<_> = (0..42)
        .map(|i: i64| (i % 3 == 0).then_some(i * 1_000))
        .collect();
    let gap = [&steady(20)[..], &vec![None; 3_000], &[Some(4_000_000)]].concat();
    for (name, arrivals, chunk_bytes, delta_bytes) in [
        ("one", steady(1), 2, 1),
        ("a run", steady(300), 2, 300),
        ("a mixture", every_third, 6, 14),
        ("a gap", gap, 6, 22),
    ] {
        let mut out = Vec::new();
        assert_eq!(write(&mut out, 1, 2, 0, 0, &arrivals), arrivals.len());
        let expected = (20_usize + chunk_bytes + delta_bytes).next_multiple_of(4);
        assert_eq!(out.len(), expected, "{name}");
    }
}

#[test]
fn nothing_is_written_of_no_arrivals() {
    let mut out = vec![1];

    assert_eq!(write(&mut out, 1, 2, 0, 0, &[]), 0);
    assert_eq!(out, [1]);
}

#[test]
fn all_missing_are_reported_so() {
    let mut out = Vec::new();

    assert_eq!(write(&mut out, 1, 2, 0, 65_535, &[None; 3]), 3);
    assert_eq!(
        read_one(&out).statuses().collect::<Vec<_>>(),
        [(65_535, None), (0, None), (1, None)]
    );
}

#[test]
fn delta_beyond_16_bits_ends_the_packet() {
    // 32,767 units of 250 µs fit, one more does not; backwards one more does.
    for (second, taken) in [
        (8_191_750, 2),
        (8_192_000, 1),
        (-8_192_000, 2),
        (-8_192_250, 1),
    ] {
        let mut out = Vec::new();
        assert_eq!(
            write(&mut out, 1, 2, 0, 0, &[Some(0), Some(second)]),
            taken,
            "{second}"
        );
        let view = read_one(&out);
        assert_eq!(usize::from(view.status_count), taken);
        assert_eq!(view.statuses().next(), Some((0, Some(0))));
    }
}

#[test]
fn extreme_clocks_do_not_overflow() {
    let arrivals = [Some(i64::MIN), Some(i64::MAX), None, Some(i64::MIN)];

    let written = write_all(0, &arrivals);

    assert_eq!(
        written.iter().map(|packet| packet.1).collect::<Vec<_>>(),
        [1, 2, 1]
    );
}

#[test]
fn rounding_errors_do_not_add_up() {
    let arrivals: Vec<_> = (0..500).map(|i| Some(i * 333)).collect();
    let mut out = Vec::new();
    write(&mut out, 1, 2, 0, 0, &arrivals);

    for ((_, read), arrival) in read_one(&out).statuses().zip(&arrivals) {
        assert_eq!(read, arrival.map(rounded));
    }
}

#[test]
fn worst_patterns_stay_within_the_size_and_lose_nothing() {
    let large: Vec<_> = (0..2_000).map(|i| Some(i * 100_000)).collect();
    let alternating: Vec<_> = (0..2_000).map(|i| Some(i % 2 * 100_000)).collect();
    let mixed: Vec<_> = (0..2_000)
        .map(|i| Some(i / 2 * 101_000 + i % 2 * 1_000))
        .collect();
    let sparse: Vec<_> = (0..9_000)
        .map(|i| (i % 15 == 0).then_some(i * 1_000))
        .collect();
    for arrivals in [large, alternating, mixed, sparse, vec![None; 9_000]] {
        let written = write_all(65_000, &arrivals);
        let mut read = Vec::new();
        for (base, taken, packet) in &written {
            assert!(packet.len() <= MAX_PACKET_BYTES);
            let view = read_one(packet);
            assert_eq!(view.base_sequence_number, *base);
            assert_eq!(usize::from(view.status_count), *taken);
            read.extend(view.statuses().map(|(_, arrival)| arrival));
        }
        assert_eq!(read, arrivals);
    }
}

/// Arrival patterns: gaps, steady flow, reordering, clock jumps both ways.
fn arrival_patterns() -> impl Strategy<Value = Vec<Option<i64>>> {
    let step = prop_oneof![
        6 => (0i64..64_000).prop_map(Some),
        2 => Just(Some(1_000)),
        2 => Just(None),
        1 => (-70_000i64..0).prop_map(Some),
        1 => (-9_000_000i64..9_000_000).prop_map(Some),
    ];
    let piece = (step, 1usize..40);
    let start = -500_000_000_000i64..500_000_000_000;
    (start, prop::collection::vec(piece, 1..60)).prop_map(|(start, pieces)| {
        let mut clock = start;
        let steps = pieces
            .into_iter()
            .flat_map(|(step, count)| std::iter::repeat_n(step, count));
        steps
            .map(|step| {
                clock += step?;
                Some(clock)
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn any_arrivals_are_read_back(base: u16, arrivals in arrival_patterns()) {
        let mut at = 0;
        for (packet_base, taken, packet) in write_all(base, &arrivals) {
            prop_assert!(packet.len() <= MAX_PACKET_BYTES);
            prop_assert_eq!(packet.len() % 4, 0);
            let view = read_one(&packet);
            prop_assert_eq!(view.base_sequence_number, packet_base);
            prop_assert_eq!(view.status_count as usize, taken);
            let expected = (0..taken).map(|i| {
                (packet_base.wrapping_add(i as u16), arrivals[at + i].map(rounded))
            });
            prop_assert_eq!(view.statuses().collect::<Vec<_>>(), expected.collect::<Vec<_>>());
            // Never worse than two-bit vectors and two-byte deltas all through.
            let bound = 20 + taken.div_ceil(7) * 2 + taken * 2 + 3;
            prop_assert!(packet.len() <= bound);
            at += taken;
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic(fci in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(view) = FeedbackView::parse(&fci) {
            prop_assert_eq!(view.statuses().count(), usize::from(view.status_count));
        }
    }

    #[test]
    fn any_chunks_are_read_without_panic(
        count in 0u16..600,
        body in prop::collection::vec(any::<u8>(), 0..900),
    ) {
        let count = count.to_be_bytes();
        let fci = [&[0, 1, count[0], count[1], 0x7f, 0xff, 0xff, 3], &body[..]].concat();
        if let Ok(view) = FeedbackView::parse(&fci) {
            prop_assert_eq!(view.statuses().count(), usize::from(view.status_count));
        }
    }
}
