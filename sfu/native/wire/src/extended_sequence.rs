//! Unwrapping of 16-bit sequence numbers into ever-growing ones (RFC 3550 §A.1).

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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_near_the_highest_are_unwrapped_around_the_wrap() {
        for start in [0u16, 1, 0x7fff, 0x8000, 0xfff0, 0xfffe, 0xffff] {
            let mut unwrapper = SequenceUnwrapper::default();
            let first = unwrapper.unwrap(start);
            assert_eq!(first, 65_536 + u64::from(start));
            for (step, is_newer) in [
                (0i64, false),
                (1, true),
                (0x7fff, true),
                (-1, false),
                (-0x7fff, false),
                (-0x8000, false),
            ] {
                let mut unwrapper = unwrapper.clone();
                let number = start.wrapping_add_signed(step as i16);
                let expected = first.wrapping_add_signed(step);

                assert_eq!(unwrapper.peek(number), expected, "{start} {step}");
                assert_eq!(unwrapper.highest(), Some(first));
                assert_eq!(unwrapper.unwrap(number), expected, "{start} {step}");
                let highest = if is_newer { expected } else { first };
                assert_eq!(unwrapper.highest(), Some(highest), "{start} {step}");
            }
        }
    }

    #[test]
    fn old_packets_do_not_pull_the_highest_back() {
        let mut unwrapper = SequenceUnwrapper::default();
        unwrapper.unwrap(65_530);
        assert_eq!(unwrapper.unwrap(3), 2 * 65_536 + 3);
        for late in [65_531, 65_530, 65_000, 40_000] {
            assert_eq!(unwrapper.unwrap(late), 65_536 + u64::from(late));
        }
        assert_eq!(unwrapper.unwrap(4), 2 * 65_536 + 4);
    }

    proptest! {
        #[test]
        fn any_walk_of_steps_under_half_the_range_is_followed(
            start: u16,
            steps in prop::collection::vec(-3_000i64..=3_000, 0..200),
        ) {
            let mut unwrapper = SequenceUnwrapper::default();
            let mut highest = unwrapper.unwrap(start);
            for step in steps {
                let sent = highest.saturating_add_signed(step);
                prop_assert_eq!(unwrapper.unwrap(sent as u16), sent);
                highest = highest.max(sent);
                prop_assert_eq!(unwrapper.highest(), Some(highest));
            }
        }
    }
}
