//! How soon the engine's thread gets a processor once something came.
//!
//! Every packet waits for that first. An ordinary thread waits for the rest of another's slice, now and then some milliseconds.
//! Where the process may, the thread therefore runs in real time, before all ordinary threads of its processor. It owes them
//! that it sleeps: with more to do than the processor can, it steps back and shares with them, so that signalling, and whoever
//! looks what is wrong, still gets a turn. Where the process may not, it is an ordinary thread with a short slice. Pure: turns come
//! in, a wish goes out.

use std::time::Duration;

use engine::Time;

use crate::system::Scheduling;

/// Without a sleep for so long the thread steps back. A turn takes less than a millisecond, what a stall of the machine left to
/// do some tens; half a second is overload. LIMIT: how long ordinary threads of its processor wait for it.
const TOO_LONG: Duration = Duration::from_millis(500);
/// It stays back at least so long.
const REST: Duration = Duration::from_secs(1);

/// The thread's place among others.
#[derive(Debug)]
pub(crate) struct Promptness {
    /// The process may run in real time, as far as is known.
    is_granted: bool,
    is_real_time: bool,
    slept_at: Time,
    stepped_back_at: Time,
    steps_back: u64,
}

impl Promptness {
    /// Of a thread that runs in real time, or may not.
    pub(crate) const fn new(is_real_time: bool) -> Self {
        Self {
            is_granted: is_real_time,
            is_real_time,
            slept_at: Time::ZERO,
            stepped_back_at: Time::ZERO,
            steps_back: 0,
        }
    }

    /// A turn begins at `now`, after a sleep or right after the one before: say how the thread is to be scheduled, if otherwise
    /// than before.
    pub(crate) fn handle_turn(&mut self, now: Time, has_slept: bool) -> Option<Scheduling> {
        if has_slept {
            self.slept_at = now;
            if self.is_granted && !self.is_real_time && now.since(self.stepped_back_at) >= REST {
                self.is_real_time = true;
                return Some(Scheduling::RealTime);
            }
        } else if self.is_real_time && now.since(self.slept_at) >= TOO_LONG {
            self.is_real_time = false;
            self.stepped_back_at = now;
            self.steps_back += 1;
            return Some(Scheduling::Ordinary);
        }
        None
    }

    /// The system refused what was asked: the thread stays among the ordinary ones.
    pub(crate) const fn handle_refusal(&mut self) {
        self.is_granted = false;
        self.is_real_time = false;
    }

    /// True while the thread runs in real time.
    pub(crate) const fn is_real_time(&self) -> bool {
        self.is_real_time
    }

    /// How often it stepped back.
    pub(crate) const fn steps_back(&self) -> u64 {
        self.steps_back
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    #[test]
    fn who_does_not_sleep_steps_back_until_it_slept_and_rested() {
        let mut promptness = Promptness::new(true);
        for (millis, has_slept, expected) in [
            (1000, true, None),
            (1499, false, None),
            (1500, false, Some(Scheduling::Ordinary)),
            (2000, false, None),
            (2499, true, None),
            (2500, false, None),
            (2501, true, Some(Scheduling::RealTime)),
            (3000, false, None),
            (3001, false, Some(Scheduling::Ordinary)),
        ] {
            let is_before = promptness.is_real_time();
            let wanted = promptness.handle_turn(at(millis), has_slept);
            assert_eq!(wanted, expected, "at {millis} ms");
            assert_eq!(promptness.is_real_time() != is_before, wanted.is_some());
        }
        assert_eq!(promptness.steps_back(), 2);
    }

    #[test]
    fn who_may_not_or_is_refused_asks_no_more() {
        for mut promptness in [Promptness::new(false), Promptness::new(true)] {
            promptness.handle_turn(at(500), false);
            if promptness.handle_turn(at(2000), true).is_some() {
                promptness.handle_refusal();
            }
            for seconds in 3..10 {
                assert_eq!(promptness.handle_turn(at(seconds * 1000), true), None);
                assert_eq!(
                    promptness.handle_turn(at(seconds * 1000 + 600), false),
                    None
                );
            }
            assert!(!promptness.is_real_time());
        }
    }
}
