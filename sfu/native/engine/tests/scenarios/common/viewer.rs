//! A viewer that behaves as a browser does: it sends NACKs, PLIs and reports for one receive-only video m-line.

use super::Harness;
use engine::Time;
use std::collections::BTreeMap;
use std::time::Duration;
use wire::extended_sequence::SequenceUnwrapper;
use wire::rtcp;

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
    unwrapper: SequenceUnwrapper,
    seen: usize,
    reports_seen: usize,
    next_report: Time,
    last_sender_report: Option<(Time, u64)>,
    pub(crate) slowest_repair: Duration,
    pub(crate) repaired: usize,
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
            unwrapper: SequenceUnwrapper::default(),
            seen: 0,
            reports_seen: 0,
            next_report: Time::ZERO,
            last_sender_report: None,
            slowest_repair: Duration::ZERO,
            repaired: 0,
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
        self.packets.insert(number, got);
    }

    fn ask(&mut self, harness: &mut Harness, now: Time) {
        let mut numbers = Vec::new();
        let mut is_lost_for_good = false;
        self.missing.retain(|number, missing| {
            if missing.tries >= MAX_TRIES {
                is_lost_for_good = true;
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
}
