//! Whether to wait a little for more input before serving what came. Pure: times come in, a length of time goes out.
//!
//! A turn of the thread has a price of its own (waking, asking, one system call each to receive and to send), which a batch of
//! packets shares. Where packets follow one another closely, by many calls or as the packets of a frame, waiting for a moment
//! makes batches; where they come alone, waiting would be delay for nothing, and there is none.

use engine::Time;
use std::time::Duration;

/// What came lately, as seen through windows of several lengths.
#[derive(Debug)]
pub(crate) struct Gathering {
    windows: [Window; WINDOWS.len()],
    /// Datagrams since the last turn began.
    received: u64,
    is_busy: bool,
    /// Since when `slept` is counted.
    measured_from: Time,
    slept: Duration,
}

/// How the thread shall wait for its next turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Until input comes; then, if it is part of something, for so long, that the rest may come.
    ForInput(Duration),
    /// Until so long after the last turn began, whatever comes: input flows.
    ForTime(Duration),
    /// Not at all: more waits than one batch takes.
    Not,
}

/// Lengths to wait, shortest first. LIMIT: the last is the most that gathering adds to the delay of any packet; half of it is
/// what it adds on average in a steady flow.
const WINDOWS: [Duration; 4] = [
    Duration::from_micros(60),
    Duration::from_micros(125),
    Duration::from_micros(250),
    Duration::from_micros(500),
];
/// Of these only so many are for a thread that has time; the rest is for one that is busy, for which what batches save is worth
/// a longer delay.
const USUAL_WINDOWS: usize = 3;
/// Busy for more of its time than this, in percent, the thread takes the longer windows …
const BUSY_PERCENT: u128 = 50;
/// … until it is busy for less than this: the longer windows themselves make it less busy.
const CALM_PERCENT: u128 = 38;
/// Over how long that is measured.
const BUSY_INTERVAL: Duration = Duration::from_millis(100);
/// Datagrams that make a batch good enough: they leave together, and waiting longer for more would gain little.
const ENOUGH: u64 = 64;
/// All but one in so many of what the longest wait would bring: the rest of a frame has come, the next is far.
const NEARLY_ALL: u64 = 8;
/// With fewer even the longest wait costs delay and saves nothing: it takes a system call and a timer of its own.
const WORTHWHILE: u64 = 3;

impl Gathering {
    pub(crate) const fn new() -> Self {
        Self {
            windows: [Window::NEW; WINDOWS.len()],
            received: 0,
            is_busy: false,
            measured_from: Time::ZERO,
            slept: Duration::ZERO,
        }
    }

    /// The thread slept for so long.
    pub(crate) fn handle_sleep(&mut self, slept: Duration) {
        self.slept += slept;
    }

    /// A turn begins at `now`.
    pub(crate) fn handle_turn(&mut self, now: Time) {
        let measured = now.since(self.measured_from);
        if measured < BUSY_INTERVAL {
            return;
        }
        let busy = measured.saturating_sub(self.slept).as_nanos() * 100;
        let threshold = if self.is_busy {
            CALM_PERCENT
        } else {
            BUSY_PERCENT
        };
        self.is_busy = busy >= threshold * measured.as_nanos();
        self.measured_from = now;
        self.slept = Duration::ZERO;
    }

    /// So many datagrams arrived at `arrival`, on any clock that is always the same. Steps of the clock do no harm.
    pub(crate) fn handle_arrival(&mut self, arrival: Duration, datagrams: u64) {
        self.received += datagrams;
        for (window, length) in self.windows.iter_mut().zip(WINDOWS) {
            window.handle_arrival(length, arrival, datagrams);
        }
    }

    /// Say how to wait after a turn, and begin the next. `is_more_waiting`: a batch came full.
    pub(crate) fn next_wait(&mut self, is_more_waiting: bool) -> Wait {
        let received = std::mem::take(&mut self.received);
        if is_more_waiting {
            return Wait::Not;
        }
        let gather = self.wait_for_more();
        if gather.is_zero() || received < WORTHWHILE {
            return Wait::ForInput(gather);
        }
        Wait::ForTime(gather)
    }

    /// The shortest time in which enough is expected, or nearly all that the longest would bring; none if that is too little.
    fn wait_for_more(&self) -> Duration {
        let windows = self.usable_windows();
        let most = windows.last().map_or(0, |longest| longest.mean);
        if most < WORTHWHILE * SCALE {
            return Duration::ZERO;
        }
        let good = (ENOUGH * SCALE).min(most - most / NEARLY_ALL);
        let mut candidates = windows.iter().zip(WINDOWS);
        candidates
            .find(|(window, _)| window.mean >= good)
            .map_or(Duration::ZERO, |(_, length)| length)
    }

    fn usable_windows(&self) -> &[Window] {
        if self.is_busy {
            &self.windows
        } else {
            &self.windows[..USUAL_WINDOWS]
        }
    }
}

/// How many datagrams come within a time from one that comes after that time.
#[derive(Debug, Clone, Copy)]
struct Window {
    opened: Duration,
    datagrams: u64,
    /// Mean of `datagrams` over the last windows, times `SCALE`.
    mean: u64,
}

const SCALE: u64 = 256;
/// Windows that the mean remembers.
const MEMORY: u64 = 8;
/// LIMIT: what one window counts; a burst beyond it says no more.
const MAX_DATAGRAMS: u64 = 128;

impl Window {
    const NEW: Self = Self {
        opened: Duration::ZERO,
        datagrams: 0,
        mean: 0,
    };

    fn handle_arrival(&mut self, length: Duration, arrival: Duration, datagrams: u64) {
        let is_within = arrival
            .checked_sub(self.opened)
            .is_some_and(|since| since <= length);
        if is_within {
            self.datagrams += datagrams;
            return;
        }
        let counted = self.datagrams.min(MAX_DATAGRAMS) * SCALE;
        self.mean = (self.mean * (MEMORY - 1) + counted) / MEMORY;
        self.opened = arrival;
        self.datagrams = datagrams;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;
    const NONE: Duration = Duration::ZERO;

    /// The wait after `seconds_ms` of datagrams, `burst` at a time, so many bursts a second.
    fn after(gathering: &mut Gathering, bursts_per_second: u64, burst: u64, millis: u64) -> Wait {
        for number in 0..bursts_per_second * millis / 1_000 {
            let start = Duration::from_secs(1_000)
                + Duration::from_nanos(number * SECOND_NS / bursts_per_second);
            for part in 0..burst {
                gathering.handle_arrival(start + Duration::from_micros(3 * part), 1);
            }
        }
        gathering.next_wait(false)
    }

    #[test]
    fn packets_that_come_alone_never_wait() {
        for (bursts_per_second, burst) in [(50, 1), (180, 1), (180, 2), (1_800, 2), (8_000, 1)] {
            let wait = after(&mut Gathering::new(), bursts_per_second, burst, 1_000);
            assert_eq!(wait, Wait::ForInput(NONE), "{bursts_per_second} × {burst}");
        }
    }

    /// Turns of 1 ms from `start_ms` on, for 250 ms, so much of each slept.
    fn work(gathering: &mut Gathering, start_ms: u64, slept_micros: u64) {
        for millis in start_ms..start_ms + 250 {
            gathering.handle_sleep(Duration::from_micros(slept_micros));
            gathering.handle_turn(Time::from_millis(millis));
        }
    }

    #[test]
    fn a_steady_flow_is_gathered_for_the_shortest_time_that_makes_a_batch() {
        for (rate, length, busy_length) in [
            (12_000, 2, 3),
            (36_000, 2, 3),
            (157_000, 2, 3),
            (300_000, 2, 2),
            (600_000, 1, 1),
            (2_000_000, 0, 0),
        ] {
            let mut gathering = Gathering::new();
            let wait = after(&mut gathering, rate, 1, 200);
            assert_eq!(wait, Wait::ForTime(WINDOWS[length]), "{rate} a second");
            work(&mut gathering, 0, 100);
            let wait = after(&mut gathering, rate, 1, 200);
            assert_eq!(wait, Wait::ForTime(WINDOWS[busy_length]), "{rate}, busy");
        }
    }

    #[test]
    fn longer_waits_are_for_who_is_busy_and_end_well_below_where_they_began() {
        let mut gathering = Gathering::new();
        for (step, (slept_micros, length)) in
            [(550, 2), (450, 3), (600, 3), (650, 2), (550, 2), (0, 3)]
                .into_iter()
                .enumerate()
        {
            work(&mut gathering, 250 * step as u64, slept_micros);
            let wait = after(&mut gathering, 36_000, 1, 200);
            assert_eq!(wait, Wait::ForTime(WINDOWS[length]), "step {step}");
        }
    }

    #[test]
    fn the_packets_of_a_frame_are_waited_for_after_the_first_has_come() {
        for (packets, length) in [(4, 0), (10, 0), (40, 1)] {
            let mut gathering = Gathering::new();
            after(&mut gathering, 100, packets, 1_000);
            // A turn that received little: the flow has a pause.
            gathering.handle_arrival(Duration::from_secs(1_002), 1);
            assert_eq!(gathering.next_wait(false), Wait::ForInput(WINDOWS[length]));
        }
    }

    #[test]
    fn waiting_ends_soon_after_the_flow_does() {
        let mut gathering = Gathering::new();
        after(&mut gathering, 36_000, 1, 200);
        let mut waits = 0;
        for number in 1..=50 {
            let arrival = Duration::from_secs(2_000) + Duration::from_millis(20) * number;
            gathering.handle_arrival(arrival, 1);
            waits += u32::from(gathering.next_wait(false) != Wait::ForInput(NONE));
        }
        assert!(waits <= 20, "{waits}");
        assert_eq!(gathering.next_wait(false), Wait::ForInput(NONE));
    }

    #[test]
    fn nothing_waits_while_a_batch_is_full() {
        let mut gathering = Gathering::new();
        after(&mut gathering, 400_000, 1, 10);
        assert_eq!(gathering.next_wait(true), Wait::Not);
    }

    #[test]
    fn joined_datagrams_count_as_those_they_are() {
        let mut gathering = Gathering::new();
        for number in 0..100 {
            gathering.handle_arrival(Duration::from_millis(10 * number), 10);
        }
        assert_eq!(gathering.next_wait(false), Wait::ForTime(WINDOWS[0]));
    }

    #[test]
    fn a_clock_that_steps_back_only_opens_a_new_window() {
        let mut gathering = Gathering::new();
        after(&mut gathering, 36_000, 1, 200);
        gathering.handle_arrival(Duration::from_secs(3), 1);
        gathering.handle_arrival(Duration::from_secs(3), 5);
        assert_eq!(gathering.next_wait(false), Wait::ForTime(WINDOWS[2]));
    }
}
