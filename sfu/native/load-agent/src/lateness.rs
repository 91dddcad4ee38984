//! How late the agent itself was. A run in which this is large says more of the agent than of the server.

use crate::histogram::Histogram;

/// Since the start or the last reset, and the worst since it was last asked for.
#[derive(Debug, Default)]
pub struct Lateness {
    /// Due time → handed to the kernel, of each frame.
    pub send: Histogram,
    /// Kernel's receive time → handled, of each datagram.
    pub receive: Histogram,
    /// Due time → handled, of each timer.
    pub timer: Histogram,
    worst: [u64; 3],
}

impl Lateness {
    /// Count a frame's.
    pub fn record_send(&mut self, micros: u64) {
        self.send.record(micros);
        self.worst[0] = self.worst[0].max(micros);
    }

    /// Count a datagram's.
    pub fn record_receive(&mut self, micros: u64) {
        self.receive.record(micros);
        self.worst[1] = self.worst[1].max(micros);
    }

    /// Count a timer's.
    pub fn record_timer(&mut self, micros: u64) {
        self.timer.record(micros);
        self.worst[2] = self.worst[2].max(micros);
    }

    /// The worst of send, receive and timer since the last call.
    pub fn take_worst(&mut self) -> [u64; 3] {
        std::mem::take(&mut self.worst)
    }

    /// Start again.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}
