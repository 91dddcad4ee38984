use super::*;
use crate::ids::Kind;
use crate::media_config::PublishConfig;
use wire::extensions::{ExtensionIds, Tag};

fn listener(participant: u32) -> Listener {
    Listener {
        participant: ParticipantKey(participant),
        subscription: 0,
    }
}

fn add(table: &mut TrackTable) -> TrackKey {
    let config = PublishConfig {
        mid: Tag::new(b"v").expect("a token"),
        kind: Kind::Video,
        codecs: vec![],
        rids: vec![],
        ssrcs: vec![],
        extensions: ExtensionIds::default(),
    };
    table.insert_with(|key| TrackEntry {
        track: PublishedTrack::new(key, config, false),
        owner: ParticipantKey(0),
        room: RoomKey(0),
        is_allowed: true,
        publisher_clock: None,
        keyframes: std::array::from_fn(|_| KeyframeLimiter::default()),
        listeners: Default::default(),
        wishers: Vec::new(),
    })
}

#[test]
fn a_removed_tracks_key_finds_nothing_though_its_slot_is_used_again() {
    let mut table = TrackTable::default();
    let first = add(&mut table);
    assert_eq!(table.get(first).map(|entry| entry.track.key()), Some(first));
    assert!(table.remove(first).is_some());
    assert!(table.remove(first).is_none());
    let second = add(&mut table);
    assert_eq!(second.0 as u32, first.0 as u32, "the same slot");
    assert_ne!(second, first);
    assert!(table.get(first).is_none() && table.get_mut(first).is_none());
    assert!(table.get(second).is_some());
    assert!(table.get(TrackKey(99)).is_none());
    assert_eq!(table.iter().count(), 1);
}

#[test]
fn moving_a_listener_leaves_it_exactly_where_it_listens() {
    let mut table = TrackTable::default();
    let key = |track, encoding| Some(EncodingKey { track, encoding });
    let (a, b) = (add(&mut table), add(&mut table));
    let moves = [
        [None, None],
        [None, key(a, 0)],
        [key(a, 0), None],
        [key(a, 0), key(a, 2)],
        [key(a, 2), None],
        [key(a, 2), key(b, 1)],
        [key(b, 1), None],
        [None, None],
    ];
    for pair in moves.windows(2) {
        for participant in [5, 1, 3] {
            table.move_listener(listener(participant), pair[0], pair[1]);
        }
        for track in [a, b] {
            for encoding in 0..3 {
                let own = key(track, encoding);
                let expected = if pair[1].contains(&own) {
                    vec![listener(1), listener(3), listener(5)]
                } else {
                    vec![]
                };
                let entry = table.get(track).expect("there");
                assert_eq!(entry.listeners[usize::from(encoding)], expected, "{own:?}");
            }
        }
    }
    // Of a track that is gone, or an encoding that never was: nothing.
    table.remove(a);
    table.move_listener(listener(1), [None; 2], [key(a, 0), key(b, 7)]);
}

#[test]
fn lists_stay_ascending_and_hold_each_once() {
    let mut list = Vec::new();
    for participant in [4, 2, 9, 2, 4] {
        enter(&mut list, listener(participant));
    }
    assert_eq!(list, [listener(2), listener(4), listener(9)]);
    leave(&mut list, listener(4));
    leave(&mut list, listener(5));
    assert_eq!(list, [listener(2), listener(9)]);
}
