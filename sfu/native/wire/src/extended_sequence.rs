//! Unwrapping of 16-bit sequence numbers and 32-bit timestamps into ever-growing ones (RFC 3550 §A.1).

/// Unwraps 16-bit sequence numbers into `u64`, taking the value nearest to the highest seen.
///
/// The first value starts at `1 << 16` plus itself, so that packets a little older stay positive.
#[derive(Debug, Clone, Default)]
pub struct SequenceUnwrapper {
    highest: Option<u64>,
}

impl SequenceUnwrapper {
    /// Return the extended number nearest to the highest seen, without advancing.
    pub fn peek(&self, sequence_number: u16) -> u64 {
        match self.highest {
            None => (1 << 16) + u64::from(sequence_number),
            Some(highest) => {
                let distance = sequence_number.wrapping_sub(highest as u16) as i16;
                highest.wrapping_add_signed(i64::from(distance))
            }
        }
    }

    /// Return the extended number and advance the highest if it is newer.
    pub fn unwrap(&mut self, sequence_number: u16) -> u64 {
        let extended = self.peek(sequence_number);
        if self.highest.is_none_or(|highest| extended > highest) {
            self.highest = Some(extended);
        }
        extended
    }

    /// The highest extended number seen.
    pub fn highest(&self) -> Option<u64> {
        self.highest
    }
}
