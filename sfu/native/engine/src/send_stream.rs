//! One SSRC flow to one subscriber, for life; what it carries is switched, at a keyframe (video) or at any packet (audio).
//!
//! The subscriber sees one endless stream: sequence numbers, timestamps and picture ids go on across switches. What is sent
//! again is rebuilt from the source's cache; only a few bytes per packet are remembered here.

mod forwarding;
mod history;
mod layer_filter;
mod number_map;
mod packet_writer;
mod pictures;
mod reports;
mod retransmission;
mod silence;
mod source;
mod timeline;
mod units;

use crate::ids::{EncodingKey, Kind};
use crate::media_config::{CodecConfig, SubscribeConfig};
use crate::retransmission_budget::RetransmissionBudget;
use crate::time::{NtpClock, Time};
use history::History;
use pictures::Pictures;
use reports::Reports;
use source::{Current, Eras, Pending, is_same};
use std::time::Duration;
use timeline::Timeline;
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
    /// It starts a keyframe, but came too late for the spatial layers that were to begin there: they need another.
    pub missed_keyframe: bool,
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
pub struct SendStream {
    config: SubscribeConfig,
    current: Option<Current>,
    pending: Option<Pending>,
    eras: Eras,
    history: History,
    timeline: Timeline,
    pictures: Pictures,
    /// Frame number last sent in a dependency descriptor.
    frame_number: u16,
    budget: RetransmissionBudget,
    /// Extended sequence number of the next RTX packet.
    rtx_next: u64,
    reports: Reports,
}

impl SendStream {
    /// A stream that carries nothing yet.
    pub fn new(config: SubscribeConfig, seeds: &SendSeeds) -> Self {
        let (max_history, burst_bytes) = match config.kind {
            Kind::Audio => (AUDIO_HISTORY, AUDIO_BURST_BYTES),
            Kind::Video => (VIDEO_HISTORY, VIDEO_BURST_BYTES),
        };
        Self {
            current: None,
            pending: None,
            eras: Eras::default(),
            // The subscriber's rollover counter begins at 0 (RFC 3711 §3.3.1), so the wire value is the extended one.
            history: History::new(u64::from(seeds.sequence_number), max_history),
            timeline: Timeline::new(config.kind, seeds.timestamp),
            pictures: Pictures::new(seeds.picture_id, seeds.tl0_picture_index),
            frame_number: 0,
            budget: RetransmissionBudget::new(burst_bytes),
            rtx_next: u64::from(seeds.rtx_sequence_number),
            reports: Reports::default(),
            config,
        }
    }

    /// Load what the next packet needs and the stream itself does not hold.
    pub(crate) fn prefetch(&self) {
        prefetch::prefetch_slice(&self.config.codecs);
        self.history.prefetch();
        self.eras.prefetch();
        if let Some(current) = &self.current {
            current.payloads.prefetch();
        }
    }

    /// The m-line it was made for.
    pub fn config(&self) -> &SubscribeConfig {
        &self.config
    }

    /// A new negotiation of the same m-line: payload types and extension ids may differ; SSRC and numbers go on. Call
    /// `select` again after it, so that the payload types are looked up anew.
    pub fn set_config(&mut self, config: SubscribeConfig) {
        if self.config != config {
            // Rebuilt under other ids, packets would no longer be the bytes that were sent.
            self.history.clear();
            self.config = config;
        }
    }

    /// True if the subscriber negotiated one of a track's codecs.
    pub fn can_decode(&self, codecs: &[CodecConfig]) -> bool {
        let own = &self.config.codecs;
        codecs
            .iter()
            .any(|codec| own.iter().any(|own| is_same(own, codec)))
    }

    /// Carry this from its next keyframe (audio: next packet) on; until then the old source goes on. `None` stops at once.
    /// Layer limits within what is carried already change without a switch.
    pub fn select(&mut self, wanted: Option<&Wanted<'_>>) {
        let Some(wanted) = wanted else {
            self.current = None;
            self.pending = None;
            return;
        };
        let pending = Pending::new(&self.config, wanted);
        match &mut self.current {
            Some(current) if current.encoding == wanted.encoding => {
                current.payloads = pending.payloads;
                current
                    .layers
                    .set_wanted(pending.max_spatial, pending.max_temporal);
                if let Some(clock) = pending.clock {
                    self.timeline.set_clock(clock);
                }
                self.pending = None;
            }
            _ => self.pending = Some(pending),
        }
    }

    /// A source is no more: nothing of it will come.
    pub fn source_gone(&mut self, encoding: EncodingKey) {
        self.current.take_if(|current| current.encoding == encoding);
        self.pending.take_if(|pending| pending.encoding == encoding);
    }

    /// What it carries begins anew (the sender restarted, or packets were missed that nobody will send): wait for a point
    /// where it can be taken up again.
    pub fn restart(&mut self, encoding: EncodingKey) {
        let Some(current) = self.current.take_if(|current| current.encoding == encoding) else {
            return;
        };
        let (max_spatial, max_temporal) = current.layers.wanted();
        self.pending.get_or_insert(Pending {
            encoding,
            payloads: current.payloads,
            max_spatial,
            max_temporal,
            clock: None,
        });
    }

    /// Better knowledge of a source's clock.
    pub fn set_source_clock(&mut self, encoding: EncodingKey, clock: SourceClock) {
        if self.current() == Some(encoding) {
            self.timeline.set_clock(clock);
        }
        if let Some(pending) = self.pending.as_mut().filter(|p| p.encoding == encoding) {
            pending.clock = Some(clock);
        }
    }

    /// The encodings whose packets it wants: the one being sent, and the one it waits for.
    pub fn listens_to(&self) -> [Option<EncodingKey>; 2] {
        [
            self.current(),
            self.pending.as_ref().map(|pending| pending.encoding),
        ]
    }

    /// The encoding being sent.
    pub fn current(&self) -> Option<EncodingKey> {
        self.current.as_ref().map(|current| current.encoding)
    }

    /// The encoding whose keyframe it waits for: the pending one, or the current one if a wanted spatial layer of it can
    /// only begin at one. Audio never waits.
    pub fn needs_keyframe(&self) -> Option<EncodingKey> {
        if self.config.kind == Kind::Audio {
            return None;
        }
        match (&self.pending, &self.current) {
            (Some(pending), _) => Some(pending.encoding),
            (None, Some(current)) if current.layers.needs_keyframe() => Some(current.encoding),
            _ => None,
        }
    }

    /// A wanted spatial layer of what it carries has yet to begin.
    fn lacks_layers(&self) -> bool {
        let current = self.current.as_ref();
        self.pending.is_none() && current.is_some_and(|current| current.layers.needs_keyframe())
    }

    /// What a sender report says now; `None` if nothing was sent lately.
    pub fn sender_info(&self, now: Time, clock: &NtpClock) -> Option<SenderInfo> {
        if !self.reports.is_active(now) {
            return None;
        }
        Some(SenderInfo {
            ntp_time: clock.ntp(now),
            rtp_timestamp: self.timeline.at(now)?,
            packet_count: self.reports.packet_count,
            octet_count: self.reports.octet_count,
        })
    }

    /// A report block about this stream. `ntp_now` is 64-bit NTP.
    pub fn handle_report_block(&mut self, ntp_now: u64, block: &ReportBlock) {
        self.reports.handle_block(ntp_now, block);
    }

    /// Smoothed round trip by report blocks.
    pub fn round_trip(&self) -> Option<Duration> {
        self.reports.round_trip()
    }

    /// Loss by the last report block, as a fraction of 1.
    pub fn loss_fraction(&self) -> f32 {
        self.reports.loss_fraction()
    }
}

/// LIMIT: packets remembered, powers of two. Video: 2 s at 4.5 Mbit/s in 1,100-byte packets, 28 KiB; audio: 2.5 s.
const VIDEO_HISTORY: usize = 1_024;
const AUDIO_HISTORY: usize = 128;
/// LIMIT: bytes sent again beyond the fifth: a whole 720p keyframe; 0.5 s of audio with redundancy.
const VIDEO_BURST_BYTES: u32 = 75_000;
const AUDIO_BURST_BYTES: u32 = 8_000;

#[cfg(test)]
mod tests;
