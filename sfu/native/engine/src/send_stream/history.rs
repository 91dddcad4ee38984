//! What was sent, by extended sequence number: enough to send it again from the source's cache. Grows with use.

use super::units::SendTime;

/// One packet that was sent. 32 bytes.
#[derive(Debug, Clone, Copy, Default)]
#[allow(clippy::struct_field_names)] // sent_at beside resent_at
pub(super) struct Sent {
    /// Timestamp it was sent with.
    pub(super) timestamp: u32,
    /// Low half of the source's extended sequence number.
    pub(super) source_low: u32,
    /// When.
    pub(super) departure: SendTime,
    /// When last sent again; meaningless while `tries` is 0.
    pub(super) last_resent: SendTime,
    /// The active decode targets put into its dependency descriptor; 0 if that was left as it was.
    pub(super) decode_targets: u32,
    /// Picture id it was sent with, if the payload has one.
    pub(super) picture_id: u16,
    /// Transport-wide number it was sent with, if any.
    pub(super) transport_sequence_number: u16,
    /// Which source: see `Era`.
    pub(super) era: u16,
    /// TL0PICIDX it was sent with.
    pub(super) tl0_picture_index: u8,
    /// Payload type it was sent with.
    pub(super) payload_type: u8,
    /// How often it was sent again.
    pub(super) tries: u8,
    /// `IS_SENT` and the rest.
    pub(super) flags: u8,
}

/// The slot holds a packet.
pub(super) const IS_SENT: u8 = 1;
/// Sent with the marker bit.
pub(super) const HAS_MARKER: u8 = 2;
/// Sent with the mid extension.
pub(super) const HAS_MID: u8 = 4;
/// Padding in the place of a packet that came too late to be left out.
pub(super) const IS_FILLER: u8 = 8;
/// Sent with a byte of padding behind its payload.
pub(super) const IS_EVENED: u8 = 16;

/// Where an extended sequence number stands against the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Not sent yet; in reach or newer.
    Free,
    /// Sent.
    Taken,
    /// Older than what is remembered.
    Forgotten,
}

/// The ring.
#[derive(Debug)]
pub(super) struct History {
    slots: Vec<Sent>,
    max_slots: usize,
    /// First extended sequence number after the highest sent.
    end: u64,
    /// Lowest that may be looked up.
    start: u64,
}

impl History {
    /// Empty, before `first`; at most `max_slots` (a power of two) packets.
    pub(super) fn new(first: u64, max_slots: usize) -> Self {
        Self {
            slots: Vec::new(),
            max_slots,
            end: first,
            start: first,
        }
    }

    /// The number after the highest sent.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Load where the next packet will be noted.
    pub(super) fn prefetch(&self) {
        if let Some(slot) = self
            .slots
            .get(self.end as usize & self.slots.len().wrapping_sub(1))
        {
            prefetch::prefetch(slot);
        }
    }

    /// Where `number` stands.
    pub(super) fn place(&self, number: u64) -> Place {
        if number >= self.end {
            Place::Free
        } else if number < self.start {
            Place::Forgotten
        } else if self.slots[self.slot(number)].flags & IS_SENT != 0 {
            Place::Taken
        } else {
            Place::Free
        }
    }

    /// The packet sent as `number`.
    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut Sent> {
        if self.place(number) != Place::Taken {
            return None;
        }
        let slot = self.slot(number);
        self.slots.get_mut(slot)
    }

    /// Forget all: what was sent can no longer be rebuilt.
    pub(super) fn clear(&mut self) {
        self.start = self.end;
    }

    /// Remember `sent` as `number`; what is older than the ring's length is forgotten. The place must be free.
    pub(super) fn insert(&mut self, number: u64, sent: Sent) {
        if number >= self.end {
            self.make_room(number, sent.departure);
            if self.slots.len() as u64 <= number - self.end {
                self.slots.fill(Sent::default());
            } else {
                for skipped in self.end..number {
                    let slot = self.slot(skipped);
                    self.slots[slot] = Sent::default();
                }
            }
            self.end = number + 1;
            self.start = self
                .start
                .max(self.end.saturating_sub(self.slots.len() as u64));
        }
        let slot = self.slot(number);
        self.slots[slot] = sent;
    }

    /// Double the ring while it would forget what is younger than `KEPT_FOR`.
    fn make_room(&mut self, number: u64, now: SendTime) {
        while self.slots.len() < self.max_slots
            && number - self.start >= self.slots.len() as u64
            && self.is_young(now)
        {
            let mut larger = vec![Sent::default(); (self.slots.len() * 2).max(MIN_SLOTS)];
            let mask = larger.len() - 1;
            for kept in self.start..self.end {
                larger[kept as usize & mask] = self.slots[self.slot(kept)];
            }
            self.slots = larger;
        }
    }

    fn is_young(&self, now: SendTime) -> bool {
        let Some(oldest) =
            (self.start..self.end).find(|&n| self.slots[self.slot(n)].flags & IS_SENT != 0)
        else {
            return self.slots.is_empty();
        };
        now.millis_since(self.slots[self.slot(oldest)].departure) < KEPT_FOR_MS
    }

    fn slot(&self, number: u64) -> usize {
        number as usize & (self.slots.len() - 1)
    }
}

/// Slots at first: an audio stream or a thumbnail needs hardly more.
const MIN_SLOTS: usize = 64;
/// How long packets should stay available, if the limit allows. Nobody waits longer for a frame.
const KEPT_FOR_MS: u32 = 2_000;
