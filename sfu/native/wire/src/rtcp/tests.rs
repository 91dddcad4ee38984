use super::*;
use crate::transport_feedback;
use proptest::prelude::*;

const INFO: SenderInfo = SenderInfo {
    ntp_time: 0x0102_0304_0506_0708,
    rtp_timestamp: 0xffff_fff0,
    packet_count: 10,
    octet_count: 11,
};

fn block(ssrc: u32, cumulative_lost: i32) -> ReportBlock {
    ReportBlock {
        ssrc,
        fraction_lost: 255,
        cumulative_lost,
        highest_sequence_number: 0x0001_ffff,
        jitter: 3,
        last_sender_report: 4,
        delay_since_last_sender_report: 5,
    }
}

fn only(compound: &[u8]) -> Result<RtcpPacket<'_>, ParseError> {
    let mut all = packets(compound);
    let first = all.next().expect("one packet");
    assert!(all.next().is_none());
    first
}

/// A packet as it stands: first byte, type, body; the length field tells the truth.
fn packet(first: u8, packet_type: u8, body: &[u8]) -> Vec<u8> {
    assert_eq!(body.len() % 4, 0);
    let mut out = vec![first, packet_type];
    out.extend_from_slice(&((body.len() / 4) as u16).to_be_bytes());
    out.extend_from_slice(body);
    out
}

/// One of each packet the writers know, in one compound.
fn everything() -> Vec<u8> {
    let mut out = Vec::new();
    write_sender_report(&mut out, 1, &INFO, &[block(2, -1), block(3, 5)]);
    write_receiver_report(&mut out, 1, &[block(4, 0)]);
    write_sdes_cname(&mut out, 1, b"name@host");
    write_goodbye(&mut out, &[1, 2]);
    write_nack(&mut out, 1, 2, &[65_534, 65_535, 0, 14, 15, 300]);
    write_picture_loss_indication(&mut out, 1, 2);
    write_full_intra_request(&mut out, 1, 2, 77);
    write_remb(&mut out, 1, 1_500_000, &[2, 3]);
    write_dlrr(&mut out, 1, 2, 3, 4);
    let arrivals = [Some(0), None, Some(100_000)];
    transport_feedback::write(&mut out, 1, 2, 3, 65_535, &arrivals);
    out.extend_from_slice(&packet(
        0x80,
        207,
        &[0, 0, 0, 9, 4, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8],
    ));
    out
}

/// Use every byte that a packet hands out.
fn exhaust(packet: RtcpPacket<'_>) -> usize {
    match packet {
        RtcpPacket::SenderReport { blocks, .. } | RtcpPacket::ReceiverReport { blocks, .. } => {
            blocks.count()
        }
        RtcpPacket::Goodbye { ssrcs } => ssrcs.count(),
        RtcpPacket::Nack { pairs, .. } => pairs.sequence_numbers().count(),
        RtcpPacket::FullIntraRequest { entries } => entries.count(),
        RtcpPacket::TransportFeedback(view) => view.statuses().count(),
        _ => 0,
    }
}

#[test]
fn reports_are_read_back() {
    let mut out = Vec::new();
    let blocks = [block(2, -1), block(3, 0x7f_ffff), block(4, -0x80_0000)];
    write_sender_report(&mut out, 9, &INFO, &blocks);
    write_receiver_report(&mut out, 8, &blocks[..1]);

    let mut all = packets(&out);
    let Some(Ok(RtcpPacket::SenderReport {
        ssrc,
        info,
        blocks: read,
    })) = all.next()
    else {
        panic!("not an SR");
    };
    assert_eq!((ssrc, info), (9, INFO));
    assert_eq!(read.collect::<Vec<_>>(), blocks);
    let Some(Ok(RtcpPacket::ReceiverReport { ssrc, blocks: read })) = all.next() else {
        panic!("not an RR");
    };
    assert_eq!(ssrc, 8);
    assert_eq!(read.collect::<Vec<_>>(), blocks[..1]);
    assert!(all.next().is_none());
}

#[test]
fn reports_saturate_loss_and_leave_out_blocks_over_the_limit() {
    let mut out = Vec::new();
    let blocks = [block(1, i32::MAX), block(2, i32::MIN)].repeat(20);
    write_receiver_report(&mut out, 8, &blocks);

    let Ok(RtcpPacket::ReceiverReport { blocks, .. }) = only(&out) else {
        panic!("not an RR");
    };
    let lost: Vec<_> = blocks.map(|block| block.cumulative_lost).collect();
    assert_eq!(lost.len(), 31);
    assert_eq!(lost[..2], [0x7f_ffff, -0x80_0000]);
}

#[test]
fn nack_pairs_cover_the_wrap_and_16_followers() {
    for (numbers, words) in [
        (&[7][..], 3),
        (&[65_534, 65_535, 0, 14], 3),
        (&[65_534, 15], 4),
        (&[10, 26], 3),
        (&[10, 27], 4),
        (&[10, 10, 11], 3),
        (&[1, 100, 200, 40_000], 6),
    ] {
        let mut out = Vec::new();
        write_nack(&mut out, 5, 6, numbers);

        assert_eq!(out.len() / 4 - 1, words, "{numbers:?}");
        let Ok(RtcpPacket::Nack { media_ssrc, pairs }) = only(&out) else {
            panic!("not a NACK");
        };
        assert_eq!(media_ssrc, 6);
        let mut expected = numbers.to_vec();
        expected.dedup();
        assert_eq!(pairs.sequence_numbers().collect::<Vec<_>>(), expected);
    }
}

#[test]
fn long_nacks_become_several_packets() {
    let numbers: Vec<u16> = (0..1_000).map(|i| i * 20).collect();
    let mut out = Vec::new();
    write_nack(&mut out, 5, 6, &numbers);

    let mut read = Vec::new();
    for packet in packets(&out) {
        let Ok(RtcpPacket::Nack { pairs, .. }) = packet else {
            panic!("not a NACK");
        };
        assert!(pairs.0.len() <= MAX_NACK_PAIRS * 4);
        read.extend(pairs.sequence_numbers());
    }
    assert_eq!(read, numbers);

    out.clear();
    write_nack(&mut out, 5, 6, &[]);
    assert!(out.is_empty());
}

#[test]
fn keyframe_requests_are_read_back() {
    let mut out = Vec::new();
    write_picture_loss_indication(&mut out, 1, 0xffff_ffff);
    write_full_intra_request(&mut out, 1, 7, 255);

    let mut all = packets(&out);
    assert!(matches!(
        all.next(),
        Some(Ok(RtcpPacket::PictureLossIndication {
            media_ssrc: 0xffff_ffff
        }))
    ));
    let Some(Ok(RtcpPacket::FullIntraRequest { entries })) = all.next() else {
        panic!("not a FIR");
    };
    assert_eq!(entries.collect::<Vec<_>>(), [(7, 255)]);
}

#[test]
fn remb_rates_keep_18_bits_and_saturate() {
    for (bitrate_bps, expected) in [
        (0, 0),
        (1, 1),
        (0x3_ffff, 0x3_ffff),
        (0x4_0001, 0x4_0000),
        (1_500_000, 1_500_000),
        (u64::MAX, 0x3_ffff << 46),
    ] {
        let mut out = Vec::new();
        write_remb(&mut out, 1, bitrate_bps, &[2, 3]);
        let Ok(RtcpPacket::ReceiverEstimatedMaxBitrate { bitrate_bps }) = only(&out) else {
            panic!("not a REMB");
        };
        assert_eq!(bitrate_bps, expected);
    }
    for (rate, expected) in [
        ([0, 0xff, 0xff, 0xff], u64::MAX),
        ([0, 63 << 2, 0, 1], 1 << 63),
        ([0, 63 << 2, 0, 2], u64::MAX),
        ([0, 63 << 2, 0, 0], 0),
        ([0, 47 << 2 | 3, 0xff, 0xff], u64::MAX),
    ] {
        let body = [&[0; 8][..], b"REMB", &rate].concat();
        let bytes = packet(0x8f, 206, &body);
        let Ok(RtcpPacket::ReceiverEstimatedMaxBitrate { bitrate_bps }) = only(&bytes) else {
            panic!("not a REMB");
        };
        assert_eq!(bitrate_bps, expected, "{rate:?}");
    }
}

#[test]
fn sdes_is_padded_with_at_least_one_zero() {
    for length in 0..9 {
        let mut out = Vec::new();
        write_sdes_cname(&mut out, 1, &b"12345678"[..length.min(8)]);
        assert_eq!(out.len() % 4, 0);
        assert_eq!(out.last(), Some(&0));
        assert!(matches!(
            only(&out),
            Ok(RtcpPacket::Other { packet_type: 202 })
        ));
    }
    let mut out = Vec::new();
    write_sdes_cname(&mut out, 1, &[b'x'; 300]);
    assert_eq!(out.len(), 4 + (4 + 2 + 255_usize + 1).next_multiple_of(4));
    assert!(only(&out).is_ok());
}

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
fn goodbyes_are_read_back_and_limited() {
    for count in [0, 1, 31, 32] {
        let ssrcs: Vec<u32> = (0..count).collect();
        let mut out = Vec::new();
        write_goodbye(&mut out, &ssrcs);
        let Ok(RtcpPacket::Goodbye { ssrcs: read }) = only(&out) else {
            panic!("not a BYE");
        };
        assert_eq!(read.collect::<Vec<_>>(), ssrcs[..ssrcs.len().min(31)]);
    }
}

#[test]
fn receiver_reference_time_is_found_behind_other_blocks() {
    let statistics = [7, 0, 0, 1, 9, 9, 9, 9];
    let reference = [4, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8];
    let later = [4, 0, 0, 2, 8, 8, 8, 8, 8, 8, 8, 8];
    let body = [&[0, 0, 0, 9][..], &statistics, &reference, &later].concat();

    let bytes = packet(0x80, 207, &body);

    assert!(matches!(
        only(&bytes),
        Ok(RtcpPacket::ReceiverReferenceTime {
            ssrc: 9,
            ntp_time: 0x0102_0304_0506_0708
        })
    ));
}

#[test]
fn written_dlrr_has_the_layout_of_rfc_3611() {
    let mut out = Vec::new();
    write_dlrr(&mut out, 1, 2, 3, 4);

    assert_eq!(
        out,
        [
            0x80, 207, 0, 5, 0, 0, 0, 1, 5, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4
        ]
    );
    assert!(matches!(
        only(&out),
        Ok(RtcpPacket::Other { packet_type: 207 })
    ));
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
