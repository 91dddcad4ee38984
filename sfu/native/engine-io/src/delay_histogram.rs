//! How long a packet stays in this process: kernel receive to handed to the kernel, in fixed buckets.

/// Upper bounds in nanoseconds: 50 µs to 100 ms. What is slower counts in the sum and the total only.
pub const BUCKET_BOUNDS_NS: [u64; 15] = [
    50_000,
    100_000,
    200_000,
    300_000,
    500_000,
    750_000,
    1_000_000,
    1_500_000,
    2_000_000,
    3_000_000,
    5_000_000,
    10_000_000,
    20_000_000,
    50_000_000,
    100_000_000,
];

/// A histogram of sampled forwarding delays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DelayHistogram {
    buckets: [u64; BUCKET_BOUNDS_NS.len()],
    sum_ns: u64,
    count: u64,
}

impl DelayHistogram {
    /// Count one delay.
    pub fn record(&mut self, delay_ns: u64) {
        if let Some(bucket) = BUCKET_BOUNDS_NS.iter().position(|bound| delay_ns <= *bound) {
            self.buckets[bucket] += 1;
        }
        self.sum_ns += delay_ns;
        self.count += 1;
    }

    /// `(upper bound in s, count at or below it)`, lowest first.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        let mut below = 0;
        BUCKET_BOUNDS_NS
            .iter()
            .zip(self.buckets)
            .map(move |(bound, count)| {
                below += count;
                (*bound as f64 / 1e9, below)
            })
    }

    /// Sum of all delays in seconds.
    pub fn sum_s(&self) -> f64 {
        self.sum_ns as f64 / 1e9
    }

    /// Number of samples.
    pub const fn count(&self) -> u64 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_counts_in_its_bucket_and_all_above() {
        let mut histogram = DelayHistogram::default();
        for delay_ns in [50_000, 50_001, 1_000_000, 100_000_000, 100_000_001] {
            histogram.record(delay_ns);
        }
        let counts: Vec<u64> = histogram.cumulative().map(|(_, count)| count).collect();
        assert_eq!(counts, [1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 4]);
        assert_eq!(histogram.count(), 5);
        assert!((histogram.sum_s() - 0.201_100_002).abs() < 1e-9);
        assert_eq!(histogram.cumulative().next(), Some((50e-6, 1)));
    }
}
