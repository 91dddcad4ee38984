//! One encoding of a sent track: its loop, its numbers, and the payloads of its packets. Sans-IO.

use crate::h264;
use crate::mark::{MARK_BYTES, Mark, write_marked_opus};
use crate::media_loop::{Frame, LoopCodec, MediaLoop};
use crate::protocol::SendEncoding;
use crate::random::Random;
use crate::time::Time;
use crate::vp8;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use wire::extensions::Tag;

/// LIMIT: packets of one encoding that can be sent again: two seconds of 2 Mbit/s. Only what rebuilds them is kept.
const HISTORY: usize = 512;
/// RFC 2198 §3: the timestamp offset has 14 bits, the length 10.
const RED_OFFSETS: u32 = 1 << 14;
const RED_LENGTHS: usize = 1 << 10;

/// What rebuilds a sent packet byte by byte, its header extensions left out.
#[derive(Debug, Clone, Copy)]
pub struct SentPacket {
    /// Extended.
    pub number: u64,
    /// Which frame of the loop.
    pub loop_frame: usize,
    part: usize,
    /// RTP.
    pub timestamp: u32,
    /// RTP: ends a picture, or starts a talkspurt.
    pub marker: bool,
    picture_id: u16,
    /// Of its frame.
    pub mark: Mark,
    /// First sent, or sent again.
    pub last_sent: Time,
}

/// One encoding.
pub struct Encoding {
    /// Simulcast only.
    pub rid: Option<Tag>,
    /// Its SSRC.
    pub ssrc: u32,
    /// Of its retransmissions.
    pub rtx_ssrc: Option<u32>,
    /// What it plays.
    pub media: Arc<MediaLoop>,
    /// Among the track's.
    pub index: u8,
    position: usize,
    /// Extended numbers; they start below 2^15, so that the receiver's rollover counter starts at 0.
    next_number: u64,
    next_rtx_number: u64,
    timestamp_offset: u32,
    picture_id: u16,
    /// A keyframe comes next.
    pub wants_keyframe: bool,
    /// The server reports on the SSRC: mid and rid need not be told any more, as in browsers.
    pub is_known: bool,
    /// Of sender reports.
    pub packet_count: u32,
    /// Of sender reports.
    pub octet_count: u32,
    /// Capture time and RTP timestamp of the newest frame.
    pub last_timestamp: Option<(Time, u32)>,
    history: VecDeque<SentPacket>,
    /// Sound: what RED repeats.
    previous: Option<SentPacket>,
}

impl Encoding {
    /// An encoding that has sent nothing.
    ///
    /// # Errors
    /// What of it cannot be sent.
    pub fn new(
        encoding: &SendEncoding,
        index: usize,
        loops: &HashMap<String, Arc<MediaLoop>>,
        random: &mut Random,
    ) -> Result<Self, String> {
        let media = loops.get(&encoding.media);
        let media = media.ok_or_else(|| format!("no loop \"{}\" was loaded", encoding.media))?;
        let rid = match &encoding.rid {
            Some(rid) => Some(Tag::new(rid.as_bytes()).ok_or("a rid that is no token")?),
            None => None,
        };
        // Voices that all pause together would be a chorus.
        let position = match media.codec {
            LoopCodec::Opus => random.next() as usize % media.frames.len(),
            LoopCodec::Vp8 | LoopCodec::H264 => 0,
        };
        Ok(Self {
            rid,
            ssrc: encoding.ssrc,
            rtx_ssrc: encoding.rtx_ssrc,
            media: media.clone(),
            index: index as u8,
            position,
            next_number: random.next() & 0x7fff,
            next_rtx_number: random.next() & 0x7fff,
            timestamp_offset: random.next() as u32,
            picture_id: random.next() as u16 & 0x7fff,
            wants_keyframe: true,
            is_known: false,
            packet_count: 0,
            octet_count: 0,
            last_timestamp: None,
            history: VecDeque::new(),
            previous: None,
        })
    }

    /// Whether what is due now is silence; if so it is over with this.
    pub fn skip_silence(&mut self) -> bool {
        let is_silence = self.media.frames[self.position].data.is_empty();
        if is_silence {
            self.next_position();
        }
        is_silence
    }

    /// The loop's frame that is due, if no keyframe is wanted.
    pub fn upcoming(&self) -> &Frame {
        &self.media.frames[self.position]
    }

    /// The packets of the frame that is due: `timestamp` counts from the track's start.
    pub fn next_frame(
        &mut self,
        mark: Mark,
        captured: Time,
        timestamp: u32,
        starts_talkspurt: bool,
    ) -> Vec<SentPacket> {
        let loop_frame = self.next_position();
        let timestamp = self.timestamp_offset.wrapping_add(timestamp);
        self.last_timestamp = Some((captured, timestamp));
        self.picture_id = (self.picture_id + 1) & 0x7fff;
        let frame = &self.media.frames[loop_frame];
        let parts = part_count(self.media.codec, frame);
        let is_video = self.media.codec != LoopCodec::Opus;
        let first = self.next_number;
        self.next_number += parts as u64;
        (0..parts)
            .map(|part| SentPacket {
                number: first + part as u64,
                loop_frame,
                part,
                timestamp,
                marker: (is_video && part + 1 == parts) || (!is_video && starts_talkspurt),
                picture_id: self.picture_id,
                mark,
                last_sent: mark.sent,
            })
            .collect()
    }

    /// Keep `sent`, to be sent again when asked for.
    pub fn remember(&mut self, sent: SentPacket) {
        self.history.push_back(sent);
        if self.history.len() > HISTORY {
            self.history.pop_front();
        }
    }

    /// What was sent as `number`, if it was not sent again since `before`.
    pub fn recall(&mut self, number: u16, now: Time, round_trip: u64) -> Option<SentPacket> {
        let mut history = self.history.iter_mut().rev();
        let sent = history.find(|sent| sent.number as u16 == number)?;
        if now.since(sent.last_sent) < round_trip {
            return None;
        }
        sent.last_sent = now;
        Some(*sent)
    }

    /// The number of the next retransmission.
    pub fn next_rtx_number(&mut self) -> u64 {
        self.next_rtx_number += 1;
        self.next_rtx_number - 1
    }

    /// Append the payload of `sent`.
    pub fn write_payload(&self, sent: &SentPacket, out: &mut Vec<u8>) {
        let frame = &self.media.frames[sent.loop_frame];
        match self.media.codec {
            LoopCodec::Opus => write_marked_opus(out, &frame.data, &sent.mark),
            LoopCodec::Vp8 => write_vp8(frame, sent, out),
            LoopCodec::H264 => {
                let is_last = sent.part + 1 == frame.parts.len();
                let mark = is_last.then_some(&sent.mark);
                h264::write(out, &frame.data, &frame.parts[sent.part], mark);
            }
        }
    }

    /// Append the payload of `sent` with what was sent before it (RFC 2198 §3), as payload type `payload_type` both.
    pub fn write_redundant(&mut self, sent: &SentPacket, payload_type: u8, out: &mut Vec<u8>) {
        let previous = self.previous.replace(*sent);
        let mut block = Vec::new();
        if let Some(previous) = &previous {
            self.write_payload(previous, &mut block);
        }
        let offset = previous.map_or(0, |previous| {
            sent.timestamp.wrapping_sub(previous.timestamp)
        });
        if !block.is_empty() && offset < RED_OFFSETS && block.len() < RED_LENGTHS {
            let word = offset << 10 | block.len() as u32;
            out.push(0x80 | payload_type);
            out.extend_from_slice(&word.to_be_bytes()[1..]);
        } else {
            block.clear();
        }
        out.push(payload_type);
        out.extend_from_slice(&block);
        self.write_payload(sent, out);
    }

    /// The loop's frame to send now: the next, or the keyframe at the start if one is wanted.
    fn next_position(&mut self) -> usize {
        if std::mem::take(&mut self.wants_keyframe) && self.media.codec != LoopCodec::Opus {
            self.position = 0;
        }
        let position = self.position;
        self.position = (position + 1) % self.media.frames.len();
        position
    }
}

fn part_count(codec: LoopCodec, frame: &Frame) -> usize {
    match codec {
        LoopCodec::Opus => 1,
        LoopCodec::Vp8 => vp8::part_count(frame.data.len() + MARK_BYTES),
        LoopCodec::H264 => frame.parts.len(),
    }
}

fn write_vp8(frame: &Frame, sent: &SentPacket, out: &mut Vec<u8>) {
    let data = &frame.data;
    let (start, end) = vp8::part_bounds(data.len() + MARK_BYTES, sent.part);
    // One temporal layer: every picture is of the base layer.
    let descriptor = vp8::descriptor(sent.part == 0, sent.picture_id, sent.picture_id as u8);
    out.extend_from_slice(&descriptor);
    out.extend_from_slice(&data[start.min(data.len())..end.min(data.len())]);
    // The mark follows the frame and lies in its last part, as no part is shorter.
    if end > data.len() {
        let mark = sent.mark.to_bytes();
        out.extend_from_slice(&mark[start.saturating_sub(data.len())..end - data.len()]);
    }
}
