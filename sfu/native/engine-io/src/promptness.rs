//! How soon the engine's thread gets a processor once something came.
//!
//! Every packet waits for that first. An ordinary thread waits for the rest of another's slice, now and then some milliseconds.
//! Where the process may, the thread therefore runs in real time, before all ordinary threads of its processor. It owes them
//! that it sleeps: with more to do than the processor can, it steps back and shares with them, so that signalling, and whoever
//! looks what is wrong, still gets a turn. Where the process may not, it is an ordinary thread with a short slice.

use std::time::Duration;

use engine::Time;

use crate::system::{self, Scheduling};

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
    /// Ask for the calling thread what the system grants. A thread that was put under another policy stays there.
    pub(crate) fn ask() -> Self {
        system::end_sleeps_on_time();
        if system::scheduling() == Scheduling::Ordinary
            && !system::set_scheduling(Scheduling::RealTime)
        {
            // An older kernel has no slices: all stays as it is.
            system::set_scheduling(Scheduling::Ordinary);
        }
        let is_real_time = system::scheduling() == Scheduling::RealTime;
        Self {
            is_granted: is_real_time,
            is_real_time,
            slept_at: Time::ZERO,
            stepped_back_at: Time::ZERO,
            steps_back: 0,
        }
    }

    /// A turn begins at `now`, after a sleep or right after the one before.
    pub(crate) fn handle_turn(&mut self, now: Time, has_slept: bool) {
        if has_slept {
            self.slept_at = now;
            if self.is_granted && !self.is_real_time && now.since(self.stepped_back_at) >= REST {
                self.is_real_time = system::set_scheduling(Scheduling::RealTime);
                self.is_granted = self.is_real_time;
            }
        } else if self.is_real_time && now.since(self.slept_at) >= TOO_LONG {
            system::set_scheduling(Scheduling::Ordinary);
            self.is_real_time = false;
            self.stepped_back_at = now;
            self.steps_back += 1;
        }
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

    const NICE: libc::c_int = 15;

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    /// What the kernel says agrees with what the thread believes.
    fn is_real_time(promptness: &Promptness) -> bool {
        let is_real_time = system::scheduling() == Scheduling::RealTime;
        assert_eq!(promptness.is_real_time(), is_real_time);
        is_real_time
    }

    /// Where the process may not, every answer is no.
    #[test]
    fn who_does_not_sleep_steps_back_until_it_slept_and_rested() {
        std::thread::spawn(|| {
            // SAFETY: no pointers are passed.
            assert_eq!(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) }, 0);
            let may = system::set_scheduling(Scheduling::RealTime);
            assert!(system::set_scheduling(Scheduling::Ordinary));
            let mut promptness = Promptness::ask();
            assert_eq!(is_real_time(&promptness), may);
            for (millis, has_slept, is_in_front) in [
                (1000, true, true),
                (1499, false, true),
                (1500, false, false),
                (2000, false, false),
                (2499, true, false),
                (2500, false, false),
                (2501, true, true),
                (3000, false, true),
                (3001, false, false),
            ] {
                promptness.handle_turn(at(millis), has_slept);
                assert_eq!(
                    is_real_time(&promptness),
                    may && is_in_front,
                    "at {millis} ms"
                );
            }
            assert_eq!(promptness.steps_back(), if may { 2 } else { 0 });
            assert_eq!(
                system::own_nice(),
                NICE,
                "among ordinary threads it is who it was"
            );
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_thread_under_another_policy_stays_there() {
        std::thread::spawn(|| {
            let idle = libc::sched_param { sched_priority: 0 };
            // SAFETY: `idle` outlives the call.
            let result = unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const idle) };
            assert_eq!(result, 0);
            let promptness = Promptness::ask();
            assert!(!promptness.is_real_time());
            assert_eq!(system::scheduling(), Scheduling::Foreign);
        })
        .join()
        .unwrap();
    }
}
