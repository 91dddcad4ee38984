//! Most-significant-bit-first reader over a slice; every read is bounded and yields `None` past the end.

/// Position in a slice, in bits.
#[derive(Debug, Clone)]
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> BitReader<'a> {
    /// Start at the first bit.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// Bits read so far.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// Read one bit.
    pub(crate) fn flag(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.position / 8)?;
        let bit = byte >> (7 - self.position % 8) & 1;
        self.position += 1;
        Some(bit == 1)
    }

    /// Read `count` bits, at most 32.
    pub(crate) fn bits(&mut self, count: u32) -> Option<u32> {
        debug_assert!(count <= 32);
        let mut value = 0u64;
        let mut wanted = count as usize;
        while wanted > 0 {
            let byte = *self.bytes.get(self.position / 8)?;
            let left = 8 - self.position % 8;
            let taken = left.min(wanted);
            let chunk = u64::from(byte) >> (left - taken) & ((1 << taken) - 1);
            value = value << taken | chunk;
            self.position += taken;
            wanted -= taken;
        }
        Some(value as u32)
    }

    /// Pass over `count` bits.
    pub(crate) fn skip(&mut self, count: usize) -> Option<()> {
        let position = self.position.checked_add(count)?;
        if position > self.bytes.len() * 8 {
            return None;
        }
        self.position = position;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_across_bytes_and_stops_at_the_end() {
        let mut reader = BitReader::new(&[0b1010_0101, 0xff, 0x00, 0x12, 0x34]);

        assert_eq!(reader.flag(), Some(true));
        assert_eq!(reader.bits(3), Some(0b010));
        assert_eq!(reader.bits(8), Some(0b0101_1111));
        assert_eq!(reader.bits(0), Some(0));
        assert_eq!(reader.skip(4), Some(()));
        assert_eq!(reader.position(), 16);
        assert_eq!(reader.clone().bits(24), Some(0x1234));
        assert_eq!(reader.bits(25), None);
        assert_eq!(
            BitReader::new(&[0xff, 0xff, 0xff, 0xff]).bits(32),
            Some(u32::MAX)
        );
        assert_eq!(BitReader::new(&[1]).skip(9), None);
    }
}
