//! Which of a participant's SSRCs is which encoding of which published m-line (RFC 8843 §9.2, RFC 8852).
//!
//! Only authenticated packets may ask. An SSRC belongs to its participant: nothing here reaches another's table.

use crate::drop_reason::DropReason;
use crate::ids::Kind;
use crate::media_config::{MAX_ENCODINGS, PublishConfig};
use std::collections::VecDeque;
use wire::extensions::{ExtensionIds, Extensions, Tag};

/// What an SSRC carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// Index in the participant's published m-lines.
    pub track: u8,
    /// Encoding, 0 lowest.
    pub encoding: u8,
    /// RFC 4588.
    pub is_retransmission: bool,
}

/// LIMIT: SSRCs one participant may use; camera, screen and microphone with simulcast and RTX need 14.
pub const MAX_SSRCS: usize = 50;
/// LIMIT: replaced SSRCs remembered, so that stragglers of the old one do not take the place back.
const MAX_RETIRED: usize = 16;

/// The table of one participant.
#[derive(Debug, Default)]
pub struct SsrcTable {
    bound: Vec<(u32, Binding)>,
    retired: VecDeque<u32>,
    media: Vec<(Tag, Kind, Vec<Tag>)>,
    extension_ids: ExtensionIds,
}

impl SsrcTable {
    /// A negotiation's result: bindings of m-lines that stay are kept (their index may move), others dropped.
    pub fn set_media(&mut self, published: &[PublishConfig]) {
        let media: Vec<_> = published
            .iter()
            .map(|config| (config.mid, config.kind, config.rids.clone()))
            .collect();
        self.bound.retain_mut(|(_, binding)| {
            let before = self.media.get(usize::from(binding.track));
            let index = before.and_then(|before| media.iter().position(|now| now == before));
            binding.track = index.unwrap_or_default() as u8;
            index.is_some()
        });
        self.media = media;
        self.retired.clear();
        self.extension_ids = union_of_ids(published);
    }

    /// The ids to read extensions with before the m-line is known (BUNDLE: one meaning per id, RFC 8843 §9).
    pub fn extension_ids(&self) -> &ExtensionIds {
        &self.extension_ids
    }

    /// Load the table of what is bound.
    pub(crate) fn prefetch(&self) {
        prefetch::prefetch_slice(&self.bound);
    }

    /// What is bound already.
    pub fn get(&self, ssrc: u32) -> Option<Binding> {
        self.bound
            .iter()
            .find(|(bound, _)| *bound == ssrc)
            .map(|&(_, binding)| binding)
    }

    /// Look up, or bind from what the (authenticated) packet says. `published` is what `set_media` was given.
    ///
    /// # Errors
    /// `UnknownSsrc`, `TooManySsrcs`.
    pub fn resolve(
        &mut self,
        published: &[PublishConfig],
        ssrc: u32,
        payload_type: u8,
        extensions: &Extensions<'_>,
    ) -> Result<Binding, DropReason> {
        if let Some(binding) = self.get(ssrc) {
            return Ok(binding);
        }
        if self.retired.contains(&ssrc) {
            return Err(DropReason::UnknownSsrc);
        }
        let packet = Clues {
            ssrc,
            payload_type,
            extensions,
        };
        let binding = packet
            .told(published)
            .or_else(|| self.guess(published, &packet))
            .ok_or(DropReason::UnknownSsrc)?;
        if let Some(index) = self.bound.iter().position(|(_, held)| *held == binding) {
            let (old, _) = self.bound.swap_remove(index);
            self.retired.push_back(old);
            if self.retired.len() > MAX_RETIRED {
                self.retired.pop_front();
            }
        }
        if self.bound.len() >= MAX_SSRCS {
            return Err(DropReason::TooManySsrcs);
        }
        self.bound.push((ssrc, binding));
        Ok(binding)
    }

    /// BYE: the SSRC may be bound anew.
    pub fn remove(&mut self, ssrc: u32) {
        self.bound.retain(|(bound, _)| *bound != ssrc);
    }

    /// All bound SSRCs.
    pub fn iter(&self) -> impl Iterator<Item = (u32, Binding)> + '_ {
        self.bound.iter().copied()
    }

    /// A packet that says nothing of itself (no mid: aiortc, old gear) can only mean the one free place of its payload
    /// type. It never takes a place from another SSRC: probes with random SSRCs exist.
    fn guess(&self, published: &[PublishConfig], packet: &Clues<'_>) -> Option<Binding> {
        let extensions = packet.extensions;
        if extensions.mid.is_some() || extensions.rid.is_some() || extensions.repaired_rid.is_some()
        {
            return None;
        }
        let mut places = published.iter().enumerate().filter_map(|(track, config)| {
            let is_retransmission = role_of(config, packet.payload_type)?;
            (config.rids.len() <= 1).then_some(Binding {
                track: track as u8,
                encoding: 0,
                is_retransmission,
            })
        });
        let place = places.next()?;
        let is_free = self.bound.iter().all(|(_, held)| *held != place);
        (places.next().is_none() && is_free).then_some(place)
    }
}

/// What one packet says about where its SSRC belongs.
struct Clues<'a> {
    ssrc: u32,
    payload_type: u8,
    extensions: &'a Extensions<'a>,
}

impl Clues<'_> {
    /// By mid and rid extensions, or by signalled SSRC.
    fn told(&self, published: &[PublishConfig]) -> Option<Binding> {
        let track = match self.extensions.mid {
            Some(mid) => published
                .iter()
                .position(|config| config.mid.as_bytes() == mid)?,
            None => match self.rid() {
                Some(rid) => only(published, |config| rid_index(config, rid).is_some())?,
                None => published
                    .iter()
                    .position(|config| signalled(config, self.ssrc).is_some())?,
            },
        };
        let config = &published[track];
        let (encoding, is_retransmission) = if let Some(rid) = self.rid() {
            let is_retransmission = self.extensions.repaired_rid.is_some()
                || role_of(config, self.payload_type) == Some(true);
            (rid_index(config, rid)?, is_retransmission)
        } else if let Some(place) = signalled(config, self.ssrc) {
            place
        } else if config.rids.len() <= 1 {
            (0, role_of(config, self.payload_type)?)
        } else {
            return None;
        };
        Some(Binding {
            track: track as u8,
            encoding,
            is_retransmission,
        })
    }

    fn rid(&self) -> Option<&[u8]> {
        self.extensions.repaired_rid.or(self.extensions.rid)
    }
}

fn rid_index(config: &PublishConfig, rid: &[u8]) -> Option<u8> {
    let mut rids = config.rids.iter().take(MAX_ENCODINGS);
    rids.position(|known| known.as_bytes() == rid)
        .map(|index| index as u8)
}

/// Signalled SSRCs come in the order of the rids (Firefox lists them so); without rids only the first counts.
fn signalled(config: &PublishConfig, ssrc: u32) -> Option<(u8, bool)> {
    let encodings = config.rids.len().clamp(1, MAX_ENCODINGS);
    config
        .ssrcs
        .iter()
        .take(encodings)
        .zip(0u8..)
        .find_map(|(&(media, rtx), encoding)| {
            if media == ssrc {
                Some((encoding, false))
            } else {
                (rtx == Some(ssrc)).then_some((encoding, true))
            }
        })
}

/// `Some(true)` if the payload type is RTX of this m-line, `Some(false)` if media, `None` if unknown to it.
fn role_of(config: &PublishConfig, payload_type: u8) -> Option<bool> {
    config.codecs.iter().find_map(|codec| {
        if codec.payload_type == payload_type || codec.red_payload_type == Some(payload_type) {
            Some(false)
        } else {
            (codec.rtx_payload_type == Some(payload_type)).then_some(true)
        }
    })
}

fn only(published: &[PublishConfig], is_match: impl Fn(&PublishConfig) -> bool) -> Option<usize> {
    let mut indices = published
        .iter()
        .enumerate()
        .filter(|(_, config)| is_match(config));
    let (index, _) = indices.next()?;
    indices.next().is_none().then_some(index)
}

fn union_of_ids(published: &[PublishConfig]) -> ExtensionIds {
    published
        .iter()
        .fold(ExtensionIds::default(), |all, config| {
            let ids = &config.extensions;
            ExtensionIds {
                mid: all.mid.or(ids.mid),
                rid: all.rid.or(ids.rid),
                repaired_rid: all.repaired_rid.or(ids.repaired_rid),
                absolute_send_time: all.absolute_send_time.or(ids.absolute_send_time),
                transport_sequence_number: all
                    .transport_sequence_number
                    .or(ids.transport_sequence_number),
                audio_level: all.audio_level.or(ids.audio_level),
                video_orientation: all.video_orientation.or(ids.video_orientation),
                playout_delay: all.playout_delay.or(ids.playout_delay),
                dependency_descriptor: all.dependency_descriptor.or(ids.dependency_descriptor),
            }
        })
}

#[cfg(test)]
#[path = "ssrc_table_tests.rs"]
mod tests;
