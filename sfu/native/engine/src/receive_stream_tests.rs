use super::*;

const STARTS: [u16; 6] = [0, 1, 32_767, 65_000, 65_534, 65_535];

fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

fn receive(stream: &mut ReceiveStream, millis: u64, number: u16) -> Option<Arrival> {
    stream.handle_packet(at(millis), number, millis as u32 * 90, 1000)
}

#[test]
fn numbers_grow_over_the_wrap_in_any_small_disorder() {
    for start in STARTS {
        let mut stream = ReceiveStream::new(1, 90_000);
        let base = receive(&mut stream, 0, start)
            .expect("first")
            .extended_sequence_number;
        for offset in [1u64, 3, 2, 5, 4, 100, 99, 6, 1100, 150] {
            let arrival = receive(&mut stream, 0, start.wrapping_add(offset as u16));
            let number = arrival.map(|arrival| arrival.extended_sequence_number);
            assert_eq!(number, Some(base + offset), "offset {offset} from {start}");
        }
    }
}

#[test]
fn reports_tell_loss_since_the_last_one_and_in_all() {
    for start in STARTS {
        let mut stream = ReceiveStream::new(7, 90_000);
        for offset in [0u16, 1, 2, 3, 5, 6, 7, 9] {
            receive(&mut stream, 0, start.wrapping_add(offset));
        }
        let block = stream.report_block(at(0)).expect("news");
        assert_eq!((block.ssrc, block.cumulative_lost), (7, 2), "from {start}");
        assert_eq!(block.fraction_lost, (2 * 256 / 10) as u8);
        assert_eq!(block.highest_sequence_number as u16, start.wrapping_add(9));
        assert_eq!(
            block.highest_sequence_number >> 16,
            u32::from(start > 65_535 - 9)
        );
        assert!(stream.report_block(at(0)).is_none(), "nothing new");

        for offset in [4u16, 8, 10] {
            receive(&mut stream, 0, start.wrapping_add(offset));
        }
        let block = stream.report_block(at(0)).expect("news");
        assert_eq!((block.fraction_lost, block.cumulative_lost), (0, 0));
    }
}

#[test]
fn duplicates_make_cumulative_loss_negative_as_the_rfc_says() {
    let mut stream = ReceiveStream::new(7, 90_000);
    for number in [10, 11, 11, 11, 12] {
        receive(&mut stream, 0, number);
    }
    let block = stream.report_block(at(0)).expect("news");
    assert_eq!((block.fraction_lost, block.cumulative_lost), (0, -2));
}

#[test]
fn a_restart_needs_two_packets_in_a_row() {
    // Far ahead, far behind.
    for jump in [4000u16, 40_000] {
        for start in STARTS {
            let mut stream = ReceiveStream::new(1, 90_000);
            let before = receive(&mut stream, 0, start)
                .expect("first")
                .extended_sequence_number;
            let there = start.wrapping_add(jump);

            assert_eq!(receive(&mut stream, 1, there), None);
            assert_eq!(
                receive(&mut stream, 2, start.wrapping_add(1)).map(|a| a.is_restart),
                Some(false)
            );
            assert_eq!(
                receive(&mut stream, 3, there.wrapping_add(1)),
                None,
                "the proof was broken"
            );
            let arrival = receive(&mut stream, 4, there.wrapping_add(2)).expect("restart");

            assert!(arrival.is_restart);
            assert!(arrival.extended_sequence_number > before);
            assert_eq!(
                arrival.extended_sequence_number as u16,
                there.wrapping_add(2)
            );
            let block = stream.report_block(at(5)).expect("news");
            assert_eq!((block.fraction_lost, block.cumulative_lost), (0, 0));
        }
    }
}

#[test]
fn steady_arrivals_have_no_jitter_and_uneven_ones_do() {
    // (delay of every second packet in ms, jitter in ms after many packets)
    for (delay, expected) in [(0u64, 0u32), (10, 10)] {
        for first in [0u32, u32::MAX - 90_000] {
            let mut stream = ReceiveStream::new(1, 90_000);
            for i in 0..200u64 {
                let timestamp = first.wrapping_add(i as u32 * 1800);
                stream.handle_packet(at(i * 20 + (i % 2) * delay), i as u16, timestamp, 10);
            }
            let jitter = stream.report_block(at(4000)).expect("news").jitter;
            assert!(
                jitter.abs_diff(expected * 90) <= 2,
                "{jitter} for {delay} ms"
            );
        }
    }
}

#[test]
fn reports_refer_to_the_last_sender_report() {
    let mut stream = ReceiveStream::new(1, 90_000);
    receive(&mut stream, 0, 1);
    let info = SenderInfo {
        ntp_time: 0x0123_4567_89ab_cdef,
        rtp_timestamp: 42,
        packet_count: 0,
        octet_count: 0,
    };
    stream.handle_sender_report(at(1000), &info);
    let block = stream.report_block(at(1500)).expect("news");
    assert_eq!(block.last_sender_report, 0x4567_89ab);
    assert_eq!(block.delay_since_last_sender_report, 32_768);
    assert_eq!(
        stream.sender_report().map(|report| report.rtp_timestamp),
        Some(42)
    );
}

#[test]
fn the_rate_is_that_of_the_last_second() {
    let mut stream = ReceiveStream::new(1, 90_000);
    for i in 0..200u16 {
        receive(&mut stream, u64::from(i) * 10, i);
    }
    // 100 packets of 1000 bytes a second.
    assert_eq!(stream.bitrate_bps(at(2000)), 800_000);
    assert_eq!(stream.bitrate_bps(at(2500)), 400_000);
    assert_eq!(stream.bitrate_bps(at(3100)), 0);
    receive(&mut stream, 9000, 200);
    assert_eq!(stream.bitrate_bps(at(9100)), 8000);
}

#[test]
fn repairs_are_placed_near_the_newest_or_nowhere() {
    for start in STARTS {
        let mut stream = ReceiveStream::new(1, 90_000);
        assert_eq!(stream.extend(start), None);
        let base = receive(&mut stream, 0, start)
            .expect("first")
            .extended_sequence_number;
        // (offset, placed)
        for (offset, is_placed) in [
            (-1i64, true),
            (0, true),
            (-1000, true),
            (-2000, false),
            (30, true),
            (100, false),
        ] {
            let number = start.wrapping_add_signed(offset as i16);
            let expected = is_placed.then(|| base.wrapping_add_signed(offset));
            assert_eq!(
                stream.extend(number),
                expected,
                "offset {offset} from {start}"
            );
        }
    }
}
