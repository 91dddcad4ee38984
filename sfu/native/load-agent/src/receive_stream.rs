//! One SSRC that a participant receives: losses, NACK, reports, frames to the judge. Sans-IO.

use crate::assembler::{Assembler, Frame, VideoPacket};
use crate::h264;
use crate::judge::Judge;
use crate::mark::Mark;
use crate::protocol::{Kind, ReceiveMedia, WrongSource};
use crate::time::{MILLISECOND, SECOND, Time};
use std::collections::BTreeMap;
use wire::codec::{self, Codec};
use wire::extended_sequence::SequenceUnwrapper;
use wire::red;
use wire::rtcp::ReportBlock;
use wire::rtp::RtpHeader;

/// Between two NACKs of one packet.
const NACK_INTERVAL: u64 = 60 * MILLISECOND;
/// LIMIT: NACKs for one packet, as libwebrtc.
const MAX_NACKS: u8 = 10;
/// After this a missing packet is lost.
const LOST_AFTER: u64 = 2 * SECOND;
/// LIMIT: packets missing at once; a jump past it is counted as loss at once.
const MAX_MISSING: u64 = 1_000;
/// Between two keyframe requests, and how long to wait for one before the first.
const KEYFRAME_REQUEST_INTERVAL: u64 = 500 * MILLISECOND;

#[derive(Debug, Clone, Copy)]
struct Missing {
    since: Time,
    last_nack: Option<Time>,
    nacks: u8,
}

/// The newest sender report of a stream, for LSR and DLSR.
#[derive(Debug, Clone, Copy)]
struct LastReport {
    ntp_middle: u32,
    arrival: Time,
}

/// Marks that must not be here, and why.
pub type Wrong = Vec<(WrongSource, Mark)>;

/// One stream.
pub struct ReceiveStream {
    /// What was negotiated.
    pub media: ReceiveMedia,
    /// Its judge.
    pub judge: Judge,
    /// The first packet with media.
    pub first_media: Option<Time>,
    unwrapper: SequenceUnwrapper,
    first_number: Option<u64>,
    received: u64,
    missing: BTreeMap<u64, Missing>,
    assembler: Assembler,
    keyframe_wanted_since: Option<Time>,
    last_keyframe_request: Option<Time>,
    last_report: Option<LastReport>,
    expected_before: u64,
    received_before: u64,
    transit: Option<i64>,
    jitter: f64,
}

impl ReceiveStream {
    /// A stream that has received nothing.
    pub fn new(media: ReceiveMedia, room: u32, participant: u32) -> Self {
        let judge = Judge::new(room, participant, media.kind);
        Self {
            media,
            judge,
            first_media: None,
            unwrapper: SequenceUnwrapper::default(),
            first_number: None,
            received: 0,
            missing: BTreeMap::new(),
            assembler: Assembler::default(),
            keyframe_wanted_since: None,
            last_keyframe_request: None,
            last_report: None,
            expected_before: 0,
            received_before: 0,
            transit: None,
            jitter: 0.0,
        }
    }

    /// Take a decrypted packet of the stream itself; gives marks that must not be here.
    pub fn handle_rtp(&mut self, arrival: Time, header: &RtpHeader, payload: &[u8]) -> Wrong {
        self.judge.totals.packets_received += 1;
        self.judge.totals.bytes_received += payload.len() as u64;
        let before = self.unwrapper.highest();
        let number = self.unwrapper.unwrap(header.sequence_number);
        self.received += 1;
        self.judge.totals.packets_reordered +=
            u64::from(before.is_some_and(|before| number < before));
        self.first_number.get_or_insert(number);
        self.note_missing(arrival, before, number);
        self.update_jitter(arrival, header.timestamp);
        self.take_payload(arrival, number, header, payload)
    }

    /// Take a decrypted retransmission (RFC 4588 §4): the payload starts with the original's number.
    pub fn handle_rtx(&mut self, arrival: Time, header: &RtpHeader, payload: &[u8]) -> Wrong {
        self.judge.totals.packets_received += 1;
        self.judge.totals.bytes_received += payload.len() as u64;
        let Some((original, payload)) = payload.split_first_chunk() else {
            return Wrong::new();
        };
        let number = self.unwrapper.peek(u16::from_be_bytes(*original));
        // One that was not missing is a probe or came twice: no frame twice because of it.
        if self.missing.remove(&number).is_none() {
            return Wrong::new();
        }
        self.judge.totals.packets_repaired += 1;
        self.take_payload(arrival, number, header, payload)
    }

    /// Take a sender report about the stream.
    pub fn handle_sender_report(&mut self, arrival: Time, ntp_time: u64) {
        self.last_report = Some(LastReport {
            ntp_middle: (ntp_time >> 16) as u32,
            arrival,
        });
    }

    /// Give up what is lost; gives marks that must not be here.
    pub fn handle_timeout(&mut self, now: Time) -> Wrong {
        let before = self.missing.len();
        self.missing
            .retain(|_, missing| now.since(missing.since) <= LOST_AFTER);
        self.judge.totals.packets_lost += (before - self.missing.len()) as u64;
        let mut frames = Vec::new();
        self.assembler.handle_timeout(now, &mut frames);
        self.judge.totals.decoder_breaks = self.assembler.breaks.into();
        self.judge_frames(&frames)
    }

    /// Whether anything is missing: `handle_timeout` and `poll_nacks` are worth calling soon.
    pub fn is_waiting(&self) -> bool {
        !self.missing.is_empty() || self.keyframe_wanted_since.is_some()
    }

    /// The sequence numbers to ask for now, ascending.
    pub fn poll_nacks(&mut self, now: Time) -> Vec<u16> {
        if !self.media.has_nack {
            return Vec::new();
        }
        let mut numbers = Vec::new();
        for (number, missing) in &mut self.missing {
            let is_due = missing
                .last_nack
                .is_none_or(|last| now.since(last) >= NACK_INTERVAL);
            if is_due && missing.nacks < MAX_NACKS {
                missing.last_nack = Some(now);
                missing.nacks += 1;
                numbers.push(*number as u16);
            }
        }
        self.judge.totals.nacks_sent += numbers.len() as u64;
        numbers
    }

    /// Whether to ask for a keyframe now.
    pub fn poll_keyframe_request(&mut self, now: Time) -> bool {
        let is_long = |since: Time| now.since(since) >= KEYFRAME_REQUEST_INTERVAL;
        let is_due = self.keyframe_wanted_since.is_some_and(is_long)
            && self.last_keyframe_request.is_none_or(is_long);
        if is_due {
            self.last_keyframe_request = Some(now);
            self.judge.totals.keyframe_requests_sent += 1;
        }
        is_due
    }

    /// The report block since the last one; `None` if nothing was received yet.
    pub fn report_block(&mut self, now: Time) -> Option<ReportBlock> {
        let (first, highest) = (self.first_number?, self.unwrapper.highest()?);
        let expected = highest + 1 - first.min(highest);
        let lost = expected as i64 - self.received as i64;
        let expected_now = expected - self.expected_before;
        let lost_now = expected_now as i64 - (self.received - self.received_before) as i64;
        (self.expected_before, self.received_before) = (expected, self.received);
        // RFC 3550 §A.3.
        let fraction_lost = if expected_now == 0 || lost_now <= 0 {
            0
        } else {
            (lost_now as u64 * 256 / expected_now).min(255) as u8
        };
        let delay = |last: LastReport| (now.since(last.arrival) * 65_536 / SECOND) as u32;
        Some(ReportBlock {
            ssrc: self.media.ssrc,
            fraction_lost,
            cumulative_lost: lost as i32,
            highest_sequence_number: highest as u32,
            jitter: self.jitter as u32,
            last_sender_report: self.last_report.map_or(0, |last| last.ntp_middle),
            delay_since_last_sender_report: self.last_report.map_or(0, delay),
        })
    }

    fn note_missing(&mut self, arrival: Time, before: Option<u64>, number: u64) {
        self.missing.remove(&number);
        let Some(before) = before.filter(|before| *before < number) else {
            return;
        };
        let start = (before + 1).max(number.saturating_sub(MAX_MISSING));
        self.judge.totals.packets_lost += start - before - 1;
        for absent in start..number {
            let missing = Missing {
                since: arrival,
                last_nack: None,
                nacks: 0,
            };
            self.missing.insert(absent, missing);
        }
        while self.missing.len() as u64 > MAX_MISSING {
            self.missing.pop_first();
            self.judge.totals.packets_lost += 1;
        }
    }

    /// RFC 3550 §A.8.
    fn update_jitter(&mut self, arrival: Time, timestamp: u32) {
        let rate = match self.media.kind {
            Kind::Audio => 48_000,
            Kind::Video => 90_000,
        };
        let transit = (arrival.0 * rate / SECOND) as i64 - i64::from(timestamp);
        if let Some(before) = self.transit.replace(transit) {
            let distance = (transit - before).unsigned_abs();
            // A jump of the timestamp (a wrap, a switch of sources) is no jitter.
            if distance < rate * 5 {
                self.jitter += (distance as f64 - self.jitter) / 16.0;
            }
        }
    }

    fn take_payload(
        &mut self,
        arrival: Time,
        number: u64,
        header: &RtpHeader,
        payload: &[u8],
    ) -> Wrong {
        if !payload.is_empty() {
            self.first_media.get_or_insert(arrival);
        }
        if self.media.kind == Kind::Audio {
            return self.take_sound(arrival, header, payload);
        }
        let marker = header.marker;
        let is_h264 = self.media.h264_payload_types.contains(&header.payload_type);
        let codec = if is_h264 { Codec::H264 } else { Codec::Vp8 };
        let info = codec::describe(codec, payload);
        let starts_keyframe = |info: codec::PayloadInfo| {
            // Without its parameter sets an H.264 keyframe is of no use.
            info.starts_keyframe && (!is_h264 || info.resolution.is_some())
        };
        let read_mark = if is_h264 {
            h264::read_mark
        } else {
            Mark::parse
        };
        let packet = VideoPacket {
            starts_frame: info.is_some_and(|info| info.starts_frame),
            starts_keyframe: info.is_some_and(starts_keyframe),
            ends_frame: marker,
            is_empty: payload.is_empty(),
            arrival,
            mark: if marker { read_mark(payload) } else { None },
        };
        let mut frames = Vec::new();
        self.assembler.handle_packet(number, packet, &mut frames);
        if !self.assembler.waits_for_keyframe() {
            self.keyframe_wanted_since = None;
        } else if !packet.is_empty {
            self.keyframe_wanted_since.get_or_insert(arrival);
        }
        self.judge_frames(&frames)
    }

    /// A sound packet is a frame; as RED it repeats earlier ones, which make good what was lost.
    fn take_sound(&mut self, arrival: Time, header: &RtpHeader, payload: &[u8]) -> Wrong {
        if payload.is_empty() {
            return Wrong::new();
        }
        let mut marks = Vec::new();
        if self.media.red_payload_type == Some(header.payload_type) {
            let repeated = red::redundant(payload).filter_map(Mark::parse);
            marks.extend(repeated.filter(|mark| self.judge.lacks(mark)));
            self.judge.totals.frames_recovered += marks.len() as u64;
        }
        let repeated = marks.into_iter().map(Some);
        let frames: Vec<_> = (repeated.chain([Mark::parse(payload)]))
            .map(|mark| Frame {
                is_keyframe: true,
                completed: arrival,
                mark,
            })
            .collect();
        self.judge_frames(&frames)
    }

    fn judge_frames(&mut self, frames: &[Frame]) -> Wrong {
        let judge = &mut self.judge;
        (frames.iter())
            .filter_map(|frame| judge.handle_frame(frame.completed, frame.mark))
            .collect()
    }
}
