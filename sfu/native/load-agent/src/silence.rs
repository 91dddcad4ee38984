//! Waiting for somebody to be seen or heard: how long for the first time, and when it is a silence. Sans-IO.

use crate::time::{SECOND, Time};
use crate::totals::Totals;

/// Nothing of what was wished for in so long is a silence.
pub const SILENT_AFTER: u64 = 2 * SECOND;

/// One wait.
#[derive(Debug, Clone, Copy, Default)]
pub struct Waiting {
    since: Time,
    last_met: Option<Time>,
    /// Up to when a silence that goes on is in the totals.
    counted_to: Option<Time>,
}

impl Waiting {
    /// From `now` on.
    pub fn new(now: Time) -> Self {
        Self {
            since: now,
            ..Self::default()
        }
    }

    /// Whether a silence goes on.
    pub const fn is_silent(&self) -> bool {
        self.counted_to.is_some()
    }

    /// It came, and said that nothing more will for `rest` µs; gives how long it took the first time.
    pub fn meet(&mut self, now: Time, rest: u64, totals: &mut Totals) -> Option<u64> {
        self.end(now, totals);
        let is_first = self.last_met.replace(now.after(rest)).is_none();
        is_first.then(|| now.since(self.since))
    }

    /// Look at the clock; true when a silence begins.
    pub fn handle_timeout(&mut self, now: Time, totals: &mut Totals) -> bool {
        let last = self.last_met.unwrap_or(self.since);
        if now.since(last) <= SILENT_AFTER {
            return false;
        }
        let begins = self.counted_to.is_none();
        totals.silences += u64::from(begins);
        totals.silence_us += now.since(self.counted_to.unwrap_or(last));
        self.counted_to = Some(now);
        begins
    }

    /// Count what of a silence is not counted yet, and end it.
    pub fn end(&mut self, now: Time, totals: &mut Totals) {
        if let Some(counted_to) = self.counted_to.take() {
            totals.silence_us += now.since(counted_to);
        }
    }
}
