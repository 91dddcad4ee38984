//! Loads what coming packets need into the processor's caches, for many packets at once.
//!
//! A packet's way through the engine leads over some seventy cache lines, most of them by pointers found in others. With
//! hundreds of calls none of them is in the caches when the packet comes, and waiting for one after another takes several times
//! as long as the work. So the way is gone in steps, each step for all packets of a batch: each only asks for the lines that
//! the next step reads, and the waits overlap. Nothing is decided here, and nothing changed.

use crate::engine::{Engine, Path};
use crate::ids::Kind;
use crate::participant::{Participant, Participants};
use crate::room::Room;
use crate::track_table::{Listener, TrackEntry};

/// A datagram that is about to be handed in.
#[derive(Debug, Clone, Copy)]
pub struct Coming {
    /// Which way it came.
    pub path: Path,
    /// Bytes 8 to 11: of an RTP packet its SSRC; of anything else they do no harm.
    pub ssrc: u32,
    /// Its length.
    pub size_bytes: usize,
}

impl Coming {
    /// For a datagram, still encrypted: the fixed header is clear (RFC 3550 §5.1).
    pub fn new(path: Path, datagram: &[u8]) -> Self {
        let ssrc = datagram.get(8..).and_then(|rest| rest.first_chunk());
        Self {
            path,
            ssrc: ssrc.map_or(0, |bytes| u32::from_be_bytes(*bytes)),
            size_bytes: datagram.len(),
        }
    }
}

/// LIMIT: datagrams of which something is loaded at once: what they need fits the second-level cache (5 KiB each).
pub const MAX_COMING: usize = 32;
/// LIMIT: of the listeners of one track, so many are loaded before its packet is served; `fan_out` loads the rest on the way.
const FIRST_LISTENERS: usize = 2;

/// How far `fan_out` looks ahead: listener by listener, the first step for the one this far ahead, the others behind it.
pub(crate) const LISTENERS_AHEAD: usize = 6;

/// Where a packet leads, as far as its steps have come.
#[derive(Clone, Copy)]
struct Way<'a> {
    publisher: &'a Participant,
    entry: Option<(&'a TrackEntry, u8)>,
}

impl Engine {
    /// Load what `coming` needs, the first [`MAX_COMING`] at least. Their order does not matter.
    pub fn prefetch(&self, coming: &[Coming]) {
        let mut ways = [None; MAX_COMING];
        for (way, coming) in ways.iter_mut().zip(coming) {
            let key = self.routes.by_path.get(&coming.path);
            *way = key
                .and_then(|key| self.participants.get(*key))
                .map(|publisher| Way {
                    publisher,
                    entry: None,
                });
            if let Some(way) = way {
                way.publisher.prefetch_receiving();
            }
        }
        for way in ways.iter().flatten() {
            way.publisher.prefetch_received();
        }
        for (way, coming) in ways.iter_mut().zip(coming) {
            if let Some(way) = way {
                way.entry = self.find_entry(way.publisher, coming.ssrc);
            }
        }
        let entries = || {
            let both = ways.iter().zip(coming);
            both.filter_map(|(way, coming)| Some((way.as_ref()?.entry?, coming.size_bytes)))
        };
        for ((entry, encoding), _) in entries() {
            entry.prefetch(encoding);
        }
        for ((entry, encoding), size_bytes) in entries() {
            if let Some(cache) = entry.track.cache(encoding) {
                cache.prefetch(size_bytes);
            }
            if let Some(room) = self.room_hearing(entry) {
                room.prefetch();
            }
            self.for_first_listeners(entry, encoding, Participant::prefetch_sending_of);
        }
        for ((entry, encoding), _) in entries() {
            if let Some(cache) = entry.track.cache(encoding) {
                cache.prefetch_oldest();
            }
            if let Some(room) = self.room_hearing(entry) {
                room.voices.prefetch();
            }
            self.for_first_listeners(entry, encoding, Participant::prefetch_subscription);
        }
        for ((entry, encoding), _) in entries() {
            self.for_first_listeners(entry, encoding, Participant::prefetch_stream);
        }
    }

    /// The track and encoding that an SSRC is bound to; loads the track.
    fn find_entry(&self, publisher: &Participant, ssrc: u32) -> Option<(&TrackEntry, u8)> {
        let binding = publisher.ssrcs.get(ssrc)?;
        let publication = publisher.published.get(usize::from(binding.track))?;
        let entry = self.tracks.get(publication.track)?;
        prefetch::prefetch(entry);
        Some((entry, binding.encoding))
    }

    /// The room, if a packet of the track is heard there.
    fn room_hearing(&self, entry: &TrackEntry) -> Option<&Room> {
        match entry.track.config().kind {
            Kind::Audio => self.rooms.get(entry.room),
            Kind::Video => None,
        }
    }

    fn for_first_listeners(&self, entry: &TrackEntry, encoding: u8, step: Step) {
        let listeners = entry.listeners.get(usize::from(encoding));
        for listener in listeners.into_iter().flatten().take(FIRST_LISTENERS) {
            if let Some(participant) = self.participants.get(listener.participant) {
                step(participant, listener.subscription);
            }
        }
    }
}

/// Loads one step of what sending to a subscription, by its index, needs.
type Step = fn(&Participant, u16);

/// Load for the listeners ahead of the one at `index`, each the step whose turn it is.
pub(crate) fn prefetch_ahead(participants: &Participants, listeners: &[Listener], index: usize) {
    let steps: [(usize, Step); 3] = [
        (LISTENERS_AHEAD, Participant::prefetch_sending_of),
        (LISTENERS_AHEAD * 2 / 3, Participant::prefetch_subscription),
        (LISTENERS_AHEAD / 3, Participant::prefetch_stream),
    ];
    for (ahead, step) in steps {
        if let Some(listener) = listeners.get(index + ahead)
            && let Some(participant) = participants.get(listener.participant)
        {
            step(participant, listener.subscription);
        }
    }
}
