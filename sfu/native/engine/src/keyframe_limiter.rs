//! One limiter of keyframe requests per encoding, whatever the cause.
use crate::time::Time;
use std::time::Duration;

/// Why a keyframe is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyframeCause {
    /// PLI or FIR of a subscriber.
    Subscriber,
    /// A send stream is to switch to this encoding.
    Switch,
    /// Packets were lost for good.
    Gap,
}

/// The limiter.
#[derive(Debug, Default)]
pub struct KeyframeLimiter {}

impl KeyframeLimiter {
    /// Somebody wants a keyframe.
    pub fn request(&mut self, _now: Time, _cause: KeyframeCause) {
        todo!()
    }
    /// A keyframe's first packet arrived: all requests made before are satisfied.
    pub fn handle_keyframe(&mut self, _now: Time) {
        todo!()
    }
    /// True if a PLI is to be sent now.
    pub fn poll(&mut self, _now: Time, _round_trip: Option<Duration>) -> bool {
        todo!()
    }
    /// When `poll` is next of use.
    pub fn next_timeout(&self) -> Time {
        todo!()
    }
}
