//! Answers NACKs: rebuilds what was sent from the sources' caches, within a budget.

use super::history::{IS_FILLER, Place, Sent};
use super::packet_writer::{Rewrite, write_filler, write_packet};
use super::units::SendTime;
use super::{NackOutcome, SendStream};
use crate::ids::EncodingKey;
use crate::outbox::{RtpSink, WrittenPacket};
use crate::packet::SourcePacket;
use crate::time::Time;
use std::time::Duration;
use wire::codec::Codec;

/// LIMIT: times one packet is sent again.
const MAX_TRIES: u8 = 10;
/// A packet is not sent again within a round trip, nor within this: a NACK list is repeated about as often.
const MIN_INTERVAL: Duration = Duration::from_millis(20);
/// LIMIT: numbers looked at of one NACK packet; as many as a stream remembers.
const MAX_NUMBERS: usize = 1_024;

/// How one number is answered.
struct Answer {
    number: u64,
    sent: Sent,
    size_bytes: usize,
}

impl SendStream {
    /// Answer a NACK from the sources' caches, by RTX if negotiated, else with the very bytes that were sent.
    /// `lookup` finds a source packet by encoding and extended sequence number.
    pub fn handle_nack<'a>(
        &mut self,
        now: Time,
        sequence_numbers: impl Iterator<Item = u16>,
        round_trip: Duration,
        lookup: impl Fn(EncodingKey, u64) -> Option<SourcePacket<'a>>,
        sink: &mut impl RtpSink,
    ) -> NackOutcome {
        let mut outcome = NackOutcome::default();
        let interval_ms = round_trip.max(MIN_INTERVAL).as_millis() as u32;
        for sequence_number in sequence_numbers.take(MAX_NUMBERS) {
            let is_resent = self
                .resend(now, sequence_number, interval_ms, &lookup, sink)
                .is_some();
            if is_resent {
                outcome.resent += 1;
            } else {
                outcome.refused += 1;
            }
        }
        outcome
    }

    fn resend<'a>(
        &mut self,
        now: Time,
        sequence_number: u16,
        interval_ms: u32,
        lookup: &impl Fn(EncodingKey, u64) -> Option<SourcePacket<'a>>,
        sink: &mut impl RtpSink,
    ) -> Option<()> {
        let highest = self.history.end().checked_sub(1)?;
        let distance = sequence_number.wrapping_sub(highest as u16) as i16;
        let number = highest.checked_add_signed(i64::from(distance))?;
        if self.is_abandoned(number) {
            self.budget.spend(FILLER_BYTES).then_some(())?;
            self.send_filler(now, number, sink);
            return Some(());
        }
        let sent = *self.history.get_mut(number)?;
        let is_allowed = sent.tries == 0
            || (sent.tries < MAX_TRIES
                && SendTime::new(now).millis_since(sent.last_resent) >= interval_ms);
        if !is_allowed {
            return None;
        }
        if sent.flags & IS_FILLER != 0 {
            let answer = Answer {
                number,
                sent,
                size_bytes: FILLER_BYTES,
            };
            return self.resend_filler(now, &answer, sink);
        }
        let era = self.eras.find(sent.era)?;
        let packet = lookup(era.encoding, era.source_number(sent.source_low))?;
        let payload = self.payload_as_sent(&packet, &sent)?;
        let size_bytes = payload.len() + HEADER_ESTIMATE_BYTES;
        let answer = Answer {
            number,
            sent,
            size_bytes,
        };
        self.resend_packet(now, &answer, &packet, payload, sink)
    }

    /// A number that was kept for a lost packet of a source since left: whoever asks for it waits in vain.
    fn is_abandoned(&self, number: u64) -> bool {
        self.current
            .as_ref()
            .is_some_and(|current| number < current.first_sent)
            && self.history.place(number) == Place::Free
    }

    fn resend_packet(
        &mut self,
        now: Time,
        answer: &Answer,
        packet: &SourcePacket<'_>,
        payload: &[u8],
        sink: &mut impl RtpSink,
    ) -> Option<()> {
        self.take_leave(now, answer)?;
        let mut rewrite = self.rewrite(&answer.sent, answer.number);
        let is_rtx = self.make_rtx(&mut rewrite, now);
        if is_rtx && rewrite.transport_sequence_number.is_some() {
            rewrite.transport_sequence_number = Some(sink.next_transport_sequence_number());
        }
        let out = sink.buffer();
        let start = out.len();
        let header_bytes = write_packet(out, &self.config, &rewrite, packet, payload);
        if !is_rtx {
            self.reports.count(now, payload.len());
        }
        // A plain one's transport-wide number was registered when it was first sent.
        let transport_sequence_number = rewrite.transport_sequence_number.filter(|_| is_rtx);
        self.finish(
            answer,
            &rewrite,
            start,
            header_bytes,
            transport_sequence_number,
            sink,
        );
        Some(())
    }

    fn resend_filler(&mut self, now: Time, answer: &Answer, sink: &mut impl RtpSink) -> Option<()> {
        self.take_leave(now, answer)?;
        let mut rewrite = self.rewrite(&answer.sent, answer.number);
        let is_rtx = self.make_rtx(&mut rewrite, now);
        let out = sink.buffer();
        let start = out.len();
        let header_bytes = if is_rtx {
            rewrite.header.write(out, false, false);
            let header_bytes = out.len() - start;
            out.extend_from_slice(&(answer.number as u16).to_be_bytes());
            header_bytes
        } else {
            self.reports.count(now, 0);
            write_filler(out, &rewrite.header)
        };
        self.finish(answer, &rewrite, start, header_bytes, None, sink);
        Some(())
    }

    /// Spend the budget and note the try.
    fn take_leave(&mut self, now: Time, answer: &Answer) -> Option<()> {
        if !self.budget.spend(answer.size_bytes) {
            return None;
        }
        let sent = self.history.get_mut(answer.number)?;
        sent.tries += 1;
        sent.last_resent = SendTime::new(now);
        Some(())
    }

    /// Turn `rewrite` into that of an RTX packet, if RTX was negotiated for its codec.
    fn make_rtx(&mut self, rewrite: &mut Rewrite, now: Time) -> bool {
        let payload_type = rewrite.header.payload_type;
        let codec = self
            .config
            .codecs
            .iter()
            .find(|codec| codec.payload_type == payload_type);
        let rtx = codec
            .and_then(|codec| codec.rtx_payload_type)
            .zip(self.config.rtx_ssrc);
        let Some((rtx_payload_type, rtx_ssrc)) = rtx else {
            return false;
        };
        rewrite.is_evened = false;
        rewrite.original_sequence_number = Some(rewrite.header.sequence_number);
        rewrite.header.payload_type = rtx_payload_type;
        rewrite.header.ssrc = rtx_ssrc;
        rewrite.header.sequence_number = self.rtx_next as u16;
        rewrite.sent_at = SendTime::new(now);
        true
    }

    fn finish(
        &mut self,
        answer: &Answer,
        rewrite: &Rewrite,
        start: usize,
        header_bytes: usize,
        transport_sequence_number: Option<u16>,
        sink: &mut impl RtpSink,
    ) {
        let index = if rewrite.original_sequence_number.is_some() {
            let index = self.rtx_next;
            self.rtx_next += 1;
            index
        } else {
            answer.number
        };
        sink.finish(WrittenPacket {
            start,
            header_bytes,
            ssrc: rewrite.header.ssrc,
            index,
            transport_sequence_number,
            is_retransmission: true,
        });
    }

    /// The payload as it was sent: RED as RED if it went out under RED's payload type.
    fn payload_as_sent<'a>(&self, packet: &SourcePacket<'a>, sent: &Sent) -> Option<&'a [u8]> {
        let is_red = |codec: &crate::media_config::CodecConfig| {
            codec.red_payload_type == Some(sent.payload_type)
        };
        if packet.meta.codec != Codec::Red || self.config.codecs.iter().any(is_red) {
            return Some(packet.payload);
        }
        wire::red::primary(packet.payload)
            .ok()
            .map(|(_, primary)| primary)
    }
}

/// Header, usual extensions, OSN and SRTP tag: counted against the budget with the payload.
const HEADER_ESTIMATE_BYTES: usize = 50;
const FILLER_BYTES: usize = 14;
