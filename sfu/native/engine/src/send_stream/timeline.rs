//! One timestamp line over all sources of a send stream.
//!
//! A source's timestamps are shifted so that the distance to the frame before is the time that really passed: by capture
//! time where both sources' clocks are known, else by arrival. Where that would not lie ahead of what was sent (simulcast
//! layers share capture times; a cached keyframe is old), video frames follow one another closely until the line has caught
//! up, so that nothing drifts; audio is moved on by a packet's length, because its samples must not overlap.

use super::SourceClock;
use super::units::{nanos_between, rtp_units};
use crate::ids::Kind;
use crate::time::Time;
use std::collections::VecDeque;
use std::time::Duration;

/// The newest frame sent.
#[derive(Debug, Clone, Copy)]
struct Newest {
    source: u32,
    sent: u32,
    arrival: Time,
}

/// A pair of arrival and source timestamp with little network delay: the base of sender reports without a source clock.
#[derive(Debug, Clone, Copy)]
struct Reference {
    arrival: Time,
    source: u32,
}

/// The line.
#[derive(Debug)]
pub(super) struct Timeline {
    kind: Kind,
    clock_rate: u32,
    /// Sent minus source timestamp of the current source (wrapping).
    offset: u32,
    seed: u32,
    newest: Option<Newest>,
    reference: Option<Reference>,
    clock: Option<SourceClock>,
    is_catching_up: bool,
    /// (source, sent) of the frames that follow closely, oldest first.
    squeezed: VecDeque<(u32, u32)>,
}

impl Timeline {
    /// Begin near `seed`.
    pub(super) fn new(kind: Kind, seed: u32) -> Self {
        Self {
            kind,
            clock_rate: 0,
            offset: 0,
            seed,
            newest: None,
            reference: None,
            clock: None,
            is_catching_up: false,
            squeezed: VecDeque::new(),
        }
    }

    /// Timestamp sent with the newest frame.
    pub(super) fn newest_sent(&self) -> u32 {
        self.newest.map_or(self.seed, |newest| newest.sent)
    }

    /// A new source begins with `source` timestamp.
    pub(super) fn switch(
        &mut self,
        source: u32,
        arrival: Time,
        clock_rate: u32,
        clock: Option<SourceClock>,
    ) {
        self.clock_rate = clock_rate;
        self.anchor(source, arrival, clock);
        self.clock = clock;
    }

    /// Better knowledge of the current source's clock.
    pub(super) fn set_clock(&mut self, clock: SourceClock) {
        self.clock = Some(clock);
    }

    /// The timestamp to send. `is_newest`: no later packet of this source was mapped before.
    pub(super) fn map(&mut self, source: u32, arrival: Time, is_newest: bool) -> u32 {
        let Some(newest) = self.newest else {
            return self.advance(source, source.wrapping_add(self.offset), arrival);
        };
        let ahead = source.wrapping_sub(newest.source) as i32;
        if ahead == 0 {
            return newest.sent;
        }
        if !is_newest {
            return self.map_late(source);
        }
        if ahead < 0 && !self.is_first_of_source() {
            // The source's clock went back: it restarted under the same SSRC.
            self.anchor(source, arrival, None);
            self.clock = None;
        }
        let linear = source.wrapping_add(self.offset);
        if !self.is_catching_up {
            return self.advance(source, linear, arrival);
        }
        let sent = if linear.wrapping_sub(newest.sent) as i32 >= MIN_STEP {
            self.is_catching_up = false;
            linear
        } else {
            let close = newest.sent.wrapping_add(MIN_STEP as u32);
            if self.squeezed.len() == MAX_SQUEEZED {
                self.squeezed.pop_front();
            }
            self.squeezed.push_back((source, close));
            close
        };
        self.advance(source, sent, arrival)
    }

    /// RTP timestamp of the instant `now`.
    pub(super) fn at(&self, now: Time) -> Option<u32> {
        let (time, source) = match (self.clock, self.reference) {
            (Some(clock), _) if now.since(clock.time) < CLOCK_LIFE => {
                (clock.time, clock.rtp_timestamp)
            }
            (_, Some(reference)) => (reference.arrival, reference.source),
            _ => return None,
        };
        let units = rtp_units(nanos_between(time, now), self.clock_rate) as u32;
        Some(source.wrapping_add(self.offset).wrapping_add(units))
    }

    fn is_first_of_source(&self) -> bool {
        self.reference.is_none()
    }

    /// Choose the offset for `source`, the first timestamp of a new line.
    fn anchor(&mut self, source: u32, arrival: Time, clock: Option<SourceClock>) {
        let Some(newest) = self.newest else {
            self.offset = self.seed.wrapping_sub(source);
            return;
        };
        let newest_linear = newest.source.wrapping_add(self.offset);
        let by_arrival = rtp_units(nanos_between(newest.arrival, arrival), self.clock_rate);
        let elapsed = self
            .elapsed_by_clocks(newest.source, source, clock)
            .filter(|by_clock| {
                let limit = MAX_CLOCK_DISAGREEMENT_S * i64::from(self.clock_rate);
                (by_clock - by_arrival).abs() <= limit
            })
            .unwrap_or(by_arrival)
            .max(-MAX_CLOCK_DISAGREEMENT_S * i64::from(self.clock_rate));
        let mut first = newest_linear.wrapping_add(elapsed as u32);
        if self.kind == Kind::Audio {
            let short_by = AUDIO_STEP - i64::from(first.wrapping_sub(newest.sent) as i32);
            first = first.wrapping_add(short_by.max(0) as u32);
        }
        self.offset = first.wrapping_sub(source);
        self.is_catching_up = self.kind == Kind::Video;
        self.squeezed.clear();
        self.reference = None;
        // No frame of the new line was sent: nothing may compare equal to the old line's newest.
        self.newest = Some(Newest {
            source: source.wrapping_sub(1),
            ..newest
        });
    }

    /// Capture time from the newest frame to `source`, in RTP units, if both clocks are known.
    fn elapsed_by_clocks(&self, old: u32, new: u32, clock: Option<SourceClock>) -> Option<i64> {
        let (from, to) = (self.clock?, clock?);
        let since = |timestamp: u32, clock: SourceClock| {
            i64::from(timestamp.wrapping_sub(clock.rtp_timestamp) as i32)
        };
        let between = rtp_units(nanos_between(from.time, to.time), self.clock_rate);
        Some(between + since(new, to) - since(old, from))
    }

    fn advance(&mut self, source: u32, sent: u32, arrival: Time) -> u32 {
        self.newest = Some(Newest {
            source,
            sent,
            arrival,
        });
        self.update_reference(source, arrival);
        sent
    }

    /// Keep the pair that shows the least delay, for at most `REFERENCE_LIFE`.
    fn update_reference(&mut self, source: u32, arrival: Time) {
        if let Some(reference) = self.reference {
            let elapsed = rtp_units(nanos_between(reference.arrival, arrival), self.clock_rate);
            let expected = i64::from(source.wrapping_sub(reference.source) as i32);
            if elapsed > expected && arrival.since(reference.arrival) < REFERENCE_LIFE {
                return;
            }
        }
        self.reference = Some(Reference { arrival, source });
    }

    fn map_late(&self, source: u32) -> u32 {
        let is_squeezed = self
            .squeezed
            .back()
            .is_some_and(|&(last, _)| source.wrapping_sub(last) as i32 <= 0);
        if !is_squeezed {
            return source.wrapping_add(self.offset);
        }
        let before = self
            .squeezed
            .iter()
            .rev()
            .find(|&&(squeezed, _)| squeezed.wrapping_sub(source) as i32 <= 0);
        match before {
            Some(&(squeezed, sent)) if squeezed == source => sent,
            // A frame none of whose packets came in time lies between its neighbours.
            Some(&(_, sent)) => sent.wrapping_add(1),
            None => source.wrapping_add(self.offset),
        }
    }
}

/// Distance of frames that follow closely: 1 ms at 90 kHz.
const MIN_STEP: i32 = 90;
/// The usual Opus packet: 20 ms at 48 kHz.
const AUDIO_STEP: i64 = 960;
/// LIMIT: frames that follow closely; more than 2 s of a cached keyframe and its followers.
const MAX_SQUEEZED: usize = 128;
/// Capture clocks that disagree more than this with arrival are wrong, and no cached keyframe is older.
const MAX_CLOCK_DISAGREEMENT_S: i64 = 3;
/// A source clock older than this has drifted.
const CLOCK_LIFE: Duration = Duration::from_secs(60);
/// A drift of 100 ppm makes 1 ms in this time.
const REFERENCE_LIFE: Duration = Duration::from_secs(10);
