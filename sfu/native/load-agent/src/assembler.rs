//! Which video frames a decoder would have got: whole, in order, and from a keyframe on. Keeps no payload. Sans-IO.

use crate::mark::Mark;
use crate::time::{MILLISECOND, Time};
use std::collections::BTreeMap;

/// How long a gap may stay before the rest is given up until a keyframe; browsers wait about as long.
const PATIENCE: u64 = 1_000 * MILLISECOND;
/// LIMIT: packets kept while one is missing.
const MAX_PACKETS: usize = 2_048;

/// What matters of one packet.
// Each is a bit of the packet, independent of the others.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug, Clone, Copy)]
pub struct VideoPacket {
    /// First packet of a frame.
    pub starts_frame: bool,
    /// First packet of a keyframe.
    pub starts_keyframe: bool,
    /// Last packet of a frame.
    pub ends_frame: bool,
    /// Carries no frame at all: padding.
    pub is_empty: bool,
    /// When the kernel had it.
    pub arrival: Time,
    /// That of the frame, in its last packet.
    pub mark: Option<Mark>,
}

/// A frame that a decoder could show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Whether it is a keyframe.
    pub is_keyframe: bool,
    /// When its last missing packet came.
    pub completed: Time,
    /// `None` if its end had no mark.
    pub mark: Option<Mark>,
}

/// One stream's frames.
#[derive(Debug, Default)]
pub struct Assembler {
    packets: BTreeMap<u64, VideoPacket>,
    /// The first packet not yet consumed; `None` while a keyframe is awaited.
    next: Option<u64>,
    blocked_since: Option<Time>,
    /// Times that decoding stopped until a keyframe, the start not counted.
    pub breaks: u32,
}

impl Assembler {
    /// Whether nothing can be decoded until a keyframe comes.
    pub fn waits_for_keyframe(&self) -> bool {
        self.next.is_none()
    }

    /// Take the packet with extended sequence number `number`; append frames that are whole now.
    pub fn handle_packet(&mut self, number: u64, packet: VideoPacket, frames: &mut Vec<Frame>) {
        if self.next.is_some_and(|next| number < next) {
            return;
        }
        let is_newest = self
            .packets
            .last_key_value()
            .is_none_or(|(last, _)| *last < number);
        self.packets.insert(number, packet);
        if self.packets.len() > MAX_PACKETS {
            self.packets.pop_first();
        }
        // The newest packet in the middle of a frame completes nothing.
        if !is_newest || packet.ends_frame || packet.is_empty {
            self.drain(packet.arrival, frames);
        }
    }

    /// Give up what is blocked for too long.
    pub fn handle_timeout(&mut self, now: Time, frames: &mut Vec<Frame>) {
        let is_over = |since: Time| now.since(since) > PATIENCE;
        if self.next.is_some() && self.blocked_since.is_some_and(is_over) {
            self.next = None;
            self.blocked_since = None;
            self.breaks += 1;
            self.drain(now, frames);
        }
    }

    fn drain(&mut self, now: Time, frames: &mut Vec<Frame>) {
        if self.next.is_none() && !self.start_at_keyframe(frames) {
            return;
        }
        while let Some(next) = self.next {
            if self
                .packets
                .get(&next)
                .is_some_and(|packet| packet.is_empty)
            {
                self.packets.remove(&next);
                self.next = Some(next + 1);
            } else if !self.take_frame(next, frames) {
                break;
            }
        }
        self.blocked_since = match (self.has_gap(), self.blocked_since) {
            (true, None) => Some(now),
            (true, since) => since,
            (false, _) => None,
        };
    }

    /// Whether a packet is missing before one that is here.
    fn has_gap(&self) -> bool {
        let (Some(next), Some((last, _))) = (self.next, self.packets.last_key_value()) else {
            return false;
        };
        self.packets.range(next..).count() as u64 != last + 1 - next
    }

    fn start_at_keyframe(&mut self, frames: &mut Vec<Frame>) -> bool {
        let starts: Vec<u64> = (self.packets.iter())
            .filter(|(_, packet)| packet.starts_keyframe)
            .map(|(number, _)| *number)
            .collect();
        starts
            .into_iter()
            .any(|start| self.take_frame(start, frames))
    }

    /// Consume the frame that starts at `start` if all of it is here.
    fn take_frame(&mut self, start: u64, frames: &mut Vec<Frame>) -> bool {
        let mut end = start;
        let mut completed = Time::default();
        let last = loop {
            let Some(packet) = self.packets.get(&end) else {
                return false;
            };
            completed = completed.max(packet.arrival);
            if packet.ends_frame {
                break *packet;
            }
            end += 1;
        };
        frames.push(Frame {
            is_keyframe: self.packets[&start].starts_keyframe,
            completed,
            mark: last.mark,
        });
        self.packets = self.packets.split_off(&(end + 1));
        self.next = Some(end + 1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: VideoPacket = VideoPacket {
        starts_frame: true,
        starts_keyframe: false,
        ends_frame: true,
        is_empty: false,
        arrival: Time(5),
        mark: None,
    };
    const KEY: VideoPacket = VideoPacket {
        starts_keyframe: true,
        ..WHOLE
    };

    fn feed(assembler: &mut Assembler, packets: &[(u64, VideoPacket)]) -> Vec<bool> {
        let mut frames = Vec::new();
        for (number, packet) in packets {
            assembler.handle_packet(*number, *packet, &mut frames);
        }
        frames.iter().map(|frame| frame.is_keyframe).collect()
    }

    #[test]
    fn nothing_is_shown_before_a_keyframe() {
        let mut assembler = Assembler::default();
        assert!(feed(&mut assembler, &[(1, WHOLE), (2, WHOLE)]).is_empty());
        assert_eq!(feed(&mut assembler, &[(3, KEY), (4, WHOLE)]), [true, false]);
    }

    #[test]
    fn a_frame_of_parts_is_shown_once_all_are_there_in_any_order() {
        let first = VideoPacket {
            ends_frame: false,
            ..KEY
        };
        let middle = VideoPacket {
            starts_frame: false,
            ends_frame: false,
            ..WHOLE
        };
        let last = VideoPacket {
            starts_frame: false,
            arrival: Time(9),
            ..WHOLE
        };
        let mut assembler = Assembler::default();
        assert!(feed(&mut assembler, &[(10, first), (12, last)]).is_empty());
        assert_eq!(
            feed(&mut assembler, &[(11, middle), (13, WHOLE)]),
            [true, false]
        );
    }

    #[test]
    fn a_gap_blocks_until_repaired_or_given_up_for_a_keyframe() {
        let mut assembler = Assembler::default();
        assert_eq!(feed(&mut assembler, &[(1, KEY), (3, WHOLE)]), [true]);
        assert_eq!(feed(&mut assembler, &[(2, WHOLE)]), [false, false]);
        assert!(feed(&mut assembler, &[(5, WHOLE)]).is_empty());

        let mut frames = Vec::new();
        assembler.handle_timeout(Time(6 + PATIENCE), &mut frames);
        assert!(frames.is_empty() && assembler.waits_for_keyframe() && assembler.breaks == 1);
        assert_eq!(feed(&mut assembler, &[(6, WHOLE), (7, KEY)]), [true]);
    }

    #[test]
    fn padding_between_frames_is_no_gap() {
        let padding = VideoPacket {
            is_empty: true,
            ..WHOLE
        };
        let mut assembler = Assembler::default();
        assert_eq!(
            feed(&mut assembler, &[(1, KEY), (2, padding), (3, WHOLE)]),
            [true, false]
        );
    }
}
