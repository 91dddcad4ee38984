//! Who ought to be heard by a participant, on whichever of its audio m-lines, and who is. Sans-IO.

use crate::silence::Waiting;
use crate::time::Time;
use crate::totals::Totals;

/// What one participant hears.
#[derive(Debug, Default)]
pub struct Hearing {
    /// `None` until the driver told who ought to be heard.
    wished: Option<Vec<(u32, Waiting)>>,
    /// Counts: silences alone.
    pub totals: Totals,
}

impl Hearing {
    /// From now on these publishers ought to be heard; those who were already go on. Who is in a pause when a listener comes is
    /// not heard before it ends, `longest_pause` µs at most: a server carries the voices of those who have spoken.
    pub fn handle_wish(&mut self, now: Time, publishers: Option<&[u32]>, longest_pause: u64) {
        let before = self.wished.take().unwrap_or_default();
        for (publisher, mut waiting) in before.iter().copied() {
            if !publishers.is_some_and(|publishers| publishers.contains(&publisher)) {
                waiting.end(now, &mut self.totals);
            }
        }
        let waiting_for = |publisher: &u32| {
            let known = before.iter().find(|(known, _)| known == publisher);
            known
                .copied()
                .unwrap_or((*publisher, Waiting::new(now.after(longest_pause))))
        };
        self.wished = publishers.map(|publishers| publishers.iter().map(waiting_for).collect());
    }

    /// `publisher` was heard, and will be silent for `rest` µs.
    pub fn handle_frame(&mut self, now: Time, publisher: u32, rest: u64) {
        let mut wished = self.wished.iter_mut().flatten();
        if let Some((_, waiting)) = wished.find(|(wished, _)| *wished == publisher) {
            waiting.meet(now, rest, &mut self.totals);
        }
    }

    /// Look for silence; gives whose begins.
    pub fn handle_timeout(&mut self, now: Time) -> Vec<u32> {
        let totals = &mut self.totals;
        (self.wished.iter_mut().flatten())
            .filter_map(|(publisher, waiting)| {
                waiting.handle_timeout(now, totals).then_some(*publisher)
            })
            .collect()
    }

    /// Who ought to be heard and is not.
    pub fn silent(&self) -> Vec<u32> {
        (self.wished.iter().flatten())
            .filter(|(_, waiting)| waiting.is_silent())
            .map(|(publisher, _)| *publisher)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::silence::SILENT_AFTER;
    use crate::time::SECOND;

    const PAUSE: u64 = 4 * SECOND;

    #[test]
    fn who_ought_to_be_heard_and_is_not_is_named_once_with_its_length() {
        let mut hearing = Hearing::default();
        hearing.handle_wish(Time(0), Some(&[2, 3]), PAUSE);
        hearing.handle_frame(Time(SECOND), 2, 0);
        hearing.handle_frame(Time(SECOND), 4, 0);

        assert!(hearing.handle_timeout(Time(3 * SECOND)).is_empty());
        assert_eq!(hearing.handle_timeout(Time(4 * SECOND)), [2]);
        // Not heard yet: it may have been in a pause.
        assert!(
            hearing
                .handle_timeout(Time(PAUSE + SILENT_AFTER))
                .is_empty()
        );
        assert_eq!(hearing.handle_timeout(Time(PAUSE + SILENT_AFTER + 1)), [3]);
        assert_eq!(hearing.silent(), [2, 3]);
        hearing.handle_frame(Time(7 * SECOND), 3, 0);
        assert_eq!(hearing.silent(), [2]);
        // The driver says that 2 is muted; 3 goes on.
        hearing.handle_wish(Time(8 * SECOND), Some(&[3]), PAUSE);
        assert!(hearing.silent().is_empty());
        assert_eq!(hearing.totals.silences, 2);
        assert_eq!(hearing.totals.silence_us, 7 * SECOND + 3 * SECOND);
    }

    #[test]
    fn who_said_that_they_will_be_silent_is_not_missed_meanwhile() {
        let mut hearing = Hearing::default();
        hearing.handle_wish(Time(0), Some(&[2]), PAUSE);
        hearing.handle_frame(Time(SECOND), 2, 4 * SECOND);
        assert!(hearing.handle_timeout(Time(6 * SECOND)).is_empty());
        assert_eq!(hearing.handle_timeout(Time(8 * SECOND)), [2]);
    }

    #[test]
    fn nobody_is_missed_without_a_wish() {
        let mut hearing = Hearing::default();
        assert!(hearing.handle_timeout(Time(60 * SECOND)).is_empty());
        hearing.handle_wish(Time(60 * SECOND), Some(&[2]), PAUSE);
        assert!(hearing.handle_timeout(Time(65 * SECOND)).is_empty());
        hearing.handle_wish(Time(65 * SECOND), None, PAUSE);
        assert!(hearing.handle_timeout(Time(90 * SECOND)).is_empty());
    }
}
