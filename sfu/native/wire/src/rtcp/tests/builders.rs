//! Packets as they stand, and one compound of everything.

use crate::rtcp::*;
use crate::transport_feedback;

pub(super) const INFO: SenderInfo = SenderInfo {
    ntp_time: 0x0102_0304_0506_0708,
    rtp_timestamp: 0xffff_fff0,
    packet_count: 10,
    octet_count: 11,
};

pub(super) fn block(ssrc: u32, cumulative_lost: i32) -> ReportBlock {
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

pub(super) fn only(compound: &[u8]) -> Result<RtcpPacket<'_>, ParseError> {
    let mut all = packets(compound);
    let first = all.next().expect("one packet");
    assert!(all.next().is_none());
    first
}

/// A packet as it stands: first byte, type, body; the length field tells the truth.
pub(super) fn packet(first: u8, packet_type: u8, body: &[u8]) -> Vec<u8> {
    assert_eq!(body.len() % 4, 0);
    let mut out = vec![first, packet_type];
    out.extend_from_slice(&((body.len() / 4) as u16).to_be_bytes());
    out.extend_from_slice(body);
    out
}

/// One of each packet the writers know, in one compound.
pub(super) fn everything() -> Vec<u8> {
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
pub(super) fn exhaust(packet: RtcpPacket<'_>) -> usize {
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
