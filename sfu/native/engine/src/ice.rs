//! ICE-lite for one transport (RFC 8445 §2.5, RFC 7675): answers checks, follows nomination, expires consent.
//!
//! Departs from RFC 8445 §6.1: no candidates of the other side are kept and no checks are sent; every tuple is learnt from an
//! authenticated request, so a stranger's packet never makes state.

use crate::engine::Path;
use crate::time::Time;
use std::time::Duration;
use wire::stun::BindingRequest;

/// Consent: the other side must check us at least this often (RFC 7675 §5.1 allows 30 s; a council wants to know sooner).
pub const CONSENT_TIMEOUT: Duration = Duration::from_secs(15);
/// How long the old credentials and tuples serve after an ICE restart that nobody completes.
const RESTART_WINDOW: Duration = Duration::from_secs(30);
/// A tuple cannot have passed to somebody else while its holder was heard on it this lately: a little more than the longest
/// interval between two consent checks (RFC 7675 §5.1: 5 s, randomized by a fifth).
const TUPLE_HOLD: Duration = Duration::from_millis(6_500);
/// LIMIT: validated tuples per transport: a handful of addresses of the client's times those that we announce. The one checked
/// longest ago gives way, never the selected one.
const MAX_TUPLES: usize = 16;

/// Short-term credentials of one ICE generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Ours, the first half of the USERNAME we are called by.
    pub local_ufrag: String,
    /// Ours, keys MESSAGE-INTEGRITY.
    pub local_pwd: String,
    /// The other side's; `None` until its offer is applied.
    pub remote_ufrag: Option<String>,
}

#[derive(Debug, Clone, Copy)]
struct Tuple {
    path: Path,
    last_check: Time,
    /// Checked under the current credentials, not those before a restart.
    is_current: bool,
}

/// The agent.
#[derive(Debug)]
pub struct IceAgent {
    current: Credentials,
    previous: Option<(Credentials, Time)>,
    tuples: Vec<Tuple>,
    selected: Option<Path>,
    is_connected: bool,
}

/// What an authenticated request led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckOutcome {
    /// A tuple that was not known before: route it to this transport.
    pub new_path: Option<Path>,
    /// A tuple given up in its favour: route it no more.
    pub evicted: Option<Path>,
    /// The selected pair changed to the request's path.
    pub is_selected: bool,
    /// The transport was not connected before.
    pub became_connected: bool,
}

/// Under which credentials a request was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// The present ones.
    Current,
    /// Those before the last ICE restart.
    Previous,
}

/// Why a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckRefusal {
    /// The remote half of USERNAME is not the one signalled.
    UnknownUfrag,
    /// MESSAGE-INTEGRITY is wrong.
    BadIntegrity,
    /// The other side claims to be controlled: answer 487 (RFC 8445 §7.3.1.1; a lite agent is always controlled).
    RoleConflict,
}

impl IceAgent {
    /// An agent that nobody has checked yet.
    pub fn new(credentials: Credentials) -> Self {
        Self {
            current: credentials,
            previous: None,
            tuples: Vec::new(),
            selected: None,
            is_connected: false,
        }
    }

    /// Take the other side's ufrag from its offer.
    pub fn set_remote_ufrag(&mut self, remote_ufrag: String) {
        self.current.remote_ufrag = Some(remote_ufrag);
    }

    /// New credentials; the old ones and the selected pair serve until a new pair is nominated.
    pub fn restart(&mut self, now: Time, credentials: Credentials) {
        let previous = std::mem::replace(&mut self.current, credentials);
        self.previous = Some((previous, now + RESTART_WINDOW));
        for tuple in &mut self.tuples {
            tuple.is_current = false;
        }
    }

    /// Both generations' local ufrags, current first.
    pub fn local_ufrags(&self) -> impl Iterator<Item = &str> {
        let previous = self.previous.as_ref().map(|(credentials, _)| credentials);
        std::iter::once(&self.current)
            .chain(previous)
            .map(|credentials| credentials.local_ufrag.as_str())
    }

    /// The password that authenticates the answer to a request for `local_ufrag`.
    pub fn local_pwd(&self, local_ufrag: &str) -> &str {
        match &self.previous {
            Some((previous, _)) if previous.local_ufrag == local_ufrag => &previous.local_pwd,
            _ => &self.current.local_pwd,
        }
    }

    /// The pair that media uses.
    pub fn selected(&self) -> Option<Path> {
        self.selected.filter(|_| self.is_connected)
    }

    /// True while a nominated pair has consent.
    pub fn is_connected(&self) -> bool {
        self.is_connected
    }

    /// Every validated tuple, for the routing table.
    pub fn paths(&self) -> impl Iterator<Item = Path> + '_ {
        self.tuples.iter().map(|tuple| tuple.path)
    }

    /// True if the other side checked us over `path` so lately that nobody else can have got the address since.
    pub fn is_heard_on(&self, now: Time, path: Path) -> bool {
        self.tuples
            .iter()
            .any(|tuple| tuple.path == path && now.since(tuple.last_check) < TUPLE_HOLD)
    }

    /// Another transport proved to hold this tuple now. True if that cost us the selected pair.
    pub fn forget_path(&mut self, path: Path) -> bool {
        self.tuples.retain(|tuple| tuple.path != path);
        if self.selected != Some(path) {
            return false;
        }
        self.selected = None;
        std::mem::take(&mut self.is_connected)
    }

    /// Judge a binding request that came over `path` for one of our ufrags.
    ///
    /// # Errors
    /// `CheckRefusal`; no state changed then.
    pub fn handle_check(
        &mut self,
        now: Time,
        path: Path,
        request: &BindingRequest<'_>,
    ) -> Result<CheckOutcome, CheckRefusal> {
        let generation = self.verify_check(request)?;
        Ok(self.apply_check(now, path, request.is_nominating, generation))
    }

    /// Authenticate a binding request for one of our ufrags, and tell which generation it belongs to.
    ///
    /// # Errors
    /// `CheckRefusal`.
    pub fn verify_check(&self, request: &BindingRequest<'_>) -> Result<Generation, CheckRefusal> {
        let is_current = request.local_ufrag == self.current.local_ufrag;
        let credentials = match &self.previous {
            _ if is_current => &self.current,
            Some((previous, _)) if request.local_ufrag == previous.local_ufrag => previous,
            _ => return Err(CheckRefusal::UnknownUfrag),
        };
        let Some(remote_ufrag) = credentials.remote_ufrag.as_deref() else {
            return Err(CheckRefusal::UnknownUfrag);
        };
        if !request.verify(credentials.local_pwd.as_bytes()) {
            return Err(CheckRefusal::BadIntegrity);
        }
        if request.remote_ufrag != remote_ufrag {
            return Err(CheckRefusal::UnknownUfrag);
        }
        if matches!(request.role, Some((false, _))) {
            return Err(CheckRefusal::RoleConflict);
        }
        Ok(if is_current {
            Generation::Current
        } else {
            Generation::Previous
        })
    }

    /// Expire consent and the previous generation. Returns true if the transport just lost its pair.
    pub fn handle_timeout(&mut self, now: Time) -> bool {
        if self
            .previous
            .as_ref()
            .is_some_and(|(_, until)| *until <= now)
        {
            self.previous = None;
        }
        let is_consenting = self.selected.is_some_and(|selected| {
            self.tuples.iter().any(|tuple| {
                tuple.path == selected && now.since(tuple.last_check) < CONSENT_TIMEOUT
            })
        });
        if self.is_connected && !is_consenting {
            self.is_connected = false;
            return true;
        }
        false
    }

    /// When consent runs out, or the previous generation does.
    pub fn next_timeout(&self) -> Time {
        let consent = self
            .tuples
            .iter()
            .filter(|tuple| self.is_connected && Some(tuple.path) == self.selected)
            .map(|tuple| tuple.last_check + CONSENT_TIMEOUT);
        let restart = self.previous.iter().map(|(_, until)| *until);
        consent.chain(restart).min().unwrap_or(Time::NEVER)
    }

    /// Take an authenticated request in.
    pub fn apply_check(
        &mut self,
        now: Time,
        path: Path,
        is_nominating: bool,
        generation: Generation,
    ) -> CheckOutcome {
        let is_current = generation == Generation::Current;
        let mut outcome = CheckOutcome {
            new_path: None,
            evicted: None,
            is_selected: false,
            became_connected: false,
        };
        if let Some(tuple) = self.tuples.iter_mut().find(|tuple| tuple.path == path) {
            tuple.last_check = now;
            tuple.is_current |= is_current;
        } else {
            outcome.evicted = self.evict_if_full();
            self.tuples.push(Tuple {
                path,
                last_check: now,
                is_current,
            });
            outcome.new_path = Some(path);
        }
        // A nomination under the old credentials cannot take over from one under the new.
        let selected_is_current = self
            .tuples
            .iter()
            .any(|tuple| Some(tuple.path) == self.selected && tuple.is_current);
        if is_nominating && (is_current || !selected_is_current) {
            outcome.is_selected = self.selected != Some(path);
            outcome.became_connected = !self.is_connected;
            self.selected = Some(path);
            self.is_connected = true;
            if is_current {
                self.previous = None;
            }
        } else if Some(path) == self.selected && is_current && !self.is_connected {
            // Consent came back on the same pair before anyone restarted ICE.
            outcome.became_connected = true;
            self.is_connected = true;
        }
        outcome
    }

    fn evict_if_full(&mut self) -> Option<Path> {
        if self.tuples.len() < MAX_TUPLES {
            return None;
        }
        let (index, _) = self
            .tuples
            .iter()
            .enumerate()
            .filter(|(_, tuple)| Some(tuple.path) != self.selected)
            .min_by_key(|(_, tuple)| tuple.last_check)?;
        Some(self.tuples.swap_remove(index).path)
    }
}

#[cfg(test)]
#[path = "ice_tests.rs"]
mod tests;
