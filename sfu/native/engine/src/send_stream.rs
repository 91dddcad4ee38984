//! One SSRC flow to one subscriber, for life; what it carries is switched, at a keyframe (video) or at any packet (audio).
//!
//! The subscriber sees one endless stream: sequence numbers, timestamps and picture ids go on across switches. What is sent
//! again is rebuilt from the source's cache; only a few bytes per packet are remembered here.

use crate::drop_reason::DropReason;
use crate::ids::EncodingKey;
use crate::media_config::{CodecConfig, SubscribeConfig};
use crate::outbox::RtpSink;
use crate::packet::SourcePacket;
use crate::time::{NtpClock, Time};
use std::time::Duration;
use wire::rtcp::{ReportBlock, SenderInfo};

/// Random starting points, from the engine's seed.
#[derive(Debug, Clone, Copy)]
pub struct SendSeeds {
    /// First sequence number of the stream. Below 2^15, so that loss of the first packets cannot hide a wrap from the
    /// subscriber's SRTP rollover counter (RFC 3711 §3.3.1).
    pub sequence_number: u16,
    /// First sequence number of its retransmissions; the same advice.
    pub rtx_sequence_number: u16,
    /// First timestamp.
    pub timestamp: u32,
    /// First VP8/VP9 picture id.
    pub picture_id: u16,
    /// First TL0PICIDX.
    pub tl0_picture_index: u8,
}

/// What a send stream shall carry.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Which encoding.
    pub encoding: EncodingKey,
    /// The track's negotiated codecs: `PacketMeta::codec_index` points into them.
    pub codecs: &'a [CodecConfig],
    /// Highest spatial layer of a single-stream SVC encoding; `u8::MAX` for all.
    pub max_spatial_layer: u8,
    /// Highest temporal layer; `u8::MAX` for all.
    pub max_temporal_layer: u8,
    /// Ties the source's timestamps to engine time, if its publisher's sender reports tell.
    pub clock: Option<SourceClock>,
}

/// At `time` the source's RTP clock showed `rtp_timestamp`. The wiring derives it from the publisher's sender reports with
/// one NTP offset per publisher, so that sound and picture of one publisher keep their distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceClock {
    /// Engine time.
    pub time: Time,
    /// Wire timestamp on the source SSRC.
    pub rtp_timestamp: u32,
}

/// A packet went out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forwarded {
    /// This packet is the first of a new source or layer.
    pub started: Option<EncodingKey>,
}

/// What became of a NACK.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NackOutcome {
    /// Packets sent again.
    pub resent: u32,
    /// Never sent, gone, too soon, too often, or over the budget.
    pub refused: u32,
}

/// A send stream.
#[derive(Debug)]
pub struct SendStream {}

impl SendStream {
    /// A stream that carries nothing yet.
    pub fn new(_config: SubscribeConfig, _seeds: &SendSeeds) -> Self {
        todo!()
    }
    /// The m-line it was made for.
    pub fn config(&self) -> &SubscribeConfig {
        todo!()
    }
    /// A new negotiation of the same m-line: payload types and extension ids may differ; SSRC and numbers go on.
    pub fn set_config(&mut self, _config: SubscribeConfig) {
        todo!()
    }
    /// True if the subscriber negotiated one of a track's codecs.
    pub fn can_decode(&self, _codecs: &[CodecConfig]) -> bool {
        todo!()
    }
    /// Carry this from its next keyframe (audio: next packet) on; until then the old source goes on. `None` stops at once.
    pub fn select(&mut self, _now: Time, _wanted: Option<&Wanted<'_>>) {
        todo!()
    }
    /// A source is no more: nothing of it will come.
    pub fn source_gone(&mut self, _encoding: EncodingKey) {
        todo!()
    }
    /// Better knowledge of a source's clock.
    pub fn set_source_clock(&mut self, _encoding: EncodingKey, _clock: SourceClock) {
        todo!()
    }
    /// The encodings whose packets it wants: the one being sent, and the one it waits for.
    pub fn listens_to(&self) -> [Option<EncodingKey>; 2] {
        todo!()
    }
    /// The encoding being sent.
    pub fn current(&self) -> Option<EncodingKey> {
        todo!()
    }
    /// The encoding whose keyframe it waits for.
    pub fn needs_keyframe(&self) -> Option<EncodingKey> {
        todo!()
    }
    /// Rewrite and write one packet of a source.
    ///
    /// # Errors
    /// `DropReason`: nothing was forwarded, on purpose.
    pub fn handle_packet(
        &mut self,
        _now: Time,
        _from: EncodingKey,
        _packet: SourcePacket<'_>,
        _sink: &mut impl RtpSink,
    ) -> Result<Forwarded, DropReason> {
        todo!()
    }
    /// A number of the source that will never come here (padding-only packet): close the gap.
    pub fn skip_packet(&mut self, _from: EncodingKey, _extended_sequence_number: u64) {
        todo!()
    }
    /// Answer a NACK from the sources' caches, by RTX if negotiated.
    pub fn handle_nack<'a>(
        &mut self,
        _now: Time,
        _sequence_numbers: impl Iterator<Item = u16>,
        _round_trip: Duration,
        _lookup: impl Fn(EncodingKey, u64) -> Option<SourcePacket<'a>>,
        _sink: &mut impl RtpSink,
    ) -> NackOutcome {
        todo!()
    }
    /// What a sender report says now; `None` if nothing was sent lately.
    pub fn sender_info(&self, _now: Time, _clock: &NtpClock) -> Option<SenderInfo> {
        todo!()
    }
    /// A report block about this stream. `ntp_now` is 64-bit NTP.
    pub fn handle_report_block(&mut self, _ntp_now: u64, _block: &ReportBlock) {
        todo!()
    }
    /// Smoothed round trip by report blocks.
    pub fn round_trip(&self) -> Option<Duration> {
        todo!()
    }
    /// Loss by the last report block, as a fraction of 1.
    pub fn loss_fraction(&self) -> f32 {
        todo!()
    }
}
