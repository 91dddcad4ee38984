//! From the cache to every listener's output. The packets of a picture usually come in a row; they are written together,
//! listener by listener, so that each listener's state is loaded once for all of them.

use crate::drop_reason::DropReason;
use crate::engine::{Engine, Path};
use crate::ids::EncodingKey;
use crate::keyframe_limiter::KeyframeCause;
use crate::outbox::RtpSink;
use crate::packet::SourcePacket;
use crate::prefetching::prefetch_ahead;
use crate::time::Time;
use crate::track_table::Listener;
use arrayvec::ArrayVec;

/// LIMIT: packets that wait to be written together: a picture of 3 Mbit/s at 20 a second. Larger ones are written in
/// parts.
const MAX_RUN: usize = 16;
/// Of the fixed header (RFC 3550 §5.1): flags, payload type, sequence number, timestamp, SSRC.
const FIXED_HEADER_BYTES: usize = 12;
/// By what a packet is usually longer than its payload: headers, extensions, tag.
const USUAL_OVERHEAD_BYTES: usize = 64;
/// In the second byte of the header: the picture's last packet.
const MARKER: u8 = 0x80;

/// Packets of one picture of one encoding that came in a row, stored and not yet written. It never outlives a batch: whatever
/// else comes or is asked for is preceded by `Engine::finish_run`.
#[derive(Default)]
pub(crate) struct Run {
    /// Their keys in the encoding's cache. The rest has a meaning only while there are any.
    numbers: ArrayVec<u64, MAX_RUN>,
    from: Option<EncodingKey>,
    /// When the last of them came.
    now: Time,
    path: Option<Path>,
    has_ended: bool,
    /// Fixed header that the next packet of the picture has, its marker not looked at.
    next_header: [u8; FIXED_HEADER_BYTES],
}

impl Run {
    /// True if `datagram` claims to be the next packet of the picture: nothing that it does can change how those before it are
    /// written. A forgery only ends or prolongs the wait within a batch.
    fn is_continued_by(&self, path: &Path, datagram: &[u8]) -> bool {
        let header = datagram.first_chunk().copied().map(without_marker);
        !self.numbers.is_empty()
            && header == Some(self.next_header)
            && self.path.as_ref() == Some(path)
    }
}

/// Mark those that a byte of padding makes as long as the longest. Browsers cut a picture into packets that differ by a byte;
/// the kernel takes packets as one message only if all but the last are of one length.
fn even(packets: &mut [SourcePacket<'_>]) {
    let lengths = packets.iter().map(|packet| packet.payload.len());
    let longest = lengths.max().unwrap_or_default();
    if let Some((_, all_but_last)) = packets.split_last_mut() {
        for packet in all_but_last {
            packet.is_evened = packet.payload.len() + 1 == longest;
        }
    }
}

/// The header of the next packet of the same picture.
fn next_header(header: [u8; FIXED_HEADER_BYTES]) -> [u8; FIXED_HEADER_BYTES] {
    let mut next = without_marker(header);
    let number = u16::from_be_bytes([next[2], next[3]]).wrapping_add(1);
    next[2..4].copy_from_slice(&number.to_be_bytes());
    next
}

fn without_marker(mut header: [u8; FIXED_HEADER_BYTES]) -> [u8; FIXED_HEADER_BYTES] {
    header[1] &= !MARKER;
    header
}

impl Engine {
    /// Write what waits, unless `datagram` comes next after it.
    pub(crate) fn finish_run_before(&mut self, path: &Path, datagram: &[u8]) {
        if !self.run.is_continued_by(path, datagram) {
            self.finish_run();
        }
    }

    /// Let a stored packet wait for the rest of its picture.
    pub(crate) fn prolong_run(
        &mut self,
        now: Time,
        path: Path,
        datagram: &[u8],
        from: EncodingKey,
        number: u64,
    ) {
        let run = &mut self.run;
        run.from = Some(from);
        run.now = now;
        run.path = Some(path);
        run.has_ended = datagram.get(1).is_some_and(|byte| byte & MARKER != 0);
        run.next_header = datagram
            .first_chunk()
            .copied()
            .map(next_header)
            .unwrap_or_default();
        run.numbers.push(number);
        if run.numbers.is_full() {
            self.finish_run();
        }
    }

    /// True if a picture was received in part: a moment later the rest may be there, and leave together with what waits.
    pub fn expects_more(&self) -> bool {
        !self.run.numbers.is_empty() && !self.run.has_ended
    }

    /// Write what waits.
    pub(crate) fn finish_run(&mut self) {
        if self.run.numbers.is_empty() {
            return;
        }
        let numbers = std::mem::take(&mut self.run.numbers);
        if let Some(from) = self.run.from {
            self.fan_out(self.run.now, from, &numbers);
        }
    }

    /// Write stored packets to everybody who listens to their encoding.
    pub(crate) fn fan_out(&mut self, now: Time, from: EncodingKey, numbers: &[u64]) {
        let is_keyframe_missed = self.write_to_listeners(now, from, numbers);
        let mut started = std::mem::take(&mut self.scratch.started);
        for listener in started.drain(..) {
            self.handle_started(listener);
        }
        self.scratch.started = started;
        if is_keyframe_missed {
            self.request_keyframe(now, from, KeyframeCause::Switch);
        }
    }

    /// Lists in `scratch.started` whom a packet started; true if somebody needs another keyframe.
    fn write_to_listeners(&mut self, now: Time, from: EncodingKey, numbers: &[u64]) -> bool {
        let Some(entry) = self.tracks.get(from.track) else {
            return false;
        };
        let Some(cache) = entry.track.cache(from.encoding) else {
            return false;
        };
        let stored = numbers.iter().filter_map(|number| cache.get(*number));
        let mut packets: ArrayVec<SourcePacket<'_>, MAX_RUN> = stored.take(MAX_RUN).collect();
        even(&mut packets);
        let mut is_keyframe_missed = false;
        let listeners = &entry.listeners[usize::from(from.encoding)];
        for (place, listener) in listeners.iter().enumerate() {
            prefetch_ahead(&self.participants, listeners, place);
            let Some(participant) = self.participants.get_mut(listener.participant) else {
                continue;
            };
            if !participant.transport.open_output(now) {
                self.drops[DropReason::NotConnected as usize] += packets.len() as u64;
                continue;
            }
            for packet in &packets {
                let result = self.outgoing.list(participant, listener.participant);
                let result = result.and_then(|()| {
                    let output = &mut participant.transport.output;
                    let written = output.buffer().len();
                    let size_bytes = packet.payload.len() + USUAL_OVERHEAD_BYTES;
                    // Where the next listener gets the same packet: the buffers of a large audience are together larger than
                    // the nearer caches, and encryption waits until the packet's bytes are written. In calls, which have one
                    // listener each, it is where the batch's next packet goes.
                    self.outgoing.pool.prefetch_next(written, size_bytes);
                    let stream =
                        &mut participant.subscribed[usize::from(listener.subscription)].stream;
                    stream.handle_packet(now, from, *packet, output)
                });
                match result {
                    Ok(forwarded) if forwarded.started.is_some() => {
                        self.scratch.started.push(*listener);
                    }
                    Ok(forwarded) => is_keyframe_missed |= forwarded.missed_keyframe,
                    Err(reason) => self.drops[reason as usize] += 1,
                }
            }
            participant.add_ripe_feedback(now, &mut self.scratch.bytes);
        }
        is_keyframe_missed
    }

    /// Send a cached keyframe and all since to one listener that waits for it; true if that started it.
    pub(crate) fn replay(
        &mut self,
        now: Time,
        listener: Listener,
        from: EncodingKey,
        first: u64,
    ) -> bool {
        let Some(cache) = self
            .tracks
            .get(from.track)
            .and_then(|entry| entry.track.cache(from.encoding))
        else {
            return false;
        };
        let Some(participant) = self.participants.get_mut(listener.participant) else {
            return false;
        };
        if !participant.transport.open_output(now)
            || self
                .outgoing
                .list(participant, listener.participant)
                .is_err()
        {
            return false;
        }
        let stream = &mut participant.subscribed[usize::from(listener.subscription)].stream;
        let mut is_started = false;
        for packet in cache.packets_from(first) {
            match stream.handle_packet(now, from, packet, &mut participant.transport.output) {
                Ok(forwarded) => is_started |= forwarded.started.is_some(),
                Err(reason) => self.drops[reason as usize] += 1,
            }
        }
        is_started
    }
}
