//! One published m-line: its encodings, from decrypted RTP to the caches, and what layer selection sees of them.

use crate::drop_reason::DropReason;
use crate::encoding::{Encoding, MediaPacket};
use crate::ids::{Kind, TrackKey};
use crate::layer_selection::SpatialHeights;
use crate::media_config::{CodecConfig, MAX_ENCODINGS, PublishConfig};
use crate::packet_cache::PacketCache;
use crate::receive_stream::{ReceiveStream, SenderReport};
use crate::ssrc_table::Binding;
use crate::time::Time;
use std::time::Duration;
use wire::codec::Codec;
use wire::extensions::{AudioLevel, Extensions};
use wire::rtcp::{ReportBlock, SenderInfo};
use wire::rtp::{self, RtpHeader};

/// RTP has stopped when nothing came for this long: five Opus DTX packets.
const TRACK_SILENCE: Duration = Duration::from_secs(2);
/// How often rates and liveness are looked at.
const REFRESH_INTERVAL: Duration = Duration::from_millis(500);
/// Until a keyframe tells: what browsers send as the highest layer, half of it below, and so on.
const GUESSED_SIZE: (u16, u16) = (1280, 720);

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
    /// The sender began anew or changed its SSRC: the cache was emptied, timestamps and picture ids have no relation to
    /// those before (extended sequence numbers still grow).
    pub is_restart: bool,
    /// Padding alone on a media SSRC: subscribers close the gap.
    pub is_padding: bool,
    /// RFC 6464, if the packet says.
    pub audio_level: Option<AudioLevel>,
}

/// What layer selection sees of an encoding. As of the last `poll_changes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EncodingState {
    /// Media arrived within 1.5 s.
    pub is_alive: bool,
    /// Pixels: known from the stream, else guessed from the index. 0 for audio.
    pub width: u16,
    /// Pixels.
    pub height: u16,
    /// Of the spatial layers in the one stream, lowest first; zeros without SVC.
    pub spatial_heights: SpatialHeights,
    /// Over 1 s.
    pub bitrate_bps: u64,
    /// Once bound.
    pub media_ssrc: Option<u32>,
    /// Arrival of the latest keyframe's first packet.
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
pub struct PublishedTrack {
    key: TrackKey,
    config: PublishConfig,
    is_kep: bool,
    encodings: Vec<Encoding>,
    states: Vec<EncodingState>,
    is_flowing: bool,
    next_refresh: Time,
}

impl PublishedTrack {
    /// A track nothing has arrived on.
    pub fn new(key: TrackKey, config: PublishConfig, is_kep: bool) -> Self {
        let mut track = Self {
            key,
            config,
            is_kep,
            encodings: Vec::new(),
            states: Vec::new(),
            is_flowing: false,
            next_refresh: Time::NEVER,
        };
        track.make_encodings();
        track
    }

    /// Its key.
    pub fn key(&self) -> TrackKey {
        self.key
    }

    /// The negotiated configuration.
    pub fn config(&self) -> &PublishConfig {
        &self.config
    }

    /// True if `set_config` with this would keep the track running.
    pub fn is_compatible(&self, config: &PublishConfig) -> bool {
        self.config.kind == config.kind
            && self.config.codecs == config.codecs
            && self.config.rids == config.rids
    }

    /// Load what the next packet of `encoding` needs.
    pub(crate) fn prefetch(&self, encoding: u8) {
        prefetch::prefetch_slice(&self.config.codecs);
        let index = usize::from(encoding);
        if let Some(encoding) = self.encodings.get(index) {
            prefetch::prefetch(encoding);
        }
        if let Some(state) = self.states.get(index) {
            prefetch::prefetch(state);
        }
    }

    /// Nothing before now is asked for, kept or continued; numbers go on above all those before.
    pub fn interrupt(&mut self) {
        for encoding in &mut self.encodings {
            encoding.interrupt();
        }
    }

    /// Renegotiated: keeps running, unless codecs or rids changed. Then everything begins anew.
    pub fn set_config(&mut self, config: PublishConfig) {
        let is_same = self.is_compatible(&config);
        self.config = config;
        if !is_same {
            self.make_encodings();
            self.next_refresh = Time::ZERO;
        }
    }

    /// A decrypted RTP packet that the SSRC table assigned to this track. `packet` is the whole plain packet.
    ///
    /// # Errors
    /// Why it was not stored.
    pub fn handle_rtp(
        &mut self,
        now: Time,
        binding: Binding,
        header: &RtpHeader,
        extensions: &Extensions<'_>,
        packet: &[u8],
    ) -> Result<Received, DropReason> {
        let padded = packet
            .get(header.header_bytes..)
            .ok_or(DropReason::Malformed)?;
        let padding =
            rtp::padding_bytes(header.has_padding, padded).map_err(|_| DropReason::Malformed)?;
        let (codec, codec_index, codec_config) = find_codec(
            &self.config.codecs,
            header.payload_type,
            binding.is_retransmission,
        )
        .ok_or(DropReason::UnknownPayloadType)?;
        let index = usize::from(binding.encoding);
        let (Some(encoding), Some(state)) = (self.encodings.get_mut(index), self.states.get(index))
        else {
            return Err(DropReason::UnknownSsrc);
        };
        let media = MediaPacket {
            header,
            extensions,
            payload: &padded[..padded.len() - padding],
            codec,
            codec_index,
            codec_config,
            size_bytes: packet.len(),
        };
        let result = if binding.is_retransmission {
            encoding.handle_retransmission(now, &media)
        } else {
            encoding.handle_media(now, &media)
        };
        let is_news = !binding.is_retransmission && !state.is_alive;
        let is_resized = encoding
            .size
            .is_some_and(|size| size != (state.width, state.height))
            || encoding.spatial_heights != state.spatial_heights;
        if is_news || is_resized {
            self.next_refresh = now;
        }
        result.map(|stored| Received {
            encoding: binding.encoding,
            extended_sequence_number: stored.extended_sequence_number,
            starts_keyframe: stored.starts_keyframe,
            filled_gap: stored.filled_gap,
            is_restart: stored.is_restart,
            is_padding: stored.is_padding,
            audio_level: extensions.audio_level,
        })
    }

    /// An SR of one of the track's SSRCs; others are ignored.
    pub fn handle_sender_report(&mut self, now: Time, ssrc: u32, info: &SenderInfo) {
        for encoding in &mut self.encodings {
            let streams = encoding
                .media
                .iter_mut()
                .chain(&mut encoding.retransmissions);
            for stream in streams.filter(|stream| stream.ssrc() == ssrc) {
                stream.handle_sender_report(now, info);
            }
        }
    }

    /// BYE of one of its SSRCs.
    pub fn handle_goodbye(&mut self, ssrc: u32) {
        for encoding in &mut self.encodings {
            encoding.handle_goodbye(ssrc);
        }
    }

    /// Number of encodings, 1–3.
    pub fn encoding_count(&self) -> u8 {
        self.encodings.len() as u8
    }

    /// The encodings, lowest first.
    pub fn encodings(&self) -> &[EncodingState] {
        &self.states
    }

    /// An encoding's cache.
    pub fn cache(&self, encoding: u8) -> Option<&PacketCache> {
        self.encodings
            .get(usize::from(encoding))
            .map(|encoding| &encoding.cache)
    }

    /// The latest SR of an encoding's media SSRC.
    pub fn sender_report(&self, encoding: u8) -> Option<SenderReport> {
        let encoding = self.encodings.get(usize::from(encoding))?;
        encoding.media.as_ref()?.sender_report()
    }

    /// Append what of `encoding` is to be asked for now; returns the media SSRC if anything is.
    pub fn poll_nacks(
        &mut self,
        now: Time,
        encoding: u8,
        round_trip: Option<Duration>,
        out: &mut Vec<u16>,
    ) -> Option<u32> {
        let encoding = self.encodings.get_mut(usize::from(encoding))?;
        let before = out.len();
        encoding.nacks.poll(now, round_trip, out);
        let ssrc = encoding.media.as_ref()?.ssrc();
        (out.len() > before).then_some(ssrc)
    }

    /// True once after packets of `encoding` were given up and only a keyframe helps. Never for audio.
    pub fn take_wants_keyframe(&mut self, encoding: u8) -> bool {
        let encoding = self.encodings.get_mut(usize::from(encoding));
        encoding.is_some_and(|encoding| encoding.nacks.take_wants_keyframe())
            && self.config.kind == Kind::Video
    }

    /// Append a report block per SSRC heard since the last call, RTX included: a report is what makes Chromium stop
    /// sending mid and rid.
    pub fn report_blocks(&mut self, now: Time, out: &mut Vec<ReportBlock>) {
        for encoding in &mut self.encodings {
            let streams = encoding
                .media
                .iter_mut()
                .chain(&mut encoding.retransmissions);
            out.extend(streams.filter_map(|stream| stream.report_block(now)));
        }
    }

    /// Refresh `encodings` and say what changed. Cheap when called early.
    pub fn poll_changes(&mut self, now: Time) -> TrackChanges {
        if now < self.next_refresh {
            return TrackChanges::default();
        }
        let mut changes = TrackChanges::default();
        let known = self.known_size();
        for (index, encoding) in self.encodings.iter().enumerate() {
            let state = state_of(now, encoding, scaled(known, index));
            let before = std::mem::replace(&mut self.states[index], state);
            let seen = |state: &EncodingState| {
                let size = (state.width, state.height);
                (state.is_alive, size, state.spatial_heights)
            };
            changes.are_encodings_changed |= seen(&before) != seen(&state);
        }
        let is_flowing = self
            .encodings
            .iter()
            .any(|encoding| encoding.has_flowed_within(now, TRACK_SILENCE));
        if is_flowing != self.is_flowing {
            self.is_flowing = is_flowing;
            changes.is_flowing = Some(is_flowing);
        }
        self.next_refresh = if is_flowing {
            now + REFRESH_INTERVAL
        } else {
            Time::NEVER
        };
        changes
    }

    /// Release what is too old in the caches. Cheap when called early.
    pub fn expire(&mut self, now: Time) {
        for encoding in &mut self.encodings {
            if encoding.cache.next_timeout() <= now {
                encoding.cache.expire(now);
            }
        }
    }

    /// Memory of the caches, in bytes.
    pub fn cached_bytes(&self) -> usize {
        self.encodings
            .iter()
            .map(|encoding| encoding.cache.bytes())
            .sum()
    }

    /// SSRCs received.
    pub fn stream_count(&self) -> usize {
        let count = |encoding: &Encoding| {
            usize::from(encoding.media.is_some()) + usize::from(encoding.retransmissions.is_some())
        };
        self.encodings.iter().map(count).sum()
    }

    /// When `poll_nacks`, `poll_changes` or `expire` is next of use.
    pub fn next_timeout(&self) -> Time {
        self.encodings
            .iter()
            .flat_map(|encoding| [encoding.nacks.next_timeout(), encoding.cache.next_timeout()])
            .fold(self.next_refresh, Time::min)
    }

    fn make_encodings(&mut self) {
        let count = self.config.rids.len().clamp(1, MAX_ENCODINGS);
        let make = || Encoding::new(self.config.kind, self.is_kep);
        self.encodings = std::iter::repeat_with(make).take(count).collect();
        let known = self.known_size();
        self.states = (0..count)
            .map(|index| {
                let (width, height) = scaled(known, index);
                EncodingState {
                    width,
                    height,
                    ..EncodingState::default()
                }
            })
            .collect();
    }

    /// An encoding whose size is known, or what is assumed of the highest.
    fn known_size(&self) -> (usize, (u16, u16)) {
        if self.config.kind == Kind::Audio {
            return (0, (0, 0));
        }
        self.encodings
            .iter()
            .enumerate()
            .rev()
            .find_map(|(index, encoding)| encoding.size.map(|size| (index, size)))
            .unwrap_or((self.encodings.len() - 1, GUESSED_SIZE))
    }
}

/// Size of the encoding at `index` if each is half of the next.
fn scaled((known_index, (width, height)): (usize, (u16, u16)), index: usize) -> (u16, u16) {
    let scale = |pixels: u16| {
        if index <= known_index {
            pixels >> (known_index - index)
        } else {
            pixels.saturating_mul(1 << (index - known_index))
        }
    };
    (scale(width), scale(height))
}

fn state_of(now: Time, encoding: &Encoding, guessed_size: (u16, u16)) -> EncodingState {
    let (width, height) = encoding.size.unwrap_or(guessed_size);
    let media = encoding.media.as_ref();
    EncodingState {
        is_alive: encoding.is_alive(now),
        width,
        height,
        spatial_heights: encoding.spatial_heights,
        bitrate_bps: media.map_or(0, |stream| stream.bitrate_bps(now)),
        media_ssrc: media.map(ReceiveStream::ssrc),
        last_keyframe_at: encoding.last_keyframe_at,
        max_temporal_layer: encoding.max_temporal_layer(now),
    }
}

fn find_codec(
    codecs: &[CodecConfig],
    payload_type: u8,
    is_retransmission: bool,
) -> Option<(Codec, u8, &CodecConfig)> {
    codecs.iter().zip(0u8..).find_map(|(config, index)| {
        if is_retransmission {
            return (config.rtx_payload_type == Some(payload_type)).then_some((
                config.codec,
                index,
                config,
            ));
        }
        if config.payload_type == payload_type {
            return Some((config.codec, index, config));
        }
        (config.red_payload_type == Some(payload_type)).then_some((Codec::Red, index, config))
    })
}

#[cfg(test)]
mod tests;
