//! One deadline per owner in a binary heap; an earlier deadline replaces a later one lazily.

use crate::time::Time;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Deadlines of owners `K`, each of which remembers its own in a [`Deadline`].
#[derive(Debug)]
pub struct TimerQueue<K> {
    heap: BinaryHeap<Reverse<(Time, K)>>,
}

/// The owner's side: when it is scheduled. Entries of the heap that disagree are stale and skipped.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Time);

impl Default for Deadline {
    fn default() -> Self {
        Self(Time::NEVER)
    }
}

impl<K: Ord + Copy> Default for TimerQueue<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Ord + Copy> TimerQueue<K> {
    /// Nothing waits.
    pub fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
        }
    }

    /// Wake `owner` at `at` unless it wakes earlier already. O(log n), O(1) if nothing changes.
    pub fn schedule(&mut self, deadline: &mut Deadline, owner: K, at: Time) {
        if at < deadline.0 {
            deadline.0 = at;
            self.heap.push(Reverse((at, owner)));
        }
    }

    /// The next owner due at `now`; it must then clear its deadline with [`Deadline::take_due`].
    pub fn pop_due(&mut self, now: Time) -> Option<K> {
        if self.next() > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, owner))| owner)
    }

    /// The earliest entry, stale or not: waking for a stale one is harmless.
    pub fn next(&self) -> Time {
        self.heap.peek().map_or(Time::NEVER, |Reverse((at, _))| *at)
    }
}

impl Deadline {
    /// True if the owner is really due; clears the deadline then. False for a stale entry.
    pub fn take_due(&mut self, now: Time) -> bool {
        let is_due = self.0 <= now;
        if is_due {
            self.0 = Time::NEVER;
        }
        is_due
    }
}

#[cfg(test)]
#[path = "timer_queue_tests.rs"]
mod tests;
