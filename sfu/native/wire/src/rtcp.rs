//! RTCP (RFC 3550 §6, RFC 4585, 5104, 8888 left out): walk compounds, read what we act on, write what we send.

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
        ssrc: u32,
        info: SenderInfo,
        blocks: ReportBlocks<'a>,
    },
    /// RR.
    ReceiverReport { ssrc: u32, blocks: ReportBlocks<'a> },
    /// BYE: the SSRCs leaving.
    Goodbye { ssrcs: Ssrcs<'a> },
    /// Generic NACK (RFC 4585 §6.2.1).
    Nack {
        media_ssrc: u32,
        pairs: NackPairs<'a>,
    },
    /// PLI.
    PictureLossIndication { media_ssrc: u32 },
    /// FIR: (ssrc, command sequence number) entries.
    FullIntraRequest { entries: FirEntries<'a> },
    /// REMB (draft-alvestrand-rmcat-remb): bit/s, saturated.
    ReceiverEstimatedMaxBitrate { bitrate_bps: u64 },
    /// Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01).
    TransportFeedback(FeedbackView<'a>),
    /// XR receiver reference time (RFC 3611 §4.4): answer with DLRR. 64-bit NTP time.
    ReceiverReferenceTime { ssrc: u32, ntp_time: u64 },
    /// SDES and whatever else is well formed but not acted on.
    Other { packet_type: u8 },
}

/// Iterator over report blocks.
#[derive(Debug, Clone)]
pub struct ReportBlocks<'a>(pub(crate) &'a [u8]);
/// Iterator over SSRCs.
#[derive(Debug, Clone)]
pub struct Ssrcs<'a>(pub(crate) &'a [u8]);
/// Iterator over NACKed sequence numbers, expanded from (PID, BLP) pairs.
#[derive(Debug, Clone)]
pub struct NackPairs<'a>(pub(crate) &'a [u8]);
/// Iterator over FIR entries.
#[derive(Debug, Clone)]
pub struct FirEntries<'a>(pub(crate) &'a [u8]);

impl Iterator for ReportBlocks<'_> {
    type Item = ReportBlock;
    fn next(&mut self) -> Option<ReportBlock> {
        todo!("wire formats")
    }
}
impl Iterator for Ssrcs<'_> {
    type Item = u32;
    fn next(&mut self) -> Option<u32> {
        todo!("wire formats")
    }
}
impl NackPairs<'_> {
    /// Every sequence number asked for, in wire order.
    pub fn sequence_numbers(&self) -> impl Iterator<Item = u16> + '_ {
        std::iter::from_fn(|| todo!("wire formats"))
    }
}
impl Iterator for FirEntries<'_> {
    type Item = (u32, u8);
    fn next(&mut self) -> Option<(u32, u8)> {
        todo!("wire formats")
    }
}

/// Walk a decrypted compound. Yields an error once and stops at the first malformed packet; reduced-size compounds
/// (RFC 5506) are fine.
pub fn packets(_compound: &[u8]) -> impl Iterator<Item = Result<RtcpPacket<'_>, ParseError>> {
    std::iter::from_fn(|| todo!("wire formats"))
}

/// Append an SR with up to 31 blocks.
pub fn write_sender_report(
    _out: &mut Vec<u8>,
    _ssrc: u32,
    _info: &SenderInfo,
    _blocks: &[ReportBlock],
) {
    todo!("wire formats")
}
/// Append an RR with up to 31 blocks.
pub fn write_receiver_report(_out: &mut Vec<u8>, _ssrc: u32, _blocks: &[ReportBlock]) {
    todo!("wire formats")
}
/// Append an SDES with one CNAME (at most 255 bytes).
pub fn write_sdes_cname(_out: &mut Vec<u8>, _ssrc: u32, _cname: &[u8]) {
    todo!("wire formats")
}
/// Append a BYE for `ssrcs` (at most 31).
pub fn write_goodbye(_out: &mut Vec<u8>, _ssrcs: &[u32]) {
    todo!("wire formats")
}
/// Append a generic NACK; `sequence_numbers` ascending modulo wrap, packed into PID/BLP pairs.
pub fn write_nack(
    _out: &mut Vec<u8>,
    _sender_ssrc: u32,
    _media_ssrc: u32,
    _sequence_numbers: &[u16],
) {
    todo!("wire formats")
}
/// Append a PLI.
pub fn write_picture_loss_indication(_out: &mut Vec<u8>, _sender_ssrc: u32, _media_ssrc: u32) {
    todo!("wire formats")
}
/// Append a FIR with one entry.
pub fn write_full_intra_request(
    _out: &mut Vec<u8>,
    _sender_ssrc: u32,
    _media_ssrc: u32,
    _command: u8,
) {
    todo!("wire formats")
}
/// Append a REMB.
pub fn write_remb(_out: &mut Vec<u8>, _sender_ssrc: u32, _bitrate_bps: u64, _ssrcs: &[u32]) {
    todo!("wire formats")
}
/// Append an XR with one DLRR sub-block (RFC 3611 §4.5).
pub fn write_dlrr(_out: &mut Vec<u8>, _sender_ssrc: u32, _about: u32, _last_rr: u32, _delay: u32) {
    todo!("wire formats")
}
