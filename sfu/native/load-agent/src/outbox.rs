//! Datagrams that one participant wants sent, back to back in one buffer.

/// Filled by a participant, emptied by its shell.
#[derive(Debug, Default)]
pub struct Outbox {
    /// All bytes.
    pub bytes: Vec<u8>,
    /// Where each datagram ends.
    ends: Vec<usize>,
}

impl Outbox {
    /// Where the next datagram starts: write it at the end of `bytes`, then `finish` or `cancel`.
    pub fn begin(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Count what was written as one datagram.
    pub fn finish(&mut self) {
        if self.bytes.len() > self.begin() {
            self.ends.push(self.bytes.len());
        }
    }

    /// Forget what was written since the last datagram.
    pub fn cancel(&mut self) {
        self.bytes.truncate(self.begin());
    }

    /// Add a whole datagram.
    pub fn push(&mut self, datagram: &[u8]) {
        self.bytes.extend_from_slice(datagram);
        self.finish();
    }

    /// The datagrams in order.
    pub fn datagrams(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let datagram = &self.bytes[start..end];
            start = end;
            datagram
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Forget all, keeping the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}
