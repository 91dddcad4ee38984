//! Socket addresses as the kernel lays them out, written and read byte by byte: no unions, no `unsafe`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// A `sockaddr_in` (16 bytes) or `sockaddr_in6` (28 bytes).
#[repr(C, align(8))]
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawAddress {
    /// The kernel's layout. First field, so that it has the struct's alignment.
    pub(crate) bytes: [u8; CAPACITY],
    /// How many of them count.
    pub(crate) length: u32,
}

/// Size of `sockaddr_in6`, the larger of the two.
pub(crate) const CAPACITY: usize = 28;
const IPV4_BYTES: u32 = 16;
const IPV6_BYTES: u32 = 28;

/// `address` as a socket of this family names it in ancillary data: IPv4 goes mapped through an IPv6 socket.
pub(crate) fn for_socket(address: IpAddr, socket_is_ipv6: bool) -> IpAddr {
    match address {
        IpAddr::V4(ipv4) if socket_is_ipv6 => IpAddr::V6(ipv4.to_ipv6_mapped()),
        _ => address,
    }
}

impl RawAddress {
    pub(crate) const EMPTY: Self = Self {
        bytes: [0; CAPACITY],
        length: CAPACITY as u32,
    };

    /// `remote` as a socket of this family takes it: IPv4 goes mapped (RFC 4291 §2.5.5.2) through an IPv6 socket.
    /// `None` for IPv6 through an IPv4 socket.
    pub(crate) fn encode(remote: SocketAddr, socket_is_ipv6: bool) -> Option<Self> {
        match (remote, socket_is_ipv6) {
            (SocketAddr::V4(address), false) => {
                let mut raw = Self::start(libc::AF_INET, address.port(), IPV4_BYTES);
                raw.bytes[4..8].copy_from_slice(&address.ip().octets());
                Some(raw)
            }
            (SocketAddr::V4(address), true) => {
                let mapped = address.ip().to_ipv6_mapped();
                Some(Self::ipv6(&SocketAddrV6::new(mapped, address.port(), 0, 0)))
            }
            (SocketAddr::V6(address), true) => Some(Self::ipv6(&address)),
            (SocketAddr::V6(_), false) => None,
        }
    }

    /// The address, IPv4-mapped ones unmapped; `None` if the kernel wrote another family.
    pub(crate) fn decode(&self) -> Option<SocketAddr> {
        let family = i32::from(u16::from_ne_bytes([self.bytes[0], self.bytes[1]]));
        let port = u16::from_be_bytes([self.bytes[2], self.bytes[3]]);
        if family == libc::AF_INET && self.length >= IPV4_BYTES {
            let octets: [u8; 4] = self.bytes[4..8].try_into().ok()?;
            return Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::from(octets)), port));
        }
        if family != libc::AF_INET6 || self.length < IPV6_BYTES {
            return None;
        }
        let octets: [u8; 16] = self.bytes[8..24].try_into().ok()?;
        let address = Ipv6Addr::from(octets);
        if let Some(unmapped) = address.to_ipv4_mapped() {
            return Some(SocketAddr::new(IpAddr::V4(unmapped), port));
        }
        let scope_id = u32::from_ne_bytes(self.bytes[24..28].try_into().ok()?);
        Some(SocketAddr::V6(SocketAddrV6::new(
            address, port, 0, scope_id,
        )))
    }

    fn ipv6(address: &SocketAddrV6) -> Self {
        let mut raw = Self::start(libc::AF_INET6, address.port(), IPV6_BYTES);
        raw.bytes[8..24].copy_from_slice(&address.ip().octets());
        raw.bytes[24..28].copy_from_slice(&address.scope_id().to_ne_bytes());
        raw
    }

    fn start(family: i32, port: u16, length: u32) -> Self {
        let mut bytes = [0; CAPACITY];
        bytes[..2].copy_from_slice(&(family as u16).to_ne_bytes());
        bytes[2..4].copy_from_slice(&port.to_be_bytes());
        Self { bytes, length }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_back_as_they_went() {
        for (text, socket_is_ipv6) in [
            ("192.0.2.7:50000", false),
            ("192.0.2.7:50000", true),
            ("[2001:db8::7]:1", true),
            ("[fe80::1%3]:65535", true),
        ] {
            let address: SocketAddr = text.parse().unwrap();
            let raw = RawAddress::encode(address, socket_is_ipv6).unwrap();
            assert_eq!(raw.decode(), Some(address), "{text}");
            let family = if socket_is_ipv6 {
                libc::AF_INET6
            } else {
                libc::AF_INET
            };
            assert_eq!(raw.bytes[..2], (family as u16).to_ne_bytes());
        }
    }

    #[test]
    fn ipv6_does_not_go_through_an_ipv4_socket() {
        assert!(RawAddress::encode("[2001:db8::7]:1".parse().unwrap(), false).is_none());
    }

    #[test]
    fn a_short_or_foreign_address_is_refused() {
        assert!(RawAddress::EMPTY.decode().is_none());
        let mut raw = RawAddress::encode("192.0.2.7:5".parse().unwrap(), false).unwrap();
        raw.length = 8;
        assert!(raw.decode().is_none());
    }
}
