//! One client's transport: its ICE agent, its SRTP contexts, and the output buffer that leaves as one burst.

use crate::engine::{Path, Transmit};
use crate::ice::IceAgent;
use crate::outbox::{RtpSink, WrittenPacket};
use crate::reported_ceiling::ReportedCeiling;
use crate::sent_packets::SentPackets;
use crate::time::Time;
use std::time::Duration;
use wire::srtp::{SrtpError, SrtpReceiver, SrtpSender};

/// LIMIT: bytes waiting for one transport between two flushes. A keyframe cache start and a batch of ordinary traffic fit.
const MAX_OUTPUT_BYTES: usize = 512 * 1024;
/// LIMIT: handshake datagrams taken from one transport per `DTLS_WINDOW`; a `ClientHello` in two fragments, resent every 50 ms,
/// needs a tenth of it.
const DTLS_DATAGRAMS_PER_WINDOW: u32 = 200;
const DTLS_WINDOW: Duration = Duration::from_secs(10);

/// A transport.
pub(crate) struct Transport {
    pub(crate) ice: IceAgent,
    pub(crate) srtp_receiver: Option<SrtpReceiver>,
    /// Where handshake datagrams are answered while no pair is nominated yet.
    pub(crate) last_dtls_path: Option<Path>,
    pub(crate) output: Output,
    pub(crate) ceiling: ReportedCeiling,
    dtls_window_start: Time,
    dtls_datagrams: u32,
}

/// What waits to be sent to one client, and what protects it.
pub(crate) struct Output {
    pub(crate) srtp_sender: Option<SrtpSender>,
    pub(crate) sent_packets: SentPackets,
    pub(crate) now: Time,
    buffer: Vec<u8>,
    datagram_bytes: Vec<u16>,
    path: Option<Path>,
    /// Set once per burst, so that the engine lists the transport as dirty once.
    pub(crate) is_listed: bool,
    retransmissions: u64,
    forwarded: u64,
    /// That of the participant's `FeedbackRecorder`: here it is at hand when something is sent.
    pub(crate) feedback_ripe_at: Time,
}

impl Transport {
    pub(crate) fn new(ice: IceAgent) -> Self {
        Self {
            ice,
            srtp_receiver: None,
            last_dtls_path: None,
            output: Output::new(),
            ceiling: ReportedCeiling::default(),
            dtls_window_start: Time::ZERO,
            dtls_datagrams: 0,
        }
    }

    /// True if media may be sent: a nominated pair with consent, and keys.
    pub(crate) fn is_ready(&self) -> bool {
        self.output.srtp_sender.is_some() && self.ice.is_connected()
    }

    /// Count one handshake datagram; false if the transport sends them faster than any handshake needs.
    pub(crate) fn admit_dtls(&mut self, now: Time) -> bool {
        if now.since(self.dtls_window_start) >= DTLS_WINDOW {
            self.dtls_window_start = now;
            self.dtls_datagrams = 0;
        }
        self.dtls_datagrams += 1;
        self.dtls_datagrams <= DTLS_DATAGRAMS_PER_WINDOW
    }

    /// Make the output ready for a burst at `now`; false if nothing can be sent now.
    pub(crate) fn open_output(&mut self, now: Time) -> bool {
        let path = self.ice.selected();
        if path.is_none() || self.output.srtp_sender.is_none() {
            return false;
        }
        self.output.now = now;
        self.output.path = path;
        true
    }
}

impl Output {
    fn new() -> Self {
        Self {
            srtp_sender: None,
            sent_packets: SentPackets::default(),
            now: Time::ZERO,
            buffer: Vec::new(),
            datagram_bytes: Vec::new(),
            path: None,
            is_listed: false,
            retransmissions: 0,
            forwarded: 0,
            feedback_ripe_at: Time::NEVER,
        }
    }

    /// Load what sending a packet needs, what was sent before apart.
    pub(crate) fn prefetch(&self) {
        prefetch::prefetch(&self.srtp_sender);
        prefetch::prefetch(&self.sent_packets);
        prefetch::prefetch(&self.buffer);
        prefetch::prefetch(&self.datagram_bytes);
        prefetch::prefetch(&self.path);
        prefetch::prefetch(&self.forwarded);
    }

    /// False while another burst would overrun the bound.
    pub(crate) fn has_room(&self) -> bool {
        self.buffer.len() < MAX_OUTPUT_BYTES
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.datagram_bytes.is_empty()
    }

    /// Protect the compound that `write` appends and queue it as one datagram.
    pub(crate) fn send_rtcp(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let Some(sender) = &mut self.srtp_sender else {
            return;
        };
        let start = self.buffer.len();
        write(&mut self.buffer);
        let is_protected =
            self.buffer.len() > start && sender.protect_rtcp(&mut self.buffer, start).is_ok();
        self.end_datagram(start, is_protected);
    }

    /// Give the burst its buffers back to `pool` and return what was counted: (forwarded, retransmitted) packets.
    pub(crate) fn clear(&mut self, pool: &mut BufferPool) -> (u64, u64) {
        self.is_listed = false;
        pool.give_back(
            std::mem::take(&mut self.buffer),
            std::mem::take(&mut self.datagram_bytes),
        );
        (
            std::mem::take(&mut self.forwarded),
            std::mem::take(&mut self.retransmissions),
        )
    }

    /// Take buffers for a burst unless one is open.
    pub(crate) fn take_buffers(&mut self, pool: &mut BufferPool) {
        if self.buffer.capacity() == 0 {
            (self.buffer, self.datagram_bytes) = pool.take();
        }
    }

    pub(crate) fn transmit(&self) -> Option<Transmit<'_>> {
        let path = self.path.filter(|_| !self.datagram_bytes.is_empty())?;
        Some(Transmit {
            path,
            contents: &self.buffer,
            datagram_bytes: &self.datagram_bytes,
        })
    }

    fn end_datagram(&mut self, start: usize, is_good: bool) {
        let length = self.buffer.len() - start;
        match u16::try_from(length) {
            Ok(length) if is_good && length > 0 => self.datagram_bytes.push(length),
            _ => self.buffer.truncate(start),
        }
    }
}

impl RtpSink for Output {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    fn next_transport_sequence_number(&mut self) -> u16 {
        self.sent_packets.next_sequence_number()
    }

    fn finish(&mut self, packet: WrittenPacket) {
        let result = match &mut self.srtp_sender {
            Some(sender) => sender.protect_rtp(
                &mut self.buffer,
                packet.start,
                packet.header_bytes,
                packet.ssrc,
                packet.index,
            ),
            None => Err(SrtpError::BadKey),
        };
        let length = self.buffer.len() - packet.start;
        self.end_datagram(packet.start, result.is_ok());
        if packet.transport_sequence_number.is_some() {
            self.sent_packets.register(self.now, length as u16);
        }
        if packet.is_retransmission {
            self.retransmissions += 1;
        } else {
            self.forwarded += 1;
        }
    }
}

/// Buffers that travel between transports: only those with something to send hold one.
#[derive(Default)]
pub(crate) struct BufferPool {
    free: Vec<(Vec<u8>, Vec<u16>)>,
}

/// LIMIT: buffers kept; one burst rarely touches more transports than a large room has.
const MAX_POOLED: usize = 1024;
/// LIMIT: a larger buffer is freed, not kept.
const MAX_POOLED_BYTES: usize = 128 * 1024;
const FIRST_BUFFER_BYTES: usize = 4 * 1024;

impl BufferPool {
    fn take(&mut self) -> (Vec<u8>, Vec<u16>) {
        self.free.pop().unwrap_or_else(|| {
            (
                Vec::with_capacity(FIRST_BUFFER_BYTES),
                Vec::with_capacity(8),
            )
        })
    }

    /// Load what the next that takes a buffer will fill from byte `start` on.
    pub(crate) fn prefetch_next(&self, start: usize, size_bytes: usize) {
        if let Some((buffer, _)) = self.free.last() {
            prefetch::prefetch_memory(buffer, start, size_bytes);
        }
    }

    fn give_back(&mut self, mut buffer: Vec<u8>, mut datagram_bytes: Vec<u16>) {
        if self.free.len() < MAX_POOLED && (1..=MAX_POOLED_BYTES).contains(&buffer.capacity()) {
            buffer.clear();
            datagram_bytes.clear();
            self.free.push((buffer, datagram_bytes));
        }
    }
}

#[cfg(test)]
#[path = "transport_tests.rs"]
mod tests;
