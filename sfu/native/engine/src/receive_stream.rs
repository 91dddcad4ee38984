//! One SSRC as received: unwrapping, loss and jitter (RFC 3550 §A.1, §A.3, §A.8), rate, sender reports.
//! What a packet holds is not its business.

use crate::time::Time;
use std::time::Duration;
use wire::rtcp::{ReportBlock, SenderInfo};

/// RFC 3550 §A.1: a larger step ahead is a restart of the sender, not loss.
const MAX_DROPOUT: u16 = 3000;
/// RFC 3550 §A.1 has 100; one cache of video is what a late packet may still be of use for.
const MAX_MISORDER: u16 = 1024;
/// Rate buckets of 100 ms: ten whole ones make the window.
const BUCKET: Duration = Duration::from_millis(100);
const BUCKETS: usize = 11;

/// A sender report, with when it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderReport {
    /// The sender's NTP time.
    pub ntp_time: u64,
    /// The same instant on the RTP clock.
    pub rtp_timestamp: u32,
    /// When it arrived.
    pub arrival: Time,
}

/// What a packet's number means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Its extended sequence number.
    pub extended_sequence_number: u64,
    /// The sender began anew: what was kept of the stream before has no connection to it.
    pub is_restart: bool,
}

/// One SSRC.
#[derive(Debug)]
pub struct ReceiveStream {
    ssrc: u32,
    clock_rate: u32,
    /// What the first number counts from, a multiple of 2^16 above zero: what is a little older stays positive.
    origin: u64,
    highest: Option<u64>,
    /// First number of the present run, for the expected count.
    base: u64,
    received: u64,
    expected_before: u64,
    received_before: u64,
    /// RFC 3550 §A.1 `bad_seq`: the number that would confirm a restart behind us.
    restart_candidate: Option<u16>,
    transit: Option<i64>,
    /// In 1/16 timestamp units, as RFC 3550 §A.8 keeps it.
    jitter_q4: u64,
    sender_report: Option<SenderReport>,
    last_packet_at: Option<Time>,
    has_news: bool,
    rate: RateMeter,
}

impl ReceiveStream {
    /// Nothing received yet. `clock_rate` in Hz.
    pub fn new(ssrc: u32, clock_rate: u32) -> Self {
        Self {
            ssrc,
            clock_rate,
            origin: 1 << 16,
            highest: None,
            base: 0,
            received: 0,
            expected_before: 0,
            received_before: 0,
            restart_candidate: None,
            transit: None,
            jitter_q4: 0,
            sender_report: None,
            last_packet_at: None,
            has_news: false,
            rate: RateMeter::default(),
        }
    }

    /// A stream whose numbers all lie above those of `before`, whose place it takes.
    pub fn after(before: &Self, ssrc: u32, clock_rate: u32) -> Self {
        let highest = before.highest.unwrap_or(before.origin);
        Self {
            // One whole cycle between, for what is a little older than the first packet.
            origin: (highest & !0xffff) + (2 << 16),
            ..Self::new(ssrc, clock_rate)
        }
    }

    /// The same SSRC, as if nothing had been received, with numbers above all those before.
    #[must_use]
    pub fn begun_anew(&self) -> Self {
        Self::after(self, self.ssrc, self.clock_rate)
    }

    /// Count a packet of `size_bytes` that arrived on this SSRC itself (not a retransmission for it).
    /// `None`: far behind, and no restart yet confirmed.
    pub fn handle_packet(
        &mut self,
        now: Time,
        sequence_number: u16,
        timestamp: u32,
        size_bytes: usize,
    ) -> Option<Arrival> {
        let arrival = self.unwrap(sequence_number)?;
        self.received += 1;
        self.has_news = true;
        self.last_packet_at = Some(now);
        self.rate.add(now, size_bytes);
        self.update_jitter(now, timestamp);
        Some(arrival)
    }

    /// Extended number of a packet that came another way (RTX); `None` before the stream began or out of its reach.
    pub fn extend(&self, sequence_number: u16) -> Option<u64> {
        let highest = self.highest?;
        let behind = (highest as u16).wrapping_sub(sequence_number) as i16;
        // Ahead of the newest a repair can only be by reordering.
        (-64..MAX_MISORDER as i16)
            .contains(&behind)
            .then(|| highest.wrapping_add_signed(-i64::from(behind)))
    }

    /// Keep an SR of this SSRC.
    pub fn handle_sender_report(&mut self, now: Time, info: &SenderInfo) {
        self.sender_report = Some(SenderReport {
            ntp_time: info.ntp_time,
            rtp_timestamp: info.rtp_timestamp,
            arrival: now,
        });
    }

    /// A report block (RFC 3550 §6.4.1), if packets came since the last one.
    pub fn report_block(&mut self, now: Time) -> Option<ReportBlock> {
        let highest = self.highest?;
        if !std::mem::take(&mut self.has_news) {
            return None;
        }
        let expected = highest - self.base + 1;
        let lost = expected as i64 - self.received as i64;
        let expected_now = expected - self.expected_before;
        let lost_now = expected_now as i64 - (self.received - self.received_before) as i64;
        self.expected_before = expected;
        self.received_before = self.received;
        let fraction_lost = if expected_now == 0 || lost_now <= 0 {
            0
        } else {
            ((lost_now << 8) / expected_now as i64).min(255) as u8
        };
        let (last_sender_report, delay_since_last_sender_report) =
            self.sender_report.map_or((0, 0), |report| {
                let delay = now.since(report.arrival).as_nanos() * 65_536 / 1_000_000_000;
                (
                    (report.ntp_time >> 16) as u32,
                    u32::try_from(delay).unwrap_or(u32::MAX),
                )
            });
        Some(ReportBlock {
            ssrc: self.ssrc,
            fraction_lost,
            cumulative_lost: lost.clamp(-0x80_0000, 0x7f_ffff) as i32,
            highest_sequence_number: highest.wrapping_sub(self.origin) as u32,
            jitter: (self.jitter_q4 >> 4) as u32,
            last_sender_report,
            delay_since_last_sender_report,
        })
    }

    /// Its SSRC.
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// The latest SR.
    pub fn sender_report(&self) -> Option<SenderReport> {
        self.sender_report
    }

    /// Arrival of the last packet counted.
    pub fn last_packet_at(&self) -> Option<Time> {
        self.last_packet_at
    }

    /// Over the last second.
    pub fn bitrate_bps(&self, now: Time) -> u64 {
        self.rate.bitrate_bps(now)
    }

    fn unwrap(&mut self, sequence_number: u16) -> Option<Arrival> {
        let Some(highest) = self.highest else {
            let number = self.origin + u64::from(sequence_number);
            self.start_at(number);
            return Some(Arrival {
                extended_sequence_number: number,
                is_restart: false,
            });
        };
        let ahead = sequence_number.wrapping_sub(highest as u16);
        if ahead <= MAX_DROPOUT {
            let number = highest + u64::from(ahead);
            self.highest = Some(number);
            self.restart_candidate = None;
            return Some(Arrival {
                extended_sequence_number: number,
                is_restart: false,
            });
        }
        let behind = ahead.wrapping_neg();
        if behind <= MAX_MISORDER {
            let number = highest - u64::from(behind);
            return Some(Arrival {
                extended_sequence_number: number,
                is_restart: false,
            });
        }
        // RFC 3550 §A.1: two packets in a row prove a restart. SRTP has shown that the sender means it, but a single
        // straggler from before a pause could still look like one.
        if self.restart_candidate != Some(sequence_number) {
            self.restart_candidate = Some(sequence_number.wrapping_add(1));
            return None;
        }
        let number = highest + u64::from(ahead);
        self.start_at(number);
        Some(Arrival {
            extended_sequence_number: number,
            is_restart: true,
        })
    }

    fn start_at(&mut self, number: u64) {
        self.highest = Some(number);
        self.base = number;
        self.received = 0;
        self.expected_before = 0;
        self.received_before = 0;
        self.restart_candidate = None;
        self.transit = None;
        self.jitter_q4 = 0;
    }

    /// RFC 3550 §A.8.
    fn update_jitter(&mut self, now: Time, timestamp: u32) {
        let arrival = u128::from(now.as_nanos()) * u128::from(self.clock_rate) / 1_000_000_000;
        let transit = i64::from((arrival as u32).wrapping_sub(timestamp));
        if let Some(before) = self.transit.replace(transit) {
            let difference = (transit as u32).wrapping_sub(before as u32) as i32;
            let difference = u64::from(difference.unsigned_abs());
            self.jitter_q4 = self.jitter_q4 + difference - ((self.jitter_q4 + 8) >> 4);
        }
    }
}

/// Bytes over the last second.
#[derive(Debug, Default)]
struct RateMeter {
    buckets: [u32; BUCKETS],
    /// Number of the newest bucket since time zero.
    newest: u64,
}

impl RateMeter {
    fn add(&mut self, now: Time, size_bytes: usize) {
        let bucket = bucket_of(now);
        let fresh = bucket.saturating_sub(self.newest).min(BUCKETS as u64);
        for step in 0..fresh {
            self.buckets[((bucket - step) % BUCKETS as u64) as usize] = 0;
        }
        self.newest = self.newest.max(bucket);
        let slot = &mut self.buckets[(self.newest % BUCKETS as u64) as usize];
        *slot = slot.saturating_add(size_bytes as u32);
    }

    /// The ten whole buckets before the present one, which is still filling.
    fn bitrate_bps(&self, now: Time) -> u64 {
        let present = bucket_of(now);
        let oldest_held = (self.newest + 1).saturating_sub(BUCKETS as u64);
        let first = (present + 1)
            .saturating_sub(BUCKETS as u64)
            .max(oldest_held);
        let bytes: u64 = (first..present.min(self.newest + 1))
            .map(|bucket| u64::from(self.buckets[(bucket % BUCKETS as u64) as usize]))
            .sum();
        bytes * 8
    }
}

fn bucket_of(now: Time) -> u64 {
    now.as_nanos() / BUCKET.as_nanos() as u64
}

#[cfg(test)]
#[path = "receive_stream_tests.rs"]
mod tests;
