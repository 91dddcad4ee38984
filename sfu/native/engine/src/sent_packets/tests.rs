use super::*;
use proptest::prelude::*;

/// One feedback's FCI about `arrivals` from `base` on.
fn feedback(base: u16, arrivals: &[Option<i64>]) -> Vec<u8> {
    let mut packet = Vec::new();
    wire::transport_feedback::write(&mut packet, 1, 2, 0, base, arrivals);
    packet.split_off(12)
}

fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

fn handle(
    sent: &mut SentPackets,
    now: u64,
    base: u16,
    arrivals: &[Option<i64>],
) -> FeedbackSummary {
    let fci = feedback(base, arrivals);
    sent.handle_feedback(at(now), &FeedbackView::parse(&fci).expect("just written"))
}

#[test]
fn feedback_tells_each_packets_fate_once_across_the_wrap() {
    for already_sent in [0u64, 1, 65_530, 65_535, 65_536, 140_000] {
        let mut sent = SentPackets {
            next: already_sent,
            start: already_sent,
            ..SentPackets::default()
        };
        let base = sent.register(at(0), 100);
        assert_eq!(base, already_sent as u16);
        for _ in 0..9 {
            sent.register(at(1), 100);
        }
        let mut arrivals: Vec<_> = (0..10).map(|index| Some(64_000 + index * 1_000)).collect();
        arrivals[3] = None;

        let summary = handle(&mut sent, 50, base, &arrivals);
        let again = handle(&mut sent, 51, base, &arrivals);

        let expected = FeedbackSummary {
            received: 9,
            lost: 1,
            acked_bytes: 900,
            ignored: 0,
        };
        assert_eq!(summary, expected);
        assert_eq!(again, FeedbackSummary::default());
        assert!((sent.loss_fraction(at(60)).expect("recent") - 0.1).abs() < 1e-6);
        assert_eq!(sent.loss_fraction(at(3_000)), None);
    }
}

#[test]
fn forged_feedback_is_ignored_and_counted() {
    let mut sent = SentPackets::default();
    assert_eq!(handle(&mut sent, 0, 7, &[Some(0)]).ignored, 1);
    for _ in 0..10 {
        sent.register(at(0), 100);
    }

    let never_sent = handle(&mut sent, 1, 10, &[Some(64_000); 5]);
    let before_all = handle(&mut sent, 1, 65_530, &[Some(64_000); 3]);
    handle(&mut sent, 2, 0, &[Some(640_000)]);
    let gone_back = handle(&mut sent, 3, 1, &[Some(64_000)]);

    assert_eq!(
        never_sent,
        FeedbackSummary {
            ignored: 5,
            ..FeedbackSummary::default()
        }
    );
    assert_eq!(
        before_all,
        FeedbackSummary {
            ignored: 3,
            ..FeedbackSummary::default()
        }
    );
    assert_eq!(
        gone_back,
        FeedbackSummary {
            ignored: 1,
            ..FeedbackSummary::default()
        }
    );
    assert_eq!(sent.ignored_count(), 10);
}

#[test]
fn arrivals_stay_monotonic_over_the_wrap_of_the_reference_time() {
    let mut sent = SentPackets::default();
    let mut arrivals = Vec::new();
    let last_before_wrap = ((1 << 23) - 1) * REFERENCE_UNIT_MICROS;

    for (index, arrival) in [last_before_wrap, last_before_wrap + REFERENCE_UNIT_MICROS]
        .into_iter()
        .enumerate()
    {
        sent.register(at(index as u64), 100);
        let fci = feedback(index as u16, &[Some(arrival)]);
        let view = FeedbackView::parse(&fci).expect("just written");
        sent.handle_feedback_with(at(index as u64), &view, |result| {
            arrivals.push(result.arrival_micros);
        });
    }

    assert_eq!(
        arrivals,
        [
            Some(last_before_wrap),
            Some(last_before_wrap + REFERENCE_UNIT_MICROS)
        ]
    );
}

#[test]
fn the_ring_grows_with_the_rate_and_no_further_than_its_limit() {
    let mut slow = SentPackets::default();
    let mut fast = SentPackets::default();
    for index in 0..20_000u64 {
        slow.register(at(index * 50), 100);
        fast.register(Time::from_nanos(index * 100_000), 100);
    }

    assert_eq!(slow.slots.len(), 64);
    assert_eq!(fast.slots.len(), MAX_SLOTS);
    let numbers = (20_000 - MAX_SLOTS) as u16;
    assert_eq!(handle(&mut fast, 2_000, numbers, &[Some(0); 4]).received, 4);
    assert_eq!(handle(&mut fast, 2_000, numbers - 1, &[Some(0)]).ignored, 1);
}

proptest! {
    #[test]
    fn no_feedback_acknowledges_more_than_was_sent(
        count in 0usize..300,
        feedbacks in proptest::collection::vec((any::<u16>(), proptest::collection::vec(any::<bool>(), 1..80)), 0..40),
    ) {
        let mut sent = SentPackets::default();
        for _ in 0..count {
            sent.register(at(0), 1_000);
        }
        let mut acked = 0;
        for (base, received) in feedbacks {
            let arrivals: Vec<_> = received.iter().map(|&is_received| is_received.then_some(64_000)).collect();
            acked += handle(&mut sent, 10, base % 400, &arrivals).acked_bytes;
        }
        prop_assert!(acked <= count as u64 * 1_000);
    }
}
