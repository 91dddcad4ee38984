//! How much of a stream may be sent again: a fifth of what it sends, and one burst.

/// Retransmitted bytes per sent byte, as a divisor. A fifth repairs about 16 % loss for ever (n lost, of which some are lost
/// again); above that repairing makes congestion worse, and a lower layer is the remedy.
const SHARE: u64 = 5;

/// A token bucket filled by what is sent, not by time: an idle stream earns nothing.
#[derive(Debug, Clone)]
pub struct RetransmissionBudget {
    /// In fifths of bytes, so that small packets earn exactly.
    tokens: u64,
    limit: u64,
}

impl RetransmissionBudget {
    /// Full at first, with `burst_bytes`: a stream begins with its largest and most needed frame.
    pub fn new(burst_bytes: u32) -> Self {
        let limit = u64::from(burst_bytes) * SHARE;
        Self {
            tokens: limit,
            limit,
        }
    }

    /// `size_bytes` of new packets were sent.
    pub fn earn(&mut self, size_bytes: usize) {
        self.tokens = (self.tokens + size_bytes as u64).min(self.limit);
    }

    /// Take leave to send `size_bytes` again; false if the budget does not hold it.
    pub fn spend(&mut self, size_bytes: usize) -> bool {
        let cost = size_bytes as u64 * SHARE;
        let is_enough = self.tokens >= cost;
        if is_enough {
            self.tokens -= cost;
        }
        is_enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn total_is_bounded_by_burst_and_a_fifth() {
        let mut budget = RetransmissionBudget::new(10_000);
        let mut resent = 0;

        for _ in 0..1_000 {
            budget.earn(1_000);
            while budget.spend(1_000) {
                resent += 1_000;
            }
        }

        assert_eq!(
            resent,
            10_000 + 1_000 * 1_000 / 5 - 200 /* earned while full */ - 800 /* rest */
        );
    }

    #[test]
    fn idle_stream_earns_nothing() {
        let mut budget = RetransmissionBudget::new(1_000);

        assert!(budget.spend(1_000));
        assert!(!budget.spend(1));
    }
}
