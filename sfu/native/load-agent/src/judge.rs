//! What one participant saw or heard on one m-line, judged by marks.

use crate::histogram::Histogram;
use crate::mark::Mark;
use crate::protocol::Kind;
use crate::time::{MILLISECOND, Time};
use serde::Serialize;

/// Longer than this between two pictures is a freeze.
const FREEZE: u64 = 200 * MILLISECOND;

/// Counts that add up over m-lines and participants.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Totals {
    /// RTP packets sent, retransmissions too.
    pub packets_sent: u64,
    /// Their bytes before SRTP.
    pub bytes_sent: u64,
    /// Datagrams that the kernel did not take.
    pub send_failures: u64,
    /// Keyframes that the server asked for.
    pub keyframe_requests_received: u64,
    /// Packets that the server asked for again.
    pub nacks_received: u64,
    /// Transport-wide feedback packets from the server.
    pub feedback_received: u64,
    /// RTP packets received, retransmissions too.
    pub packets_received: u64,
    /// Their payload bytes.
    pub bytes_received: u64,
    /// Retransmissions that filled a gap.
    pub packets_repaired: u64,
    /// Packets that never came.
    pub packets_lost: u64,
    /// Packets that the agent asked for again.
    pub nacks_sent: u64,
    /// Keyframes that the agent asked for.
    pub keyframe_requests_sent: u64,
    /// Whole frames: pictures that could be decoded, and sound packets.
    pub frames: u64,
    /// Frame numbers missing in what one source sent.
    pub frames_missing: u64,
    /// Frames that came twice.
    pub frames_duplicate: u64,
    /// Frames that came after a later one.
    pub frames_reordered: u64,
    /// Frames without a readable mark.
    pub frames_unmarked: u64,
    /// Frames of another room, of oneself, or of the wrong kind.
    pub frames_wrong_source: u64,
    /// Times that an m-line changed publisher, track or encoding.
    pub source_changes: u64,
    /// Times without a new picture for over 200 ms.
    pub freezes: u64,
    /// How long those were.
    pub freeze_us: u64,
    /// Times that decoding stopped until a keyframe.
    pub decoder_breaks: u64,
    /// Datagrams that did not decrypt or parse.
    pub unreadable: u64,
    /// Mark → kernel had the frame's last packet; sound.
    pub audio_delay: Histogram,
    /// The same; pictures.
    pub video_delay: Histogram,
}

impl Totals {
    /// Add `other`.
    pub fn merge(&mut self, other: &Self) {
        let pairs = [
            (&mut self.packets_sent, other.packets_sent),
            (&mut self.bytes_sent, other.bytes_sent),
            (&mut self.send_failures, other.send_failures),
            (
                &mut self.keyframe_requests_received,
                other.keyframe_requests_received,
            ),
            (&mut self.nacks_received, other.nacks_received),
            (&mut self.feedback_received, other.feedback_received),
            (&mut self.packets_received, other.packets_received),
            (&mut self.bytes_received, other.bytes_received),
            (&mut self.packets_repaired, other.packets_repaired),
            (&mut self.packets_lost, other.packets_lost),
            (&mut self.nacks_sent, other.nacks_sent),
            (
                &mut self.keyframe_requests_sent,
                other.keyframe_requests_sent,
            ),
            (&mut self.frames, other.frames),
            (&mut self.frames_missing, other.frames_missing),
            (&mut self.frames_duplicate, other.frames_duplicate),
            (&mut self.frames_reordered, other.frames_reordered),
            (&mut self.frames_unmarked, other.frames_unmarked),
            (&mut self.frames_wrong_source, other.frames_wrong_source),
            (&mut self.source_changes, other.source_changes),
            (&mut self.freezes, other.freezes),
            (&mut self.freeze_us, other.freeze_us),
            (&mut self.decoder_breaks, other.decoder_breaks),
            (&mut self.unreadable, other.unreadable),
        ];
        for (sum, more) in pairs {
            *sum += more;
        }
        self.audio_delay.merge(&other.audio_delay);
        self.video_delay.merge(&other.video_delay);
    }
}

/// What is told of a participant.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The participant.
    pub id: u32,
    /// Its room.
    pub room: u32,
    /// Whether ICE and DTLS are done.
    pub is_connected: bool,
    /// Of the last ICE check.
    pub round_trip_us: Option<u64>,
    /// Sums over its m-lines.
    pub totals: Totals,
    /// Its receive-only m-lines.
    pub lines: Vec<LineReport>,
}

/// What is told of one receive-only m-line.
#[derive(Debug, Clone, Serialize)]
pub struct LineReport {
    /// a=mid
    pub mid: String,
    /// Its kind.
    pub kind: Kind,
    /// Publisher of the newest frame.
    pub publisher: Option<u32>,
    /// Monotonic clock of the first packet with media.
    pub first_media_us: Option<u64>,
    /// Monotonic clock of the first whole frame.
    pub first_frame_us: Option<u64>,
    /// Monotonic clock of the newest whole frame: old is a stream that fell silent.
    pub last_frame_us: Option<u64>,
    /// Frames of each encoding of the source, smallest first.
    pub frames_by_encoding: [u64; 4],
    /// Counts.
    pub totals: Totals,
}

/// The judge of one m-line.
#[derive(Debug)]
pub struct Judge {
    room: u32,
    participant: u32,
    kind: Kind,
    source: Option<(u32, u8, u8)>,
    last_number: u32,
    first_frame: Option<Time>,
    last_frame: Option<Time>,
    frames_by_encoding: [u64; 4],
    /// Counts.
    pub totals: Totals,
}

impl Judge {
    /// For an m-line of `participant`.
    pub fn new(room: u32, participant: u32, kind: Kind) -> Self {
        Self {
            room,
            participant,
            kind,
            source: None,
            last_number: 0,
            first_frame: None,
            last_frame: None,
            frames_by_encoding: [0; 4],
            totals: Totals::default(),
        }
    }

    /// Take a whole frame; gives its mark if it must not be here.
    pub fn handle_frame(&mut self, completed: Time, mark: Option<Mark>) -> Option<Mark> {
        self.totals.frames += 1;
        self.first_frame.get_or_insert(completed);
        let before = self.last_frame.replace(completed);
        let Some(mark) = mark else {
            self.totals.frames_unmarked += 1;
            return None;
        };
        if let Some(count) = self.frames_by_encoding.get_mut(usize::from(mark.encoding)) {
            *count += 1;
        }
        self.record_delay(completed.since(mark.sent));
        let source = (mark.publisher, mark.track, mark.encoding);
        let same_publisher = self
            .source
            .is_some_and(|old| (old.0, old.1) == (source.0, source.1));
        if same_publisher {
            self.record_interval(before, completed);
        }
        if self.source == Some(source) {
            self.record_number(mark.frame);
        } else {
            self.totals.source_changes += u64::from(self.source.is_some());
            self.last_number = mark.frame;
        }
        self.source = Some(source);
        let is_wrong = mark.room != self.room
            || mark.publisher == self.participant
            || mark.kind() != self.kind;
        self.totals.frames_wrong_source += u64::from(is_wrong);
        is_wrong.then_some(mark)
    }

    /// The m-line's report, without what its stream counts.
    pub fn report(&self, mid: &str, first_media: Option<Time>) -> LineReport {
        LineReport {
            mid: mid.to_owned(),
            kind: self.kind,
            publisher: self.source.map(|source| source.0),
            first_media_us: first_media.map(|time| time.0),
            first_frame_us: self.first_frame.map(|time| time.0),
            last_frame_us: self.last_frame.map(|time| time.0),
            frames_by_encoding: self.frames_by_encoding,
            totals: self.totals.clone(),
        }
    }

    /// Start all counts again.
    pub fn reset(&mut self) {
        self.totals = Totals::default();
        self.frames_by_encoding = [0; 4];
    }

    fn record_delay(&mut self, micros: u64) {
        match self.kind {
            Kind::Audio => self.totals.audio_delay.record(micros),
            Kind::Video => self.totals.video_delay.record(micros),
        }
    }

    fn record_interval(&mut self, before: Option<Time>, completed: Time) {
        let interval = before.map_or(0, |before| completed.since(before));
        if self.kind == Kind::Video && interval > FREEZE {
            self.totals.freezes += 1;
            self.totals.freeze_us += interval;
        }
    }

    fn record_number(&mut self, number: u32) {
        let totals = &mut self.totals;
        match number.wrapping_sub(self.last_number) as i32 {
            0 => totals.frames_duplicate += 1,
            distance @ 1.. => {
                totals.frames_missing += distance as u64 - 1;
                self.last_number = number;
            }
            _ => {
                // It was counted as missing when a later one came.
                totals.frames_missing = totals.frames_missing.saturating_sub(1);
                totals.frames_reordered += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mark::VIDEO_TRACK;

    fn mark(publisher: u32, frame: u32) -> Mark {
        let sent = Time(1_000 * u64::from(frame));
        Mark {
            room: 1,
            publisher,
            track: 0,
            encoding: 0,
            frame,
            sent,
        }
    }

    fn video(publisher: u32, frame: u32) -> Mark {
        Mark {
            track: VIDEO_TRACK,
            ..mark(publisher, frame)
        }
    }

    fn judged(kind: Kind, marks: &[(u64, Mark)]) -> Totals {
        let mut judge = Judge::new(1, 9, kind);
        for (at, mark) in marks {
            judge.handle_frame(Time(*at), Some(*mark));
        }
        judge.totals
    }

    #[test]
    fn missing_duplicate_and_late_frames_are_told_apart() {
        let totals = judged(
            Kind::Audio,
            &[
                (1, mark(2, 1)),
                (2, mark(2, 4)),
                (3, mark(2, 4)),
                (4, mark(2, 3)),
                (5, mark(2, 5)),
            ],
        );
        assert_eq!(totals.frames_missing, 1);
        assert_eq!(totals.frames_duplicate, 1);
        assert_eq!(totals.frames_reordered, 1);
    }

    #[test]
    fn another_publisher_is_a_change_and_no_loss() {
        let totals = judged(
            Kind::Video,
            &[(1, video(2, 1)), (2, video(3, 70)), (3, video(3, 71))],
        );
        assert_eq!((totals.source_changes, totals.frames_missing), (1, 0));
    }

    #[test]
    fn foreign_rooms_oneself_and_the_wrong_kind_are_wrong_sources() {
        let foreign = Mark {
            room: 2,
            ..video(3, 1)
        };
        let mut judge = Judge::new(1, 9, Kind::Video);
        assert_eq!(judge.handle_frame(Time(1), Some(foreign)), Some(foreign));
        assert!(judge.handle_frame(Time(2), Some(video(9, 1))).is_some());
        assert!(judge.handle_frame(Time(3), Some(mark(3, 1))).is_some());
        assert!(judge.handle_frame(Time(4), Some(video(3, 2))).is_none());
        assert_eq!(judge.totals.frames_wrong_source, 3);
    }

    #[test]
    fn a_pause_of_over_200_ms_is_a_freeze_with_its_length() {
        let totals = judged(
            Kind::Video,
            &[
                (0, video(2, 0)),
                (200_000, video(2, 1)),
                (500_000, video(2, 2)),
            ],
        );
        assert_eq!((totals.freezes, totals.freeze_us), (1, 300_000));
    }

    #[test]
    fn delay_is_from_the_mark_to_the_last_packet() {
        let totals = judged(Kind::Audio, &[(1_007, mark(2, 1))]);
        assert_eq!(totals.audio_delay.buckets().collect::<Vec<_>>(), [(7, 1)]);
    }
}
