//! Maps a source's unwrapped numbers (packets, pictures) to those sent, closing the gaps of what is dropped on purpose.
//! A gap by loss stays: the late packet finds its place.

use std::collections::VecDeque;

/// LIMIT: runs of dropped numbers remembered. With every second frame dropped at 30 fps this is 4 s of reordering.
const MAX_RUNS: usize = 64;

/// A run of source numbers that are not sent.
#[derive(Debug, Clone, Copy)]
struct Run {
    first: u64,
    end: u64,
    /// All numbers removed up to and including this run.
    removed: u64,
}

/// What skipping a number did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Skipped {
    /// It takes no number on the way out.
    Closed,
    /// Later ones were sent already: its number, this one, is taken and stays empty.
    TooLate(u64),
    /// Older than what is remembered.
    Forgotten,
}

/// The map of one source, from its first number on.
#[derive(Debug)]
pub(super) struct NumberMap {
    first: u64,
    /// Sent number of `first`, minus `first` (wrapping).
    offset: u64,
    /// The number after the highest looked at.
    next: u64,
    /// Numbers below this can no longer be told.
    floor: u64,
    removed: u64,
    runs: VecDeque<Run>,
}

impl NumberMap {
    /// Begin with source number `first`, sent as `sent_first`.
    pub(super) fn new(first: u64, sent_first: u64) -> Self {
        Self {
            first,
            offset: sent_first.wrapping_sub(first),
            next: first,
            floor: first,
            removed: 0,
            runs: VecDeque::new(),
        }
    }

    /// The source's first number.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// The number to send `source` under; `None` if it was dropped, or is too old to tell.
    pub(super) fn map(&mut self, source: u64) -> Option<u64> {
        self.next = self.next.max(source + 1);
        self.find(source)
    }

    /// Drop `source` on purpose.
    pub(super) fn skip(&mut self, source: u64) -> Skipped {
        if source < self.next {
            return match self.find(source) {
                Some(sent) => Skipped::TooLate(sent),
                None if source >= self.floor => Skipped::Closed,
                None => Skipped::Forgotten,
            };
        }
        self.next = source + 1;
        self.removed += 1;
        match self.runs.back_mut() {
            Some(run) if run.end == source => {
                run.end = source + 1;
                run.removed = self.removed;
            }
            _ => {
                if self.runs.len() == MAX_RUNS
                    && let Some(oldest) = self.runs.pop_front()
                {
                    self.floor = oldest.end;
                }
                self.runs.push_back(Run {
                    first: source,
                    end: source + 1,
                    removed: self.removed,
                });
            }
        }
        Skipped::Closed
    }

    fn find(&self, source: u64) -> Option<u64> {
        if source < self.floor {
            return None;
        }
        let mut removed = self.removed;
        for run in self.runs.iter().rev() {
            if source >= run.end {
                break;
            }
            if source >= run.first {
                return None;
            }
            removed = run.removed - (run.end - run.first);
        }
        Some(source.wrapping_add(self.offset).wrapping_sub(removed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dropped_numbers_leave_no_gap_and_lost_ones_do() {
        for first in [0, 1, 65_530, 65_535, 65_536, 1 << 32] {
            let mut map = NumberMap::new(first, 100);

            assert_eq!(map.map(first), Some(100));
            assert_eq!(map.skip(first + 1), Skipped::Closed);
            assert_eq!(map.skip(first + 2), Skipped::Closed);
            assert_eq!(map.map(first + 3), Some(101));
            assert_eq!(map.map(first + 6), Some(104));
            assert_eq!(map.map(first + 4), Some(102));
            assert_eq!(map.skip(first + 5), Skipped::TooLate(103));
            assert_eq!(map.skip(first + 1), Skipped::Closed);
            assert_eq!(map.map(first + 2), None);
        }
    }

    #[test]
    fn what_is_older_than_the_history_is_not_guessed() {
        let mut map = NumberMap::new(1_000, 0);

        for number in 0..400 {
            if number % 2 == 0 {
                assert_eq!(map.map(1_000 + number), Some(number / 2));
            } else {
                map.skip(1_000 + number);
            }
        }

        assert_eq!(map.map(1_000), None);
        assert_eq!(map.skip(1_000), Skipped::Forgotten);
        assert_eq!(map.map(1_000 + 398), Some(199));
    }

    proptest! {
        /// Against the plain definition: sent number = start + how many smaller ones were not dropped.
        #[test]
        fn map_equals_counting(dropped in proptest::collection::vec(any::<bool>(), 1..120), first in 0u64..70_000) {
            let mut map = NumberMap::new(first, 7);
            let mut expected = 7;
            let mut sent = Vec::new();
            for (index, &is_dropped) in dropped.iter().enumerate() {
                let source = first + index as u64;
                if is_dropped {
                    prop_assert_eq!(map.skip(source), Skipped::Closed);
                } else {
                    prop_assert_eq!(map.map(source), Some(expected));
                    sent.push((source, expected));
                    expected += 1;
                }
            }
            for (source, expected) in sent {
                prop_assert_eq!(map.map(source), Some(expected));
            }
        }
    }
}
