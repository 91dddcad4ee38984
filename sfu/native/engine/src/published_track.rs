//! One published m-line: its encodings, from RTP to the caches.
use crate::drop_reason::DropReason;
use crate::ids::TrackKey;
use crate::media_config::PublishConfig;
use crate::packet_cache::PacketCache;
use crate::receive_stream::SenderReport;
use crate::ssrc_table::Binding;
use crate::time::Time;
use std::time::Duration;
use wire::extensions::{AudioLevel, Extensions};
use wire::rtcp::{ReportBlock, SenderInfo};
use wire::rtp::RtpHeader;

/// A packet that went into a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// Index of the encoding, 0 lowest.
    pub encoding: u8,
    /// Its key in the encoding's cache.
    pub extended_sequence_number: u64,
    /// First packet of a keyframe.
    pub starts_keyframe: bool,
    /// It was missing before.
    pub filled_gap: bool,
    /// RFC 6464, if the packet says.
    pub audio_level: Option<AudioLevel>,
}

/// What layer selection sees of an encoding. As of the last `poll_changes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncodingState {
    /// Media arrived within 1.5 s.
    pub is_alive: bool,
    /// Pixels: known from the stream, else guessed from the index.
    pub width: u16,
    /// Pixels.
    pub height: u16,
    /// Over 1 s.
    pub bitrate_bps: u64,
    /// Once bound.
    pub media_ssrc: Option<u32>,
    /// First packet's arrival.
    pub last_keyframe_at: Option<Time>,
    /// Highest temporal layer seen in 2 s.
    pub max_temporal_layer: u8,
}

/// What changed since the last `poll_changes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TrackChanges {
    /// `TrackState`: RTP began (true) or stopped for 2 s (false).
    pub is_flowing: Option<bool>,
    /// An encoding came or went, or changed its size: choose layers again.
    pub are_encodings_changed: bool,
}

/// The track.
pub struct PublishedTrack {}

impl PublishedTrack {
    /// A track nothing has arrived on.
    pub fn new(_key: TrackKey, _config: PublishConfig, _is_kep: bool) -> Self {
        todo!()
    }
    /// Its key.
    pub fn key(&self) -> TrackKey {
        todo!()
    }
    /// The negotiated configuration.
    pub fn config(&self) -> &PublishConfig {
        todo!()
    }
    /// Renegotiated: keeps running; caches are emptied if the codecs changed.
    pub fn set_config(&mut self, _config: PublishConfig) {
        todo!()
    }
    /// A decrypted RTP packet that the SSRC table assigned to this track.
    ///
    /// # Errors
    /// Why it was not stored.
    pub fn handle_rtp(
        &mut self,
        _now: Time,
        _binding: Binding,
        _header: &RtpHeader,
        _extensions: &Extensions<'_>,
        _packet: &[u8],
    ) -> Result<Received, DropReason> {
        todo!()
    }
    /// An SR of one of the track's SSRCs; others are ignored.
    pub fn handle_sender_report(&mut self, _now: Time, _ssrc: u32, _info: &SenderInfo) {
        todo!()
    }
    /// BYE of one of its SSRCs.
    pub fn handle_goodbye(&mut self, _now: Time, _ssrc: u32) {
        todo!()
    }
    /// Number of encodings, 1–3.
    pub fn encoding_count(&self) -> u8 {
        todo!()
    }
    /// The encodings, lowest first.
    pub fn encodings(&self) -> &[EncodingState] {
        todo!()
    }
    /// An encoding's cache.
    pub fn cache(&self, _encoding: u8) -> Option<&PacketCache> {
        todo!()
    }
    /// The latest SR of an encoding's media SSRC.
    pub fn sender_report(&self, _encoding: u8) -> Option<SenderReport> {
        todo!()
    }
    /// Append what of `encoding` is to be asked for now; returns the media SSRC if anything is.
    pub fn poll_nacks(
        &mut self,
        _now: Time,
        _encoding: u8,
        _round_trip: Option<Duration>,
        _out: &mut Vec<u16>,
    ) -> Option<u32> {
        todo!()
    }
    /// True once after packets of `encoding` were given up and only a keyframe helps.
    pub fn take_wants_keyframe(&mut self, _encoding: u8) -> bool {
        todo!()
    }
    /// Append a report block per SSRC heard since the last call (RTX included: it acknowledges the SSRC).
    pub fn report_blocks(&mut self, _now: Time, _out: &mut Vec<ReportBlock>) {
        todo!()
    }
    /// Refresh `encodings` and say what changed. Cheap when called early.
    pub fn poll_changes(&mut self, _now: Time) -> TrackChanges {
        todo!()
    }
    /// Release what is too old in the caches.
    pub fn expire(&mut self, _now: Time) {
        todo!()
    }
    /// When `poll_nacks`, `poll_changes` or `expire` is next of use.
    pub fn next_timeout(&self) -> Time {
        todo!()
    }
}
