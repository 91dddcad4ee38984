//! One limiter of keyframe requests per encoding, whatever the cause (PLI, FIR, switches, losses).

use crate::time::Time;
use std::time::Duration;

/// A second request this soon can only be about the same picture.
const MIN_INTERVAL: Duration = Duration::from_millis(500);
/// A keyframe costs some ten times a delta frame: one lossy subscriber who asked at the short interval for minutes would
/// take the picture's quality from everybody. So the short interval is for bursts of `BURST` only.
const SUSTAINED_INTERVAL: Duration = Duration::from_secs(2);
/// Requests that may follow at the short interval: two viewers joining and a loss, say.
const BURST: u32 = 3;
/// What an encoder and its pacer need on top of the round trip before a request counts as lost.
const RESPONSE_TIME: Duration = Duration::from_millis(300);
/// Until the round trip is known.
const DEFAULT_ROUND_TRIP: Duration = Duration::from_millis(100);
/// LIMIT: requests without an answer; then the sender is gone or cannot, until somebody asks again.
const MAX_UNANSWERED: u32 = 10;

/// Why a keyframe is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyframeCause {
    /// PLI or FIR of a subscriber.
    Subscriber,
    /// A send stream is to switch to this encoding.
    Switch,
    /// Packets were lost for good.
    Gap,
}

/// The limiter. A request is satisfied by the first keyframe that begins after it; requests made meanwhile are one.
#[derive(Debug, Default)]
pub struct KeyframeLimiter {
    is_wanted: bool,
    /// Requests sent since the last keyframe.
    unanswered: u32,
    due: Time,
    last_sent_at: Option<Time>,
    /// When the burst is whole again: each request moves it by `SUSTAINED_INTERVAL`.
    refilled_at: Time,
    requests: [u64; 3],
}

impl KeyframeLimiter {
    /// Somebody wants a keyframe. It is asked for by the next `poll` that may.
    pub fn request(&mut self, now: Time, cause: KeyframeCause) {
        self.requests[cause as usize] += 1;
        if !self.is_wanted {
            self.is_wanted = true;
            self.due = now.max(self.earliest());
        }
    }

    /// A keyframe's first packet arrived: all requests made before are satisfied.
    pub fn handle_keyframe(&mut self) {
        self.is_wanted = false;
        self.unanswered = 0;
    }

    /// True if a PLI is to be sent now. Send it then: it is counted as sent.
    pub fn poll(&mut self, now: Time, round_trip: Option<Duration>) -> bool {
        if !self.is_wanted || now < self.due {
            return false;
        }
        self.last_sent_at = Some(now);
        self.refilled_at = self.refilled_at.max(now) + SUSTAINED_INTERVAL;
        self.unanswered += 1;
        if self.unanswered >= MAX_UNANSWERED {
            self.is_wanted = false;
            self.unanswered = 0;
        } else {
            let lost_at = now + round_trip.unwrap_or(DEFAULT_ROUND_TRIP) + RESPONSE_TIME;
            self.due = lost_at.max(self.earliest());
        }
        true
    }

    /// When `poll` is next of use.
    pub fn next_timeout(&self) -> Time {
        if self.is_wanted {
            self.due
        } else {
            Time::NEVER
        }
    }

    /// Requests so far by cause, in the order of `KeyframeCause`.
    pub fn request_counts(&self) -> [u64; 3] {
        self.requests
    }

    fn earliest(&self) -> Time {
        let Some(last) = self.last_sent_at else {
            return Time::ZERO;
        };
        let saved = SUSTAINED_INTERVAL * (BURST - 1);
        let sustained = self
            .refilled_at
            .as_nanos()
            .saturating_sub(saved.as_nanos() as u64);
        (last + MIN_INTERVAL).max(Time::from_nanos(sustained))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Option<Duration> = Some(Duration::from_millis(50));

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    /// Times in ms at which requests left, polling every 10 ms; each is answered after `answer` ms, if given.
    fn sent(requests: impl Fn(u64) -> bool, until: u64, answer: Option<u64>) -> Vec<u64> {
        let mut limiter = KeyframeLimiter::default();
        let (mut sent, mut keyframe_at) = (Vec::new(), None);
        for now in (0..until).step_by(10) {
            if keyframe_at == Some(now) {
                limiter.handle_keyframe();
            }
            if requests(now) {
                limiter.request(at(now), KeyframeCause::Subscriber);
            }
            if limiter.poll(at(now), RTT) {
                sent.push(now);
                keyframe_at = answer.map(|answer| now + answer);
            }
        }
        sent
    }

    #[test]
    fn the_first_request_leaves_at_once_and_many_are_one() {
        assert_eq!(sent(|now| now < 100, 2000, Some(100)), [0]);
    }

    #[test]
    fn bursts_get_the_short_interval_and_hammering_the_long_one() {
        let times = sent(|_| true, 20_000, Some(100));
        assert_eq!(times[..3], [0, 500, 1000]);
        for pair in times[3..].windows(2) {
            assert_eq!(pair[1] - pair[0], 2000, "{times:?}");
        }
        assert!(
            times.windows(2).all(|pair| pair[1] - pair[0] >= 500),
            "{times:?}"
        );
    }

    #[test]
    fn the_burst_comes_back_after_a_quiet_time() {
        let times = sent(|now| !(3000..20_000).contains(&now), 21_100, Some(100));
        assert!(times.ends_with(&[20_000, 20_500, 21_000]), "{times:?}");
    }

    #[test]
    fn a_keyframe_before_the_request_does_not_satisfy_it_and_one_after_does() {
        let mut limiter = KeyframeLimiter::default();
        limiter.handle_keyframe();
        limiter.request(at(0), KeyframeCause::Gap);
        assert_eq!(limiter.next_timeout(), at(0));
        limiter.handle_keyframe();
        assert!(!limiter.poll(at(0), RTT));
        assert_eq!(limiter.next_timeout(), Time::NEVER);
    }

    #[test]
    fn an_unanswered_request_is_repeated_a_bounded_number_of_times() {
        let times = sent(|now| now == 0, 60_000, None);
        assert_eq!(times.len(), 10);
        assert_eq!(times[1], 500);
    }

    #[test]
    fn a_long_round_trip_is_waited_for() {
        let mut limiter = KeyframeLimiter::default();
        limiter.request(at(0), KeyframeCause::Switch);
        assert!(limiter.poll(at(0), Some(Duration::from_millis(600))));
        assert_eq!(limiter.next_timeout(), at(900));
        assert_eq!(limiter.request_counts(), [0, 1, 0]);
    }
}
