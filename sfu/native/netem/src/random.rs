//! A small seeded generator (`SplitMix64`), so that one seed is one run on every machine. Not for secrets.

/// Source: G. Steele, D. Lea, C. Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014.
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

impl Random {
    /// A generator whose whole future `seed` decides.
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Evenly distributed in `0.0..1.0`, 53 bits deep.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True with this probability; always draws exactly one number.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Evenly distributed in `0..=limit`.
    pub fn up_to(&mut self, limit: u64) -> u64 {
        // Multiply-shift: the bias is below 2^-64 × limit, nothing that a test could see.
        ((u128::from(self.next_u64()) * (u128::from(limit) + 1)) >> 64) as u64
    }
}
