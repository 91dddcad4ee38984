//! The oracle of a viewer's stream.

use super::{Got, Label, Viewer};

impl Viewer {
    /// No number is missing between the first and the last.
    pub(crate) fn assert_gapless(&self) {
        let first = *self.packets.first_key_value().expect("packets came").0;
        let last = *self.packets.last_key_value().expect("packets came").0;
        let holes: Vec<_> = (first..=last)
            .filter(|number| !self.packets.contains_key(number))
            .map(|number| number - first)
            .collect();
        assert!(
            holes.is_empty(),
            "{} of {} never came: {holes:?}",
            holes.len(),
            last - first + 1
        );
    }

    /// Every packet from the first to the last is there; frames are whole and in order; timestamps and picture ids go on
    /// over switches. Returns the labels of the frames, one each.
    pub(crate) fn assert_whole(&self) -> Vec<Label> {
        self.assert_gapless();
        let labels: Vec<Option<Label>> = self
            .packets
            .values()
            .map(|got| (got.payload.len() > 1).then(|| Label::read(&got.payload)))
            .collect();
        let mut seen = Seen::default();
        for (index, got) in self.packets.values().enumerate() {
            if let Some(label) = labels[index] {
                seen.add(label, got);
            } else {
                assert!(
                    is_left_soon(seen.source(), &labels[index..]),
                    "padding in the place of a picture"
                );
                seen.is_damaged = true;
            }
        }
        seen.frames
    }
}

/// What was seen of a stream up to a packet.
#[derive(Default)]
struct Seen {
    frames: Vec<Label>,
    expected_packet: u8,
    /// Padding came in the place of packets of the source that is being left.
    is_damaged: bool,
    /// Timestamp and picture id of the last packet.
    before: Option<(u32, u16)>,
}

impl Seen {
    fn source(&self) -> Option<(u8, u8)> {
        self.frames.last().copied().map(Label::source)
    }

    fn add(&mut self, label: Label, got: &Got) {
        let picture_id = u16::from_be_bytes([got.payload[2], got.payload[3]]) & 0x7fff;
        let is_switch =
            label.packet == 0 && self.source().is_some_and(|source| source != label.source());
        if is_switch {
            // The old source may be left in the middle of a frame: the new one begins with a keyframe.
            (self.expected_packet, self.is_damaged) = (0, false);
        }
        if self.is_damaged {
            self.expected_packet = label.packet;
        }
        assert_eq!(label.packet, self.expected_packet, "{label:?}");
        if label.packet == 0 || self.is_damaged {
            self.begin_frame(label, got.timestamp, picture_id, is_switch);
        } else {
            assert_eq!(Some((got.timestamp, picture_id)), self.before, "{label:?}");
            let frame = self.frames.last().map(|last| (last.source(), last.frame));
            assert_eq!(frame, Some((label.source(), label.frame)), "one at a time");
        }
        self.before = Some((got.timestamp, picture_id));
        self.expected_packet = (label.packet + 1) % label.packets;
        assert_eq!(got.marker, self.expected_packet == 0, "marker at {label:?}");
    }

    fn begin_frame(&mut self, label: Label, timestamp: u32, picture_id: u16, is_switch: bool) {
        let is_damaged = self.is_damaged;
        if let Some((timestamp_before, picture_before)) = self.before {
            let step = timestamp.wrapping_sub(timestamp_before) as i32;
            assert!(
                step > 0 || is_damaged,
                "timestamps go on: {step} at {label:?}"
            );
            assert!(step < 90_000 * 5, "and make no leaps: {step} at {label:?}");
            assert!(
                picture_id == (picture_before + 1) & 0x7fff || is_damaged || is_switch,
                "picture ids step by one at {label:?}"
            );
        }
        if !is_damaged && let Some(last) = self.frames.last().filter(|_| !is_switch) {
            assert_eq!(label.frame, last.frame + 1, "no frame is left out");
        }
        self.frames.push(label);
    }
}

/// True if another source than `own` takes over within a round trip or two: what the old one still lacked is filled with
/// padding.
fn is_left_soon(own: Option<(u8, u8)>, labels: &[Option<Label>]) -> bool {
    let mut sources = labels.iter().take(60).flatten().copied().map(Label::source);
    sources.any(|source| Some(source) != own)
}
