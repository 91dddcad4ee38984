//! Ancillary data (`man 3 cmsg`) as bytes: a native-endian `size_t` length, level, type, data, padded to `size_t`.
//! Written and read without pointers, so that `unsafe` stays with the system calls.

/// Room for one control message block. Large enough for a GRO size, a timestamp and a drop count.
#[repr(C, align(8))]
#[derive(Debug, Clone, Copy)]
pub(crate) struct ControlBuffer(pub(crate) [u8; CAPACITY]);

pub(crate) const CAPACITY: usize = 128;
const WORD: usize = size_of::<usize>();
const HEADER: usize = WORD + 8;

impl ControlBuffer {
    pub(crate) const EMPTY: Self = Self([0; CAPACITY]);

    /// Make this the single message `UDP_SEGMENT = segment_bytes` and return its length.
    pub(crate) fn write_segment_bytes(&mut self, segment_bytes: u16) -> usize {
        let length = HEADER + size_of::<u16>();
        self.0[..WORD].copy_from_slice(&length.to_ne_bytes());
        self.0[WORD..WORD + 4].copy_from_slice(&libc::SOL_UDP.to_ne_bytes());
        self.0[WORD + 4..HEADER].copy_from_slice(&libc::UDP_SEGMENT.to_ne_bytes());
        self.0[HEADER..length].copy_from_slice(&segment_bytes.to_ne_bytes());
        length.next_multiple_of(WORD)
    }
}

/// What the kernel said about one received message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ReceiveNotes {
    /// `UDP_GRO`: length of each datagram in a coalesced message, the last may be shorter.
    pub(crate) segment_bytes: Option<u16>,
    /// `SO_TIMESTAMPNS`: arrival in the kernel, nanoseconds of the realtime clock.
    pub(crate) arrived_realtime_ns: Option<u64>,
    /// `SO_RXQ_OVFL`: datagrams this socket lost so far to a full receive queue, modulo 2^32.
    pub(crate) queue_drops: Option<u32>,
}

/// Read the block that `recvmmsg` filled.
pub(crate) fn parse(mut block: &[u8]) -> ReceiveNotes {
    let mut notes = ReceiveNotes::default();
    while let Some((level, kind, data, rest)) = split_first(block) {
        match (level, kind) {
            (libc::SOL_UDP, libc::UDP_GRO) => {
                notes.segment_bytes = i32_at(data, 0).and_then(|size| u16::try_from(size).ok());
            }
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                notes.arrived_realtime_ns = i64_at(data, 0)
                    .zip(i64_at(data, 8))
                    .map(|(seconds, nanos)| seconds as u64 * 1_000_000_000 + nanos as u64);
            }
            (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => {
                notes.queue_drops = i32_at(data, 0).map(|count| count as u32);
            }
            _ => {}
        }
        block = rest;
    }
    notes
}

/// `(level, type, data, what follows)` of the first message.
fn split_first(block: &[u8]) -> Option<(i32, i32, &[u8], &[u8])> {
    let length = usize::from_ne_bytes(block.get(..WORD)?.try_into().ok()?);
    let data = block.get(HEADER..length)?;
    let rest = block.get(length.next_multiple_of(WORD)..).unwrap_or(&[]);
    Some((i32_at(block, WORD)?, i32_at(block, WORD + 4)?, data, rest))
}

fn i32_at(bytes: &[u8], offset: usize) -> Option<i32> {
    Some(i32::from_ne_bytes(
        bytes.get(offset..offset + 4)?.try_into().ok()?,
    ))
}

fn i64_at(bytes: &[u8], offset: usize) -> Option<i64> {
    Some(i64::from_ne_bytes(
        bytes.get(offset..offset + 8)?.try_into().ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(level: i32, kind: i32, data: &[u8]) -> Vec<u8> {
        let mut bytes = (HEADER + data.len()).to_ne_bytes().to_vec();
        bytes.extend(level.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(WORD), 0);
        bytes
    }

    #[test]
    fn known_messages_are_read_and_others_skipped() {
        let mut block = message(libc::SOL_IP, 99, &[1, 2, 3]);
        block.extend(message(
            libc::SOL_UDP,
            libc::UDP_GRO,
            &1_200_i32.to_ne_bytes(),
        ));
        let time = [5_i64.to_ne_bytes(), 7_i64.to_ne_bytes()].concat();
        block.extend(message(libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS, &time));
        block.extend(message(
            libc::SOL_SOCKET,
            libc::SO_RXQ_OVFL,
            &9_u32.to_ne_bytes(),
        ));
        assert_eq!(
            parse(&block),
            ReceiveNotes {
                segment_bytes: Some(1_200),
                arrived_realtime_ns: Some(5_000_000_007),
                queue_drops: Some(9),
            }
        );
    }

    #[test]
    fn a_broken_block_ends_the_scan() {
        assert_eq!(parse(&[1, 2, 3]), ReceiveNotes::default());
        assert_eq!(parse(&[0; 64]), ReceiveNotes::default());
        assert_eq!(parse(&[0xFF; 64]), ReceiveNotes::default());
    }

    #[test]
    fn the_segment_message_reads_back() {
        let mut buffer = ControlBuffer::EMPTY;
        let length = buffer.write_segment_bytes(1_100);
        let (level, kind, data, rest) = split_first(&buffer.0[..length]).unwrap();
        assert_eq!((level, kind), (libc::SOL_UDP, libc::UDP_SEGMENT));
        assert_eq!(data, 1_100_u16.to_ne_bytes());
        assert!(rest.is_empty());
    }
}
