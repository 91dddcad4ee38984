use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use wire::codec::PayloadInfo;
use wire::dependency_descriptor::TargetsField;

const CONFIG: PacketCacheConfig = PacketCacheConfig {
    max_age: Duration::from_millis(500),
    max_packets: 64,
    is_zeroed: false,
    chunk_bytes: 1024,
};
/// Several places around the 16-bit wrap.
const STARTS: [u64; 5] = [
    1 << 16,
    (2 << 16) - 3,
    (2 << 16) - 1,
    2 << 16,
    (1 << 16) + 32_767,
];

fn meta(number: u64, arrival: Time) -> PacketMeta {
    PacketMeta {
        extended_sequence_number: number,
        timestamp: number as u32 / 4 * 3000,
        marker: false,
        codec: Codec::Vp8,
        codec_index: 0,
        arrival,
        info: PayloadInfo::default(),
        audio_level: None,
        video_orientation: None,
        playout_delay: None,
        targets_field: TargetsField::default(),
    }
}

fn keyframe(number: u64, arrival: Time) -> PacketMeta {
    let mut meta = meta(number, arrival);
    meta.info.starts_keyframe = true;
    meta
}

fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

fn insert(cache: &mut PacketCache, now: Time, number: u64) -> Result<(), DropReason> {
    cache.insert(now, meta(number, now), &[7, 7], &number.to_be_bytes())
}

#[test]
fn late_packets_fill_their_place_and_come_out_in_order() {
    for start in STARTS {
        let mut cache = PacketCache::new(CONFIG);
        for offset in [2, 0, 4, 1, 3] {
            assert_eq!(insert(&mut cache, at(0), start + offset), Ok(()));
        }

        let numbers: Vec<u64> = cache
            .packets_from(start + 1)
            .map(|packet| {
                assert_eq!(packet.dependency_descriptor, [7, 7]);
                assert_eq!(
                    packet.payload,
                    packet.meta.extended_sequence_number.to_be_bytes()
                );
                packet.meta.extended_sequence_number - start
            })
            .collect();

        assert_eq!(numbers, [1, 2, 3, 4], "from {start}");
        assert_eq!(
            insert(&mut cache, at(0), start + 3),
            Err(DropReason::Duplicate)
        );
        assert!(cache.get(start + 5).is_none());
        assert!(cache.get(0).is_none());
    }
}

#[test]
fn packets_leave_by_age_and_never_come_back() {
    for start in STARTS {
        let mut cache = PacketCache::new(CONFIG);
        for offset in 0..10 {
            insert(&mut cache, at(offset * 100), start + offset).expect("new");
        }

        assert_eq!(cache.oldest(), Some(start + 5));
        assert_eq!(
            insert(&mut cache, at(900), start + 4),
            Err(DropReason::TooOld)
        );
        cache.expire(at(1400));
        assert_eq!((cache.newest(), cache.bytes()), (None, 0));
        assert_eq!(
            insert(&mut cache, at(1400), start + 9),
            Err(DropReason::TooOld)
        );
        assert_eq!(insert(&mut cache, at(1400), start + 10), Ok(()));
    }
}

#[test]
fn a_late_packet_at_the_front_does_not_hold_up_those_behind_it() {
    let mut cache = PacketCache::new(CONFIG);
    insert(&mut cache, at(0), 1001).expect("new");
    insert(&mut cache, at(400), 1000).expect("new");

    cache.expire(at(500));

    assert_eq!(cache.newest(), None);
}

#[test]
fn an_idle_cache_asks_to_be_emptied_within_its_age_and_one_grid_step() {
    let mut cache = PacketCache::new(CONFIG);
    assert_eq!(cache.next_timeout(), Time::NEVER);
    insert(&mut cache, at(1010), 5).expect("new");
    let mut looks = Vec::new();
    while cache.next_timeout() != Time::NEVER {
        looks.push(cache.next_timeout());
        cache.expire(cache.next_timeout());
    }
    let last = *looks.last().expect("one at least");
    assert!(last >= at(1510) && last <= at(1760), "{looks:?}");
    assert!(looks.len() <= 3, "{looks:?}");
}

#[test]
fn a_jump_over_the_span_forgets_what_was_before() {
    let mut cache = PacketCache::new(CONFIG);
    for number in 1000..1010 {
        insert(&mut cache, at(0), number).expect("new");
    }
    insert(&mut cache, at(0), 1009 + 64).expect("new");
    assert_eq!(cache.oldest(), Some(1073));
    assert_eq!(insert(&mut cache, at(0), 1009), Err(DropReason::TooOld));
    insert(&mut cache, at(0), 1010).expect("within the span");
    assert_eq!(cache.packets_from(0).count(), 2);
}

#[test]
fn a_start_needs_a_recent_keyframe_without_holes_behind_it() {
    for start in STARTS {
        let mut cache = PacketCache::new(CONFIG);
        cache
            .insert(at(0), keyframe(start, at(0)), &[], &[1])
            .expect("new");
        for offset in [1, 2, 4] {
            insert(&mut cache, at(10), start + offset).expect("new");
        }
        let from = |cache: &PacketCache, now, packets| {
            cache.startable_from(at(now), Duration::from_millis(300), packets)
        };

        assert_eq!(from(&cache, 10, 64), None, "a hole");
        insert(&mut cache, at(20), start + 3).expect("new");
        assert_eq!(from(&cache, 20, 64), Some(start));
        assert_eq!(from(&cache, 20, 4), None, "too long");
        assert_eq!(from(&cache, 301, 64), None, "too old");
        cache
            .insert(at(200), keyframe(start + 5, at(200)), &[], &[1])
            .expect("new");
        assert_eq!(
            from(&cache, 301, 64),
            Some(start + 5),
            "the newest keyframe"
        );
    }
}

#[test]
fn the_first_packet_of_a_keyframe_starts_it_even_if_it_comes_last() {
    let mut cache = PacketCache::new(CONFIG);
    for number in [101, 100, 102] {
        let mut meta = keyframe(number, at(0));
        meta.timestamp = 9000;
        cache.insert(at(0), meta, &[], &[]).expect("new");
    }
    assert_eq!(
        cache.startable_from(at(0), Duration::from_secs(1), 64),
        Some(100)
    );
}

#[test]
fn h264_does_not_start_behind_a_hole_that_may_hide_its_parameter_sets() {
    let mut cache = PacketCache::new(CONFIG);
    insert(&mut cache, at(0), 100).expect("new");
    let mut idr = keyframe(102, at(0));
    idr.codec = Codec::H264;
    cache.insert(at(0), idr, &[], &[]).expect("new");
    assert_eq!(
        cache.startable_from(at(0), Duration::from_secs(1), 64),
        None
    );
    insert(&mut cache, at(0), 101).expect("new");
    assert_eq!(
        cache.startable_from(at(0), Duration::from_secs(1), 64),
        Some(102)
    );
}

#[test]
fn padding_is_no_hole_and_nothing_to_forward() {
    let mut cache = PacketCache::new(CONFIG);
    cache
        .insert(at(0), keyframe(100, at(0)), &[], &[])
        .expect("new");
    cache.insert_padding(at(0), meta(101, at(0))).expect("new");
    insert(&mut cache, at(0), 102).expect("new");
    assert_eq!(
        cache.startable_from(at(0), Duration::from_secs(1), 64),
        Some(100)
    );
    assert!(cache.get(101).is_none() && cache.is_padding(101) && !cache.is_padding(102));
    assert_eq!(cache.packets_from(100).count(), 2);
}

#[test]
fn overlong_packets_are_refused() {
    let mut cache = PacketCache::new(CONFIG);
    let result = cache.insert(at(0), meta(9, at(0)), &[0], &vec![0; 65_535]);
    assert_eq!((result, cache.newest()), (Err(DropReason::Malformed), None));
}

/// What the cache must do, said simply.
#[derive(Default)]
struct Model {
    packets: BTreeMap<u64, (Time, Vec<u8>)>,
    floor: u64,
}

impl Model {
    fn release(&mut self, number: u64) {
        self.packets.remove(&number);
        self.floor = number + 1;
    }

    fn oldest(&self) -> Option<(u64, Time)> {
        self.packets
            .iter()
            .next()
            .map(|(&number, &(aged_from, _))| (number, aged_from))
    }

    fn insert(&mut self, now: Time, number: u64, payload: &[u8]) -> Result<(), DropReason> {
        while let Some((oldest, aged_from)) = self.oldest() {
            if now.since(aged_from) < CONFIG.max_age {
                break;
            }
            self.release(oldest);
        }
        let newest = self.packets.keys().next_back().copied();
        let span = CONFIG.max_packets as u64;
        if number < self.floor || newest.is_some_and(|newest| number + span <= newest) {
            return Err(DropReason::TooOld);
        }
        if self.packets.contains_key(&number) {
            return Err(DropReason::Duplicate);
        }
        while let Some((oldest, _)) = self.oldest() {
            if oldest + span > number {
                break;
            }
            self.release(oldest);
        }
        let later = self
            .packets
            .range(number..)
            .next()
            .map(|(_, (time, _))| *time);
        let aged_from = later.map_or(now, |later| later.min(now));
        self.packets.insert(number, (aged_from, payload.to_vec()));
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn behaves_as_the_model(
        start in prop::sample::select(STARTS.to_vec()),
        steps in prop::collection::vec((0u64..40, -20i64..30, 0usize..300), 1..200),
    ) {
        let mut cache = PacketCache::new(CONFIG);
        let mut model = Model::default();
        let (mut now, mut number) = (0, start + 1000);
        for (elapsed, step, length) in steps {
            now += elapsed;
            number = (number as i64 + step) as u64;
            let payload = vec![number as u8; length];
            let expected = model.insert(at(now), number, &payload);
            prop_assert_eq!(cache.insert(at(now), meta(number, at(now)), &[], &payload), expected);
            let held: Vec<_> = cache.packets_from(0)
                .map(|packet| (packet.meta.extended_sequence_number, packet.payload.to_vec()))
                .collect();
            let wanted: Vec<_> = model.packets.iter().map(|(&key, (_, bytes))| (key, bytes.clone())).collect();
            prop_assert_eq!(held, wanted);
            let stored: usize = model.packets.values().map(|(_, bytes)| bytes.len()).sum();
            prop_assert!(cache.bytes() >= stored);
        }
    }
}
