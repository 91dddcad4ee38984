use super::*;
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;

/// NTP time of `nanos` after 2020.
fn ntp(nanos: u64) -> u64 {
    let clock = NtpClock {
        ntp_at_zero: 3_786_825_600 << 32,
    };
    clock.ntp(Time::from_nanos(nanos))
}

#[test]
fn ntp_counts_seconds_above_and_fractions_below() {
    let clock = NtpClock {
        ntp_at_zero: 10 << 32,
    };
    assert_eq!(clock.ntp(Time::ZERO), 10 << 32);
    assert_eq!(clock.ntp(Time::from_millis(1_500)), (11 << 32) | 1 << 31);
    assert_eq!(clock.ntp(Time::from_nanos(SECOND - 1)) >> 32, 10);
    let late = clock.ntp(Time::from_millis(86_400_000 * 365));
    assert_eq!(late >> 32, 10 + 86_400 * 365);
}

#[test]
fn rounding_up_keeps_whole_steps_and_never() {
    let step = Duration::from_millis(20);
    for (millis, rounded) in [(0, 0), (1, 20), (20, 20), (21, 40)] {
        assert_eq!(
            Time::from_millis(millis).rounded_up(step),
            Time::from_millis(rounded)
        );
    }
    assert_eq!(Time::NEVER.rounded_up(step), Time::NEVER);
}

#[test]
fn never_is_later_than_anything_and_stays_so() {
    assert!(Time::NEVER > Time::from_millis(u64::MAX / 1_000_000 - 1));
    assert_eq!(Time::NEVER + Duration::from_secs(1), Time::NEVER);
    assert_eq!(Time::ZERO.since(Time::from_millis(5)), Duration::ZERO);
}

#[test]
fn the_publishers_clock_follows_the_fastest_report_and_drifts_slowly() {
    let offset = 5 * SECOND;
    let arrival = |sent: u64, delay_ms: u64| Time::from_nanos(sent + offset + delay_ms * 1_000_000);
    let mut clock = PublisherClock::new(ntp(SECOND), arrival(SECOND, 30));
    let error_ms = |clock: &PublisherClock, sent: u64| {
        let time = clock.engine_time(ntp(sent)).expect("after zero");
        (time.as_nanos() as i64 - (sent + offset) as i64) / 1_000_000
    };
    assert_eq!(error_ms(&clock, 9 * SECOND), 30, "the first delay");
    clock.handle_report(ntp(2 * SECOND), arrival(2 * SECOND, 10));
    assert_eq!(
        error_ms(&clock, 9 * SECOND),
        10,
        "less delay is believed at once"
    );
    for second in 3..13 {
        clock.handle_report(ntp(second * SECOND), arrival(second * SECOND, 200));
    }
    assert_eq!(
        error_ms(&clock, 9 * SECOND),
        11,
        "ten slow ones move it by 1 ms"
    );
}

#[test]
fn a_clock_that_was_set_is_followed_at_once() {
    let mut clock = PublisherClock::new(ntp(100 * SECOND), Time::from_millis(50_000));
    // Back by an hour, so the offset grows by one.
    clock.handle_report(ntp(101 * SECOND), Time::from_millis(3_651_000));
    let time = clock.engine_time(ntp(101 * SECOND)).expect("after zero");
    assert_eq!(time.as_nanos() / 1_000_000, 3_651_000);
}

#[test]
fn what_lies_before_the_engines_zero_is_no_time() {
    let clock = PublisherClock::new(ntp(100 * SECOND), Time::from_millis(1));
    assert_eq!(clock.engine_time(ntp(90 * SECOND)), None);
}

proptest! {
    /// No report, however mad, panics.
    #[test]
    fn any_report_is_survived(reports in proptest::collection::vec((any::<u64>(), any::<u64>()), 1..20), asked in any::<u64>()) {
        let mut clock = PublisherClock::new(reports[0].0, Time::from_nanos(reports[0].1));
        for (ntp_time, arrival) in reports {
            clock.handle_report(ntp_time, Time::from_nanos(arrival));
            let _ = clock.engine_time(asked);
        }
    }
}
