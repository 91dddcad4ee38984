//! Batches over real sockets: families, GSO, GRO, refusals, the kernel's limits.

mod support;

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use engine::{Path, Transmit};
use engine_io::{Sender, Socket};
use support::{
    ECHO, PATH, REPORT, STRANGERS, Script, ask, bind, burst, receive, serve, serve_script,
    set_option,
};

#[test]
fn datagrams_come_back_over_ipv4_and_ipv6() {
    for local in ["127.0.0.1:0", "[::1]:0"] {
        let server = serve(&[bind(local)], true);
        let client = bind(local);
        for length in [1, 2, 1_200, 9_000, 60_000] {
            let mut request = vec![0xA5; length];
            request[0] = ECHO;
            assert_eq!(
                ask(&client, server.addresses[0], &request),
                request,
                "{local} {length}"
            );
        }
        let expected = format!("0 {}", client.local_addr().unwrap());
        assert_eq!(
            ask(&client, server.addresses[0], &[PATH]),
            expected.as_bytes()
        );
    }
}

#[test]
fn a_dual_socket_shows_ipv4_unmapped_and_answers_both_families() {
    let server = serve(&[bind("[::]:0")], true);
    let port = server.addresses[0].port();
    for local in ["127.0.0.1", "[::1]"] {
        let client = bind(&format!("{local}:0"));
        let remote: SocketAddr = format!("{local}:{port}").parse().unwrap();
        let own = client.local_addr().unwrap();
        let expected = format!("0 {own} {}", remote.ip());
        assert_eq!(ask(&client, remote, &[PATH]), expected.as_bytes());
    }
}

#[test]
fn each_socket_answers_for_itself() {
    let server = serve(
        &[bind("127.0.0.1:0"), bind("[::1]:0"), bind("127.0.0.1:0")],
        true,
    );
    for (index, address) in server.addresses.iter().enumerate() {
        let client = bind(if address.is_ipv6() {
            "[::1]:0"
        } else {
            "127.0.0.1:0"
        });
        client.connect(address).unwrap();
        client.send(&[PATH]).unwrap();
        let text = String::from_utf8(receive(&client)).unwrap();
        assert_eq!(text.split(' ').next(), Some(index.to_string().as_str()));
    }
}

/// Ask for a burst and check every datagram of it.
fn check_burst(client: &UdpSocket, server: SocketAddr, count: u16, bytes: u16, last_bytes: u16) {
    client
        .send_to(&burst(count, bytes, last_bytes), server)
        .unwrap();
    for index in 0..count {
        let datagram = receive(client);
        assert_eq!(datagram[..2], index.to_be_bytes());
        assert_eq!(
            datagram.len(),
            usize::from(if index + 1 == count {
                last_bytes
            } else {
                bytes
            })
        );
        assert!(datagram[2..].iter().all(|byte| *byte == index as u8));
    }
}

#[test]
fn bursts_leave_as_gso_messages_and_arrive_as_the_same_datagrams() {
    for local in ["127.0.0.1:0", "[::1]:0"] {
        let server = serve(&[bind(local)], true);
        let client = bind(local);
        for (count, bytes, last_bytes) in [
            (2, 1_100, 1_100),
            (10, 1_100, 40),
            (130, 300, 299),
            (70, 1_100, 3),
        ] {
            check_burst(&client, server.addresses[0], count, bytes, last_bytes);
        }
        let send = server.handle.snapshot().unwrap().shell.send;
        assert_eq!(
            (send.datagrams_sent, send.failures, send.gso_refusals),
            (212, 0, 0)
        );
        // 1, 1, 3 (64 + 64 + 2) and 2 (59 + 11) messages.
        assert_eq!((send.messages_sent, send.gso_messages), (7, 7));
    }
}

#[test]
fn without_gso_the_same_datagrams_leave_singly() {
    let server = serve(&[bind("127.0.0.1:0")], false);
    let client = bind("127.0.0.1:0");
    check_burst(&client, server.addresses[0], 100, 300, 40);
    let send = server.handle.snapshot().unwrap().shell.send;
    assert_eq!((send.messages_sent, send.gso_messages), (100, 0));
}

#[test]
fn refused_gso_falls_back_to_single_datagrams_and_is_given_up() {
    let socket = bind("127.0.0.1:0");
    // A socket without UDP checksums takes everything but GSO: EINVAL (udp_send_skb in net/ipv4/udp.c).
    set_option(&socket, libc::SO_NO_CHECK, 1);
    let server = serve(&[socket], true);
    let client = bind("127.0.0.1:0");
    for _ in 0..20 {
        check_burst(&client, server.addresses[0], 10, 500, 7);
    }
    let send = server.handle.snapshot().unwrap().shell.send;
    assert_eq!((send.datagrams_sent, send.failures), (200, 0));
    assert_eq!((send.gso_messages, send.gso_refusals), (0, 8));
}

#[test]
fn unreachable_destinations_cost_only_their_own_datagrams() {
    let strangers = ["127.0.0.1:0", "[2001:db8::1]:9", "255.255.255.255:9"];
    let script =
        Script::with_strangers(strangers.iter().map(|text| text.parse().unwrap()).collect());
    let server = serve_script(&[bind("127.0.0.1:0")], true, script);
    let client = bind("127.0.0.1:0");
    for _ in 0..50 {
        assert_eq!(ask(&client, server.addresses[0], &[STRANGERS]), [STRANGERS]);
    }
    let send = server.handle.snapshot().unwrap().shell.send;
    assert_eq!((send.datagrams_sent, send.failures), (50, 150));
}

#[test]
fn a_closed_receiver_does_not_hurt_the_others() {
    let gone = bind("127.0.0.1:0").local_addr().unwrap();
    let script = Script::with_strangers(vec![gone]);
    let server = serve_script(&[bind("127.0.0.1:0")], true, script);
    let client = bind("127.0.0.1:0");
    for _ in 0..50 {
        assert_eq!(ask(&client, server.addresses[0], &[STRANGERS]), [STRANGERS]);
    }
}

#[test]
fn coalesced_datagrams_are_handed_in_one_by_one() {
    let server = serve(&[bind("127.0.0.1:0")], true);
    let client = bind("127.0.0.1:0");
    let mut socket = Socket::duplicate(client.as_raw_fd(), true).unwrap();
    let mut sender = Sender::new();
    let mut contents = vec![ECHO; 50 * 700];
    for (index, datagram) in contents.chunks_mut(700).enumerate() {
        datagram[1] = index as u8;
    }
    let transmit = Transmit {
        path: Path {
            socket: 0,
            local: None,
            remote: server.addresses[0],
        },
        contents: &contents[..49 * 700 + 30],
        datagram_bytes: &[&[700; 49][..], &[30]].concat(),
    };
    sender.send(&mut socket, std::iter::once(transmit));
    assert_eq!(sender.counters().messages_sent, 1);
    // The client's own socket has GRO on now: count bytes, not messages.
    let mut bytes = 0;
    while bytes < 49 * 700 + 30 {
        let answer = receive(&client);
        assert_eq!(answer[0], ECHO);
        bytes += answer.len();
    }
    assert_eq!(bytes, 49 * 700 + 30);
    let report = report(&bind("127.0.0.1:0"), server.addresses[0]);
    // One batch, one time; then the report's own.
    assert_eq!((report[1], report[2]), (51, 2));
}

fn report(client: &UdpSocket, server: SocketAddr) -> Vec<u64> {
    let bytes = ask(client, server, &[REPORT]);
    bytes
        .chunks(8)
        .map(|word| u64::from_be_bytes(word.try_into().unwrap()))
        .collect()
}

#[test]
fn an_empty_datagram_is_handed_in_too() {
    let server = serve(&[bind("127.0.0.1:0")], true);
    let client = bind("127.0.0.1:0");
    client.send_to(&[], server.addresses[0]).unwrap();
    assert_eq!(report(&client, server.addresses[0])[1], 2);
}

#[test]
fn datagrams_lost_in_the_kernels_queue_are_counted() {
    let socket = bind("127.0.0.1:0");
    set_option(&socket, libc::SO_RCVBUF, 8_192);
    let server = serve(&[socket], true);
    let client = bind("127.0.0.1:0");
    std::thread::scope(|scope| {
        let slow = engine::Command::RemoveRoom {
            room: support::SLOW_ROOM,
        };
        let blocked = scope.spawn(|| server.handle.command(slow));
        std::thread::sleep(Duration::from_millis(50));
        for _ in 0..1_000 {
            client.send_to(&[0; 500], server.addresses[0]).unwrap();
        }
        blocked.join().unwrap().unwrap();
    });
    // The count rides on a datagram that does arrive.
    let seen = report(&client, server.addresses[0])[1] - 1;
    let drops = server.handle.snapshot().unwrap().shell.receive_queue_drops;
    assert!(drops > 0);
    assert_eq!(seen + drops, 1_000);
}

#[test]
fn a_descriptor_that_is_no_udp_socket_is_refused_by_name() {
    let file = std::fs::File::open("/dev/null").unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for (descriptor, expected) in [
        (file.as_raw_fd(), "is not an open socket"),
        (listener.as_raw_fd(), "is not a UDP socket"),
        (-1, "is not an open socket"),
    ] {
        let error = Socket::duplicate(descriptor, true).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(error.contains(&descriptor.to_string()), "{error}");
    }
}
