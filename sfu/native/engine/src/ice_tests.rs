use super::*;
use wire::stun::{self, OutgoingRequest, StunMessage};

const OLD: &str = "old-password-0123456789";
const NEW: &str = "new-password-0123456789";

fn at(seconds: u64) -> Time {
    Time::from_millis(seconds * 1_000)
}

fn path(port: u16) -> Path {
    Path {
        socket: 0,
        local: None,
        remote: ([192, 0, 2, 1], port).into(),
    }
}

fn credentials(local_ufrag: &str, local_pwd: &str) -> Credentials {
    Credentials {
        local_ufrag: local_ufrag.into(),
        local_pwd: local_pwd.into(),
        remote_ufrag: Some("them".into()),
    }
}

fn agent() -> IceAgent {
    IceAgent::new(credentials("first", OLD))
}

/// A check as it would come: `username`, `password`, nominating or not, and what the agent says.
fn check_as(
    agent: &mut IceAgent,
    now: Time,
    port: u16,
    (username, password): (&str, &str),
    is_nominating: bool,
) -> Result<CheckOutcome, CheckRefusal> {
    let mut datagram = Vec::new();
    let request = OutgoingRequest {
        transaction_id: [1; 12],
        username,
        password: password.as_bytes(),
        priority: 1,
        tie_breaker: 9,
        is_nominating,
    };
    stun::write_request(&mut datagram, &request);
    let Ok(StunMessage::Request(request)) = stun::parse(&datagram) else {
        panic!("a good request");
    };
    agent.handle_check(now, path(port), &request)
}

const FIRST: (&str, &str) = ("first:them", OLD);
const SECOND: (&str, &str) = ("second:them", NEW);

fn nominate(agent: &mut IceAgent, now: Time, port: u16) -> CheckOutcome {
    check_as(agent, now, port, FIRST, true).expect("a good check")
}

#[test]
fn a_pair_serves_from_its_nomination_on() {
    let mut agent = agent();
    let outcome = check_as(&mut agent, at(0), 1, FIRST, false).expect("good");
    assert_eq!(outcome.new_path, Some(path(1)));
    assert!(!outcome.is_selected && !outcome.became_connected);
    assert_eq!(agent.selected(), None);

    let outcome = nominate(&mut agent, at(1), 1);
    assert_eq!(outcome.new_path, None);
    assert!(outcome.is_selected && outcome.became_connected);
    assert_eq!(agent.selected(), Some(path(1)));

    let outcome = nominate(&mut agent, at(2), 2);
    assert!(outcome.is_selected && !outcome.became_connected);
    assert_eq!(
        agent.selected(),
        Some(path(2)),
        "the latest nomination counts"
    );
}

#[test]
fn checks_that_prove_nothing_change_nothing() {
    let mut agent = agent();
    let cases = [
        (("first:them", NEW), CheckRefusal::BadIntegrity),
        (("first:others", OLD), CheckRefusal::UnknownUfrag),
        (("second:them", OLD), CheckRefusal::UnknownUfrag),
    ];
    for (credentials, expected) in cases {
        let result = check_as(&mut agent, at(0), 1, credentials, true);
        assert_eq!(result, Err(expected), "{credentials:?}");
    }
    assert_eq!(agent.paths().count(), 0);
    assert_eq!(agent.next_timeout(), Time::NEVER);
}

#[test]
fn nobody_is_served_before_the_remote_ufrag_is_known() {
    let mut agent = IceAgent::new(Credentials {
        remote_ufrag: None,
        ..credentials("first", OLD)
    });
    let result = check_as(&mut agent, at(0), 1, FIRST, true);
    assert_eq!(result, Err(CheckRefusal::UnknownUfrag));
    agent.set_remote_ufrag("them".into());
    assert!(check_as(&mut agent, at(0), 1, FIRST, true).is_ok());
}

#[test]
fn a_controlled_peer_is_told_of_the_conflict_and_not_believed_without_integrity() {
    let mut agent = agent();
    for (password, expected) in [
        (OLD, CheckRefusal::RoleConflict),
        (NEW, CheckRefusal::BadIntegrity),
    ] {
        let mut datagram = Vec::new();
        let request = OutgoingRequest {
            transaction_id: [1; 12],
            username: "first:them",
            password: password.as_bytes(),
            priority: 1,
            tie_breaker: 9,
            is_nominating: true,
        };
        stun::write_request(&mut datagram, &request);
        let Ok(StunMessage::Request(mut request)) = stun::parse(&datagram) else {
            panic!("a good request");
        };
        request.role = Some((false, 9));
        assert_eq!(agent.handle_check(at(0), path(1), &request), Err(expected));
    }
    assert_eq!(agent.paths().count(), 0);
}

#[test]
fn consent_is_kept_by_checks_of_the_selected_pair_only() {
    let mut agent = agent();
    nominate(&mut agent, at(0), 1);
    assert_eq!(agent.next_timeout(), at(15));
    check_as(&mut agent, at(10), 1, FIRST, false).expect("good");
    check_as(&mut agent, at(20), 2, FIRST, false).expect("good");
    assert_eq!(agent.next_timeout(), at(25));
    assert!(!agent.handle_timeout(at(24)));
    assert!(agent.handle_timeout(at(25)), "lost");
    assert!(!agent.handle_timeout(at(26)), "once");
    assert_eq!(agent.selected(), None);
    assert_eq!(agent.next_timeout(), Time::NEVER);

    let outcome = check_as(&mut agent, at(30), 1, FIRST, false).expect("good");
    assert!(outcome.became_connected, "consent came back");
    assert_eq!(agent.selected(), Some(path(1)));
}

#[test]
fn the_tuple_checked_longest_ago_gives_way_and_never_the_selected_one() {
    let mut agent = agent();
    nominate(&mut agent, at(0), 1);
    for port in 2..=16 {
        let outcome = check_as(&mut agent, at(port.into()), port, FIRST, false).expect("good");
        assert_eq!(outcome.evicted, None);
    }
    check_as(&mut agent, at(17), 2, FIRST, false).expect("good");
    let outcome = check_as(&mut agent, at(18), 17, FIRST, false).expect("good");
    assert_eq!(outcome.evicted, Some(path(3)));
    for port in 100..1_000 {
        check_as(&mut agent, at(19), port, FIRST, false).expect("good");
        assert!(agent.paths().count() <= 16);
        assert!(agent.paths().any(|known| known == path(1)));
    }
    assert_eq!(agent.selected(), Some(path(1)));
}

#[test]
fn after_a_restart_the_old_pair_serves_until_a_new_one_is_nominated() {
    let mut agent = agent();
    nominate(&mut agent, at(0), 1);
    agent.restart(at(1), credentials("second", NEW));
    assert_eq!(
        agent.local_ufrags().collect::<Vec<_>>(),
        ["second", "first"]
    );
    assert_eq!(
        (agent.local_pwd("first"), agent.local_pwd("second")),
        (OLD, NEW)
    );
    assert_eq!(agent.selected(), Some(path(1)));

    // Consent under the old credentials goes on.
    check_as(&mut agent, at(5), 1, FIRST, false).expect("good");
    let outcome = check_as(&mut agent, at(6), 2, SECOND, false).expect("good");
    assert!(!outcome.is_selected);
    assert_eq!(agent.selected(), Some(path(1)));

    let outcome = check_as(&mut agent, at(7), 2, SECOND, true).expect("good");
    assert!(outcome.is_selected && !outcome.became_connected, "no gap");
    assert_eq!(agent.selected(), Some(path(2)));
    let result = check_as(&mut agent, at(8), 1, FIRST, true);
    assert_eq!(result, Err(CheckRefusal::UnknownUfrag), "the old are gone");
}

#[test]
fn a_nomination_under_old_credentials_moves_the_pair_only_while_nothing_newer_serves() {
    let mut agent = agent();
    nominate(&mut agent, at(0), 1);
    agent.restart(at(1), credentials("second", NEW));
    check_as(&mut agent, at(2), 3, FIRST, true).expect("good");
    assert_eq!(
        agent.selected(),
        Some(path(3)),
        "a path change in mid restart"
    );

    // The same address under new credentials is a pair of the new generation.
    check_as(&mut agent, at(3), 3, SECOND, false).expect("good");
    let outcome = check_as(&mut agent, at(4), 1, FIRST, true).expect("still known");
    assert!(!outcome.is_selected);
    assert_eq!(agent.selected(), Some(path(3)));
}

#[test]
fn a_restart_that_nobody_completes_ends_the_old_credentials() {
    let mut agent = agent();
    nominate(&mut agent, at(0), 1);
    agent.restart(at(1), credentials("second", NEW));
    check_as(&mut agent, at(20), 1, FIRST, false).expect("good");
    assert_eq!(agent.next_timeout(), at(31));
    assert!(!agent.handle_timeout(at(31)));
    assert_eq!(
        check_as(&mut agent, at(32), 1, FIRST, false),
        Err(CheckRefusal::UnknownUfrag)
    );
    assert!(agent.handle_timeout(at(35)), "and with them the pair");
    assert!(check_as(&mut agent, at(40), 1, SECOND, true).is_ok());
    assert_eq!(agent.selected(), Some(path(1)));
}

#[test]
fn a_path_that_passed_to_another_transport_is_given_up() {
    let mut agent = agent();
    nominate(&mut agent, at(0), 1);
    check_as(&mut agent, at(0), 2, FIRST, false).expect("good");
    assert!(agent.is_heard_on(at(6), path(1)));
    assert!(!agent.is_heard_on(at(7), path(1)));
    assert!(!agent.is_heard_on(at(0), path(3)));

    assert!(!agent.forget_path(path(2)), "an idle one costs nothing");
    assert!(
        agent.forget_path(path(1)),
        "the selected one the connection"
    );
    assert_eq!((agent.selected(), agent.paths().count()), (None, 0));
    assert_eq!(agent.next_timeout(), Time::NEVER);
    assert!(nominate(&mut agent, at(9), 3).became_connected);
}
