//! STUN binding (RFC 8489) as ICE uses it (RFC 8445 §7): parse, authenticate, answer; and requests for the load agent.

mod fingerprint;
mod write;

pub use write::{OutgoingRequest, write_error, write_request, write_success};

use crate::ParseError;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

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
    message: &'a [u8],
    integrity_offset: usize,
}

/// What a STUN datagram is.
#[derive(Debug, Clone, Copy)]
pub enum StunMessage<'a> {
    /// Binding request with USERNAME, PRIORITY, MESSAGE-INTEGRITY and a right FINGERPRINT.
    Request(BindingRequest<'a>),
    /// Binding success or error response: class and transaction id (for our own requests; ICE-lite sends none). Not
    /// authenticated: see [`verify_integrity`].
    Response {
        /// False for an error response.
        is_success: bool,
        /// Of the request it answers.
        transaction_id: [u8; 12],
    },
    /// Binding indication (keepalive).
    Indication,
}

/// Parse a datagram whose first byte is 0–3. Attributes after MESSAGE-INTEGRITY other than FINGERPRINT, after FINGERPRINT,
/// duplicate or overlong ones, unknown comprehension-required ones: errors. The datagram must be exactly one message.
///
/// # Errors
/// `ParseError`.
pub fn parse(datagram: &[u8]) -> Result<StunMessage<'_>, ParseError> {
    let header = Header::parse(datagram)?;
    let known = KnownAttributes::collect(datagram, header.message_type == BINDING_REQUEST)?;
    match header.message_type {
        BINDING_REQUEST => known
            .into_request(datagram, header.transaction_id)
            .map(StunMessage::Request),
        BINDING_SUCCESS | BINDING_ERROR => Ok(StunMessage::Response {
            is_success: header.message_type == BINDING_SUCCESS,
            transaction_id: header.transaction_id,
        }),
        BINDING_INDICATION => Ok(StunMessage::Indication),
        _ => Err(ParseError::BadValue(NAME)),
    }
}

impl BindingRequest<'_> {
    /// True if MESSAGE-INTEGRITY (HMAC-SHA1 under `password`) is right; constant-time comparison.
    pub fn verify(&self, password: &[u8]) -> bool {
        let value_offset = self.integrity_offset + ATTRIBUTE_HEADER_BYTES;
        let sent = self.message.get(value_offset..);
        sent.and_then(<[u8]>::first_chunk)
            .is_some_and(|sent| is_authentic(self.message, self.integrity_offset, sent, password))
    }
}

/// True if a message (a response to our own request) parses and carries a right MESSAGE-INTEGRITY under `password`.
pub fn verify_integrity(datagram: &[u8], password: &[u8]) -> bool {
    let Ok(known) = Header::parse(datagram).and_then(|_| KnownAttributes::collect(datagram, false))
    else {
        return false;
    };
    known
        .integrity
        .is_some_and(|(offset, sent)| is_authentic(datagram, offset, sent, password))
}

fn is_authentic(
    message: &[u8],
    offset: usize,
    sent: &[u8; INTEGRITY_BYTES],
    password: &[u8],
) -> bool {
    // `verify_slice` compares in constant time.
    integrity(message, offset, password).is_some_and(|mac| mac.verify_slice(sent).is_ok())
}

/// The XOR-MAPPED-ADDRESS of a success response; `None` if it has none or does not parse. Authenticate it first.
pub fn mapped_address(datagram: &[u8]) -> Option<SocketAddr> {
    let header = Header::parse(datagram).ok()?;
    let (_, value, _) = Attributes::new(datagram)
        .flatten()
        .find(|(kind, ..)| *kind == XOR_MAPPED_ADDRESS)?;
    let (&[_, family, port_high, port_low], address) = value.split_first_chunk()?;
    let port = u16::from_be_bytes([port_high, port_low]) ^ MAGIC_COOKIE_HIGH;
    let ip: IpAddr = match family {
        IPV4_FAMILY => {
            let bits = u32::from_be_bytes(address.try_into().ok()?);
            Ipv4Addr::from_bits(bits ^ MAGIC_COOKIE).into()
        }
        IPV6_FAMILY => {
            let bits = u128::from_be_bytes(address.try_into().ok()?);
            Ipv6Addr::from_bits(bits ^ ipv6_mask(&header.transaction_id)).into()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// RFC 8489 §14.2: the magic cookie, then the transaction id.
fn ipv6_mask(transaction_id: &[u8; 12]) -> u128 {
    let mut mask = [0; 16];
    mask[..4].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
    mask[4..].copy_from_slice(transaction_id);
    u128::from_be_bytes(mask)
}

/// The keyed digest over `message` up to MESSAGE-INTEGRITY at `offset`, with the length field as if it were the last
/// attribute (RFC 8489 §14.5).
fn integrity(message: &[u8], offset: usize, password: &[u8]) -> Option<Hmac<Sha1>> {
    let covered_length = offset + ATTRIBUTE_HEADER_BYTES + INTEGRITY_BYTES - HEADER_BYTES;
    // HMAC takes keys of any length: this is never an error.
    let mut mac = Hmac::<Sha1>::new_from_slice(password).ok()?;
    mac.update(message.get(..2)?);
    mac.update(&u16::try_from(covered_length).ok()?.to_be_bytes());
    mac.update(message.get(4..offset)?);
    Some(mac)
}

struct Header {
    message_type: u16,
    transaction_id: [u8; 12],
}

impl Header {
    /// Check the fixed part, and that the datagram is as long as it says. The type, whose top bits are zero in STUN, is
    /// left to the caller.
    fn parse(datagram: &[u8]) -> Result<Self, ParseError> {
        let (fixed, attributes) = datagram
            .split_first_chunk::<HEADER_BYTES>()
            .ok_or(ParseError::Truncated(NAME))?;
        let (&[t0, t1, l0, l1, c0, c1, c2, c3], transaction_id) = fixed
            .split_first_chunk()
            .ok_or(ParseError::Truncated(NAME))?;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        if u32::from_be_bytes([c0, c1, c2, c3]) != MAGIC_COOKIE {
            return Err(ParseError::BadValue(NAME));
        }
        if length % 4 != 0 || length != attributes.len() {
            return Err(ParseError::BadLength(NAME));
        }
        Ok(Self {
            message_type: u16::from_be_bytes([t0, t1]),
            transaction_id: transaction_id
                .try_into()
                .map_err(|_| ParseError::Truncated(NAME))?,
        })
    }
}

/// Iterator over (type, value, offset in the message) of attributes; ends after an error.
struct Attributes<'a> {
    message: &'a [u8],
    offset: usize,
}

impl<'a> Attributes<'a> {
    fn new(message: &'a [u8]) -> Self {
        Self {
            message,
            offset: HEADER_BYTES,
        }
    }

    fn split(&mut self, rest: &'a [u8]) -> Option<(u16, &'a [u8], usize)> {
        let (&[t0, t1, l0, l1], after) = rest.split_first_chunk()?;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let padded = length.next_multiple_of(4);
        let value = after.get(..padded)?.get(..length)?;
        let offset = self.offset;
        self.offset += ATTRIBUTE_HEADER_BYTES + padded;
        Some((u16::from_be_bytes([t0, t1]), value, offset))
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<(u16, &'a [u8], usize), ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.message.get(self.offset..)?;
        if rest.is_empty() {
            return None;
        }
        Some(self.split(rest).ok_or_else(|| {
            self.offset = self.message.len();
            ParseError::BadLength(NAME)
        }))
    }
}

/// The attributes that a binding may carry, each at most once.
#[derive(Default)]
struct KnownAttributes<'a> {
    username: Option<&'a [u8]>,
    priority: Option<u32>,
    use_candidate: Option<()>,
    controlled: Option<u64>,
    controlling: Option<u64>,
    /// Offset of the attribute and its digest.
    integrity: Option<(usize, &'a [u8; INTEGRITY_BYTES])>,
    fingerprint: Option<()>,
}

impl<'a> KnownAttributes<'a> {
    fn collect(message: &'a [u8], is_request: bool) -> Result<Self, ParseError> {
        let mut known = Self::default();
        for attribute in Attributes::new(message) {
            let (kind, value, offset) = attribute?;
            let is_late = known.integrity.is_some() && kind != FINGERPRINT;
            if known.fingerprint.is_some() || is_late {
                return Err(ParseError::BadValue("stun attribute order"));
            }
            known.take(message, kind, value, offset, is_request)?;
        }
        Ok(known)
    }

    fn take(
        &mut self,
        message: &[u8],
        kind: u16,
        value: &'a [u8],
        offset: usize,
        is_request: bool,
    ) -> Result<(), ParseError> {
        match kind {
            USERNAME if value.len() > MAX_USERNAME_BYTES => {
                Err(ParseError::BadLength("stun username"))
            }
            USERNAME => set_once(&mut self.username, value),
            PRIORITY => set_once(&mut self.priority, u32::from_be_bytes(*exactly(value)?)),
            USE_CANDIDATE => {
                exactly::<0>(value)?;
                set_once(&mut self.use_candidate, ())
            }
            ICE_CONTROLLED => set_once(&mut self.controlled, u64::from_be_bytes(*exactly(value)?)),
            ICE_CONTROLLING => {
                set_once(&mut self.controlling, u64::from_be_bytes(*exactly(value)?))
            }
            MESSAGE_INTEGRITY => set_once(&mut self.integrity, (offset, exactly(value)?)),
            FINGERPRINT => {
                let covered = message.get(..offset).ok_or(ParseError::Truncated(NAME))?;
                if *exactly(value)? != fingerprint::of(covered).to_be_bytes() {
                    return Err(ParseError::BadValue("stun fingerprint"));
                }
                set_once(&mut self.fingerprint, ())
            }
            ERROR_CODE | UNKNOWN_ATTRIBUTES | XOR_MAPPED_ADDRESS | MAPPED_ADDRESS
                if !is_request =>
            {
                Ok(())
            }
            // RFC 8489 §14: the upper half of types may be ignored by who does not know them.
            0x8000.. => Ok(()),
            _ => Err(ParseError::BadValue("stun unknown attribute")),
        }
    }

    fn into_request(
        self,
        message: &'a [u8],
        transaction_id: [u8; 12],
    ) -> Result<BindingRequest<'a>, ParseError> {
        let username = self
            .username
            .and_then(|bytes| std::str::from_utf8(bytes).ok());
        let ufrags = username.and_then(|username| username.split_once(':'));
        let Some((local_ufrag, remote_ufrag)) = ufrags else {
            return Err(ParseError::BadValue("stun username"));
        };
        let is_fit = |ufrag: &str| (1..=MAX_UFRAG_BYTES).contains(&ufrag.len());
        if !is_fit(local_ufrag) || !is_fit(remote_ufrag) {
            return Err(ParseError::BadLength("stun username"));
        }
        let role = match (self.controlling, self.controlled) {
            (Some(_), Some(_)) => return Err(ParseError::BadValue("stun role")),
            (Some(tie_breaker), None) => Some((true, tie_breaker)),
            (None, Some(tie_breaker)) => Some((false, tie_breaker)),
            (None, None) => None,
        };
        let missing = ParseError::BadValue("stun missing attribute");
        self.fingerprint.ok_or(missing)?;
        Ok(BindingRequest {
            transaction_id,
            local_ufrag,
            remote_ufrag,
            priority: self.priority.ok_or(missing)?,
            is_nominating: self.use_candidate.is_some(),
            role,
            message,
            integrity_offset: self.integrity.ok_or(missing)?.0,
        })
    }
}

fn set_once<T>(slot: &mut Option<T>, value: T) -> Result<(), ParseError> {
    if slot.replace(value).is_some() {
        return Err(ParseError::TooMany("stun duplicate attribute"));
    }
    Ok(())
}

fn exactly<const N: usize>(value: &[u8]) -> Result<&[u8; N], ParseError> {
    value
        .try_into()
        .map_err(|_| ParseError::BadLength("stun attribute"))
}

const NAME: &str = "stun";
const HEADER_BYTES: usize = 20;
const ATTRIBUTE_HEADER_BYTES: usize = 4;
const INTEGRITY_BYTES: usize = 20;
const MAGIC_COOKIE: u32 = 0x2112_a442;
const MAGIC_COOKIE_HIGH: u16 = 0x2112;
/// LIMIT: RFC 8489 §14.3, "less than 509 bytes".
const MAX_USERNAME_BYTES: usize = 508;
/// LIMIT: RFC 8839 §5.4.
const MAX_UFRAG_BYTES: usize = 256;

/// Message types: method binding (1) with its class (RFC 8489 §5).
const BINDING_REQUEST: u16 = 0x0001;
const BINDING_INDICATION: u16 = 0x0011;
const BINDING_SUCCESS: u16 = 0x0101;
const BINDING_ERROR: u16 = 0x0111;

/// Attribute types: RFC 8489 §18.3, RFC 8445 §16.1.
const MAPPED_ADDRESS: u16 = 0x0001;
const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const PRIORITY: u16 = 0x0024;
const USE_CANDIDATE: u16 = 0x0025;
const FINGERPRINT: u16 = 0x8028;
const ICE_CONTROLLED: u16 = 0x8029;
const ICE_CONTROLLING: u16 = 0x802a;

const IPV4_FAMILY: u8 = 1;
const IPV6_FAMILY: u8 = 2;

#[cfg(test)]
mod tests;
