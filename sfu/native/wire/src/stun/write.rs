//! Writing of binding messages: every one ends with MESSAGE-INTEGRITY and FINGERPRINT.

use super::{
    BINDING_ERROR, BINDING_REQUEST, BINDING_SUCCESS, ERROR_CODE, FINGERPRINT, HEADER_BYTES,
    ICE_CONTROLLING, IPV4_FAMILY, IPV6_FAMILY, MAGIC_COOKIE, MAGIC_COOKIE_HIGH, MESSAGE_INTEGRITY,
    PRIORITY, USE_CANDIDATE, USERNAME, XOR_MAPPED_ADDRESS, fingerprint, integrity, ipv6_mask,
};
use hmac::Mac;
use std::net::{IpAddr, SocketAddr};

/// Append a success response with XOR-MAPPED-ADDRESS, MESSAGE-INTEGRITY, FINGERPRINT. An IPv4 address mapped into IPv6,
/// as a dual-stack socket reports it, is written as IPv4: so the client sees what it sent from.
pub fn write_success(
    out: &mut Vec<u8>,
    transaction_id: &[u8; 12],
    mapped: SocketAddr,
    password: &[u8],
) {
    let mut message = Message::begin(out, BINDING_SUCCESS, transaction_id);
    let [port_high, port_low] = (mapped.port() ^ MAGIC_COOKIE_HIGH).to_be_bytes();
    match mapped.ip().to_canonical() {
        IpAddr::V4(ip) => {
            let mut value = [0, IPV4_FAMILY, port_high, port_low, 0, 0, 0, 0];
            value[4..].copy_from_slice(&(ip.to_bits() ^ MAGIC_COOKIE).to_be_bytes());
            message.attribute(XOR_MAPPED_ADDRESS, &value);
        }
        IpAddr::V6(ip) => {
            let mut value = [0; 20];
            value[..4].copy_from_slice(&[0, IPV6_FAMILY, port_high, port_low]);
            let bits = ip.to_bits() ^ ipv6_mask(transaction_id);
            value[4..].copy_from_slice(&bits.to_be_bytes());
            message.attribute(XOR_MAPPED_ADDRESS, &value);
        }
    }
    message.finish(password);
}

/// Append an error response (487 role conflict) with integrity and fingerprint. `code` is 300–699.
pub fn write_error(out: &mut Vec<u8>, transaction_id: &[u8; 12], code: u16, password: &[u8]) {
    // RFC 8489 §14.8, RFC 8445 §7.3.1.1.
    let reason: &[u8] = match code {
        400 => b"Bad Request",
        401 => b"Unauthenticated",
        420 => b"Unknown Attribute",
        487 => b"Role Conflict",
        500 => b"Server Error",
        _ => b"",
    };
    let mut message = Message::begin(out, BINDING_ERROR, transaction_id);
    let mut value = [0; 4 + 32];
    value[2] = (code / 100) as u8 & 0x07;
    value[3] = (code % 100) as u8;
    value[4..4 + reason.len()].copy_from_slice(reason);
    message.attribute(ERROR_CODE, &value[..4 + reason.len()]);
    message.finish(password);
}

/// A request to write, for the controlling side (load agent, tests).
#[derive(Debug, Clone, Copy)]
pub struct OutgoingRequest<'a> {
    /// 96 random bits.
    pub transaction_id: [u8; 12],
    /// `remote_ufrag:local_ufrag`, at most 508 bytes.
    pub username: &'a str,
    /// The remote password.
    pub password: &'a [u8],
    /// PRIORITY.
    pub priority: u32,
    /// ICE-CONTROLLING with this tie-breaker.
    pub tie_breaker: u64,
    /// Add USE-CANDIDATE.
    pub is_nominating: bool,
}

/// Append a binding request.
pub fn write_request(out: &mut Vec<u8>, request: &OutgoingRequest<'_>) {
    let mut message = Message::begin(out, BINDING_REQUEST, &request.transaction_id);
    message.attribute(USERNAME, request.username.as_bytes());
    message.attribute(PRIORITY, &request.priority.to_be_bytes());
    message.attribute(ICE_CONTROLLING, &request.tie_breaker.to_be_bytes());
    if request.is_nominating {
        message.attribute(USE_CANDIDATE, &[]);
    }
    message.finish(request.password);
}

/// A message being written at the end of `out`; its length field is right after each attribute.
struct Message<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
}

impl<'a> Message<'a> {
    fn begin(out: &'a mut Vec<u8>, message_type: u16, transaction_id: &[u8; 12]) -> Self {
        let start = out.len();
        out.extend_from_slice(&message_type.to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&MAGIC_COOKIE.to_be_bytes());
        out.extend_from_slice(transaction_id);
        Self { out, start }
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.out.extend_from_slice(&kind.to_be_bytes());
        self.out
            .extend_from_slice(&(value.len() as u16).to_be_bytes());
        self.out.extend_from_slice(value);
        let padding = value.len().wrapping_neg() % 4;
        self.out.resize(self.out.len() + padding, 0);
        self.set_length(self.out.len());
    }

    fn set_length(&mut self, end: usize) {
        let length = (end - self.start - HEADER_BYTES) as u16;
        self.out[self.start + 2..self.start + 4].copy_from_slice(&length.to_be_bytes());
    }

    fn finish(mut self, password: &[u8]) {
        let message = &self.out[self.start..];
        if let Some(mac) = integrity(message, message.len(), password) {
            let digest = mac.finalize().into_bytes();
            self.attribute(MESSAGE_INTEGRITY, &digest);
        }
        // RFC 8489 §14.7: the checksum covers a length that counts the fingerprint itself.
        let fingerprint_end = self.out.len() + 8;
        self.set_length(fingerprint_end);
        let fingerprint = fingerprint::of(&self.out[self.start..]);
        self.attribute(FINGERPRINT, &fingerprint.to_be_bytes());
    }
}
