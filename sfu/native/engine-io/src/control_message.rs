//! Ancillary data (`man 3 cmsg`) as bytes: a native-endian `size_t` length, level, type, data, padded to `size_t`.
//! Written and read without pointers, so that `unsafe` stays with the system calls.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Room for one control message block. Large enough for a GRO size, a timestamp, a drop count and an address.
#[repr(C, align(8))]
#[derive(Debug, Clone, Copy)]
pub(crate) struct ControlBuffer(pub(crate) [u8; CAPACITY]);

pub(crate) const CAPACITY: usize = 128;
const WORD: usize = size_of::<usize>();
const HEADER: usize = WORD + 8;
/// Size of `in_pktinfo`.
const IPV4_INFO_BYTES: usize = 12;
/// Size of `in6_pktinfo`.
const IPV6_INFO_BYTES: usize = 20;

impl ControlBuffer {
    pub(crate) const EMPTY: Self = Self([0; CAPACITY]);

    /// Make this the messages `UDP_SEGMENT` and `IP_PKTINFO` or `IPV6_PKTINFO`, those that are given, and return their length.
    /// `source` is of the socket's family.
    pub(crate) fn write(&mut self, segment_bytes: Option<u16>, source: Option<IpAddr>) -> usize {
        let mut length = 0;
        if let Some(bytes) = segment_bytes {
            let data = bytes.to_ne_bytes();
            length = self.append(length, libc::SOL_UDP, libc::UDP_SEGMENT, &data);
        }
        match source {
            None => {}
            // `in_pktinfo`: interface (0: as routed), source, and an address that counts in received messages only.
            Some(IpAddr::V4(address)) => {
                let mut data = [0; IPV4_INFO_BYTES];
                data[4..8].copy_from_slice(&address.octets());
                length = self.append(length, libc::SOL_IP, libc::IP_PKTINFO, &data);
            }
            // `in6_pktinfo`: source, interface (0: as routed; a link-local remote names it).
            Some(IpAddr::V6(address)) => {
                let mut data = [0; IPV6_INFO_BYTES];
                data[..16].copy_from_slice(&address.octets());
                length = self.append(length, libc::SOL_IPV6, libc::IPV6_PKTINFO, &data);
            }
        }
        length
    }

    /// Write one message at `start` and return where the next begins.
    fn append(&mut self, start: usize, level: i32, kind: i32, data: &[u8]) -> usize {
        let length = HEADER + data.len();
        let message = &mut self.0[start..start + length];
        message[..WORD].copy_from_slice(&length.to_ne_bytes());
        message[WORD..WORD + 4].copy_from_slice(&level.to_ne_bytes());
        message[WORD + 4..HEADER].copy_from_slice(&kind.to_ne_bytes());
        message[HEADER..].copy_from_slice(data);
        start + length.next_multiple_of(WORD)
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
    /// `IP_PKTINFO` or `IPV6_PKTINFO`: to which of our addresses it was sent, IPv4-mapped ones unmapped.
    pub(crate) local: Option<IpAddr>,
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
            // The header's destination, not `ipi_spec_dst`: that is unset in what was queued before the option was.
            (libc::SOL_IP, libc::IP_PKTINFO) => {
                let octets = data.get(8..).and_then(|bytes| bytes.first_chunk::<4>());
                notes.local = octets.map(|octets| Ipv4Addr::from(*octets).into());
            }
            (libc::SOL_IPV6, libc::IPV6_PKTINFO) => {
                let octets = data.first_chunk::<16>();
                notes.local = octets.map(|octets| Ipv6Addr::from(*octets).to_canonical());
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
        let local = [0, 0, 0, 3, 10, 0, 0, 1, 10, 0, 0, 2];
        block.extend(message(libc::SOL_IP, libc::IP_PKTINFO, &local));
        assert_eq!(
            parse(&block),
            ReceiveNotes {
                segment_bytes: Some(1_200),
                arrived_realtime_ns: Some(5_000_000_007),
                queue_drops: Some(9),
                local: Some([10, 0, 0, 2].into()),
            }
        );
    }

    #[test]
    fn the_local_address_is_read_in_every_form() {
        for (address, expected) in [
            ("2001:db8::7", "2001:db8::7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
        ] {
            let address: Ipv6Addr = address.parse().unwrap();
            let data = [&address.octets()[..], &3_u32.to_ne_bytes()].concat();
            let block = message(libc::SOL_IPV6, libc::IPV6_PKTINFO, &data);
            assert_eq!(parse(&block).local, Some(expected.parse().unwrap()));
        }
        for (level, kind) in [
            (libc::SOL_IP, libc::IP_PKTINFO),
            (libc::SOL_IPV6, libc::IPV6_PKTINFO),
        ] {
            assert_eq!(parse(&message(level, kind, &[1; 10])).local, None);
        }
    }

    #[test]
    fn a_broken_block_ends_the_scan() {
        assert_eq!(parse(&[1, 2, 3]), ReceiveNotes::default());
        assert_eq!(parse(&[0; 64]), ReceiveNotes::default());
        assert_eq!(parse(&[0xFF; 64]), ReceiveNotes::default());
    }

    #[test]
    fn what_is_written_reads_back() {
        let mut buffer = ControlBuffer::EMPTY;
        assert_eq!(buffer.write(None, None), 0);
        for (source, level, kind, at) in [
            ("192.0.2.7", libc::SOL_IP, libc::IP_PKTINFO, 4),
            ("2001:db8::7", libc::SOL_IPV6, libc::IPV6_PKTINFO, 0),
        ] {
            let source: IpAddr = source.parse().unwrap();
            let alone = buffer.write(None, Some(source));
            let length = buffer.write(Some(1_100), Some(source));
            let (first_level, first_kind, data, rest) = split_first(&buffer.0[..length]).unwrap();
            assert_eq!(
                (first_level, first_kind),
                (libc::SOL_UDP, libc::UDP_SEGMENT)
            );
            assert_eq!(data, 1_100_u16.to_ne_bytes());
            assert_eq!(rest.len(), alone);
            let (second_level, second_kind, data, rest) = split_first(rest).unwrap();
            assert_eq!((second_level, second_kind), (level, kind));
            let octets = match source {
                IpAddr::V4(address) => address.octets().to_vec(),
                IpAddr::V6(address) => address.octets().to_vec(),
            };
            let mut expected = vec![0; data.len()];
            expected[at..at + octets.len()].copy_from_slice(&octets);
            assert_eq!(data, expected);
            assert!(rest.is_empty());
        }
    }
}
