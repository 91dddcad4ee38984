//! A bound UDP socket of ours: checked, duplicated, with the options the batches need.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};

use crate::gso::GsoState;
use crate::system;

/// Why a descriptor cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Not an open descriptor, or not a socket.
    #[error("descriptor {descriptor} is not an open socket: {source}")]
    NotASocket {
        /// Its number.
        descriptor: RawFd,
        /// What the system said.
        source: io::Error,
    },
    /// Another kind of socket.
    #[error("descriptor {descriptor} is not a UDP socket over IPv4 or IPv6")]
    NotUdp {
        /// Its number.
        descriptor: RawFd,
    },
}

/// A UDP socket. Input and output never block, whatever the descriptor's own mode is.
#[derive(Debug)]
pub struct Socket {
    descriptor: OwnedFd,
    is_ipv6: bool,
    pub(crate) gso: GsoState,
    /// The kernel's count of datagrams lost to a full receive queue, as last seen.
    pub(crate) queue_drops: u32,
}

impl Socket {
    /// Duplicate `descriptor` and switch on GRO, receive timestamps and drop counts where the kernel has them, and for one
    /// bound to a wildcard the address that each message came to. Datagrams are never fragmented (`IP_PMTUDISC_PROBE`), as
    /// those of QUIC are not (RFC 9000 §14): no forged ICMP makes them be, and IPv4 needs no identification for each, which
    /// the kernel draws from a counter that all sockets share. Buffer sizes are the caller's business.
    ///
    /// # Errors
    /// If it is not a UDP socket.
    pub fn duplicate(descriptor: RawFd, use_gso: bool) -> Result<Self, SocketError> {
        let not_a_socket = |source| SocketError::NotASocket { descriptor, source };
        let copy = system::duplicate(descriptor).map_err(not_a_socket)?;
        let option = |level, name| system::socket_option(copy.as_fd(), level, name);
        let domain = option(libc::SOL_SOCKET, libc::SO_DOMAIN).map_err(not_a_socket)?;
        let protocol = option(libc::SOL_SOCKET, libc::SO_PROTOCOL).map_err(not_a_socket)?;
        if protocol != libc::IPPROTO_UDP || ![libc::AF_INET, libc::AF_INET6].contains(&domain) {
            return Err(SocketError::NotUdp { descriptor });
        }
        // Kernels before 4.18 ignore the control message and would send the whole run as one datagram: ask first.
        let has_gso = option(libc::SOL_UDP, libc::UDP_SEGMENT).is_ok();
        let is_ipv6 = domain == libc::AF_INET6;
        for (level, name, value) in [
            (libc::SOL_UDP, libc::UDP_GRO, 1),
            (libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1),
            (libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 1),
            (libc::SOL_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE),
            (
                libc::SOL_IPV6,
                libc::IPV6_MTU_DISCOVER,
                libc::IPV6_PMTUDISC_PROBE,
            ),
        ] {
            // Each is an improvement only: without it packets come singly, or are not timed, or not counted, or
            // may be fragmented. Of the last two an IPv4 socket has the first, a dual socket both.
            let _ = system::set_socket_option(copy.as_fd(), level, name, value);
        }
        let bound = system::local_address(copy.as_fd()).map_err(not_a_socket)?;
        if bound.is_some_and(|address| address.ip().is_unspecified()) {
            let (level, name) = if is_ipv6 {
                (libc::SOL_IPV6, libc::IPV6_RECVPKTINFO)
            } else {
                (libc::SOL_IP, libc::IP_PKTINFO)
            };
            system::set_socket_option(copy.as_fd(), level, name, 1).map_err(not_a_socket)?;
        }
        Ok(Self {
            descriptor: copy,
            is_ipv6,
            gso: GsoState::new(use_gso && has_gso),
            queue_drops: 0,
        })
    }

    /// Whether it speaks IPv6 (and, if it is a dual socket, IPv4 mapped into it).
    pub const fn is_ipv6(&self) -> bool {
        self.is_ipv6
    }

    /// Whether runs of datagrams still leave as one message.
    pub const fn is_gso_on(&self) -> bool {
        self.gso.is_on()
    }

    /// Datagrams lost to a full receive queue since the last call, given the kernel's running count (modulo 2^32).
    pub(crate) fn new_queue_drops(&mut self, queue_drops: u32) -> u64 {
        let new = queue_drops.wrapping_sub(self.queue_drops);
        self.queue_drops = queue_drops;
        u64::from(new)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn datagrams_of_both_families_are_never_fragmented() {
        for (local, is_ipv6) in [("127.0.0.1:0", false), ("[::]:0", true)] {
            let bound = UdpSocket::bind(local).unwrap();
            let socket = Socket::duplicate(bound.as_raw_fd(), true).unwrap();
            let option = |level, name| system::socket_option(socket.as_fd(), level, name).unwrap();
            let ipv4 = option(libc::SOL_IP, libc::IP_MTU_DISCOVER);
            assert_eq!(ipv4, libc::IP_PMTUDISC_PROBE);
            if is_ipv6 {
                let ipv6 = option(libc::SOL_IPV6, libc::IPV6_MTU_DISCOVER);
                assert_eq!(ipv6, libc::IPV6_PMTUDISC_PROBE);
            }
        }
    }
}
