//! Connection quality of a participant: a score from round trip and loss.

use std::time::Duration;

/// Weight of the newest report (every 2 s): two bad reports in a row show, a single one hardly.
const SMOOTHING: f32 = 0.5;

/// Score; below which loss, and below which round trip. The first row that holds gives the score, else it is 1. Source: ITU-T
/// G.114 (150 and 400 ms one way are the bounds of good and of tolerable talk; we see round trips, so we are stricter), and
/// Opus with in-band FEC, which hides about 3 % of loss well and 10 % badly.
const SCORES: [(u8, f32, Duration); 4] = [
    (5, 0.01, Duration::from_millis(150)),
    (4, 0.03, Duration::from_millis(250)),
    (3, 0.07, Duration::from_millis(400)),
    (2, 0.15, Duration::from_millis(800)),
];

const BEST: u8 = SCORES[0].0;
/// After so many reports a good score is told without a round trip: who is sent nothing never reports one.
const ENOUGH_REPORTS: u8 = 3;

/// How a transport does, over the last seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// 5 (excellent) to 1 (bad).
    pub score: u8,
    /// Once a report told it; until then it counts as good.
    pub round_trip: Option<Duration>,
    /// Loss of what the participant sends, as a fraction of 1.
    pub loss_received: f32,
    /// Loss of what it is sent.
    pub loss_sent: f32,
}

/// Smooths one participant's reports.
#[derive(Debug, Default)]
pub(crate) struct QualityMeter {
    latest: Option<Quality>,
    reports: u8,
    /// The score last told.
    told: Option<u8>,
}

impl QualityMeter {
    /// Take a report; return the quality if its score is another than when last told. A good one is first told with its round
    /// trip: the whole room hears it, once.
    pub(crate) fn handle_report(
        &mut self,
        round_trip: Option<Duration>,
        loss_received: f32,
        loss_sent: f32,
    ) -> Option<Quality> {
        let before = self.latest.unwrap_or(Quality {
            score: BEST,
            round_trip,
            loss_received,
            loss_sent,
        });
        let round_trip = match (before.round_trip, round_trip) {
            (Some(before), Some(now)) => {
                Some(before.mul_f32(1.0 - SMOOTHING) + now.mul_f32(SMOOTHING))
            }
            (before, now) => now.or(before),
        };
        let loss_received = smoothed(before.loss_received, loss_received);
        let loss_sent = smoothed(before.loss_sent, loss_sent);
        let quality = Quality {
            score: score(round_trip.unwrap_or_default(), loss_received.max(loss_sent)),
            round_trip,
            loss_received,
            loss_sent,
        };
        self.latest = Some(quality);
        self.reports = self.reports.saturating_add(1);
        let is_news = match self.told {
            Some(told) => told != quality.score,
            None => {
                quality.round_trip.is_some()
                    || quality.score < BEST
                    || self.reports >= ENOUGH_REPORTS
            }
        };
        if is_news {
            self.told = Some(quality.score);
        }
        is_news.then_some(quality)
    }
}

fn smoothed(before: f32, now: f32) -> f32 {
    before + SMOOTHING * (now - before)
}

fn score(round_trip: Duration, loss: f32) -> u8 {
    SCORES
        .iter()
        .find(|(_, loss_below, round_trip_below)| {
            loss < *loss_below && round_trip < *round_trip_below
        })
        .map_or(1, |(score, ..)| *score)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Duration = Duration::from_millis(30);

    #[test]
    fn the_worse_of_loss_and_round_trip_decides() {
        let cases = [
            (30, 0.0, 5),
            (149, 0.009, 5),
            (150, 0.0, 4),
            (30, 0.01, 4),
            (249, 0.029, 4),
            (250, 0.0, 3),
            (30, 0.03, 3),
            (400, 0.0, 2),
            (30, 0.07, 2),
            (800, 0.0, 1),
            (30, 0.15, 1),
            (30, f32::NAN, 1),
        ];
        for (millis, loss, wanted) in cases {
            assert_eq!(
                score(Duration::from_millis(millis), loss),
                wanted,
                "{millis} ms, {loss}"
            );
        }
    }

    #[test]
    fn a_score_is_told_when_it_changes() {
        let mut meter = QualityMeter::default();
        let first = meter
            .handle_report(Some(GOOD), 0.0, 0.0)
            .expect("the first");
        assert_eq!((first.score, first.round_trip), (5, Some(GOOD)));
        assert_eq!(meter.handle_report(Some(GOOD), 0.009, 0.0), None);

        let worse = meter
            .handle_report(Some(GOOD), 0.0, 0.1)
            .expect("another score");
        assert_eq!(
            (worse.score, worse.loss_sent),
            (3, 0.05),
            "half of it counts at first"
        );
        let worse = meter
            .handle_report(Some(GOOD), 0.0, 0.1)
            .expect("another score");
        assert_eq!((worse.score, worse.loss_sent), (2, 0.075));
        let better = meter
            .handle_report(Some(GOOD), 0.0, 0.0)
            .expect("another score");
        assert_eq!(better.score, 3);
    }

    #[test]
    fn an_unknown_round_trip_counts_as_good_and_is_waited_for() {
        let mut meter = QualityMeter::default();
        assert_eq!(meter.handle_report(None, 0.0, 0.0), None);
        let known = meter.handle_report(Some(GOOD), 0.0, 0.0).expect("news");
        assert_eq!((known.score, known.round_trip), (5, Some(GOOD)));
        let weak = meter.handle_report(None, 0.0, 0.1).expect("another score");
        assert_eq!(
            (weak.score, weak.round_trip),
            (3, Some(GOOD)),
            "what was known stays"
        );
    }

    #[test]
    fn without_a_round_trip_a_score_is_told_if_bad_or_after_a_while() {
        let mut meter = QualityMeter::default();
        let mut score = |loss| meter.handle_report(None, loss, 0.0).map(|told| told.score);
        assert_eq!([0.0; 5].map(&mut score), [None, None, Some(5), None, None]);

        let bad = QualityMeter::default().handle_report(None, 0.2, 0.0);
        assert_eq!(bad.expect("bad from the start").score, 1);
    }
}
