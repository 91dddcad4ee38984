//! Writing of the RTCP packets that the server and the load agent send.

use super::{
    APPLICATION_LAYER, DELAY_SINCE_LAST_RECEIVER_REPORT, EXTENDED_REPORT, FULL_INTRA, GENERIC_NACK,
    GOODBYE, PAYLOAD_SPECIFIC_FEEDBACK, PICTURE_LOSS, RECEIVER_REPORT, REMB_NAME, ReportBlock,
    SENDER_REPORT, SOURCE_DESCRIPTION, SenderInfo, TRANSPORT_LAYER_FEEDBACK,
};

/// LIMIT: the count field of five bits. What goes over it is left out.
const MAX_COUNT: usize = 31;
/// LIMIT: pairs in one NACK, so that it fits any path; more go into further packets.
pub const MAX_NACK_PAIRS: usize = 256;

/// Append an SR with up to 31 blocks.
pub fn write_sender_report(
    out: &mut Vec<u8>,
    ssrc: u32,
    info: &SenderInfo,
    blocks: &[ReportBlock],
) {
    let blocks = &blocks[..blocks.len().min(MAX_COUNT)];
    let packet = Packet::begin(out, SENDER_REPORT, blocks.len() as u8);
    packet.out.extend_from_slice(&ssrc.to_be_bytes());
    packet.out.extend_from_slice(&info.ntp_time.to_be_bytes());
    for word in [info.rtp_timestamp, info.packet_count, info.octet_count] {
        packet.out.extend_from_slice(&word.to_be_bytes());
    }
    write_blocks(packet.out, blocks);
    packet.finish();
}

/// Append an RR with up to 31 blocks.
pub fn write_receiver_report(out: &mut Vec<u8>, ssrc: u32, blocks: &[ReportBlock]) {
    let blocks = &blocks[..blocks.len().min(MAX_COUNT)];
    let packet = Packet::begin(out, RECEIVER_REPORT, blocks.len() as u8);
    packet.out.extend_from_slice(&ssrc.to_be_bytes());
    write_blocks(packet.out, blocks);
    packet.finish();
}

/// Append an SDES with one CNAME (at most 255 bytes; what is longer is cut).
pub fn write_sdes_cname(out: &mut Vec<u8>, ssrc: u32, cname: &[u8]) {
    let cname = &cname[..cname.len().min(255)];
    let packet = Packet::begin(out, SOURCE_DESCRIPTION, 1);
    packet.out.extend_from_slice(&ssrc.to_be_bytes());
    packet.out.extend_from_slice(&[CNAME, cname.len() as u8]);
    packet.out.extend_from_slice(cname);
    // RFC 3550 §6.5: one to four zero bytes end the chunk at 32 bits.
    packet.out.push(0);
    packet.finish();
}

/// Append a BYE for `ssrcs` (at most 31).
pub fn write_goodbye(out: &mut Vec<u8>, ssrcs: &[u32]) {
    let ssrcs = &ssrcs[..ssrcs.len().min(MAX_COUNT)];
    let packet = Packet::begin(out, GOODBYE, ssrcs.len() as u8);
    for ssrc in ssrcs {
        packet.out.extend_from_slice(&ssrc.to_be_bytes());
    }
    packet.finish();
}

/// Append a generic NACK; `sequence_numbers` ascending modulo wrap, packed into PID/BLP pairs. Over [`MAX_NACK_PAIRS`] it
/// becomes several packets; of no numbers nothing is written.
pub fn write_nack(
    out: &mut Vec<u8>,
    sender_ssrc: u32,
    media_ssrc: u32,
    mut sequence_numbers: &[u16],
) {
    while !sequence_numbers.is_empty() {
        let packet = Packet::begin(out, TRANSPORT_LAYER_FEEDBACK, GENERIC_NACK);
        packet.out.extend_from_slice(&sender_ssrc.to_be_bytes());
        packet.out.extend_from_slice(&media_ssrc.to_be_bytes());
        for _ in 0..MAX_NACK_PAIRS {
            let Some((&id, mut rest)) = sequence_numbers.split_first() else {
                break;
            };
            let mut following = 0u16;
            while let Some((next, after)) = rest.split_first() {
                let distance = next.wrapping_sub(id);
                if distance > 16 {
                    break;
                }
                // A repeated number (distance 0) is in the pair already.
                following |= (1 << distance >> 1) as u16;
                rest = after;
            }
            sequence_numbers = rest;
            packet.out.extend_from_slice(&id.to_be_bytes());
            packet.out.extend_from_slice(&following.to_be_bytes());
        }
        packet.finish();
    }
}

/// Append a PLI.
pub fn write_picture_loss_indication(out: &mut Vec<u8>, sender_ssrc: u32, media_ssrc: u32) {
    let packet = Packet::begin(out, PAYLOAD_SPECIFIC_FEEDBACK, PICTURE_LOSS);
    packet.out.extend_from_slice(&sender_ssrc.to_be_bytes());
    packet.out.extend_from_slice(&media_ssrc.to_be_bytes());
    packet.finish();
}

/// Append a FIR with one entry. `command` grows by one for each new request (RFC 5104 §4.3.1.1).
pub fn write_full_intra_request(out: &mut Vec<u8>, sender_ssrc: u32, media_ssrc: u32, command: u8) {
    let packet = Packet::begin(out, PAYLOAD_SPECIFIC_FEEDBACK, FULL_INTRA);
    packet.out.extend_from_slice(&sender_ssrc.to_be_bytes());
    // RFC 5104 §4.3.1.2: the media source of the packet itself is not used.
    packet.out.extend_from_slice(&[0; 4]);
    packet.out.extend_from_slice(&media_ssrc.to_be_bytes());
    packet.out.extend_from_slice(&[command, 0, 0, 0]);
    packet.finish();
}

/// Append a REMB for at most 255 `ssrcs`. The rate is rounded down to 18 significant bits.
pub fn write_remb(out: &mut Vec<u8>, sender_ssrc: u32, bitrate_bps: u64, ssrcs: &[u32]) {
    let ssrcs = &ssrcs[..ssrcs.len().min(255)];
    let exponent = (64 - bitrate_bps.leading_zeros()).saturating_sub(18);
    let mantissa = (bitrate_bps >> exponent) as u32;
    let rate = (ssrcs.len() as u32) << 24 | exponent << 18 | mantissa;
    let packet = Packet::begin(out, PAYLOAD_SPECIFIC_FEEDBACK, APPLICATION_LAYER);
    packet.out.extend_from_slice(&sender_ssrc.to_be_bytes());
    packet.out.extend_from_slice(&[0; 4]);
    packet.out.extend_from_slice(REMB_NAME);
    packet.out.extend_from_slice(&rate.to_be_bytes());
    for ssrc in ssrcs {
        packet.out.extend_from_slice(&ssrc.to_be_bytes());
    }
    packet.finish();
}

/// Append an XR with one DLRR sub-block (RFC 3611 §4.5): `last_rr` is the middle 32 bits of `about`'s reference time,
/// `delay` since it in 1/65536 s.
pub fn write_dlrr(out: &mut Vec<u8>, sender_ssrc: u32, about: u32, last_rr: u32, delay: u32) {
    let packet = Packet::begin(out, EXTENDED_REPORT, 0);
    packet.out.extend_from_slice(&sender_ssrc.to_be_bytes());
    let block_words = 3;
    packet
        .out
        .extend_from_slice(&[DELAY_SINCE_LAST_RECEIVER_REPORT, 0, 0, block_words]);
    for word in [about, last_rr, delay] {
        packet.out.extend_from_slice(&word.to_be_bytes());
    }
    packet.finish();
}

fn write_blocks(out: &mut Vec<u8>, blocks: &[ReportBlock]) {
    for block in blocks {
        // RFC 3550 §A.3: a 24-bit signed count that saturates.
        let lost = block.cumulative_lost.clamp(-0x80_0000, 0x7f_ffff) as u32 & 0xff_ffff;
        for word in [
            block.ssrc,
            u32::from(block.fraction_lost) << 24 | lost,
            block.highest_sequence_number,
            block.jitter,
            block.last_sender_report,
            block.delay_since_last_sender_report,
        ] {
            out.extend_from_slice(&word.to_be_bytes());
        }
    }
}

/// A packet being written: its length is known at the end.
struct Packet<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
}

impl<'a> Packet<'a> {
    fn begin(out: &'a mut Vec<u8>, packet_type: u8, count: u8) -> Self {
        let start = out.len();
        out.extend_from_slice(&[0x80 | count, packet_type, 0, 0]);
        Self { out, start }
    }

    /// Zero-fill to 32 bits (SDES only needs it) and fill in the length in words, less one.
    fn finish(self) {
        let words = (self.out.len() - self.start).div_ceil(4);
        self.out.resize(self.start + words * 4, 0);
        let length = (words - 1) as u16;
        self.out[self.start + 2..self.start + 4].copy_from_slice(&length.to_be_bytes());
    }
}

/// RFC 3550 §6.5.1.
const CNAME: u8 = 1;
