//! STUN and DTLS in: what comes before media. Strangers get no answer and make no state.

use crate::drop_reason::DropReason;
use crate::engine::{Engine, Owner, Path};
use crate::event::Event;
use crate::ice::CheckRefusal;
use crate::ids::ParticipantKey;
use crate::time::Time;
use crate::track_table::Listener;
use wire::stun::{self, StunMessage};

/// LIMIT: a handshake datagram longer than an Ethernet frame is nobody's.
const MAX_DTLS_BYTES: usize = 1_500;
/// RFC 8445 §7.3.1.1.
const ROLE_CONFLICT: u16 = 487;

impl Engine {
    pub(crate) fn handle_stun(
        &mut self,
        now: Time,
        path: Path,
        datagram: &[u8],
    ) -> Result<(), DropReason> {
        let request = match stun::parse(datagram).map_err(|_| DropReason::BadStun)? {
            StunMessage::Request(request) => request,
            // Keepalives and answers to checks that a lite agent never sends.
            StunMessage::Response { .. } | StunMessage::Indication => return Ok(()),
        };
        let key = *self
            .routes
            .by_ufrag
            .get(request.local_ufrag)
            .ok_or(DropReason::UnknownUfrag)?;
        let participant = self
            .participants
            .get_mut(key)
            .ok_or(DropReason::UnknownUfrag)?;
        let ice = &participant.transport.ice;
        let transaction_id = &request.transaction_id;
        let generation = match ice.verify_check(&request) {
            Ok(generation) => generation,
            Err(CheckRefusal::UnknownUfrag) => return Err(DropReason::UnknownUfrag),
            Err(CheckRefusal::BadIntegrity) => return Err(DropReason::BadIntegrity),
            Err(CheckRefusal::RoleConflict) => {
                let password = ice.local_pwd(request.local_ufrag).as_bytes();
                self.outgoing.answer(path, |out| {
                    stun::write_error(out, transaction_id, ROLE_CONFLICT, password);
                });
                return Ok(());
            }
        };
        self.claim_path(now, path, key)?;
        self.counters.stun_requests += 1;
        let Some(participant) = self.participants.get_mut(key) else {
            return Err(DropReason::UnknownUfrag);
        };
        let ice = &mut participant.transport.ice;
        let outcome = ice.apply_check(now, path, request.is_nominating, generation);
        let password = ice.local_pwd(request.local_ufrag).as_bytes();
        self.outgoing.answer(path, |out| {
            stun::write_success(out, transaction_id, path.remote, password);
        });
        let id = participant.id;
        let next = ice.next_timeout();
        self.timers
            .schedule(&mut participant.deadline, Owner::Participant(key), next);
        if let Some(evicted) = outcome.evicted {
            self.routes.by_path.remove(&evicted);
        }
        self.routes.by_path.insert(path, key);
        if outcome.became_connected {
            self.push_event(Event::IceState {
                participant: id,
                is_connected: true,
            });
            self.resume(now, key);
        }
        Ok(())
    }

    pub(crate) fn handle_dtls(
        &mut self,
        now: Time,
        path: Path,
        datagram: &[u8],
    ) -> Result<(), DropReason> {
        let key = *self
            .routes
            .by_path
            .get(&path)
            .ok_or(DropReason::UnknownTuple)?;
        let participant = self
            .participants
            .get_mut(key)
            .ok_or(DropReason::UnknownTuple)?;
        if datagram.len() > MAX_DTLS_BYTES || !participant.transport.admit_dtls(now) {
            return Err(DropReason::DtlsLimit);
        }
        participant.transport.last_dtls_path = Some(path);
        let id = participant.id;
        self.push_event(Event::Dtls {
            participant: id,
            datagram: datagram.to_vec(),
        });
        Ok(())
    }

    /// Make sure that nobody else holds the tuple. One that another transport held (a NAT gave the port to somebody else)
    /// moves, for its new owner has just proved itself; but not while the holder is heard on it, or a participant who can
    /// forge source addresses could take others' tuples.
    fn claim_path(&mut self, now: Time, path: Path, key: ParticipantKey) -> Result<(), DropReason> {
        let Some(holder) = self.routes.by_path.get(&path).copied() else {
            return Ok(());
        };
        if holder == key {
            return Ok(());
        }
        let Some(participant) = self.participants.get_mut(holder) else {
            return Ok(());
        };
        let ice = &mut participant.transport.ice;
        if ice.is_heard_on(now, path) {
            return Err(DropReason::ForeignTuple);
        }
        if ice.forget_path(path) {
            let participant = participant.id;
            self.push_event(Event::IceState {
                participant,
                is_connected: false,
            });
        }
        Ok(())
    }

    /// The participant can be reached (again): its timers run, and what it is to see starts now. While it could not be
    /// reached its streams' sources went on without it.
    fn resume(&mut self, now: Time, key: ParticipantKey) {
        self.wake_participant(now, key);
        for index in 0..self.subscription_count(key) {
            let listener = Listener {
                participant: key,
                subscription: index as u16,
            };
            let listening = self
                .participants
                .get(key)
                .map(|participant| participant.subscribed[index].stream.listens_to());
            for from in listening.into_iter().flatten().flatten() {
                self.restart_stream(now, listener, from);
            }
        }
    }
}
