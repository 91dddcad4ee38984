//! Which packets the medium loses.

use crate::random::Random;

/// A loss model. Probabilities are 0.0–1.0.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Loss {
    /// Nothing is lost.
    #[default]
    None,
    /// Each packet by itself.
    Random {
        /// Probability that a packet is lost.
        probability: f64,
    },
    /// Bursts: a two-state chain that moves once per packet. Source: E. Gilbert (1960), E. Elliott (1963).
    GilbertElliott {
        /// Probability to go from good to bad.
        good_to_bad: f64,
        /// Probability to go back; the mean burst is `1 / bad_to_good` packets long.
        bad_to_good: f64,
        /// Loss while good (Gilbert: 0).
        loss_in_good: f64,
        /// Loss while bad (Gilbert: 1).
        loss_in_bad: f64,
    },
}

/// A model with its memory.
#[derive(Debug, Clone)]
pub(crate) struct LossProcess {
    model: Loss,
    is_bad: bool,
}

impl LossProcess {
    pub(crate) const fn new(model: Loss) -> Self {
        Self {
            model,
            is_bad: false,
        }
    }

    /// Whether the next packet is lost.
    pub(crate) fn decide(&mut self, random: &mut Random) -> bool {
        match self.model {
            Loss::None => false,
            Loss::Random { probability } => random.chance(probability),
            Loss::GilbertElliott {
                good_to_bad,
                bad_to_good,
                loss_in_good,
                loss_in_bad,
            } => {
                let leave = if self.is_bad {
                    bad_to_good
                } else {
                    good_to_bad
                };
                self.is_bad ^= random.chance(leave);
                random.chance(if self.is_bad {
                    loss_in_bad
                } else {
                    loss_in_good
                })
            }
        }
    }
}
