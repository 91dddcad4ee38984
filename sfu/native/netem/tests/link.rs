//! What a link does to packets, with committed seeds.

use netem::{Link, LinkConfig, Loss, Rate};

const MS: u64 = 1_000_000;

/// Send `count` numbered packets of 100 bytes, one each `interval_ns`; give `(number, delivery)` in order of delivery.
fn run(config: LinkConfig, seed: u64, count: u32, interval_ns: u64) -> Vec<(u32, u64)> {
    let mut link = Link::new(config, seed);
    let mut delivered = Vec::new();
    for number in 0..count {
        let now_ns = u64::from(number) * interval_ns;
        collect(&mut link, now_ns, &mut delivered);
        let mut packet = vec![0; 100];
        packet[..4].copy_from_slice(&number.to_be_bytes());
        link.send(now_ns, packet);
    }
    collect(&mut link, u64::MAX, &mut delivered);
    assert_eq!(link.next_timeout(), None);
    delivered
}

fn collect(link: &mut Link<Vec<u8>>, now_ns: u64, into: &mut Vec<(u32, u64)>) {
    while let Some(at) = link.next_timeout().filter(|at| *at <= now_ns) {
        if at > 0 {
            assert_eq!(link.poll(at - 1), None, "nothing arrives early");
        }
        let packet = link.poll(at).expect("due");
        into.push((u32::from_be_bytes(packet[..4].try_into().unwrap()), at));
    }
}

fn longest_gap(delivered: &[(u32, u64)]) -> u32 {
    delivered
        .windows(2)
        .map(|pair| pair[1].0.saturating_sub(pair[0].0).saturating_sub(1))
        .max()
        .unwrap_or(0)
}

#[test]
fn a_plain_link_delivers_everything_at_once_in_order() {
    let delivered = run(LinkConfig::default(), 1, 1_000, MS);
    assert_eq!(
        delivered,
        (0..1_000)
            .map(|n| (n, u64::from(n) * MS))
            .collect::<Vec<_>>()
    );
}

#[test]
fn random_loss_is_as_configured_and_mostly_single() {
    let loss = Loss::Random { probability: 0.05 };
    let config = LinkConfig {
        loss,
        ..LinkConfig::default()
    };
    let delivered = run(config, 2, 100_000, MS);
    // 5 % of 100,000 with a standard deviation of 69: five of them either side.
    let lost = 100_000 - delivered.len();
    assert!((4_655..=5_345).contains(&lost), "{lost}");
    assert!(longest_gap(&delivered) <= 5);
}

#[test]
fn gilbert_elliott_loses_in_bursts_at_the_same_mean() {
    // Stationary share of the bad state: 0.005 / (0.005 + 0.095) = 5 %; mean burst 1 / 0.095 = 10.5 packets.
    let loss = Loss::GilbertElliott {
        good_to_bad: 0.005,
        bad_to_good: 0.095,
        loss_in_good: 0.0,
        loss_in_bad: 1.0,
    };
    let config = LinkConfig {
        loss,
        ..LinkConfig::default()
    };
    let delivered = run(config, 3, 200_000, MS);
    let lost = 200_000 - delivered.len();
    assert!((8_000..=12_000).contains(&lost), "{lost}");
    let bursts = delivered
        .windows(2)
        .filter(|pair| pair[1].0 > pair[0].0 + 1)
        .count();
    let mean_burst = lost as f64 / bursts as f64;
    assert!((9.0..=12.0).contains(&mean_burst), "{mean_burst}");
    assert!(longest_gap(&delivered) > 30);
}

#[test]
fn delay_and_jitter_stay_in_their_bounds_and_keep_the_order() {
    let config = LinkConfig {
        delay_ns: 40 * MS,
        jitter_ns: 10 * MS,
        ..LinkConfig::default()
    };
    let delivered = run(config, 4, 10_000, MS);
    let mut sum_ns = 0;
    for (index, (number, at)) in delivered.iter().enumerate() {
        assert_eq!(index, *number as usize);
        let delay_ns = at - u64::from(*number) * MS;
        assert!((40 * MS..=50 * MS).contains(&delay_ns));
        sum_ns += delay_ns;
    }
    // Keeping the order pushes the mean above the plain 45 ms, towards the maximum.
    let mean_ns = sum_ns / 10_000;
    assert!((45 * MS..49 * MS).contains(&mean_ns), "{mean_ns}");
}

#[test]
fn reordered_packets_are_overtaken_and_none_is_lost() {
    let config = LinkConfig {
        delay_ns: 20 * MS,
        reorder: 0.1,
        reorder_by_ns: 5 * MS + 1,
        ..LinkConfig::default()
    };
    let delivered = run(config, 5, 10_000, MS);
    assert_eq!(delivered.len(), 10_000);
    let late = delivered
        .iter()
        .filter(|(n, at)| at - u64::from(*n) * MS > 20 * MS)
        .count();
    assert!((850..=1_150).contains(&late), "{late}");
    let overtaken = delivered
        .windows(2)
        .filter(|pair| pair[1].0 < pair[0].0)
        .count();
    assert!(overtaken > 700, "{overtaken}");
    // Held back 5 ms at one packet each ms: nobody is more than five places late.
    for (place, (number, _)) in delivered.iter().enumerate() {
        assert!(place as i64 - i64::from(*number) <= 5);
    }
}

#[test]
fn duplicates_follow_their_original() {
    let config = LinkConfig {
        duplicate: 0.02,
        ..LinkConfig::default()
    };
    let delivered = run(config, 6, 50_000, MS);
    let extra = delivered.len() - 50_000;
    assert!((840..=1_160).contains(&extra), "{extra}");
    assert_eq!(
        delivered
            .windows(2)
            .filter(|pair| pair[0] == pair[1])
            .count(),
        extra
    );
}

#[test]
fn the_rate_spaces_packets_and_the_queue_drops_at_its_tail() {
    // 100 bytes each ms are 800 kbit/s; the path carries half, and 1,000 bytes may wait.
    let rate = Some(Rate {
        rate_bps: 400_000,
        queue_bytes: 1_000,
    });
    let config = LinkConfig {
        rate,
        delay_ns: 10 * MS,
        ..LinkConfig::default()
    };
    let delivered = run(config, 7, 1_000, MS);
    assert!(
        delivered
            .windows(2)
            .all(|pair| pair[1].1 - pair[0].1 >= 2 * MS)
    );
    assert!(
        (500..=510).contains(&delivered.len()),
        "{}",
        delivered.len()
    );
    let longest_ns = delivered
        .iter()
        .map(|(n, at)| at - u64::from(*n) * MS)
        .max()
        .unwrap();
    // A full queue is 20 ms of sending, then the propagation.
    assert!((28 * MS..=30 * MS).contains(&longest_ns), "{longest_ns}");
}

#[test]
fn an_oversize_packet_never_fits_the_queue() {
    let rate = Some(Rate {
        rate_bps: 1_000_000,
        queue_bytes: 99,
    });
    let mut link = Link::new(
        LinkConfig {
            rate,
            ..LinkConfig::default()
        },
        8,
    );
    link.send(0, vec![0_u8; 100]);
    assert_eq!(link.next_timeout(), None);
    assert_eq!(link.counters().queue_dropped, 1);
}

#[test]
fn one_seed_is_one_run_and_another_seed_is_another() {
    let config = LinkConfig {
        loss: Loss::GilbertElliott {
            good_to_bad: 0.02,
            bad_to_good: 0.3,
            loss_in_good: 0.001,
            loss_in_bad: 0.7,
        },
        delay_ns: 30 * MS,
        jitter_ns: 7 * MS,
        reorder: 0.01,
        reorder_by_ns: 3 * MS,
        duplicate: 0.01,
        rate: Some(Rate {
            rate_bps: 2_000_000,
            queue_bytes: 20_000,
        }),
    };
    assert_eq!(
        run(config, 9, 20_000, MS / 3),
        run(config, 9, 20_000, MS / 3)
    );
    assert_ne!(
        run(config, 9, 20_000, MS / 3),
        run(config, 10, 20_000, MS / 3)
    );
    // The generator itself is pinned: a changed draw would change every committed scenario.
    let mut random = netem::Random::new(1_234_567);
    assert_eq!(random.next_u64(), 6_457_827_717_110_365_317);
    assert_eq!(random.next_u64(), 3_203_168_211_198_807_973);
}

#[test]
fn counters_account_for_every_packet() {
    let config = LinkConfig {
        loss: Loss::Random { probability: 0.1 },
        duplicate: 0.1,
        rate: Some(Rate {
            rate_bps: 700_000,
            queue_bytes: 2_000,
        }),
        ..LinkConfig::default()
    };
    let mut link = Link::new(config, 11);
    for n in 0..5_000 {
        link.send(n * MS, [0_u8; 100]);
    }
    while link.poll(u64::MAX).is_some() {}
    let c = link.counters();
    assert!(c.lost > 0 && c.queue_dropped > 0 && c.duplicated > 0);
    assert_eq!(
        c.sent + c.duplicated,
        c.delivered + c.lost + c.queue_dropped
    );
}

#[test]
fn a_changed_path_applies_to_what_is_sent_after() {
    let mut link = Link::new(LinkConfig::default(), 12);
    let slow = LinkConfig {
        delay_ns: 100 * MS,
        ..LinkConfig::default()
    };
    link.set_config(slow);
    link.send(0, [1_u8]);
    link.set_config(LinkConfig::default());
    link.send(0, [2_u8]);
    // In order still: the second waits behind the first.
    assert_eq!(link.poll(100 * MS), Some([1]));
    assert_eq!(link.poll(100 * MS), Some([2]));
}
