//! STUN binding (RFC 8489) as ICE uses it (RFC 8445 §7): parse, authenticate, answer; and requests for the load agent.

use crate::ParseError;
use std::net::SocketAddr;

/// A binding request that parsed; nothing in it is trusted until [`BindingRequest::verify`].
#[derive(Debug, Clone, Copy)]
pub struct BindingRequest<'a> {
    /// 96 bits.
    pub transaction_id: [u8; 12],
    /// USERNAME split at the first ':': the receiver's ufrag (ours).
    pub local_ufrag: &'a str,
    /// The sender's ufrag.
    pub remote_ufrag: &'a str,
    /// PRIORITY.
    pub priority: u32,
    /// USE-CANDIDATE present.
    pub is_nominating: bool,
    /// Sender's role and tie-breaker: `Some((is_controlling, tie_breaker))`.
    pub role: Option<(bool, u64)>,
    #[allow(dead_code)]
    pub(crate) message: &'a [u8],
    #[allow(dead_code)]
    pub(crate) integrity_offset: usize,
}

/// What a STUN datagram is.
#[derive(Debug, Clone, Copy)]
pub enum StunMessage<'a> {
    /// Binding request with USERNAME, MESSAGE-INTEGRITY and a right FINGERPRINT.
    Request(BindingRequest<'a>),
    /// Binding success or error response: class and transaction id (for our own requests; ICE-lite sends none).
    Response {
        is_success: bool,
        transaction_id: [u8; 12],
    },
    /// Binding indication (keepalive).
    Indication,
}

/// Parse a datagram whose first byte is 0–3. Attributes after MESSAGE-INTEGRITY other than FINGERPRINT, after FINGERPRINT,
/// duplicate or overlong ones, unknown comprehension-required ones: errors.
///
/// # Errors
/// `ParseError`.
pub fn parse(_datagram: &[u8]) -> Result<StunMessage<'_>, ParseError> {
    todo!("wire formats")
}

impl BindingRequest<'_> {
    /// True if MESSAGE-INTEGRITY (HMAC-SHA1 under `password`) is right; constant-time comparison.
    pub fn verify(&self, _password: &[u8]) -> bool {
        todo!("wire formats")
    }
}

/// Append a success response with XOR-MAPPED-ADDRESS, MESSAGE-INTEGRITY, FINGERPRINT.
pub fn write_success(
    _out: &mut Vec<u8>,
    _transaction_id: &[u8; 12],
    _mapped: SocketAddr,
    _password: &[u8],
) {
    todo!("wire formats")
}

/// Append an error response (487 role conflict) with integrity and fingerprint.
pub fn write_error(_out: &mut Vec<u8>, _transaction_id: &[u8; 12], _code: u16, _password: &[u8]) {
    todo!("wire formats")
}

/// A request to write, for the controlling side (load agent, tests).
#[derive(Debug, Clone, Copy)]
pub struct OutgoingRequest<'a> {
    /// 96 random bits.
    pub transaction_id: [u8; 12],
    /// `remote_ufrag:local_ufrag`.
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
pub fn write_request(_out: &mut Vec<u8>, _request: &OutgoingRequest<'_>) {
    todo!("wire formats")
}
