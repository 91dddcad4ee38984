//! What the writers write is read back.

use super::builders::*;
use crate::rtcp::*;

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
