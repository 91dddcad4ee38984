//! The controlling side of ICE against an ICE-lite server (RFC 8445, RFC 7675): checks that nominate, consent, answers. Sans-IO.
//!
//! Departs from RFC 8445 §6.1.4: candidates are tried one after the other, as a lite server's are all as good as each other.

use crate::outbox::Outbox;
use crate::random::Random;
use crate::time::{MILLISECOND, SECOND, Time};
use std::collections::VecDeque;
use std::net::SocketAddr;
use wire::stun::{self, OutgoingRequest, StunMessage};

/// Between checks until one is answered. RFC 8445 §14.2 asks for ≥ 50 ms pacing; loopback answers the first.
const CHECK_INTERVAL: u64 = 50 * MILLISECOND;
/// Between checks afterwards, as Chromium does.
const CONSENT_INTERVAL: u64 = 2_500 * MILLISECOND;
/// Checks to one candidate before the next is tried.
const CHECKS_PER_CANDIDATE: u32 = 10;
/// RFC 7675 §5.1.
const CONSENT_LIFETIME: u64 = 30 * SECOND;
/// LIMIT: unanswered checks that may still be answered.
const MAX_OUTSTANDING: usize = 16;
/// RFC 8445 §5.1.2.1: peer-reflexive type preference 110.
const PRIORITY: u32 = 110 << 24 | 65_535 << 8 | 255;

/// A ufrag and its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// RFC 8839 §5.4.
    pub ufrag: String,
    /// The same.
    pub password: String,
}

/// What a datagram did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IceOutcome {
    /// Nothing that others need know of.
    None,
    /// The first answer: the path works.
    Connected,
}

/// One participant's ICE.
#[derive(Debug)]
pub struct IceClient {
    /// Ours.
    pub local: Credentials,
    remote: Option<Remote>,
    tie_breaker: u64,
    outstanding: VecDeque<([u8; 12], Time)>,
    next_check: Option<Time>,
    last_answer: Option<Time>,
    /// Round trip of the last answered check.
    pub round_trip_micros: Option<u64>,
}

#[derive(Debug)]
struct Remote {
    credentials: Credentials,
    candidates: Vec<SocketAddr>,
    current: usize,
    checks: u32,
}

impl IceClient {
    /// New credentials.
    pub fn new(random: &mut Random) -> Self {
        Self {
            local: Credentials {
                ufrag: random.ice_text(8),
                password: random.ice_text(24),
            },
            remote: None,
            tie_breaker: random.next(),
            outstanding: VecDeque::new(),
            next_check: None,
            last_answer: None,
            round_trip_micros: None,
        }
    }

    /// Take the answer's credentials and candidates, and start checking.
    pub fn start(&mut self, now: Time, credentials: Credentials, candidates: Vec<SocketAddr>) {
        self.remote = Some(Remote {
            credentials,
            candidates,
            current: 0,
            checks: 0,
        });
        self.next_check = Some(now);
    }

    /// Where to send.
    pub fn remote_address(&self) -> Option<SocketAddr> {
        let remote = self.remote.as_ref()?;
        remote.candidates.get(remote.current).copied()
    }

    /// Whether a check was answered.
    pub fn is_connected(&self) -> bool {
        self.last_answer.is_some()
    }

    /// Whether the server stopped answering for as long as consent lasts.
    pub fn is_lost(&self, now: Time) -> bool {
        self.last_answer
            .is_some_and(|last| now.since(last) > CONSENT_LIFETIME)
    }

    /// When to call `handle_timeout`.
    pub fn next_timeout(&self) -> Option<Time> {
        self.next_check
    }

    /// Send a check if one is due.
    pub fn handle_timeout(&mut self, now: Time, random: &mut Random, outbox: &mut Outbox) {
        if self.next_check.is_none_or(|due| due > now) {
            return;
        }
        let is_connected = self.is_connected();
        let Some(remote) = &mut self.remote else {
            return;
        };
        if !is_connected && remote.checks >= CHECKS_PER_CANDIDATE {
            remote.checks = 0;
            remote.current = (remote.current + 1) % remote.candidates.len().max(1);
        }
        remote.checks += 1;
        let transaction_id = random.transaction_id();
        self.outstanding.push_back((transaction_id, now));
        if self.outstanding.len() > MAX_OUTSTANDING {
            self.outstanding.pop_front();
        }
        let username = format!("{}:{}", remote.credentials.ufrag, self.local.ufrag);
        let request = OutgoingRequest {
            transaction_id,
            username: &username,
            password: remote.credentials.password.as_bytes(),
            priority: PRIORITY,
            tie_breaker: self.tie_breaker,
            is_nominating: true,
        };
        stun::write_request(&mut outbox.bytes, &request);
        outbox.finish();
        let interval = if is_connected {
            CONSENT_INTERVAL
        } else {
            CHECK_INTERVAL
        };
        self.next_check = Some(now.after(interval));
    }

    /// Take a STUN datagram.
    pub fn handle_datagram(
        &mut self,
        now: Time,
        datagram: &[u8],
        outbox: &mut Outbox,
    ) -> IceOutcome {
        match stun::parse(datagram) {
            Ok(StunMessage::Response {
                is_success: true,
                transaction_id,
            }) => self.handle_success(now, datagram, transaction_id),
            Ok(StunMessage::Request(request))
                if request.local_ufrag == self.local.ufrag
                    && request.verify(self.local.password.as_bytes()) =>
            {
                if let Some(address) = self.remote_address() {
                    let password = self.local.password.as_bytes();
                    stun::write_success(
                        &mut outbox.bytes,
                        &request.transaction_id,
                        address,
                        password,
                    );
                    outbox.finish();
                }
                IceOutcome::None
            }
            _ => IceOutcome::None,
        }
    }

    fn handle_success(
        &mut self,
        now: Time,
        datagram: &[u8],
        transaction_id: [u8; 12],
    ) -> IceOutcome {
        let position = self
            .outstanding
            .iter()
            .position(|(id, _)| *id == transaction_id);
        let (Some(position), Some(remote)) = (position, &self.remote) else {
            return IceOutcome::None;
        };
        if !stun::verify_integrity(datagram, remote.credentials.password.as_bytes()) {
            return IceOutcome::None;
        }
        let sent = self.outstanding[position].1;
        self.outstanding.drain(..=position);
        self.round_trip_micros = Some(now.since(sent));
        let is_first = self.last_answer.replace(now).is_none();
        if is_first {
            self.next_check = Some(now.after(CONSENT_INTERVAL));
            return IceOutcome::Connected;
        }
        IceOutcome::None
    }
}
