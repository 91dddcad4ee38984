use super::*;
use crate::ice::{Credentials, Generation};
use wire::rtcp;
use wire::srtp::SrtpProfile;

fn path(port: u16) -> Path {
    Path {
        socket: 0,
        local: None,
        remote: ([192, 0, 2, 1], port).into(),
    }
}

fn transport() -> Transport {
    Transport::new(IceAgent::new(Credentials {
        local_ufrag: "us".into(),
        local_pwd: "secret".into(),
        remote_ufrag: Some("them".into()),
    }))
}

fn ready() -> (Transport, BufferPool) {
    let mut transport = transport();
    let sender = SrtpSender::new(SrtpProfile::AeadAes128Gcm, &[1; 16], &[2; 12]);
    transport.output.srtp_sender = Some(sender.expect("a good key"));
    nominate(&mut transport, 1);
    let mut pool = BufferPool::default();
    transport.output.take_buffers(&mut pool);
    (transport, pool)
}

fn nominate(transport: &mut Transport, port: u16) {
    transport
        .ice
        .apply_check(Time::ZERO, path(port), true, Generation::Current);
}

fn write(output: &mut Output, sequence_number: u16, header_bytes: usize) {
    let start = output.buffer().len();
    let mut packet = [0u8; 40];
    packet[0] = 0x80;
    packet[2..4].copy_from_slice(&sequence_number.to_be_bytes());
    packet[11] = 7;
    output.buffer().extend_from_slice(&packet);
    let number = output.next_transport_sequence_number();
    output.finish(WrittenPacket {
        start,
        header_bytes,
        ssrc: 7,
        index: sequence_number.into(),
        transport_sequence_number: Some(number),
        is_retransmission: sequence_number % 2 == 1,
    });
}

#[test]
fn nothing_opens_before_a_pair_and_keys() {
    let mut transport = transport();
    assert!(!transport.open_output(Time::ZERO) && !transport.is_ready());
    nominate(&mut transport, 1);
    assert!(!transport.open_output(Time::ZERO) && !transport.is_ready());
    let (mut transport, _) = ready();
    assert!(transport.open_output(Time::ZERO) && transport.is_ready());
}

#[test]
fn a_burst_is_datagrams_back_to_back_and_leaves_by_the_newest_pair() {
    let (mut transport, mut pool) = ready();
    assert!(transport.open_output(Time::ZERO));
    write(&mut transport.output, 0, 12);
    write(&mut transport.output, 1, 12);
    transport
        .output
        .send_rtcp(|out| rtcp::write_receiver_report(out, 1, &[]));
    nominate(&mut transport, 2);
    assert!(transport.open_output(Time::ZERO));

    let transmit = transport.output.transmit().expect("a burst");
    assert_eq!(transmit.path, path(2));
    // 40 bytes and a tag of 16; a report of 8, a tag and an index of 4.
    assert_eq!(transmit.datagram_bytes, [56, 56, 28]);
    assert_eq!(transmit.contents.len(), 140);

    assert_eq!(transport.output.clear(&mut pool), (1, 1));
    assert!(transport.output.transmit().is_none());
    assert_eq!(transport.output.clear(&mut pool), (0, 0));
}

#[test]
fn what_cannot_be_protected_leaves_no_trace_in_the_burst() {
    let (mut transport, _) = ready();
    assert!(transport.open_output(Time::ZERO));
    write(&mut transport.output, 0, 12);
    write(&mut transport.output, 2, 99);
    transport.output.send_rtcp(|_| {});
    transport.output.send_rtcp(|out| out.push(1));
    write(&mut transport.output, 4, 12);
    let transmit = transport.output.transmit().expect("a burst");
    assert_eq!(transmit.datagram_bytes, [56, 56]);
    assert_eq!(transmit.contents.len(), 112);
    assert_eq!(
        transport.output.next_transport_sequence_number(),
        3,
        "a number taken is a number used"
    );
}

#[test]
fn output_is_bounded() {
    let (mut transport, _) = ready();
    assert!(transport.open_output(Time::ZERO));
    let mut number = 0;
    while transport.output.has_room() {
        write(&mut transport.output, number, 12);
        number += 2;
    }
    let transmit = transport.output.transmit().expect("a burst");
    assert!(transmit.contents.len() < MAX_OUTPUT_BYTES + 100);
}

#[test]
fn handshake_datagrams_are_limited_per_window() {
    let mut transport = transport();
    let admitted = (0..1_000)
        .filter(|_| transport.admit_dtls(Time::from_millis(20_000)))
        .count();
    assert_eq!(admitted, 200);
    assert!(!transport.admit_dtls(Time::from_millis(29_999)));
    assert!(transport.admit_dtls(Time::from_millis(30_000)));
}

#[test]
fn buffers_go_round_and_huge_ones_are_freed() {
    let mut pool = BufferPool::default();
    let (buffer, lengths) = pool.take();
    assert!(buffer.capacity() >= FIRST_BUFFER_BYTES);
    let place = buffer.as_ptr();
    pool.give_back(buffer, lengths);
    let (mut buffer, lengths) = pool.take();
    assert_eq!(buffer.as_ptr(), place, "the same memory");
    buffer.reserve(MAX_POOLED_BYTES + 1);
    pool.give_back(buffer, lengths);
    assert!(pool.free.is_empty());
    // An output that never took buffers gives none.
    pool.give_back(Vec::new(), Vec::new());
    assert!(pool.free.is_empty());
    for _ in 0..2 * MAX_POOLED {
        pool.give_back(Vec::with_capacity(1), Vec::new());
    }
    assert_eq!(pool.free.len(), MAX_POOLED);
}
