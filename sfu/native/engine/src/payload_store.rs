//! Bytes of cached packets in a few chunks instead of one allocation each. A chunk is given back when its last packet
//! is released; one empty chunk is kept for reuse.

use std::hint::black_box;

/// Where a packet's bytes lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    chunk: u32,
    offset: u32,
    bytes: u32,
}

#[derive(Debug, Default)]
struct Chunk {
    contents: Vec<u8>,
    packets: u32,
}

/// Chunked storage, append only, released packet by packet.
#[derive(Debug)]
pub(crate) struct PayloadStore {
    chunk_bytes: usize,
    is_zeroed: bool,
    chunks: Vec<Chunk>,
    /// Indices of `chunks` that own no memory.
    vacant: Vec<u32>,
    /// An empty buffer ready for reuse.
    spare: Option<Vec<u8>>,
    current: Option<u32>,
    held_bytes: usize,
}

impl PayloadStore {
    pub(crate) fn new(chunk_bytes: usize, is_zeroed: bool) -> Self {
        Self {
            chunk_bytes,
            is_zeroed,
            chunks: Vec::new(),
            vacant: Vec::new(),
            spare: None,
            current: None,
            held_bytes: 0,
        }
    }

    /// Copy `first` and `second`, one behind the other.
    pub(crate) fn push(&mut self, first: &[u8], second: &[u8]) -> Place {
        let needed = first.len() + second.len();
        let index = self.chunk_with_room(needed);
        let chunk = &mut self.chunks[index as usize];
        let offset = chunk.contents.len() as u32;
        chunk.contents.extend_from_slice(first);
        chunk.contents.extend_from_slice(second);
        chunk.packets += 1;
        Place {
            chunk: index,
            offset,
            bytes: needed as u32,
        }
    }

    pub(crate) fn get(&self, place: Place) -> &[u8] {
        let start = place.offset as usize;
        self.chunks
            .get(place.chunk as usize)
            .and_then(|chunk| chunk.contents.get(start..start + place.bytes as usize))
            .unwrap_or_default()
    }

    /// Load where the next packet's bytes will be.
    pub(crate) fn prefetch_end(&self, size_bytes: usize) {
        if let Some(chunk) = self
            .current
            .and_then(|index| self.chunks.get(index as usize))
        {
            prefetch::prefetch_memory(&chunk.contents, chunk.contents.len(), size_bytes);
        }
    }

    /// Give a packet's bytes back. Each place is released once.
    pub(crate) fn release(&mut self, place: Place) {
        let Some(chunk) = self.chunks.get_mut(place.chunk as usize) else {
            return;
        };
        if self.is_zeroed {
            let start = place.offset as usize;
            if let Some(bytes) = chunk.contents.get_mut(start..start + place.bytes as usize) {
                zero(bytes);
            }
        }
        chunk.packets = chunk.packets.saturating_sub(1);
        if chunk.packets > 0 {
            return;
        }
        if self.current == Some(place.chunk) {
            chunk.contents.clear();
            return;
        }
        let mut buffer = std::mem::take(&mut chunk.contents);
        self.vacant.push(place.chunk);
        buffer.clear();
        if self.spare.is_none() && buffer.capacity() == self.chunk_bytes {
            self.spare = Some(buffer);
        } else {
            self.held_bytes -= buffer.capacity();
        }
    }

    /// Release everything and the memory too.
    pub(crate) fn clear(&mut self) {
        self.zero_all();
        *self = Self::new(self.chunk_bytes, self.is_zeroed);
    }

    /// Memory of all chunks, in bytes.
    pub(crate) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    fn chunk_with_room(&mut self, needed: usize) -> u32 {
        if let Some(index) = self.current {
            let contents = &self.chunks[index as usize].contents;
            if contents.len() + needed <= contents.capacity() {
                return index;
            }
        }
        // A packet longer than a chunk gets one of its own.
        let capacity = self.chunk_bytes.max(needed);
        let spare = self.spare.take_if(|spare| spare.capacity() >= capacity);
        let buffer = spare.unwrap_or_else(|| {
            self.held_bytes += capacity;
            Vec::with_capacity(capacity)
        });
        self.retire_current();
        let index = self.vacant.pop().unwrap_or_else(|| {
            self.chunks.push(Chunk::default());
            (self.chunks.len() - 1) as u32
        });
        self.chunks[index as usize] = Chunk {
            contents: buffer,
            packets: 0,
        };
        self.current = Some(index);
        index
    }

    /// An emptied current chunk was kept for appending; once replaced nobody would release it.
    fn retire_current(&mut self) {
        let Some(index) = self.current.take() else {
            return;
        };
        let chunk = &mut self.chunks[index as usize];
        if chunk.packets == 0 {
            self.held_bytes -= chunk.contents.capacity();
            chunk.contents = Vec::new();
            self.vacant.push(index);
        }
    }

    fn zero_all(&mut self) {
        if self.is_zeroed {
            for chunk in &mut self.chunks {
                zero(&mut chunk.contents);
            }
        }
    }
}

impl Drop for PayloadStore {
    fn drop(&mut self) {
        self.zero_all();
    }
}

fn zero(bytes: &mut [u8]) {
    bytes.fill(0);
    // Keeps the stores before a deallocation from being optimized away.
    black_box(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn released_bytes_are_zero_where_asked_while_neighbours_stay() {
        for is_zeroed in [true, false] {
            let mut store = PayloadStore::new(64, is_zeroed);
            let secret = store.push(b"sec", b"ret");
            let other = store.push(b"", b"other");

            store.release(secret);

            assert_eq!(store.chunks[0].contents[..6] == [0; 6], is_zeroed);
            assert_eq!(store.get(other), b"other");
        }
    }

    #[test]
    fn emptied_chunks_are_reused_and_memory_stays_bounded() {
        let mut store = PayloadStore::new(1024, false);
        let mut window = std::collections::VecDeque::new();
        for i in 0..10_000u32 {
            window.push_back(store.push(&[], &[i as u8; 100]));
            if window.len() > 50 {
                store.release(window.pop_front().expect("not empty"));
            }
            assert!(store.held_bytes() <= 8 * 1024, "{}", store.held_bytes());
        }
        assert_eq!(store.get(*window.back().expect("not empty")), [15; 100]);
    }

    #[test]
    fn long_packets_get_a_chunk_of_their_own() {
        let mut store = PayloadStore::new(16, false);
        let long = store.push(&[1; 10], &[2; 50]);
        let short = store.push(&[], &[3; 4]);
        assert_eq!(store.get(long)[..11], [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2]);
        store.release(long);
        assert_eq!(store.get(short), [3; 4]);
        assert_eq!(store.held_bytes(), 16);
    }
}
