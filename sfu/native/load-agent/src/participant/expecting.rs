//! What a participant ought to see and hear, and what it misses.

use super::{Participant, Shared};
use crate::judge::Wish;
use crate::mark::track_of;
use crate::protocol::{Event, Expect, ExpectVideo, Kind};
use crate::time::Time;

impl Participant {
    /// Judge by `expect` from now on.
    pub fn handle_expect(&mut self, now: Time, expect: Expect, shared: &Shared) {
        self.expect = Some(expect);
        self.apply_expect(now, shared);
    }

    pub(super) fn apply_expect(&mut self, now: Time, shared: &Shared) {
        let Some(expect) = &self.expect else {
            return;
        };
        let (audible, pause) = (expect.audio.as_deref(), shared.longest_pause());
        self.hearing.handle_wish(now, audible, pause);
        for stream in &mut self.streams {
            let mid = &stream.media.mid;
            match stream.media.kind {
                Kind::Audio => stream.judge.handle_audible(audible),
                Kind::Video => {
                    let wished = expect.video.iter().find(|wished| wished.mid == *mid);
                    stream.judge.handle_wish(now, wished.map(wish_of));
                }
            }
        }
    }

    pub(super) fn look_for_silence(&mut self, now: Time) {
        for stream in &mut self.streams {
            if let Some(wish) = stream.judge.handle_timeout(now) {
                self.events.push(Event::Silent {
                    id: self.id,
                    mid: Some(stream.media.mid.clone()),
                    publisher: wish.publisher,
                });
            }
        }
        for publisher in self.hearing.handle_timeout(now) {
            self.events.push(Event::Silent {
                id: self.id,
                mid: None,
                publisher: Some(publisher),
            });
        }
    }
}

fn wish_of(wished: &ExpectVideo) -> Wish {
    Wish {
        publisher: wished.publisher,
        track: track_of(wished.source),
        height: wished.height,
        is_muted: wished.is_muted,
    }
}
