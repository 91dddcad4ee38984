//! A microphone that speaks when told.

use super::{Harness, Rtp};
use wire::extensions::AudioLevel;

/// A microphone: one Opus packet every 20 ms.
pub(crate) struct Microphone {
    pub(crate) client: usize,
    pub(crate) next: u16,
    pub(crate) timestamp: u32,
}

impl Microphone {
    pub(crate) fn new(client: usize) -> Self {
        Self {
            client,
            next: 65_530,
            timestamp: 5,
        }
    }

    pub(crate) fn speak(&mut self, harness: &mut Harness, minus_dbov: u8) {
        let payload = [0x78, self.client as u8, self.next as u8];
        let level = AudioLevel {
            minus_dbov,
            is_voice: minus_dbov < 60,
        };
        harness.send_rtp(
            self.client,
            &Rtp {
                ssrc: 7_000 + self.client as u32,
                sequence_number: self.next,
                timestamp: self.timestamp,
                level: Some(level),
                payload: &payload,
                ..Rtp::SOUND
            },
        );
        self.next = self.next.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(960);
    }
}
