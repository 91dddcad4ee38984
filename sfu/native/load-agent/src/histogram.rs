//! Counts of durations in µs, in buckets that grow with the value: 16 to each doubling, so at most 6 % wide.

use serde::Serialize;

const SUB_BITS: u32 = 4;
const SUB_BUCKETS: u64 = 1 << SUB_BITS;
/// LIMIT: values from 2^32 µs (71 minutes) on share the last bucket.
const MAX_VALUE: u64 = (1 << 32) - 1;

/// A histogram; empty ones take no memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: Vec<u32>,
}

impl Histogram {
    /// Count one duration.
    pub fn record(&mut self, micros: u64) {
        let bucket = bucket_of(micros);
        if bucket >= self.counts.len() {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] = self.counts[bucket].saturating_add(1);
    }

    /// Add all of `other`'s counts.
    pub fn merge(&mut self, other: &Self) {
        if other.counts.len() > self.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
    }

    /// The counts made since `earlier`, a former state of this one.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let before = earlier.counts.iter().copied().chain(std::iter::repeat(0));
        let mut counts: Vec<u32> = (self.counts.iter().zip(before))
            .map(|(count, before)| count.saturating_sub(before))
            .collect();
        while counts.last() == Some(&0) {
            counts.pop();
        }
        Self { counts }
    }

    /// (upper bound in µs, count) of each bucket that is not empty, ascending.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u32)> {
        (self.counts.iter().enumerate())
            .filter(|(_, count)| **count > 0)
            .map(|(bucket, count)| (upper_bound(bucket), *count))
    }
}

impl Serialize for Histogram {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.buckets())
    }
}

fn bucket_of(micros: u64) -> usize {
    let value = micros.min(MAX_VALUE);
    if value < SUB_BUCKETS {
        return value as usize;
    }
    let exponent = value.ilog2() - SUB_BITS;
    let mantissa = (value >> exponent) - SUB_BUCKETS;
    ((u64::from(exponent) + 1) * SUB_BUCKETS + mantissa) as usize
}

/// The largest value of a bucket.
fn upper_bound(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < SUB_BUCKETS {
        return bucket;
    }
    let exponent = bucket / SUB_BUCKETS - 1;
    let mantissa = bucket % SUB_BUCKETS;
    ((SUB_BUCKETS + mantissa + 1) << exponent) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_a_bucket_at_most_a_sixteenth_wider() {
        for value in (0..70_000).chain([1 << 20, (1 << 31) + 5, MAX_VALUE]) {
            let bound = upper_bound(bucket_of(value));
            assert!(
                bound >= value && bound - value <= value / 16,
                "{value} {bound}"
            );
        }
    }

    #[test]
    fn merging_adds_and_buckets_come_in_order() {
        let (mut a, mut b) = (Histogram::default(), Histogram::default());
        a.record(3);
        b.record(3);
        b.record(u64::MAX);
        a.merge(&b);

        let buckets: Vec<_> = a.buckets().collect();
        assert_eq!(buckets, [(3, 2), (MAX_VALUE, 1)]);
    }
}
