//! Which packets of digital silence are not worth sending.

use crate::time::Time;
use std::time::Duration;
use wire::extensions::AudioLevel;

/// RFC 6464 §3: digital silence.
const SILENT_MINUS_DBOV: u8 = 127;
/// The beginning of a silence is sent, so that decoders conceal what follows out of silence and not out of a word's end.
const HANGOVER: Duration = Duration::from_millis(200);
/// Then one packet as often as Opus DTX sends one (RFC 7587 §3.1.3): the stream is seen to live.
const SIGN_OF_LIFE: Duration = Duration::from_millis(400);

/// The gate of one audio source.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SilenceGate {
    silent_since: Option<Time>,
    last_sent: Time,
}

impl SilenceGate {
    /// True if the packet goes on. Sources that tell no level always do.
    pub(super) fn accepts(&mut self, level: Option<AudioLevel>, arrival: Time) -> bool {
        if level.is_none_or(|level| level.minus_dbov < SILENT_MINUS_DBOV) {
            self.silent_since = None;
            return true;
        }
        let since = *self.silent_since.get_or_insert(arrival);
        let is_due =
            arrival.since(since) < HANGOVER || arrival.since(self.last_sent) >= SIGN_OF_LIFE;
        if is_due {
            self.last_sent = arrival;
        }
        is_due
    }
}
