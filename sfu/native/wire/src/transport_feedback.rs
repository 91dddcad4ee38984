//! Transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).

mod write;

pub use write::{MAX_PACKET_BYTES, write};

use crate::ParseError;

/// Unit of arrival deltas.
pub const DELTA_UNIT_MICROS: i64 = 250;
/// Unit of the reference time.
pub const REFERENCE_UNIT_MICROS: i64 = 64_000;
/// LIMIT: packets one feedback may describe. At 100 ms between feedbacks it is 80,000 packets/s, far above a client's.
pub const MAX_STATUSES: u16 = 8192;

/// A feedback packet's FCI, validated on construction, read lazily.
#[derive(Debug, Clone, Copy)]
pub struct FeedbackView<'a> {
    /// First transport sequence number described.
    pub base_sequence_number: u16,
    /// Packets described, 1 to [`MAX_STATUSES`].
    pub status_count: u16,
    /// 24-bit signed, × 64 ms.
    pub reference_time: i32,
    /// Feedback packet count, wraps at 256.
    pub feedback_count: u8,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

impl<'a> FeedbackView<'a> {
    /// Check that chunks and deltas are all there. Linear in `status_count`.
    ///
    /// # Errors
    /// `ParseError` on truncation, reserved symbol 0b11, or a count over the limit.
    pub fn parse(fci: &'a [u8]) -> Result<Self, ParseError> {
        const NAME: &str = "transport feedback";
        let (&[b0, b1, c0, c1, r0, r1, r2, feedback_count], chunks) =
            fci.split_first_chunk().ok_or(ParseError::Truncated(NAME))?;
        let status_count = u16::from_be_bytes([c0, c1]);
        if status_count == 0 {
            return Err(ParseError::BadValue(NAME));
        }
        if status_count > MAX_STATUSES {
            return Err(ParseError::TooMany(NAME));
        }
        let mut symbols = Symbols::new(chunks);
        let mut delta_bytes = 0;
        for _ in 0..status_count {
            delta_bytes += match symbols.next() {
                Some(Symbol::NOT_RECEIVED) => 0,
                Some(Symbol::SMALL_DELTA) => 1,
                Some(Symbol::LARGE_DELTA) => 2,
                Some(_) => return Err(ParseError::BadValue(NAME)),
                None => return Err(ParseError::Truncated(NAME)),
            };
        }
        // What the last needed chunk leaves are the deltas, then padding.
        let deltas = symbols
            .chunks
            .get(..delta_bytes)
            .ok_or(ParseError::Truncated(NAME))?;
        Ok(Self {
            base_sequence_number: u16::from_be_bytes([b0, b1]),
            status_count,
            reference_time: i32::from_be_bytes([r0, r1, r2, 0]) >> 8,
            feedback_count,
            chunks,
            deltas,
        })
    }

    /// Each described packet: sequence number and arrival in µs on the receiver's clock (from `reference_time`, which
    /// wraps after 12 days), `None` if it was not received.
    pub fn statuses(&self) -> Statuses<'a> {
        Statuses {
            sequence_number: self.base_sequence_number,
            remaining: self.status_count,
            arrival_micros: i64::from(self.reference_time) * REFERENCE_UNIT_MICROS,
            symbols: Symbols::new(self.chunks),
            deltas: self.deltas,
        }
    }
}

/// Iterator over the packets a feedback describes.
#[derive(Debug, Clone)]
pub struct Statuses<'a> {
    sequence_number: u16,
    remaining: u16,
    arrival_micros: i64,
    symbols: Symbols<'a>,
    deltas: &'a [u8],
}

impl Iterator for Statuses<'_> {
    type Item = (u16, Option<i64>);

    fn next(&mut self) -> Option<Self::Item> {
        self.remaining = self.remaining.checked_sub(1)?;
        let sequence_number = self.sequence_number;
        self.sequence_number = sequence_number.wrapping_add(1);
        let delta = match self.symbols.next()? {
            Symbol::SMALL_DELTA => {
                let (&delta, rest) = self.deltas.split_first()?;
                self.deltas = rest;
                i64::from(delta)
            }
            Symbol::LARGE_DELTA => {
                let (&delta, rest) = self.deltas.split_first_chunk()?;
                self.deltas = rest;
                i64::from(i16::from_be_bytes(delta))
            }
            _ => return Some((sequence_number, None)),
        };
        self.arrival_micros += delta * DELTA_UNIT_MICROS;
        Some((sequence_number, Some(self.arrival_micros)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(usize::from(self.remaining)))
    }
}

/// Packet status symbols (§3.1.1); 0b11 is reserved.
struct Symbol;

impl Symbol {
    const NOT_RECEIVED: u8 = 0;
    const SMALL_DELTA: u8 = 1;
    const LARGE_DELTA: u8 = 2;
}

/// Unpacks status chunks into symbols. Does not know how many are meant: the caller stops.
#[derive(Debug, Clone)]
struct Symbols<'a> {
    /// Chunks not begun yet, and the deltas behind them.
    chunks: &'a [u8],
    chunk: u16,
    /// Symbols of `chunk` not given out yet.
    left: u16,
}

impl<'a> Symbols<'a> {
    fn new(chunks: &'a [u8]) -> Self {
        Self {
            chunks,
            chunk: 0,
            left: 0,
        }
    }
}

impl Iterator for Symbols<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        // A run of length zero says nothing; each turn takes two bytes, so this ends.
        while self.left == 0 {
            let (&chunk, rest) = self.chunks.split_first_chunk()?;
            self.chunks = rest;
            self.chunk = u16::from_be_bytes(chunk);
            self.left = match self.chunk >> 14 {
                0b00 | 0b01 => self.chunk & RUN_LENGTH_MASK,
                0b10 => ONE_BIT_SYMBOLS,
                _ => TWO_BIT_SYMBOLS,
            };
        }
        self.left -= 1;
        let symbol = match self.chunk >> 14 {
            0b00 | 0b01 => self.chunk >> 13,
            0b10 => (self.chunk >> self.left) & 0b1,
            _ => (self.chunk >> (self.left * 2)) & 0b11,
        };
        Some(symbol as u8)
    }
}

/// §3.1.3: 13 bits.
const RUN_LENGTH_MASK: u16 = 0x1fff;
/// §3.1.4: symbols of a status vector chunk, by the size of its symbols.
const ONE_BIT_SYMBOLS: u16 = 14;
const TWO_BIT_SYMBOLS: u16 = 7;

#[cfg(test)]
mod tests;
