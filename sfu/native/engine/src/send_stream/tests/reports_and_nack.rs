//! Retransmission and reports.

use super::builders::*;
use crate::ids::EncodingKey;
use crate::media_config::SubscribeConfig;
use crate::packet::SourcePacket;
use crate::send_stream::{NackOutcome, SendStream, SourceClock};
use crate::time::{NtpClock, Time};
use std::collections::HashMap;
use std::time::Duration;
use wire::codec::Codec;
use wire::rtcp::ReportBlock;

/// A stream that carried two sources, with everything they sent.
struct Carried {
    stream: SendStream,
    sink: Collector,
    cache: HashMap<(EncodingKey, u64), Stored>,
}

impl Carried {
    fn new(config: SubscribeConfig, first: u16, frames: u64, packets_per_frame: usize) -> Self {
        let mut carried = Self {
            stream: stream(config, first),
            sink: Collector::default(),
            cache: HashMap::new(),
        };
        let mut sources = [
            Source::new(key(1, 0), Codec::Vp8, 131_060),
            Source::new(key(2, 1), Codec::Vp8, 65_536),
        ];
        for frame in 0..frames {
            let source = &mut sources[usize::from(frame >= frames / 2)];
            if frame == 0 || frame == frames / 2 {
                carried
                    .stream
                    .select(Some(&wanted(source.key, &source.codecs)));
            }
            let packets = source.vp8_frame(
                frame * 33,
                packets_per_frame,
                frame == 0 || frame == frames / 2,
                0,
            );
            for packet in packets {
                let now = packet.meta.arrival;
                // Known when it is first sent, not when it is sent again.
                let source_packet = SourcePacket {
                    is_evened: packet.meta.extended_sequence_number % 2 == 1,
                    ..packet.borrow()
                };
                carried
                    .stream
                    .handle_packet(now, source.key, source_packet, &mut carried.sink)
                    .expect("sent");
                carried
                    .cache
                    .insert((source.key, packet.meta.extended_sequence_number), packet);
            }
        }
        carried
    }

    fn nack(&mut self, millis: u64, numbers: &[u16], round_trip_ms: u64) -> NackOutcome {
        let cache = &self.cache;
        let lookup = |key, number| -> Option<SourcePacket<'_>> {
            cache.get(&(key, number)).map(Stored::borrow)
        };
        self.stream.handle_nack(
            Time::from_millis(millis),
            numbers.iter().copied(),
            Duration::from_millis(round_trip_ms),
            lookup,
            &mut self.sink,
        )
    }
}

fn plain_config() -> SubscribeConfig {
    let mut config = video_config();
    for codec in &mut config.codecs {
        codec.rtx_payload_type = None;
    }
    config
}

#[test]
fn rtx_carries_the_original_number_and_the_same_payload_from_either_source() {
    for first in [0, 65_500, 65_535] {
        let mut carried = Carried::new(video_config(), first, 20, 3);
        let originals = carried.sink.received.clone();
        let numbers: Vec<u16> = [0, 4, 29, 30, 59]
            .map(|n: u16| first.wrapping_add(n))
            .to_vec();

        let outcome = carried.nack(700, &numbers, 50);

        assert_eq!(
            outcome,
            NackOutcome {
                resent: 5,
                refused: 0
            }
        );
        for (position, index) in [0usize, 4, 29, 30, 59].into_iter().enumerate() {
            let (original, rtx) = (&originals[index], &carried.sink.received[60 + position]);
            assert_eq!(rtx.header.ssrc, RTX_SSRC);
            assert_eq!(rtx.header.payload_type, RTX);
            assert_eq!(rtx.header.timestamp, original.header.timestamp);
            assert_eq!(rtx.header.marker, original.header.marker);
            assert_eq!(rtx.index, 65_534 + position as u64);
            assert_eq!(
                rtx.payload[..2],
                original.header.sequence_number.to_be_bytes()
            );
            assert_eq!(rtx.payload[2..], original.payload);
            assert!(!rtx.header.has_padding);
            assert!(rtx.is_retransmission && rtx.transport_sequence_number.is_some());
            assert_ne!(
                rtx.transport_sequence_number,
                original.transport_sequence_number
            );
        }
    }
}

#[test]
fn without_rtx_the_very_same_bytes_are_sent_again() {
    let mut carried = Carried::new(plain_config(), 65_530, 20, 3);
    let report = ReportBlock {
        ssrc: SSRC,
        ..ReportBlock::default()
    };
    carried.stream.handle_report_block(0, &report);
    let originals = carried.sink.received.clone();
    let numbers: Vec<u16> = originals.iter().map(|p| p.header.sequence_number).collect();
    assert!(originals.iter().any(|packet| packet.header.has_padding));
    assert!(originals.iter().any(|packet| !packet.header.has_padding));

    let outcome = carried.nack(900, &numbers, 50);

    assert_eq!(
        outcome,
        NackOutcome {
            resent: 60,
            refused: 0
        }
    );
    for (original, again) in originals.iter().zip(&carried.sink.received[60..]) {
        assert_eq!(original.bytes, again.bytes);
        assert_eq!(original.index, again.index);
        assert!(again.is_retransmission);
    }
}

#[test]
fn a_packet_is_sent_again_once_a_round_trip_and_ten_times_at_most() {
    let mut carried = Carried::new(video_config(), 0, 10, 1);
    assert_eq!(
        carried.nack(400, &[3, 3], 100),
        NackOutcome {
            resent: 1,
            refused: 1
        }
    );
    assert_eq!(carried.nack(499, &[3], 100).resent, 0);
    assert_eq!(carried.nack(500, &[3], 100).resent, 1);
    assert_eq!(carried.nack(510, &[3], 0).resent, 0, "20 ms at least");
    assert_eq!(carried.nack(521, &[3], 0).resent, 1);
    let resent: u32 = (0..20)
        .map(|n| carried.nack(600 + n * 100, &[3], 100).resent)
        .sum();
    assert_eq!(resent, 7);
}

#[test]
fn forged_nacks_are_refused_or_bounded_by_the_budget() {
    let mut carried = Carried::new(video_config(), 100, 400, 4);
    let everything: Vec<u16> = (0..=u16::MAX).collect();
    let sent_bytes: usize = carried.sink.received.iter().map(|p| p.bytes.len()).sum();
    let count = carried.sink.received.len();

    let never_sent = carried.nack(14_000, &[99, 100 + 1_600, 40_000], 20);
    for round in 0..200 {
        for part in everything.chunks(1_000) {
            carried.nack(14_000 + round * 30, part, 20);
        }
    }

    assert_eq!(
        never_sent,
        NackOutcome {
            resent: 0,
            refused: 3
        }
    );
    let resent: usize = carried.sink.received[count..]
        .iter()
        .map(|p| p.bytes.len())
        .sum();
    assert!(
        resent > 50_000 && resent <= 75_000 + sent_bytes / 5,
        "{resent}"
    );
}

#[test]
fn what_the_cache_lost_or_a_negotiation_changed_is_refused() {
    let mut carried = Carried::new(video_config(), 100, 10, 1);
    carried.cache.clear();
    assert_eq!(
        carried.nack(400, &[101], 20),
        NackOutcome {
            resent: 0,
            refused: 1
        }
    );

    let mut carried = Carried::new(video_config(), 100, 10, 1);
    carried.stream.set_config(plain_config());
    assert_eq!(
        carried.nack(400, &[101], 20),
        NackOutcome {
            resent: 0,
            refused: 1
        }
    );
    carried.sink.assert_continuous();
}

#[test]
fn mid_is_sent_until_the_subscriber_reports() {
    let mut stream = stream(video_config(), 0);
    let mut sink = Collector::default();
    let mut a = Source::new(key(1, 0), Codec::Vp8, 65_536);
    stream.select(Some(&wanted(a.key, &a.codecs)));
    for frame in 0..3u64 {
        if frame == 2 {
            stream.handle_report_block(
                0,
                &ReportBlock {
                    ssrc: SSRC,
                    ..ReportBlock::default()
                },
            );
        }
        let packets = a.vp8_frame(frame * 33, 1, frame == 0, 0);
        stream
            .handle_packet(Time::ZERO, a.key, packets[0].borrow(), &mut sink)
            .expect("sent");
    }

    let mids: Vec<_> = sink.received.iter().map(|packet| packet.has_mid).collect();
    assert_eq!(mids, [true, true, false]);
}

#[test]
fn sender_reports_keep_to_the_line_across_a_switch() {
    let clock = NtpClock {
        ntp_at_zero: 0xe000_0000_0000_0000,
    };
    let carried = Carried::new(video_config(), 0, 20, 2);
    let last = &carried.sink.received[39];

    let now = Time::from_millis(19 * 33 + 100);
    let info = carried.stream.sender_info(now, &clock).expect("active");

    assert_eq!(info.ntp_time, clock.ntp(now));
    assert_eq!(info.packet_count, 40);
    let payload_bytes: usize = carried.sink.received.iter().map(|p| p.payload.len()).sum();
    assert_eq!(info.octet_count as usize, payload_bytes);
    let ahead = info.rtp_timestamp.wrapping_sub(last.header.timestamp) as i32;
    // 20 frames of 3,000 units in 33 ms each: the least delayed frame is the reference, 9 × 0.33 ms off.
    assert!((ahead - 9_000).abs() <= 300, "{ahead}");
    assert_eq!(
        carried
            .stream
            .sender_info(Time::from_millis(10_000), &clock),
        None
    );
    assert_eq!(stream(video_config(), 0).sender_info(now, &clock), None);
}

#[test]
fn a_source_clock_ties_sender_reports_to_capture_time() {
    let clock = NtpClock { ntp_at_zero: 0 };
    let mut carried = Carried::new(video_config(), 0, 20, 1);
    let last = carried
        .cache
        .values()
        .map(|p| &p.meta)
        .filter(|m| m.arrival == Time::from_millis(19 * 33));
    let source_timestamp = last.map(|meta| meta.timestamp).next().expect("last frame");
    let captured = Time::from_millis(19 * 33 - 60);
    carried.stream.set_source_clock(
        key(2, 1),
        SourceClock {
            time: captured,
            rtp_timestamp: source_timestamp,
        },
    );

    let info = carried
        .stream
        .sender_info(captured + Duration::from_millis(200), &clock)
        .expect("active");

    let ahead = info
        .rtp_timestamp
        .wrapping_sub(carried.sink.received[19].header.timestamp);
    assert_eq!(ahead, 200 * 90);
}

#[test]
fn report_blocks_tell_round_trip_and_loss_and_wrong_ones_nothing() {
    let mut carried = Carried::new(video_config(), 0, 2, 1);
    let second = 1u64 << 32;
    let mut block = ReportBlock {
        ssrc: SSRC,
        fraction_lost: 64,
        ..ReportBlock::default()
    };
    carried.stream.handle_report_block(100 * second, &block);
    assert_eq!(carried.stream.round_trip(), None);
    assert!((carried.stream.loss_fraction() - 0.25).abs() < 1e-6);

    block.last_sender_report = 99 << 16;
    block.delay_since_last_sender_report = 0xc000;
    carried.stream.handle_report_block(100 * second, &block);
    assert_eq!(
        carried.stream.round_trip(),
        Some(Duration::from_millis(250))
    );

    block.delay_since_last_sender_report = 0x2_0000;
    carried.stream.handle_report_block(100 * second, &block);
    assert_eq!(
        carried.stream.round_trip(),
        Some(Duration::from_millis(250)),
        "before it was sent"
    );
}
