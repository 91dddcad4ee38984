//! Packet index estimation (RFC 3711 §3.3.1) and replay windows (§3.3.2), per SSRC.

use super::{MAX_SSRCS, REPLAY_WINDOW, SrtpError};

const WORD_BITS: u64 = u64::BITS as u64;
const WORDS: usize = (REPLAY_WINDOW / WORD_BITS) as usize;

/// Half of the sequence number space.
const HALF: u16 = 1 << 15;

/// Which of the last `REPLAY_WINDOW` indices were accepted: a ring of bits, bit `index % REPLAY_WINDOW`.
#[derive(Debug, Clone)]
pub(super) struct ReplayWindow {
    highest: u64,
    accepted: [u64; WORDS],
}

impl ReplayWindow {
    /// A window whose first accepted index is `index`.
    pub(super) fn starting_at(index: u64) -> Self {
        let mut window = Self {
            highest: index,
            accepted: [0; WORDS],
        };
        window.set(index);
        window
    }

    /// Highest index accepted.
    pub(super) fn highest(&self) -> u64 {
        self.highest
    }

    /// Refuse an index that was accepted before or is older than the window. Changes nothing.
    pub(super) fn check(&self, index: u64) -> Result<(), SrtpError> {
        let Some(age) = self.highest.checked_sub(index) else {
            return Ok(());
        };
        let (word, bit) = Self::position(index);
        if age >= REPLAY_WINDOW || self.accepted[word] & bit != 0 {
            return Err(SrtpError::Replay);
        }
        Ok(())
    }

    /// Mark an index that passed `check` and was authenticated.
    pub(super) fn accept(&mut self, index: u64) {
        if index > self.highest {
            if index - self.highest >= REPLAY_WINDOW {
                self.accepted = [0; WORDS];
            } else {
                for skipped in self.highest + 1..index {
                    let (word, bit) = Self::position(skipped);
                    self.accepted[word] &= !bit;
                }
            }
            self.highest = index;
        }
        self.set(index);
    }

    fn set(&mut self, index: u64) {
        let (word, bit) = Self::position(index);
        self.accepted[word] |= bit;
    }

    fn position(index: u64) -> (usize, u64) {
        let offset = index % REPLAY_WINDOW;
        ((offset / WORD_BITS) as usize, 1 << (offset % WORD_BITS))
    }
}

/// Estimate the 48-bit index of `sequence_number` from the highest authenticated index. Source: RFC 3711 §3.3.1, App. A.
pub(super) fn estimate_index(highest: Option<u64>, sequence_number: u16) -> u64 {
    let Some(highest) = highest else {
        return sequence_number.into();
    };
    let (rollover_counter, newest) = (highest >> 16, highest as u16);
    let estimate = if newest < HALF {
        if i32::from(sequence_number) - i32::from(newest) > i32::from(HALF) {
            // Departs from RFC 3711 App. A: before the first rollover there is no earlier period, so 0 stays 0. Whether
            // the packet belongs there is decided by its authentication, which covers the counter.
            rollover_counter.saturating_sub(1)
        } else {
            rollover_counter
        }
    } else if newest - HALF > sequence_number {
        rollover_counter + 1
    } else {
        rollover_counter
    };
    (estimate << 16) | u64::from(sequence_number)
}

/// Windows of the SSRCs that have sent an authenticated packet.
///
/// SSRCs lie apart from the windows so that the search reads few cache lines; packets come in runs, so the last hit is
/// tried first.
#[derive(Debug, Default)]
pub(super) struct ReplayWindows {
    ssrcs: Vec<u32>,
    windows: Vec<ReplayWindow>,
    last_hit: usize,
}

impl ReplayWindows {
    /// Load the tables.
    pub(super) fn prefetch(&self) {
        prefetch::prefetch_slice(&self.ssrcs);
        prefetch::prefetch_slice(&self.windows);
    }

    /// The window of `ssrc`, if it has one.
    pub(super) fn get_mut(&mut self, ssrc: u32) -> Option<&mut ReplayWindow> {
        if self.ssrcs.get(self.last_hit) != Some(&ssrc) {
            self.last_hit = self.ssrcs.iter().position(|&known| known == ssrc)?;
        }
        self.windows.get_mut(self.last_hit)
    }

    /// Refuse a further SSRC when full.
    pub(super) fn check_room(&self) -> Result<(), SrtpError> {
        if self.ssrcs.len() >= MAX_SSRCS {
            return Err(SrtpError::TooManySsrcs);
        }
        Ok(())
    }

    /// Accept an authenticated `index` of `ssrc`, making its window at the first.
    pub(super) fn accept(&mut self, ssrc: u32, index: u64) {
        if let Some(window) = self.get_mut(ssrc) {
            window.accept(index);
        } else {
            self.last_hit = self.ssrcs.len();
            self.ssrcs.push(ssrc);
            self.windows.push(ReplayWindow::starting_at(index));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimate_follows_rfc_3711_around_wraps() {
        // (highest index, sequence number, expected index)
        for (highest, sequence_number, expected) in [
            (None, 0, 0),
            (None, 65535, 65535),
            (Some(65535), 0, 1 << 16),
            (Some(1 << 16), 65535, 65535),
            (Some((1 << 16) + 2), 65535, 65535),
            (Some(1), 65535, 65535), // no period before the first
            (Some(100), 100 + 32768, 100 + 32768), // App. A: exactly half stays in the period
            (Some((1 << 16) + 100), 100 + 32768, (1 << 16) + 100 + 32768),
            (Some((1 << 16) + 100), 100 + 32769, 100 + 32769),
            (
                Some((5 << 16) + 40000),
                40000 - 32768,
                (5 << 16) + 40000 - 32768,
            ),
            (
                Some((5 << 16) + 40000),
                40000 - 32769,
                (6 << 16) + 40000 - 32769,
            ),
            (Some((5 << 16) + 32768), 0, 5 << 16),
        ] {
            let index = estimate_index(highest, sequence_number);

            assert_eq!(index, expected, "{highest:?} then {sequence_number}");
        }
    }

    #[test]
    fn window_refuses_repeats_and_the_too_old_and_accepts_the_rest_once() {
        for start in [0u64, 1, 63, 64, 1023, 1024, 65535, 1 << 40] {
            let mut window = ReplayWindow::starting_at(start + REPLAY_WINDOW);

            assert_eq!(window.check(start + REPLAY_WINDOW), Err(SrtpError::Replay));
            assert_eq!(window.check(start), Err(SrtpError::Replay), "just too old");
            assert_eq!(window.check(start + 1), Ok(()), "oldest inside");
            window.accept(start + 1);
            assert_eq!(window.check(start + 1), Err(SrtpError::Replay));
            assert_eq!(window.highest(), start + REPLAY_WINDOW);
        }
    }

    #[test]
    fn window_forgets_what_a_jump_leaves_behind() {
        for jump in [1, 2, 64, 1023, 1024, 1025, 100_000] {
            let mut window = ReplayWindow::starting_at(5000);
            for index in 5001..6100 {
                assert_eq!(window.check(index), Ok(()));
                window.accept(index);
            }
            let highest = window.highest() + jump;
            window.accept(highest);

            for index in highest + 1 - REPLAY_WINDOW..=highest {
                let was_accepted = index <= 6099 || index == highest;
                assert_eq!(
                    window.check(index).is_err(),
                    was_accepted,
                    "jump {jump}, {index}"
                );
            }
        }
    }
}
