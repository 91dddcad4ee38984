//! What one participant saw or heard on one m-line, judged by marks and by what was wished for. Sans-IO.

use crate::mark::{Mark, SILENT};
use crate::protocol::{Kind, WrongSource};
use crate::silence::Waiting;
use crate::time::{MILLISECOND, SECOND, Time};
use crate::totals::Totals;

/// Longer than this between two pictures is a freeze.
const FREEZE: u64 = 200 * MILLISECOND;
/// Longer than this between two sound packets is heard: two packets of 20 ms missing, as one is concealed.
const AUDIO_GAP: u64 = 60 * MILLISECOND;
/// After a change of wishes the old source may still come: the way there, a keyframe, the way back.
pub const GRACE: u64 = 2 * SECOND;

/// What ought to come on a video m-line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// Of the marks; `None` is anybody of the room.
    pub publisher: Option<u32>,
    /// Of the marks.
    pub track: u8,
    /// Of the layer that ought to come.
    pub height: Option<u16>,
    /// Nothing needs to come now.
    pub is_muted: bool,
}

impl Wish {
    fn is_met_by(&self, mark: &Mark) -> bool {
        match self.publisher {
            Some(publisher) => (publisher, self.track) == (mark.publisher, mark.track),
            None => true,
        }
    }
}

/// What is wished for and since when.
#[derive(Debug, Clone, Copy)]
struct Expected {
    wish: Option<Wish>,
    since: Time,
    /// For whom is wished for.
    waiting: Waiting,
}

/// The newest frame, for what comes after it.
#[derive(Debug, Clone, Copy)]
struct Newest {
    mark: Mark,
    completed: Time,
}

/// The judge of one m-line.
#[derive(Debug)]
pub struct Judge {
    room: u32,
    participant: u32,
    kind: Kind,
    /// `None` until the driver told any wishes.
    expected: Option<Expected>,
    /// Sound: whose loss counts; `None` is anybody's.
    audible: Option<Vec<u32>>,
    newest: Option<Newest>,
    /// Of the last frame that had one, whatever came of it.
    last_mark: Option<Mark>,
    told: Option<(WrongSource, u32, u32)>,
    /// Monotonic clock of the first whole frame.
    pub first_frame: Option<Time>,
    /// Of the newest whole frame.
    pub last_frame: Option<Time>,
    /// Frames of each encoding of the source, smallest first.
    pub frames_by_encoding: [u64; 4],
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
            expected: None,
            audible: None,
            newest: None,
            last_mark: None,
            told: None,
            first_frame: None,
            last_frame: None,
            frames_by_encoding: [0; 4],
            totals: Totals::default(),
        }
    }

    /// That of the last frame that had one.
    pub const fn last_mark(&self) -> Option<&Mark> {
        self.last_mark.as_ref()
    }

    /// What ought to come, if the driver said so.
    pub fn wish(&self) -> Option<Wish> {
        self.expected.and_then(|expected| expected.wish)
    }

    /// Whether nothing of what is wished for comes.
    pub fn is_silent(&self) -> bool {
        self.expected
            .is_some_and(|expected| expected.waiting.is_silent())
    }

    /// Judge from now on by `wish`; `None` wishes for nothing.
    pub fn handle_wish(&mut self, now: Time, wish: Option<Wish>) {
        let before = self.expected;
        if before.is_some_and(|before| before.wish == wish) {
            return;
        }
        // Another height of the same picture: what comes goes on, the layer may take a moment.
        let is_same = |old: Wish, new: Wish| {
            (old.publisher, old.track, old.is_muted) == (new.publisher, new.track, new.is_muted)
        };
        let mut waiting = Waiting::new(now);
        match (before, before.and_then(|before| before.wish), wish) {
            (Some(before), Some(old), Some(new)) if is_same(old, new) => waiting = before.waiting,
            (Some(mut before), _, _) => {
                before.waiting.end(now, &mut self.totals);
                // A pause between two wishes for the same is no freeze.
                self.newest = None;
            }
            _ => {}
        }
        self.expected = Some(Expected {
            wish,
            since: now,
            waiting,
        });
    }

    /// Sound: from now on only the loss of these publishers counts: others may be left out by the server, who carries the
    /// loudest alone.
    pub fn handle_audible(&mut self, publishers: Option<&[u32]>) {
        if self.audible.as_deref() == publishers {
            return;
        }
        self.audible = publishers.map(<[u32]>::to_vec);
        self.newest = None;
    }

    /// Take a whole frame; tells what is wrong with its source when that begins.
    pub fn handle_frame(
        &mut self,
        completed: Time,
        mark: Option<Mark>,
    ) -> Option<(WrongSource, Mark)> {
        self.totals.frames += 1;
        self.first_frame.get_or_insert(completed);
        self.last_frame = Some(completed);
        let Some(mark) = mark else {
            self.totals.frames_unmarked += 1;
            return None;
        };
        if let Some(count) = self.frames_by_encoding.get_mut(usize::from(mark.encoding)) {
            *count += 1;
        }
        self.record_delay(completed.since(mark.sent));
        self.last_mark = Some(mark);
        // Silence may come or be left out: only what lies between sounds is judged.
        if mark.encoding != SILENT && !self.compare_with_newest(completed, &mark) {
            self.newest = Some(Newest { mark, completed });
        }
        let wrong = self.find_wrong(completed, &mark);
        match wrong {
            None => {}
            Some(WrongSource::Unwished) => self.totals.frames_unwished += 1,
            Some(_) => self.totals.frames_wrong_source += 1,
        }
        if wrong.is_none() {
            self.judge_wish(completed, &mark);
        }
        let told = wrong.map(|reason| (reason, mark.room, mark.publisher));
        let is_news = told.is_some() && told != self.told;
        self.told = told;
        wrong.filter(|_| is_news).map(|reason| (reason, mark))
    }

    /// Whether the frame of `mark`, found again in a redundant block, was lost until now.
    pub fn lacks(&self, mark: &Mark) -> bool {
        self.newest.is_some_and(|newest| {
            let newest = newest.mark;
            (newest.publisher, newest.track) == (mark.publisher, mark.track)
                && mark.frame.wrapping_sub(newest.frame) as i32 > 0
        })
    }

    /// Look for silence; tells of one that begins.
    pub fn handle_timeout(&mut self, now: Time) -> Option<Wish> {
        let expected = self.expected.as_mut()?;
        let wish = expected.wish.filter(|wish| !wish.is_muted)?;
        let begins = expected.waiting.handle_timeout(now, &mut self.totals);
        begins.then_some(wish)
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

    /// Count what lies between the newest frame and this one; tells whether this one is older.
    fn compare_with_newest(&mut self, completed: Time, mark: &Mark) -> bool {
        let Some(newest) = self.newest else {
            return false;
        };
        let before = newest.mark;
        let is_same_track = (before.publisher, before.track) == (mark.publisher, mark.track);
        if !is_same_track || before.encoding != mark.encoding {
            self.totals.source_changes += 1;
        }
        if !is_same_track {
            return false;
        }
        let is_audible = |audible: &Vec<u32>| audible.contains(&mark.publisher);
        if !self.audible.as_ref().is_none_or(is_audible) {
            return false;
        }
        let distance = mark.frame.wrapping_sub(before.frame) as i32;
        let totals = &mut self.totals;
        match distance {
            // Another layer may begin with a picture that its predecessor had shown already.
            _ if before.encoding != mark.encoding && distance <= 0 => {}
            0 => totals.frames_duplicate += 1,
            1.. => {
                // Between layers pictures may be left out: what counts is whether anything was seen meanwhile.
                if before.encoding == mark.encoding {
                    totals.frames_missing += distance as u64 - 1;
                }
            }
            _ => {
                // It was counted as missing when a later one came.
                totals.frames_missing = totals.frames_missing.saturating_sub(1);
                totals.frames_reordered += 1;
                return true;
            }
        }
        let idle = u64::from(mark.idle_ms.saturating_sub(before.idle_ms)) * MILLISECOND;
        let pause = completed.since(newest.completed).saturating_sub(idle);
        match self.kind {
            Kind::Video if pause > FREEZE => {
                totals.freezes += 1;
                totals.freeze_us += pause;
            }
            Kind::Audio if pause > AUDIO_GAP => {
                totals.audio_gaps += 1;
                totals.audio_gap_us += pause;
            }
            _ => {}
        }
        false
    }

    fn find_wrong(&self, completed: Time, mark: &Mark) -> Option<WrongSource> {
        if mark.room != self.room {
            return Some(WrongSource::ForeignRoom);
        }
        if mark.publisher == self.participant {
            return Some(WrongSource::Oneself);
        }
        if mark.kind() != self.kind {
            return Some(WrongSource::WrongKind);
        }
        // Sound comes on whichever m-line: what is wished for of it is judged in `hearing`.
        let expected = self.expected.filter(|_| self.kind == Kind::Video)?;
        let is_settled = completed.since(expected.since) > GRACE;
        let is_met = expected.wish.is_some_and(|wish| wish.is_met_by(mark));
        (is_settled && !is_met).then_some(WrongSource::Unwished)
    }

    fn judge_wish(&mut self, completed: Time, mark: &Mark) {
        let Some(expected) = &mut self.expected else {
            return;
        };
        let Some(wish) = expected.wish.filter(|wish| wish.is_met_by(mark)) else {
            return;
        };
        let first = expected.waiting.meet(completed, 0, &mut self.totals);
        if let Some(waited) = first.filter(|_| !wish.is_muted) {
            self.totals.first_picture_delay.record(waited);
        }
        if let Some(height) = wish.height
            && completed.since(expected.since) > GRACE
        {
            self.totals.frames_above_wish += u64::from(mark.height > height);
            self.totals.frames_below_wish += u64::from(mark.height < height);
        }
    }
}

#[cfg(test)]
mod tests;
