//! Clients that behave as browsers do towards an SFU: publishers that answer NACKs and PLIs, viewers that send NACKs and
//! reports and put frames together.

use super::{Harness, OPUS, Rtp, VP8, VP8_RTX, tag};
use engine::{Path, Time};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;
use wire::extended_sequence::SequenceUnwrapper;
use wire::extensions::AudioLevel;
use wire::rtcp;

/// Bytes at the end of every payload that tell where it comes from; the engine never touches them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Label {
    pub(crate) publisher: u8,
    pub(crate) encoding: u8,
    pub(crate) frame: u32,
    pub(crate) packet: u8,
    pub(crate) packets: u8,
}

impl Label {
    const BYTES: usize = 8;

    pub(crate) fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.publisher, self.encoding]);
        out.extend_from_slice(&self.frame.to_be_bytes());
        out.extend_from_slice(&[self.packet, self.packets]);
    }

    fn source(self) -> (u8, u8) {
        (self.publisher, self.encoding)
    }

    pub(crate) fn read(payload: &[u8]) -> Self {
        let at = payload.len() - Self::BYTES;
        let bytes = &payload[at..];
        Self {
            publisher: bytes[0],
            encoding: bytes[1],
            frame: u32::from_be_bytes([bytes[2], bytes[3], bytes[4], bytes[5]]),
            packet: bytes[6],
            packets: bytes[7],
        }
    }
}

struct SentMedia {
    sequence_number: u16,
    timestamp: u32,
    marker: bool,
    payload: Vec<u8>,
}

/// A camera with up to three encodings that repairs and refreshes its pictures when asked.
pub(crate) struct Publisher {
    pub(crate) client: usize,
    pub(crate) mid: &'static str,
    pub(crate) rids: Vec<&'static str>,
    pub(crate) ssrc_base: u32,
    pub(crate) frame: u32,
    pub(crate) packets_per_frame: u8,
    pub(crate) heights: [u16; 3],
    /// Next sequence number per encoding.
    pub(crate) next: [u16; 3],
    pub(crate) timestamp_base: u32,
    rtx_next: [u16; 3],
    sent: [Vec<SentMedia>; 3],
    keyframe_due: [bool; 3],
    nacks_seen: usize,
    requests_seen: usize,
    pub(crate) keyframes_sent: usize,
    /// Answers to NACKs.
    pub(crate) repairs: usize,
}

impl Publisher {
    pub(crate) fn new(client: usize, rids: &[&'static str]) -> Self {
        Self {
            client,
            mid: "cam",
            rids: rids.to_vec(),
            ssrc_base: 50_000 + client as u32 * 100,
            frame: 0,
            packets_per_frame: 3,
            heights: super::HEIGHTS,
            next: [32_700, 10, 20_000],
            timestamp_base: u32::MAX - 90_000,
            rtx_next: [100; 3],
            sent: Default::default(),
            keyframe_due: [true; 3],
            nacks_seen: 0,
            requests_seen: 0,
            keyframes_sent: 0,
            repairs: 0,
        }
    }

    pub(crate) fn encodings(&self) -> usize {
        self.rids.len().max(1)
    }

    pub(crate) fn ssrc(&self, encoding: usize) -> u32 {
        self.ssrc_base + encoding as u32
    }

    fn rtx_ssrc(&self, encoding: usize) -> u32 {
        self.ssrc_base + 50 + encoding as u32
    }

    /// Begin anew: other SSRCs, other numbers, other timestamps, as after a reload of the encoder.
    pub(crate) fn restart(&mut self) {
        self.ssrc_base += 10;
        self.next = self.next.map(|next| next.wrapping_mul(31).wrapping_add(7));
        self.timestamp_base = self.timestamp_base.wrapping_mul(17);
        self.rtx_next = [500; 3];
        self.sent = Default::default();
        self.keyframe_due = [true; 3];
    }

    /// Read what came back and answer it: keyframes with the next frame, repairs at once.
    pub(crate) fn answer(&mut self, harness: &mut Harness) {
        let inbox = &harness.clients[self.client].inbox;
        let requests = inbox.keyframe_requests[self.requests_seen..].to_vec();
        let nacks = inbox.nacks[self.nacks_seen..].to_vec();
        self.requests_seen += requests.len();
        self.nacks_seen += nacks.len();
        for encoding in 0..self.encodings() {
            self.keyframe_due[encoding] |= requests.contains(&self.ssrc(encoding));
        }
        for (ssrc, numbers) in nacks {
            let Some(encoding) = (0..self.encodings()).find(|index| self.ssrc(*index) == ssrc)
            else {
                continue;
            };
            for number in numbers {
                self.repair(harness, encoding, number);
            }
        }
    }

    fn repair(&mut self, harness: &mut Harness, encoding: usize, number: u16) {
        let found = self.sent[encoding]
            .iter()
            .rev()
            .find(|sent| sent.sequence_number == number);
        let Some(sent) = found else {
            return;
        };
        let mut payload = number.to_be_bytes().to_vec();
        payload.extend_from_slice(&sent.payload);
        let (timestamp, marker) = (sent.timestamp, sent.marker);
        self.repairs += 1;
        harness.send_rtp(
            self.client,
            &Rtp {
                ssrc: self.rtx_ssrc(encoding),
                sequence_number: self.rtx_next[encoding],
                timestamp,
                payload_type: VP8_RTX,
                marker,
                mid: self.mid,
                rid: self.rids.get(encoding).copied(),
                level: None,
                payload: &payload,
            },
        );
        self.rtx_next[encoding] = self.rtx_next[encoding].wrapping_add(1);
    }

    /// One frame on every encoding in `live`.
    pub(crate) fn send_frame(&mut self, harness: &mut Harness, live: &[usize]) {
        self.answer(harness);
        for &encoding in live {
            let is_keyframe = std::mem::take(&mut self.keyframe_due[encoding]);
            self.keyframes_sent += usize::from(is_keyframe);
            for packet in 0..self.packets_per_frame {
                self.send_packet(harness, encoding, packet, is_keyframe);
            }
        }
        self.frame += 1;
    }

    fn send_packet(
        &mut self,
        harness: &mut Harness,
        encoding: usize,
        packet: u8,
        is_keyframe: bool,
    ) {
        let is_first = packet == 0;
        let picture_id = self.frame as u16 & 0x7fff;
        // RFC 7741 §4.2: X, S on the first packet; I and L; 15-bit picture id; TL0PICIDX.
        let mut payload = vec![
            if is_first { 0x90 } else { 0x80 },
            0xc0,
            0x80 | (picture_id >> 8) as u8,
            picture_id as u8,
            self.frame as u8,
        ];
        if is_first {
            payload.extend_from_slice(&[u8::from(!is_keyframe), 0, 0]);
            if is_keyframe {
                let height = if self.rids.is_empty() {
                    720
                } else {
                    self.heights[encoding]
                };
                payload.extend_from_slice(&[0x9d, 0x01, 0x2a]);
                payload.extend_from_slice(&(height / 9 * 16).to_le_bytes());
                payload.extend_from_slice(&height.to_le_bytes());
            }
        }
        payload.resize(100, 0x55);
        Label {
            publisher: self.client as u8,
            encoding: encoding as u8,
            frame: self.frame,
            packet,
            packets: self.packets_per_frame,
        }
        .write(&mut payload);
        let timestamp = self
            .timestamp_base
            .wrapping_add(self.frame.wrapping_mul(3_600));
        let marker = packet + 1 == self.packets_per_frame;
        let sequence_number = self.next[encoding];
        self.next[encoding] = sequence_number.wrapping_add(1);
        harness.send_rtp(
            self.client,
            &Rtp {
                ssrc: self.ssrc(encoding),
                sequence_number,
                timestamp,
                payload_type: VP8,
                marker,
                mid: self.mid,
                rid: self.rids.get(encoding).copied(),
                level: None,
                payload: &payload,
            },
        );
        let sent = &mut self.sent[encoding];
        sent.push(SentMedia {
            sequence_number,
            timestamp,
            marker,
            payload,
        });
        if sent.len() > 2_000 {
            sent.drain(..1_000);
        }
    }
}

/// A packet of one receive-only m-line, repaired or not.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) at: Time,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) payload: Vec<u8>,
}

struct Missing {
    since: Time,
    asked_at: Option<Time>,
    tries: u8,
}

/// A viewer of one receive-only video m-line.
pub(crate) struct Viewer {
    pub(crate) client: usize,
    pub(crate) ssrc: u32,
    /// By extended sequence number.
    pub(crate) packets: BTreeMap<u64, Got>,
    /// First packet after it, for how long a repair took.
    missing: BTreeMap<u64, Missing>,
    given_up: BTreeSet<u64>,
    unwrapper: SequenceUnwrapper,
    seen: usize,
    reports_seen: usize,
    next_report: Time,
    last_sender_report: Option<(Time, u64)>,
    pub(crate) slowest_repair: Duration,
    pub(crate) repaired: usize,
    pub(crate) duplicates: usize,
    keyframe_wanted_at: Option<Time>,
}

const RETRY: Duration = Duration::from_millis(60);
const MAX_TRIES: u8 = 12;

impl Viewer {
    pub(crate) fn new(harness: &Harness, client: usize, line: usize) -> Self {
        let base = harness.clients[client].id.0 as u32 * 1_000;
        Self {
            client,
            ssrc: base + 200 + 2 * line as u32,
            packets: BTreeMap::new(),
            missing: BTreeMap::new(),
            given_up: BTreeSet::new(),
            unwrapper: SequenceUnwrapper::default(),
            seen: 0,
            reports_seen: 0,
            next_report: Time::ZERO,
            last_sender_report: None,
            slowest_repair: Duration::ZERO,
            repaired: 0,
            duplicates: 0,
            keyframe_wanted_at: None,
        }
    }

    /// Read what came, ask for what did not. Call every few milliseconds.
    pub(crate) fn tick(&mut self, harness: &mut Harness) {
        let now = harness.now;
        let inbox = &harness.clients[self.client].inbox;
        let arrived: Vec<_> = inbox.rtp[self.seen..].to_vec();
        self.seen = inbox.rtp.len();
        for (at, ssrc, info) in &inbox.sender_reports[self.reports_seen..] {
            if *ssrc == self.ssrc {
                self.last_sender_report = Some((*at, info.ntp_time));
            }
        }
        self.reports_seen = inbox.sender_reports.len();
        for packet in arrived {
            let (ssrc, payload) = (packet.header.ssrc, packet.payload);
            let got = |payload: Vec<u8>| Got {
                at: packet.at,
                timestamp: packet.header.timestamp,
                marker: packet.header.marker,
                payload,
            };
            if ssrc == self.ssrc {
                let number = self.unwrapper.unwrap(packet.header.sequence_number);
                self.take(number, got(payload));
            } else if ssrc == self.ssrc + 1 && payload.len() >= 2 {
                let original = u16::from_be_bytes([payload[0], payload[1]]);
                let newest = self
                    .packets
                    .last_key_value()
                    .map_or(0, |(number, _)| *number);
                let behind = (newest as u16).wrapping_sub(original) as i16;
                let number = newest.wrapping_sub(behind as u64);
                self.take(number, got(payload[2..].to_vec()));
            }
        }
        self.ask(harness, now);
        self.report(harness, now);
    }

    fn take(&mut self, number: u64, got: Got) {
        let newest = self.packets.last_key_value().map(|(number, _)| *number);
        for gap in newest.map_or(number, |newest| newest + 1)..number {
            let missing = Missing {
                since: got.at,
                asked_at: None,
                tries: 0,
            };
            self.missing.insert(gap, missing);
        }
        if let Some(missing) = self.missing.remove(&number) {
            self.repaired += 1;
            self.slowest_repair = self.slowest_repair.max(got.at.since(missing.since));
        }
        if self.packets.insert(number, got).is_some() {
            self.duplicates += 1;
        }
    }

    fn ask(&mut self, harness: &mut Harness, now: Time) {
        let mut numbers = Vec::new();
        let mut is_lost_for_good = false;
        self.missing.retain(|number, missing| {
            if missing.tries >= MAX_TRIES {
                is_lost_for_good = true;
                self.given_up.insert(*number);
                return false;
            }
            if missing.asked_at.is_none_or(|at| now.since(at) >= RETRY) {
                missing.asked_at = Some(now);
                missing.tries += 1;
                numbers.push(*number as u16);
            }
            true
        });
        let ssrc = self.ssrc;
        if !numbers.is_empty() {
            harness.send_rtcp(self.client, |out| rtcp::write_nack(out, 1, ssrc, &numbers));
        }
        if is_lost_for_good {
            self.keyframe_wanted_at = Some(now);
            harness.send_rtcp(self.client, |out| {
                rtcp::write_picture_loss_indication(out, 1, ssrc);
            });
        }
    }

    fn report(&mut self, harness: &mut Harness, now: Time) {
        let Some((newest, _)) = self.packets.last_key_value() else {
            return;
        };
        if now < self.next_report {
            return;
        }
        self.next_report = now + Duration::from_secs(1);
        let (last_sender_report, delay_since_last_sender_report) =
            self.last_sender_report.map_or((0, 0), |(at, ntp_time)| {
                let delay = now.since(at).as_micros() * 65_536 / 1_000_000;
                ((ntp_time >> 16) as u32, delay as u32)
            });
        let block = rtcp::ReportBlock {
            ssrc: self.ssrc,
            fraction_lost: 0,
            cumulative_lost: 0,
            highest_sequence_number: *newest as u32,
            jitter: 0,
            last_sender_report,
            delay_since_last_sender_report,
        };
        harness.send_rtcp(self.client, |out| {
            rtcp::write_receiver_report(out, 1, &[block]);
        });
    }

    /// The oracle: every packet from the first to the last is there; frames are whole and in order; timestamps and picture
    /// ids go on over switches. Returns the labels of the frames, one each.
    pub(crate) fn assert_whole(&self) -> Vec<Label> {
        let first = *self.packets.first_key_value().expect("packets came").0;
        let last = *self.packets.last_key_value().expect("packets came").0;
        let holes: Vec<_> = (first..=last)
            .filter(|number| !self.packets.contains_key(number))
            .map(|number| number - first)
            .collect();
        assert!(
            holes.is_empty(),
            "{} of {} never came: {holes:?}",
            holes.len(),
            last - first + 1
        );
        let labels: Vec<Option<Label>> = self
            .packets
            .values()
            .map(|got| (got.payload.len() > 1).then(|| Label::read(&got.payload)))
            .collect();
        let mut frames: Vec<Label> = Vec::new();
        let mut expected_packet = 0;
        let mut is_damaged = false;
        let mut before: Option<(u32, u16)> = None;
        for (index, got) in self.packets.values().enumerate() {
            let Some(label) = labels[index] else {
                assert!(
                    is_left_soon(frames.last().copied().map(Label::source), &labels[index..]),
                    "padding in the place of a picture"
                );
                is_damaged = true;
                continue;
            };
            let picture_id = u16::from_be_bytes([got.payload[2], got.payload[3]]) & 0x7fff;
            let is_switch = label.packet == 0
                && frames
                    .last()
                    .is_some_and(|last| last.source() != label.source());
            if is_switch {
                // The old source may be left in the middle of a frame: the new one begins with a keyframe.
                (expected_packet, is_damaged) = (0, false);
            }
            if is_damaged {
                expected_packet = label.packet;
            }
            assert_eq!(label.packet, expected_packet, "{label:?} at {index}");
            if label.packet == 0 || is_damaged {
                if let Some((timestamp, picture)) = before {
                    let step = got.timestamp.wrapping_sub(timestamp) as i32;
                    assert!(
                        step > 0 || is_damaged,
                        "timestamps go on: {step} at {label:?}"
                    );
                    assert!(step < 90_000 * 5, "and make no leaps: {step} at {label:?}");
                    assert!(
                        picture_id == (picture + 1) & 0x7fff || is_damaged || is_switch,
                        "picture ids step by one at {label:?}"
                    );
                }
                if !is_damaged && let Some(last) = frames.last().filter(|_| !is_switch) {
                    assert_eq!(label.frame, last.frame + 1, "no frame is left out");
                }
                frames.push(label);
            } else {
                assert_eq!(Some((got.timestamp, picture_id)), before, "{label:?}");
                let frame = frames.last().map(|last| (last.source(), last.frame));
                assert_eq!(frame, Some((label.source(), label.frame)), "one at a time");
            }
            before = Some((got.timestamp, picture_id));
            expected_packet = (label.packet + 1) % label.packets;
            assert_eq!(got.marker, expected_packet == 0, "marker at {label:?}");
        }
        frames
    }
}

/// True if another source than `own` takes over within a round trip or two: what the old one still lacked is filled with
/// padding.
fn is_left_soon(own: Option<(u8, u8)>, labels: &[Option<Label>]) -> bool {
    let mut sources = labels.iter().take(60).flatten().copied().map(Label::source);
    sources.any(|source| Some(source) != own)
}

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
                payload_type: OPUS,
                marker: false,
                mid: "mic",
                rid: None,
                level: Some(level),
                payload: &payload,
            },
        );
        self.next = self.next.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(960);
    }
}

/// Let `publishers` send 25 frames a second for `duration`, and everybody answer.
pub(crate) fn play(
    harness: &mut Harness,
    publishers: &mut [&mut Publisher],
    viewers: &mut [&mut Viewer],
    duration: Duration,
) {
    let steps = duration.as_millis() / 5;
    for step in 0..steps {
        for publisher in publishers.iter_mut() {
            if step % 8 == 0 {
                let live: Vec<usize> = (0..publisher.encodings()).collect();
                publisher.send_frame(harness, &live);
            } else {
                publisher.answer(harness);
            }
        }
        harness.run(Duration::from_millis(5));
        for viewer in viewers.iter_mut() {
            viewer.tick(harness);
        }
    }
}

/// Let what is under way arrive, with nothing new sent.
pub(crate) fn settle(
    harness: &mut Harness,
    publishers: &mut [&mut Publisher],
    viewers: &mut [&mut Viewer],
) {
    for _ in 0..300 {
        for publisher in publishers.iter_mut() {
            publisher.answer(harness);
        }
        harness.run(Duration::from_millis(5));
        for viewer in viewers.iter_mut() {
            viewer.tick(harness);
        }
    }
}

/// Ids for messages: whose path.
pub(crate) fn path_of(harness: &Harness, client: usize) -> Path {
    harness.clients[client].path
}

/// Counted drops, by label, for messages.
pub(crate) fn drops(harness: &Harness) -> HashMap<&'static str, u64> {
    let statistics = harness.engine.statistics();
    engine::DropReason::ALL
        .iter()
        .map(|reason| (reason.label(), statistics.drops[*reason as usize]))
        .filter(|(_, count)| *count > 0)
        .collect()
}

/// A tag, for callers that need only this module.
pub(crate) fn mid(text: &str) -> wire::extensions::Tag {
    tag(text)
}
