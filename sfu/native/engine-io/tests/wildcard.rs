//! Sockets bound to a wildcard answer from the address that was asked, as ICE wants (RFC 8445 §7.2.5.2.1: symmetric).

mod support;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use engine::{Path, Transmit};
use engine_io::{Sender, Socket};
use support::{ECHO, PATH, Served, bind, burst, serve, set_option};

/// Wildcard, the address to ask, the client's own. Left to the routes, all but the last would be answered from the client's
/// own address.
const ASKED: [(&str, &str, &str); 5] = [
    ("0.0.0.0:0", "127.0.0.2", "127.0.0.1:0"),
    ("0.0.0.0:0", "127.0.0.1", "127.0.0.2:0"),
    ("[::]:0", "127.0.0.2", "127.0.0.1:0"),
    ("[::]:0", "127.0.0.1", "127.0.0.3:0"),
    ("[::]:0", "::1", "[::1]:0"),
];

/// A server on `wildcard`, and where to ask it.
fn serve_at(wildcard: &str, asked: &str, use_gso: bool) -> (Served, SocketAddr) {
    let server = serve(&[bind(wildcard)], use_gso);
    let port = server.addresses[0].port();
    (server, SocketAddr::new(asked.parse().unwrap(), port))
}

/// Receive one datagram and hold its source to account.
fn receive_from(client: &UdpSocket, asked: SocketAddr) -> Vec<u8> {
    let mut buffer = vec![0; 65_536];
    let (length, source) = client
        .recv_from(&mut buffer)
        .expect("a datagram within 10 s");
    assert_eq!(source, asked);
    buffer.truncate(length);
    buffer
}

#[test]
fn the_answer_comes_from_the_address_that_was_asked() {
    for (wildcard, asked, own) in ASKED {
        let (_server, asked) = serve_at(wildcard, asked, true);
        let client = bind(own);
        client.send_to(&[PATH], asked).unwrap();
        let path = format!("0 {} {}", client.local_addr().unwrap(), asked.ip());
        assert_eq!(receive_from(&client, asked), path.as_bytes());
        client.send_to(&[ECHO, 1, 2], asked).unwrap();
        assert_eq!(receive_from(&client, asked), [ECHO, 1, 2]);
    }
}

#[test]
fn another_ipv6_address_of_the_machine_answers_for_itself() {
    // Loopback has one IPv6 address; on machines with another, `::1` would be the routes' choice towards itself.
    let Some(asked) = routed_ipv6_address() else {
        return;
    };
    let (_server, asked) = serve_at("[::]:0", &asked.to_string(), true);
    let client = bind("[::1]:0");
    client.send_to(&[ECHO], asked).unwrap();
    assert_eq!(receive_from(&client, asked), [ECHO]);
}

fn routed_ipv6_address() -> Option<IpAddr> {
    let probe = UdpSocket::bind("[::]:0").ok()?;
    // Nothing is sent; a documentation prefix (RFC 3849) stands for the world.
    probe.connect("[2001:db8::1]:9").ok()?;
    Some(probe.local_addr().ok()?.ip())
}

#[test]
fn bursts_leave_from_the_address_that_was_asked_with_gso_and_without() {
    for (wildcard, asked, own) in ASKED {
        for use_gso in [true, false] {
            let (server, asked) = serve_at(wildcard, asked, use_gso);
            let client = bind(own);
            client.send_to(&burst(70, 300, 20), asked).unwrap();
            for index in 0..70_u16 {
                assert_eq!(receive_from(&client, asked)[..2], index.to_be_bytes());
            }
            let send = server.handle.snapshot().unwrap().shell.send;
            // 64 + 6 datagrams.
            let expected = if use_gso { (2, 2) } else { (70, 0) };
            assert_eq!((send.messages_sent, send.gso_messages), expected);
            assert_eq!((send.datagrams_sent, send.failures), (70, 0));
        }
    }
}

#[test]
fn coalesced_datagrams_keep_the_address_they_came_to() {
    let (_server, asked) = serve_at("0.0.0.0:0", "127.0.0.2", true);
    let client = bind("127.0.0.1:0");
    let mut contents = vec![ECHO; 20 * 100];
    for (index, datagram) in contents.chunks_mut(100).enumerate() {
        datagram[1] = index as u8;
    }
    let transmit = Transmit {
        path: path(None, asked),
        contents: &contents,
        datagram_bytes: &[100; 20],
    };
    let mut sender = Sender::new();
    let mut sending = Socket::duplicate(client.as_raw_fd(), true).unwrap();
    sender.send(&mut sending, std::iter::once(transmit));
    assert_eq!(sender.counters().messages_sent, 1);
    let mut answered = Vec::new();
    while answered.len() < contents.len() {
        // The client's own socket has GRO on now: answers may come joined.
        answered.extend(receive_from(&client, asked));
    }
    assert_eq!(answered, contents);
}

#[test]
fn two_addresses_asked_from_one_socket_answer_each_for_itself() {
    let (server, first) = serve_at("0.0.0.0:0", "127.0.0.2", true);
    let second = SocketAddr::new(Ipv4Addr::new(127, 0, 0, 3).into(), first.port());
    let client = bind("127.0.0.1:0");
    for _ in 0..20 {
        for asked in [first, second] {
            client.send_to(&[ECHO], asked).unwrap();
            receive_from(&client, asked);
        }
    }
    assert_eq!(server.handle.snapshot().unwrap().shell.send.failures, 0);
}

#[test]
fn datagrams_that_gso_was_refused_for_leave_from_the_address_too() {
    let socket = bind("0.0.0.0:0");
    // A socket without UDP checksums takes everything but GSO.
    set_option(&socket, libc::SO_NO_CHECK, 1);
    let server = serve(&[socket], true);
    let asked = SocketAddr::new([127, 0, 0, 2].into(), server.addresses[0].port());
    let client = bind("127.0.0.1:0");
    client.send_to(&burst(10, 300, 20), asked).unwrap();
    for index in 0..10_u16 {
        assert_eq!(receive_from(&client, asked)[..2], index.to_be_bytes());
    }
    assert_eq!(server.handle.snapshot().unwrap().shell.send.gso_refusals, 1);
}

#[test]
fn an_address_that_the_machine_lost_costs_its_own_datagrams_and_not_gso() {
    // Documentation addresses (RFC 5737, RFC 3849) are nobody's. For IPv6 the kernel says EINVAL, as it does to GSO.
    for (wildcard, loopback, lost) in [
        ("0.0.0.0:0", "127.0.0.1:0", "203.0.113.9"),
        ("[::]:0", "[::1]:0", "2001:db8::9"),
    ] {
        let remote = bind(loopback).local_addr().unwrap();
        let own = bind(wildcard);
        let mut socket = Socket::duplicate(own.as_raw_fd(), true).unwrap();
        let mut sender = Sender::new();
        let lost = Some(lost.parse().unwrap());
        for local in [lost; 20].into_iter().chain([None]) {
            let transmit = Transmit {
                path: path(local, remote),
                contents: &[7; 500],
                datagram_bytes: &[100; 5],
            };
            sender.send(&mut socket, std::iter::once(transmit));
        }
        let counters = sender.counters();
        assert_eq!((counters.failures, counters.datagrams_sent), (100, 5));
        assert_eq!(counters.gso_messages, 1, "{wildcard}");
        assert!(socket.is_gso_on());
    }
}

fn path(local: Option<IpAddr>, remote: SocketAddr) -> Path {
    Path {
        socket: 0,
        local,
        remote,
    }
}
