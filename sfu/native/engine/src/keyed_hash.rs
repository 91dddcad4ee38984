//! A fast keyed hash for the tables of the packet path, whose keys other people choose.
//!
//! Multiplication of 64-bit words to 128 bits, folded, with two secret words, as in wyhash: who does not know the secret cannot
//! tell which keys collide. It comes from the engine's seed and never leaves; nothing that can be seen from outside depends on
//! it, for no table is iterated. Not for anything that needs a cryptographic hash.

use std::hash::{BuildHasher, Hasher};

/// The secret.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct HashSecret(u64, u64);

/// One hash in the making.
pub(crate) struct KeyedHasher {
    state: u64,
    secret: u64,
}

impl HashSecret {
    /// Made of two random words.
    pub(crate) const fn new(first: u64, second: u64) -> Self {
        // An even factor, zero above all, would lose bits of the key.
        Self(first, second | 1)
    }
}

impl BuildHasher for HashSecret {
    type Hasher = KeyedHasher;

    fn build_hasher(&self) -> KeyedHasher {
        KeyedHasher {
            state: self.0,
            secret: self.1,
        }
    }
}

impl Hasher for KeyedHasher {
    fn finish(&self) -> u64 {
        fold(self.state ^ self.secret.rotate_left(32), self.secret)
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            self.write_u64(word.try_into().map_or(0, u64::from_le_bytes));
        }
        let mut last = [0; 8];
        last[..words.remainder().len()].copy_from_slice(words.remainder());
        // The length tells a short tail from one with zeros.
        self.write_u64(u64::from_le_bytes(last) ^ (bytes.len() as u64) << 56);
    }

    fn write_u64(&mut self, word: u64) {
        self.state = fold(self.state ^ word, self.secret) ^ self.secret.rotate_left(17);
    }

    fn write_u128(&mut self, words: u128) {
        self.write_u64(words as u64);
        self.write_u64((words >> 64) as u64);
    }
}

fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    const SECRET: HashSecret = HashSecret::new(0x1234_5678_9abc_def0, 0x0fed_cba9_8765_4321);

    #[test]
    fn neighbours_spread_over_all_bits() {
        for shift in [0, 8, 16, 32, 48, 56] {
            let hashes: Vec<u64> = (0..4_096_u64)
                .map(|n| SECRET.hash_one(n.rotate_left(shift)))
                .collect();
            // The table takes its place from low bits and its tag from the top seven.
            let places: HashSet<u64> = hashes.iter().map(|hash| hash & 0xfff).collect();
            let tags: HashSet<u64> = hashes.iter().map(|hash| hash >> 57).collect();
            assert!(
                places.len() > 2_300,
                "shift {shift}: {} of 4096",
                places.len()
            );
            assert_eq!(tags.len(), 128, "shift {shift}");
        }
    }

    #[test]
    fn another_secret_gives_other_hashes() {
        let other = HashSecret::new(0x1234_5678_9abc_def1, 0x0fed_cba9_8765_4321);
        let same = (0..1_000_u64).filter(|n| SECRET.hash_one(n) == other.hash_one(n));
        assert_eq!(same.count(), 0);
    }

    #[test]
    fn bytes_of_every_length_count() {
        let bytes = [0; 40];
        let hashes: HashSet<u64> = (0..=40)
            .map(|length| {
                let mut hasher = SECRET.build_hasher();
                hasher.write(&bytes[..length]);
                hasher.finish()
            })
            .collect();
        assert_eq!(hashes.len(), 41);
    }
}
