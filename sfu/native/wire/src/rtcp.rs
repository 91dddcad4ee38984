//! RTCP (RFC 3550 §6, RFC 4585, 5104, 8888 left out): walk compounds, read what we act on, write what we send.

mod write;

pub use write::{
    MAX_NACK_PAIRS, write_dlrr, write_full_intra_request, write_goodbye, write_nack,
    write_picture_loss_indication, write_receiver_report, write_remb, write_sdes_cname,
    write_sender_report,
};

use crate::ParseError;
use crate::transport_feedback::FeedbackView;

/// One report block (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReportBlock {
    /// Stream this block is about.
    pub ssrc: u32,
    /// Fraction lost since the last report, 8-bit fixed point.
    pub fraction_lost: u8,
    /// Cumulative loss, 24-bit signed.
    pub cumulative_lost: i32,
    /// Extended highest sequence number received.
    pub highest_sequence_number: u32,
    /// Interarrival jitter in timestamp units.
    pub jitter: u32,
    /// Middle 32 bits of the last SR's NTP time.
    pub last_sender_report: u32,
    /// Delay since it, in 1/65536 s.
    pub delay_since_last_sender_report: u32,
}

/// Sender information of an SR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SenderInfo {
    /// 64-bit NTP time.
    pub ntp_time: u64,
    /// RTP timestamp of the same instant.
    pub rtp_timestamp: u32,
    /// Packets sent.
    pub packet_count: u32,
    /// Payload bytes sent.
    pub octet_count: u32,
}

/// One packet out of a compound, borrowed. Lists are iterators over the bytes; nothing is allocated.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RtcpPacket<'a> {
    /// SR.
    SenderReport {
        /// The sender.
        ssrc: u32,
        /// What it sent so far.
        info: SenderInfo,
        /// What it received.
        blocks: ReportBlocks<'a>,
    },
    /// RR.
    ReceiverReport {
        /// The sender.
        ssrc: u32,
        /// What it received.
        blocks: ReportBlocks<'a>,
    },
    /// BYE: the SSRCs leaving.
    Goodbye {
        /// At most 31.
        ssrcs: Ssrcs<'a>,
    },
    /// Generic NACK (RFC 4585 §6.2.1).
    Nack {
        /// The stream with the losses.
        media_ssrc: u32,
        /// What was lost.
        pairs: NackPairs<'a>,
    },
    /// PLI.
    PictureLossIndication {
        /// The stream that needs a keyframe.
        media_ssrc: u32,
    },
    /// FIR: (ssrc, command sequence number) entries.
    FullIntraRequest {
        /// The streams that need a keyframe.
        entries: FirEntries<'a>,
    },
    /// REMB (draft-alvestrand-rmcat-remb): bit/s, saturated.
    ReceiverEstimatedMaxBitrate {
        /// For all streams together.
        bitrate_bps: u64,
    },
    /// Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01).
    TransportFeedback(FeedbackView<'a>),
    /// XR receiver reference time (RFC 3611 §4.4): answer with DLRR. 64-bit NTP time.
    ReceiverReferenceTime {
        /// The sender.
        ssrc: u32,
        /// Its clock when it sent this.
        ntp_time: u64,
    },
    /// SDES and whatever else is well formed but not acted on.
    Other {
        /// As on the wire.
        packet_type: u8,
    },
}

/// Iterator over report blocks.
#[derive(Debug, Clone)]
pub struct ReportBlocks<'a>(pub(crate) &'a [u8]);
/// Iterator over SSRCs.
#[derive(Debug, Clone)]
pub struct Ssrcs<'a>(pub(crate) &'a [u8]);
/// Iterator over the sequence numbers of a NACK, expanded from (PID, BLP) pairs.
#[derive(Debug, Clone)]
pub struct NackPairs<'a>(pub(crate) &'a [u8]);
/// Iterator over FIR entries.
#[derive(Debug, Clone)]
pub struct FirEntries<'a>(pub(crate) &'a [u8]);

impl Iterator for ReportBlocks<'_> {
    type Item = ReportBlock;
    fn next(&mut self) -> Option<ReportBlock> {
        let (block, rest) = self.0.split_at_checked(REPORT_BLOCK_BYTES)?;
        self.0 = rest;
        Some(ReportBlock {
            ssrc: word(block, 0)?,
            fraction_lost: block[4],
            // 24-bit signed: shift the fraction out, then the sign back in.
            cumulative_lost: (word(block, 4)? << 8) as i32 >> 8,
            highest_sequence_number: word(block, 8)?,
            jitter: word(block, 12)?,
            last_sender_report: word(block, 16)?,
            delay_since_last_sender_report: word(block, 20)?,
        })
    }
}
impl Iterator for Ssrcs<'_> {
    type Item = u32;
    fn next(&mut self) -> Option<u32> {
        let (&ssrc, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(ssrc))
    }
}
impl NackPairs<'_> {
    /// Every sequence number asked for, in wire order; at most 17 for each four bytes of packet.
    pub fn sequence_numbers(&self) -> impl Iterator<Item = u16> + '_ {
        // RFC 4585 §6.2.1: bit i of BLP stands for PID + i + 1.
        self.0.chunks_exact(4).flat_map(|pair| {
            let id = u16::from_be_bytes([pair[0], pair[1]]);
            let following = u16::from_be_bytes([pair[2], pair[3]]);
            let is_lost = move |offset: &u16| *offset == 0 || following >> (offset - 1) & 1 == 1;
            (0..=16)
                .filter(is_lost)
                .map(move |offset| id.wrapping_add(offset))
        })
    }
}
impl Iterator for FirEntries<'_> {
    type Item = (u32, u8);
    fn next(&mut self) -> Option<(u32, u8)> {
        let (&[a, b, c, d, command, _, _, _], rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some((u32::from_be_bytes([a, b, c, d]), command))
    }
}

/// Walk a decrypted compound. Yields an error once and stops at the first malformed packet; reduced-size compounds
/// (RFC 5506) are fine.
pub fn packets(compound: &[u8]) -> Packets<'_> {
    Packets(compound)
}

/// Iterator over the packets of a compound.
#[derive(Debug, Clone)]
pub struct Packets<'a>(&'a [u8]);

impl<'a> Iterator for Packets<'a> {
    type Item = Result<RtcpPacket<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let result = self.split_packet();
        if result.is_err() {
            self.0 = &[];
        }
        Some(result)
    }
}

impl<'a> Packets<'a> {
    fn split_packet(&mut self) -> Result<RtcpPacket<'a>, ParseError> {
        let (&[first, packet_type, high, low], after) = self
            .0
            .split_first_chunk()
            .ok_or(ParseError::Truncated("rtcp"))?;
        if first >> 6 != 2 {
            return Err(ParseError::BadValue("rtcp"));
        }
        let length = usize::from(u16::from_be_bytes([high, low])) * 4;
        let (mut body, rest) = after
            .split_at_checked(length)
            .ok_or(ParseError::Truncated("rtcp"))?;
        self.0 = rest;
        if first & 0x20 != 0 {
            // Not held to a multiple of four: transport feedback pads its odd bytes so.
            let padding = usize::from(body.last().copied().unwrap_or(0));
            body = match body.len().checked_sub(padding) {
                Some(kept) if padding > 0 => &body[..kept],
                _ => return Err(ParseError::BadLength("rtcp padding")),
            };
        }
        read_packet(packet_type, first & 0x1f, body)
    }
}

/// Read one packet's body; `count` is the header's five bits: a count or a feedback message type.
fn read_packet(packet_type: u8, count: u8, body: &[u8]) -> Result<RtcpPacket<'_>, ParseError> {
    match (packet_type, count) {
        (SENDER_REPORT, _) => read_sender_report(body, count),
        (RECEIVER_REPORT, _) => {
            let (ssrc, after) = split_word(body, "rtcp rr")?;
            let blocks = report_blocks(after, count, "rtcp rr")?;
            Ok(RtcpPacket::ReceiverReport { ssrc, blocks })
        }
        (SOURCE_DESCRIPTION, _) => {
            check_source_description(body, count)?;
            Ok(RtcpPacket::Other { packet_type })
        }
        (GOODBYE, _) => {
            let ssrcs = body
                .get(..usize::from(count) * 4)
                .ok_or(ParseError::BadLength("rtcp bye"))?;
            Ok(RtcpPacket::Goodbye {
                ssrcs: Ssrcs(ssrcs),
            })
        }
        (TRANSPORT_LAYER_FEEDBACK | PAYLOAD_SPECIFIC_FEEDBACK, _) => {
            let (_sender_ssrc, after) = split_word(body, "rtcp feedback")?;
            let (media_ssrc, fci) = split_word(after, "rtcp feedback")?;
            read_feedback(packet_type, count, media_ssrc, fci)
        }
        (EXTENDED_REPORT, _) => read_extended_report(body),
        _ => Ok(RtcpPacket::Other { packet_type }),
    }
}

fn read_sender_report(body: &[u8], count: u8) -> Result<RtcpPacket<'_>, ParseError> {
    const NAME: &str = "rtcp sr";
    let (ssrc, after) = split_word(body, NAME)?;
    let (ntp_seconds, after) = split_word(after, NAME)?;
    let (ntp_fraction, after) = split_word(after, NAME)?;
    let (rtp_timestamp, after) = split_word(after, NAME)?;
    let (packet_count, after) = split_word(after, NAME)?;
    let (octet_count, after) = split_word(after, NAME)?;
    Ok(RtcpPacket::SenderReport {
        ssrc,
        info: SenderInfo {
            ntp_time: u64::from(ntp_seconds) << 32 | u64::from(ntp_fraction),
            rtp_timestamp,
            packet_count,
            octet_count,
        },
        blocks: report_blocks(after, count, NAME)?,
    })
}

/// What follows the blocks is a profile's extension (RFC 3550 §6.4.3), which is ignored.
fn report_blocks<'a>(
    body: &'a [u8],
    count: u8,
    name: &'static str,
) -> Result<ReportBlocks<'a>, ParseError> {
    body.get(..usize::from(count) * REPORT_BLOCK_BYTES)
        .map(ReportBlocks)
        .ok_or(ParseError::BadLength(name))
}

/// RFC 3550 §6.5: chunks of an SSRC and items, ended by a zero byte and padded to 32 bits.
fn check_source_description(body: &[u8], count: u8) -> Result<(), ParseError> {
    const NAME: &str = "rtcp sdes";
    let mut at = 0;
    for _ in 0..count {
        at += 4;
        loop {
            match body.get(at) {
                None => return Err(ParseError::Truncated(NAME)),
                Some(0) => break,
                Some(_) => {
                    let length = body.get(at + 1).ok_or(ParseError::Truncated(NAME))?;
                    at += 2 + usize::from(*length);
                }
            }
        }
        at = (at + 4) & !3;
    }
    if at > body.len() {
        return Err(ParseError::Truncated(NAME));
    }
    Ok(())
}

/// RFC 4585 §6: `format` is the feedback message type, `fci` what follows the two SSRCs.
fn read_feedback(
    packet_type: u8,
    format: u8,
    media_ssrc: u32,
    fci: &[u8],
) -> Result<RtcpPacket<'_>, ParseError> {
    match (packet_type, format) {
        (TRANSPORT_LAYER_FEEDBACK, GENERIC_NACK) => Ok(RtcpPacket::Nack {
            media_ssrc,
            pairs: NackPairs(fci),
        }),
        (TRANSPORT_LAYER_FEEDBACK, TRANSPORT_WIDE) => {
            FeedbackView::parse(fci).map(RtcpPacket::TransportFeedback)
        }
        (PAYLOAD_SPECIFIC_FEEDBACK, PICTURE_LOSS) => {
            Ok(RtcpPacket::PictureLossIndication { media_ssrc })
        }
        (PAYLOAD_SPECIFIC_FEEDBACK, FULL_INTRA) => Ok(RtcpPacket::FullIntraRequest {
            entries: FirEntries(fci),
        }),
        (PAYLOAD_SPECIFIC_FEEDBACK, APPLICATION_LAYER) if fci.starts_with(REMB_NAME) => {
            read_remb(fci)
        }
        _ => Ok(RtcpPacket::Other { packet_type }),
    }
}

/// draft-alvestrand-rmcat-remb-03 §2.2: name, count of SSRCs, 6 bits of exponent, 18 of mantissa, SSRCs.
fn read_remb(fci: &[u8]) -> Result<RtcpPacket<'_>, ParseError> {
    const NAME: &str = "rtcp remb";
    let rate = word(fci, 4).ok_or(ParseError::Truncated(NAME))?;
    let ssrcs = (rate >> 24) as usize;
    if fci.len() < 8 + ssrcs * 4 {
        return Err(ParseError::BadLength(NAME));
    }
    let (exponent, mantissa) = (rate >> 18 & 0x3f, u64::from(rate & 0x3_ffff));
    let bitrate_bps = if exponent > mantissa.leading_zeros() {
        u64::MAX
    } else {
        mantissa << exponent
    };
    Ok(RtcpPacket::ReceiverEstimatedMaxBitrate { bitrate_bps })
}

/// RFC 3611 §3: the first receiver reference time among the blocks; all blocks must be whole.
fn read_extended_report(body: &[u8]) -> Result<RtcpPacket<'_>, ParseError> {
    const NAME: &str = "rtcp xr";
    let (ssrc, mut blocks) = split_word(body, NAME)?;
    let mut packet = RtcpPacket::Other {
        packet_type: EXTENDED_REPORT,
    };
    let mut is_found = false;
    while !blocks.is_empty() {
        let (head, after) = split_word(blocks, NAME)?;
        let (data, rest) = after
            .split_at_checked((head & 0xffff) as usize * 4)
            .ok_or(ParseError::BadLength(NAME))?;
        blocks = rest;
        if head >> 24 == RECEIVER_REFERENCE_TIME && !is_found {
            let ntp_time = data.first_chunk().ok_or(ParseError::BadLength(NAME))?;
            let ntp_time = u64::from_be_bytes(*ntp_time);
            packet = RtcpPacket::ReceiverReferenceTime { ssrc, ntp_time };
            is_found = true;
        }
    }
    Ok(packet)
}

fn word(bytes: &[u8], offset: usize) -> Option<u32> {
    let bytes = bytes.get(offset..)?.first_chunk()?;
    Some(u32::from_be_bytes(*bytes))
}

fn split_word<'a>(bytes: &'a [u8], name: &'static str) -> Result<(u32, &'a [u8]), ParseError> {
    let (&word, rest) = bytes
        .split_first_chunk()
        .ok_or(ParseError::Truncated(name))?;
    Ok((u32::from_be_bytes(word), rest))
}

const REPORT_BLOCK_BYTES: usize = 24;
/// Packet types: RFC 3550 §12.1, RFC 4585 §6.1, RFC 3611 §2.
const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;
const TRANSPORT_LAYER_FEEDBACK: u8 = 205;
const PAYLOAD_SPECIFIC_FEEDBACK: u8 = 206;
const EXTENDED_REPORT: u8 = 207;
/// Feedback message types: RFC 4585 §6.2, §6.3; RFC 5104 §4.3.1; the transport-wide draft §3.1.
const GENERIC_NACK: u8 = 1;
const TRANSPORT_WIDE: u8 = 15;
const PICTURE_LOSS: u8 = 1;
const FULL_INTRA: u8 = 4;
const APPLICATION_LAYER: u8 = 15;
const REMB_NAME: &[u8; 4] = b"REMB";
/// Block types: RFC 3611 §4.4, §4.5.
const RECEIVER_REFERENCE_TIME: u32 = 4;
const DELAY_SINCE_LAST_RECEIVER_REPORT: u8 = 5;

#[cfg(test)]
mod tests;
