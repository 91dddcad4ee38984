//! What others write: malformed, unknown, cut, lying.

use super::builders::*;
use crate::rtcp::*;
use proptest::prelude::*;

#[test]
fn sdes_chunks_may_end_anywhere_in_a_word() {
    for (count, body) in [
        (0, &b""[..]),
        (1, b"\0\0\0\x01\0\0\0\0"),
        (2, b"\0\0\0\x01\x01\x01a\0\0\0\0\x02\x01\x01b\0"),
        (
            2,
            b"\xff\xff\xff\xff\x01\x02ab\0\0\0\0\xff\xff\xff\xff\x01\x02ab\0\0\0\0",
        ),
        (1, b"\0\0\0\x01\x01\x01a\x02\x03abc\0\0\0\0"),
    ] {
        let bytes = packet(0x80 | count, 202, body);
        assert!(only(&bytes).is_ok(), "{body:?}");
    }
}

#[test]
fn malformed_packets_are_refused() {
    let report = [0; 4 + 24];
    let sender = [0; 4 + 20];
    for (name, bytes) in [
        ("version 1", packet(0x40, 201, &report)),
        ("version 3", packet(0xc0, 201, &report)),
        ("length past the end", vec![0x80, 201, 0, 2, 0, 0, 0, 1]),
        (
            "length far past the end",
            vec![0x80, 201, 0xff, 0xff, 0, 0, 0, 1],
        ),
        ("header cut", vec![0x80, 201, 0]),
        ("SR of no length", packet(0x80, 200, &[])),
        (
            "SR without all of its sender info",
            packet(0x80, 200, &sender[..20]),
        ),
        ("SR counting a block too many", packet(0x81, 200, &sender)),
        ("RR of no length", packet(0x80, 201, &[])),
        ("RR counting a block too many", packet(0x82, 201, &report)),
        ("RR counting 31 blocks", packet(0x9f, 201, &report)),
        ("BYE counting an SSRC too many", packet(0x82, 203, &[0; 4])),
        ("BYE of no length that counts one", packet(0x81, 203, &[])),
        ("NACK of no length", packet(0x81, 205, &[])),
        ("NACK without media SSRC", packet(0x81, 205, &[0; 4])),
        ("PLI of no length", packet(0x81, 206, &[])),
        ("PLI without media SSRC", packet(0x81, 206, &[0; 4])),
        ("FIR of no length", packet(0x84, 206, &[])),
        ("transport feedback without FCI", packet(0x8f, 205, &[0; 8])),
        ("transport feedback cut", packet(0x8f, 205, &[0; 12])),
        (
            "REMB without a rate",
            packet(0x8f, 206, b"\0\0\0\0\0\0\0\0REMB"),
        ),
        (
            "REMB counting an SSRC too many",
            packet(0x8f, 206, b"\0\0\0\0\0\0\0\0REMB\x02\0\0\x09\0\0\0\x01"),
        ),
        (
            "REMB counting 255 SSRCs",
            packet(0x8f, 206, b"\0\0\0\0\0\0\0\0REMB\xff\0\0\x09\0\0\0\x01"),
        ),
        ("SDES of no length", packet(0x81, 202, &[])),
        (
            "SDES with no terminator",
            packet(0x81, 202, b"\0\0\0\x01\x01\x02ab"),
        ),
        (
            "SDES item past the end",
            packet(0x81, 202, b"\0\0\0\x01\x01\xffab"),
        ),
        (
            "SDES item without length",
            packet(0x81, 202, b"\0\0\0\x01\x01\x01a\x01"),
        ),
        (
            "SDES counting a chunk too many",
            packet(0x82, 202, b"\0\0\0\x01\x01\x01a\0"),
        ),
        (
            "SDES of 31 chunks",
            packet(0x9f, 202, b"\0\0\0\x01\x01\x01a\0"),
        ),
        ("XR of no length", packet(0x80, 207, &[])),
        (
            "XR block past the end",
            packet(0x80, 207, &[0, 0, 0, 9, 4, 0, 0, 2, 1, 2, 3, 4]),
        ),
        (
            "XR reference time cut",
            packet(0x80, 207, &[0, 0, 0, 9, 4, 0, 0, 1, 1, 2, 3, 4]),
        ),
        (
            "XR reference time of no length",
            packet(0x80, 207, &[0, 0, 0, 9, 4, 0, 0, 0]),
        ),
        (
            "padding of zero",
            packet(0xa0, 201, &[0, 0, 0, 1, 0, 0, 0, 0]),
        ),
        (
            "padding past the start",
            packet(0xa0, 201, &[0, 0, 0, 1, 0, 0, 0, 9]),
        ),
        (
            "padding over the SSRC",
            packet(0xa0, 201, &[0, 0, 0, 1, 0, 0, 0, 8]),
        ),
        ("padding of an empty packet", packet(0xa0, 203, &[])),
    ] {
        let mut all = packets(&bytes);
        assert!(matches!(all.next(), Some(Err(_))), "{name}");
        assert!(all.next().is_none(), "{name}");
    }
}

#[test]
fn padding_is_left_out_of_the_body() {
    let bytes = packet(0xa1, 205, &[0, 0, 0, 1, 0, 0, 0, 2, 0, 7, 0, 0, 0, 0, 0, 4]);

    let Ok(RtcpPacket::Nack { pairs, .. }) = only(&bytes) else {
        panic!("not a NACK");
    };
    assert_eq!(pairs.sequence_numbers().collect::<Vec<_>>(), [7]);
}

#[test]
fn unknown_packets_of_any_length_are_passed_over() {
    for packet_type in [192, 204, 208, 223] {
        let mut bytes = packet(0x9f, packet_type, &[]);
        bytes.extend_from_slice(&packet(0x80, packet_type, &[1; 8]));
        write_picture_loss_indication(&mut bytes, 1, 2);
        let all: Vec<_> = packets(&bytes).map(Result::unwrap).collect();
        assert!(matches!(
            all[..],
            [
                RtcpPacket::Other { .. },
                RtcpPacket::Other { .. },
                RtcpPacket::PictureLossIndication { media_ssrc: 2 }
            ]
        ));
    }
    for (first, packet_type) in [(0x82, 205), (0x9f, 205), (0x8f, 206), (0x82, 206)] {
        let bytes = packet(first, packet_type, &[0; 16]);
        assert!(matches!(only(&bytes), Ok(RtcpPacket::Other { .. })));
    }
}

#[test]
fn error_ends_the_walk_after_what_was_good() {
    let mut bytes = Vec::new();
    write_picture_loss_indication(&mut bytes, 1, 2);
    bytes.extend_from_slice(&packet(0x81, 201, &[0; 4]));
    write_picture_loss_indication(&mut bytes, 1, 2);

    let all: Vec<_> = packets(&bytes).collect();

    assert_eq!(all.len(), 2);
    assert!(all[0].is_ok() && all[1].is_err());
    assert!(packets(&[]).next().is_none());
}

#[test]
fn compound_of_everything_is_read_whole_and_cut_anywhere() {
    let compound = everything();
    assert_eq!(packets(&compound).flatten().count(), 11);

    let ends: Vec<usize> = packets(&compound)
        .scan(0, |at, _| {
            let words = u16::from_be_bytes([compound[*at + 2], compound[*at + 3]]);
            *at += 4 + usize::from(words) * 4;
            Some(*at)
        })
        .collect();
    for length in 1..compound.len() {
        let read: Vec<_> = packets(&compound[..length]).collect();
        let whole = ends.iter().filter(|&&end| end <= length).count();
        assert_eq!(read.iter().filter(|packet| packet.is_ok()).count(), whole);
        assert_eq!(read.len() > whole, !ends.contains(&length), "{length}");
    }
}

#[test]
fn any_byte_of_the_compound_may_lie() {
    let compound = everything();
    for offset in 0..compound.len() {
        for byte in [0, 1, 0x1f, 0x7f, 0x80, 0x9f, 0xa0, 0xbf, 0xff] {
            let mut bytes = compound.clone();
            bytes[offset] = byte;
            packets(&bytes).flatten().map(exhaust).for_each(drop);
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let read = packets(&bytes).count();
        prop_assert!(read <= bytes.len() / 4 + 1);
        packets(&bytes).flatten().map(exhaust).for_each(drop);
    }

    #[test]
    fn any_bodies_are_read_without_panic(
        first in 0x80u8..0xc0,
        packet_type in 198u8..210,
        words in prop::collection::vec(any::<[u8; 4]>(), 0..60),
    ) {
        let bytes = packet(first, packet_type, &words.concat());
        packets(&bytes).flatten().map(exhaust).for_each(drop);
    }

    #[test]
    fn any_nack_is_read_back(start: u16, steps in prop::collection::vec(1u16..60, 0..400)) {
        let numbers: Vec<u16> = steps
            .iter()
            .scan(start, |number, step| {
                *number = number.wrapping_add(*step);
                Some(*number)
            })
            .collect();
        let mut out = Vec::new();
        write_nack(&mut out, 1, 2, &numbers);
        let mut read = Vec::new();
        for packet in packets(&out) {
            if let Ok(RtcpPacket::Nack { pairs, .. }) = packet {
                read.extend(pairs.sequence_numbers());
            }
        }
        prop_assert_eq!(read, numbers);
    }
}
