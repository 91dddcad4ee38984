//! Finds gaps in one SSRC's packets and says what to ask for again, and when (RFC 4585 §6.2.1).

use crate::time::Time;
use std::collections::VecDeque;
use std::time::Duration;

/// A gap is believed once this many packets came after it: TCP asks for three duplicate acknowledgements likewise.
const REORDER_PACKETS: u64 = 2;
/// … or once it is this old: the next packet may be a frame away.
const REORDER_WAIT: Duration = Duration::from_millis(15);
/// Until the round trip is known.
const DEFAULT_ROUND_TRIP: Duration = Duration::from_millis(100);
/// The publisher's pacer and the scheduling of both ends, on top of the round trip.
const RETRY_MARGIN: Duration = Duration::from_millis(10);
/// LIMIT: requests per packet; at 100 ms each that is half the cache's age.
const MAX_TRIES: u8 = 10;
/// LIMIT: packets missed at once. More is no loss but an outage: a keyframe is cheaper than resending it all.
const MAX_MISSING: usize = 256;
/// LIMIT: so many packets must arrive for each that is asked for, in the long run. Loss beyond a sixth is no accident: somebody's
/// uplink is too narrow, or this server is too slow, and what is sent again would take the place of what is new.
const ARRIVALS_A_REQUEST: u32 = 4;
/// Requests that may be made at once after a quiet time: for any gap that is asked for at all.
const MAX_BUDGET: u32 = MAX_MISSING as u32 * ARRIVALS_A_REQUEST;

#[derive(Debug, Clone, Copy)]
struct Missing {
    number: u64,
    lost_at: Time,
    due: Time,
    tries: u8,
}

/// The generator of one encoding. Numbers are extended sequence numbers.
#[derive(Debug)]
pub struct NackGenerator {
    max_age: Duration,
    newest: Option<u64>,
    newest_keyframe: u64,
    /// Ascending.
    missing: VecDeque<Missing>,
    next_due: Time,
    wants_keyframe: bool,
    /// Arrivals that no request has used up.
    budget: u32,
}

impl NackGenerator {
    /// `max_age`: how long a lost packet is still of use (the cache's age).
    pub fn new(max_age: Duration) -> Self {
        Self {
            max_age,
            newest: None,
            newest_keyframe: 0,
            missing: VecDeque::new(),
            next_due: Time::NEVER,
            wants_keyframe: false,
            budget: MAX_BUDGET,
        }
    }

    /// A packet arrived; true if it fills a gap. O(log gaps) behind the newest, O(new gap) ahead of it.
    pub fn handle_packet(
        &mut self,
        now: Time,
        extended_sequence_number: u64,
        starts_keyframe: bool,
    ) -> bool {
        self.budget = (self.budget + 1).min(MAX_BUDGET);
        if starts_keyframe {
            self.newest_keyframe = self.newest_keyframe.max(extended_sequence_number);
        }
        let Some(newest) = self.newest else {
            self.newest = Some(extended_sequence_number);
            return false;
        };
        if extended_sequence_number <= newest {
            return self.fill(extended_sequence_number);
        }
        self.newest = Some(extended_sequence_number);
        let gap = extended_sequence_number - newest - 1;
        if gap > u64::from(self.budget / ARRIVALS_A_REQUEST) {
            self.give_up_all();
            return false;
        }
        self.missing.extend(
            (newest + 1..extended_sequence_number).map(|number| Missing {
                number,
                lost_at: now,
                due: now + REORDER_WAIT,
                tries: 0,
            }),
        );
        if self.missing.len() > MAX_MISSING {
            self.give_up_all();
            return false;
        }
        if !self.missing.is_empty() {
            self.hasten(now, extended_sequence_number);
            if gap > 0 {
                self.next_due = self.next_due.min(now + REORDER_WAIT);
            }
        }
        false
    }

    /// Append what is to be asked for now, ascending modulo wrap.
    pub fn poll(&mut self, now: Time, round_trip: Option<Duration>, out: &mut Vec<u16>) {
        if now < self.next_due {
            return;
        }
        let retry = now + round_trip.unwrap_or(DEFAULT_ROUND_TRIP) + RETRY_MARGIN;
        let (max_age, newest_keyframe) = (self.max_age, self.newest_keyframe);
        let (mut next_due, mut wants_keyframe, mut budget) = (Time::NEVER, false, self.budget);
        self.missing.retain_mut(|missing| {
            if missing.due <= now {
                if missing.tries >= MAX_TRIES
                    || now.since(missing.lost_at) >= max_age
                    || budget < ARRIVALS_A_REQUEST
                {
                    // Behind a newer keyframe nobody misses it.
                    wants_keyframe |= missing.number > newest_keyframe;
                    return false;
                }
                budget -= ARRIVALS_A_REQUEST;
                out.push(missing.number as u16);
                missing.tries += 1;
                missing.due = retry;
            }
            next_due = next_due.min(missing.due);
            true
        });
        self.next_due = next_due;
        self.wants_keyframe |= wants_keyframe;
        self.budget = budget;
    }

    /// True once after packets were given up and only a keyframe helps.
    pub fn take_wants_keyframe(&mut self) -> bool {
        std::mem::take(&mut self.wants_keyframe)
    }

    /// When `poll` is next of use.
    pub fn next_timeout(&self) -> Time {
        self.next_due
    }

    /// Packets asked for and not yet there.
    pub fn missing_count(&self) -> usize {
        self.missing.len()
    }

    /// Forget the stream, but not what was asked for of it: else restarts would buy requests.
    pub fn reset(&mut self) {
        *self = Self {
            budget: self.budget,
            ..Self::new(self.max_age)
        };
    }

    fn fill(&mut self, number: u64) -> bool {
        let Ok(index) = self
            .missing
            .binary_search_by_key(&number, |missing| missing.number)
        else {
            return false;
        };
        self.missing.remove(index);
        if self.missing.is_empty() {
            self.next_due = Time::NEVER;
        }
        true
    }

    /// Gaps that enough packets have passed are asked for without waiting longer.
    fn hasten(&mut self, now: Time, newest: u64) {
        for missing in self.missing.iter_mut().rev() {
            if missing.number + REORDER_PACKETS > newest {
                continue;
            }
            // Older ones were hastened before.
            if missing.tries > 0 || missing.due <= now {
                break;
            }
            missing.due = now;
            self.next_due = now;
        }
    }

    fn give_up_all(&mut self) {
        self.missing.clear();
        self.next_due = Time::NEVER;
        self.wants_keyframe = self
            .newest
            .is_none_or(|newest| newest != self.newest_keyframe);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STARTS: [u64; 6] = [
        1 << 16,
        (2 << 16) - 6,
        (2 << 16) - 3,
        (2 << 16) - 1,
        2 << 16,
        (1 << 16) + 32_766,
    ];

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    fn poll(generator: &mut NackGenerator, millis: u64, start: u64) -> Vec<u16> {
        let mut out = Vec::new();
        generator.poll(at(millis), Some(Duration::from_millis(50)), &mut out);
        out.iter()
            .map(|number| number.wrapping_sub(start as u16))
            .collect()
    }

    #[test]
    fn asks_for_what_is_missing_after_the_reorder_tolerance() {
        // (packets that arrive, 1 ms apart; what is asked for 1 ms later; what 20 ms later)
        let cases: [(&[u64], &[u16], &[u16]); 8] = [
            (&[0, 1, 2, 3], &[], &[]),
            (&[0, 2], &[], &[1]),
            (&[0, 2, 3], &[1], &[]),
            (&[0, 2, 1, 3], &[], &[]),
            (&[0, 4, 5], &[1, 2, 3], &[]),
            (&[0, 4], &[1, 2], &[3]),
            (&[0, 3, 2, 5, 6], &[1, 4], &[]),
            (&[5, 3, 6], &[], &[]),
        ];
        for start in STARTS {
            for (arrivals, at_once, later) in cases {
                let mut generator = NackGenerator::new(Duration::from_secs(2));
                for (millis, offset) in arrivals.iter().enumerate() {
                    generator.handle_packet(at(millis as u64), start + offset, false);
                }
                let then = arrivals.len() as u64;

                assert_eq!(
                    poll(&mut generator, then, start),
                    at_once,
                    "{arrivals:?} from {start}"
                );
                assert_eq!(
                    poll(&mut generator, then + 20, start),
                    later,
                    "{arrivals:?} from {start}"
                );
            }
        }
    }

    #[test]
    fn asks_again_after_a_round_trip_until_the_packet_comes() {
        for start in STARTS {
            let mut generator = NackGenerator::new(Duration::from_secs(2));
            for offset in [0, 3, 4, 5] {
                generator.handle_packet(at(0), start + offset, false);
            }
            assert_eq!(poll(&mut generator, 0, start), [1, 2]);
            assert_eq!(poll(&mut generator, 59, start), []);
            assert_eq!(generator.next_timeout(), at(60));
            assert_eq!(poll(&mut generator, 60, start), [1, 2]);
            assert!(generator.handle_packet(at(70), start + 1, false));
            assert!(
                !generator.handle_packet(at(70), start + 1, false),
                "only once"
            );
            assert_eq!(poll(&mut generator, 120, start), [2]);
            assert!(generator.handle_packet(at(130), start + 2, false));
            assert_eq!(generator.next_timeout(), Time::NEVER);
        }
    }

    #[test]
    fn gives_up_after_ten_tries_and_then_wants_a_keyframe_once() {
        let mut generator = NackGenerator::new(Duration::from_secs(2));
        for number in [100, 102, 103, 104] {
            generator.handle_packet(at(0), number, false);
        }
        let asked: usize = (0..200)
            .map(|step| poll(&mut generator, step * 10, 0).len())
            .sum();
        assert_eq!(asked, 10);
        assert!(generator.take_wants_keyframe());
        assert!(!generator.take_wants_keyframe());
        assert_eq!(generator.next_timeout(), Time::NEVER);
    }

    #[test]
    fn what_is_older_than_the_cache_is_not_asked_for() {
        let mut generator = NackGenerator::new(Duration::from_millis(100));
        generator.handle_packet(at(0), 100, false);
        generator.handle_packet(at(0), 102, false);
        assert_eq!(poll(&mut generator, 100, 0), []);
        assert!(generator.take_wants_keyframe());
    }

    #[test]
    fn a_loss_behind_a_newer_keyframe_needs_no_other() {
        let mut generator = NackGenerator::new(Duration::from_millis(100));
        generator.handle_packet(at(0), 100, false);
        generator.handle_packet(at(0), 102, false);
        generator.handle_packet(at(50), 103, true);
        poll(&mut generator, 300, 0);
        assert_eq!(generator.missing_count(), 0);
        assert!(!generator.take_wants_keyframe());
    }

    /// Plays 20 s of 100 packets a second of which every `nth` is lost (the others are, if `loses_others`), also when it is sent
    /// again; gives how many were asked for and how many arrived.
    fn requests_of(nth: u64, loses_others: bool) -> (usize, usize) {
        let mut generator = NackGenerator::new(Duration::from_secs(2));
        let (mut requests, mut arrivals) = (0, 0);
        for number in 0..2_000 {
            if (number % nth == 0) == loses_others {
                generator.handle_packet(at(number * 10), 1_000 + number, false);
                arrivals += 1;
            }
            requests += poll(&mut generator, number * 10, 0).len();
        }
        (requests, arrivals)
    }

    #[test]
    fn no_more_is_asked_for_than_a_fourth_of_what_arrives() {
        for (nth, loses_others) in [(2, false), (3, false), (3, true), (8, true)] {
            let (requests, arrivals) = requests_of(nth, loses_others);
            assert!(
                requests <= arrivals / 4 + MAX_MISSING,
                "{nth} {loses_others}: {requests} of {arrivals}"
            );
        }
        // A loss of one in fifty is asked for until it is hopeless.
        assert!(requests_of(50, false).0 >= 39 * 9);
    }

    #[test]
    fn who_lost_too_much_to_ask_for_wants_a_keyframe() {
        let mut generator = NackGenerator::new(Duration::from_secs(2));
        for number in 0..2_000 {
            generator.handle_packet(at(number), 8 * number, false);
            poll(&mut generator, number, 0);
        }
        assert_eq!(generator.missing_count(), 0);
        assert!(generator.take_wants_keyframe());
        // A restart buys nothing.
        generator.reset();
        generator.handle_packet(at(2_000), 15_800, false);
        generator.handle_packet(at(2_000), 15_999, false);
        assert_eq!(generator.missing_count(), 0);
        // The budget grows again.
        for number in 16_000..17_200 {
            generator.handle_packet(at(number), number, false);
        }
        generator.handle_packet(at(17_200), 17_201, false);
        assert_eq!(poll(&mut generator, 17_230, 0), [17_200]);
    }

    #[test]
    fn an_outage_is_not_asked_for_packet_by_packet() {
        for start in STARTS {
            let mut generator = NackGenerator::new(Duration::from_secs(2));
            generator.handle_packet(at(0), start, false);
            generator.handle_packet(at(0), start + 258, false);
            assert_eq!(generator.missing_count(), 0);
            assert!(generator.take_wants_keyframe());

            for step in 1..=256 {
                generator.handle_packet(at(0), start + 258 + 2 * step, false);
            }
            assert_eq!(generator.missing_count(), 256);
            generator.handle_packet(at(0), start + 258 + 514, false);
            assert_eq!(generator.missing_count(), 0);
            assert!(generator.take_wants_keyframe());
        }
    }
}
