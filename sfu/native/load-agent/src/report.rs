//! What is told of a participant.

use crate::judge::Judge;
use crate::protocol::Kind;
use crate::time::Time;
use crate::totals::Totals;
use serde::Serialize;

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
    /// Publishers that ought to be heard and are not.
    pub unheard: Vec<u32>,
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
    /// Height of the newest frame, 0 for sound.
    pub height: Option<u16>,
    /// Publisher that ought to be here.
    pub wished_publisher: Option<u32>,
    /// Height that ought to be here.
    pub wished_height: Option<u16>,
    /// Nothing of what is wished for has come for over 2 s.
    pub is_silent: bool,
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

impl LineReport {
    /// Of the m-line `mid`.
    pub fn new(mid: &str, kind: Kind, judge: &Judge, first_media: Option<Time>) -> Self {
        let newest = judge.last_mark();
        let wish = judge.wish();
        Self {
            mid: mid.to_owned(),
            kind,
            publisher: newest.map(|mark| mark.publisher),
            height: newest.map(|mark| mark.height),
            wished_publisher: wish.and_then(|wish| wish.publisher),
            wished_height: wish.and_then(|wish| wish.height),
            is_silent: judge.is_silent(),
            first_media_us: first_media.map(|time| time.0),
            first_frame_us: judge.first_frame.map(|time| time.0),
            last_frame_us: judge.last_frame.map(|time| time.0),
            frames_by_encoding: judge.frames_by_encoding,
            totals: judge.totals.clone(),
        }
    }
}
