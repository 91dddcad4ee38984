//! A participant's network: a link for each direction, seeded, over `netem`. Sans-IO.

use crate::outbox::Outbox;
use crate::protocol::LinkSpec;
use crate::time::Time;
use netem::{Link, LinkConfig, Loss, Rate};

/// What waits at a bottleneck if nothing else is said: as much as home routers keep.
const DEFAULT_QUEUE_MS: f64 = 200.0;
/// LIMIT: longer delays are mistakes, and hold memory.
const MAX_DELAY_MS: f64 = 60_000.0;
const NANOS_PER_MILLI: f64 = 1e6;
const NANOS_PER_MICRO: u64 = 1_000;
/// A queue holds at least one large datagram, or nothing passes at all.
const MIN_QUEUE_BYTES: u64 = 1_500;

/// Both links. A direction without emulation costs nothing.
#[derive(Debug, Default)]
pub struct Emulation {
    seed: u64,
    up: Option<Link<Vec<u8>>>,
    down: Option<Link<Vec<u8>>>,
    /// Losses that were counted already.
    counted: u64,
}

impl Emulation {
    /// Links whose every draw `seed` decides.
    ///
    /// # Errors
    /// Which value cannot be.
    pub fn new(seed: u64, up: &LinkSpec, down: &LinkSpec) -> Result<Self, String> {
        let mut made = Self {
            seed,
            ..Self::default()
        };
        made.set(up, down)?;
        Ok(made)
    }

    /// Change what both links do; what is in flight arrives as planned. Nothing changes on an error.
    ///
    /// # Errors
    /// Which value cannot be.
    pub fn set(&mut self, up: &LinkSpec, down: &LinkSpec) -> Result<(), String> {
        let (up_config, down_config) = (config_of(up)?, config_of(down)?);
        apply(&mut self.up, up_config, self.seed);
        // Two directions never draw the same numbers.
        apply(&mut self.down, down_config, !self.seed);
        Ok(())
    }

    /// Put what a participant wants sent on the way up; leaves in `outbox` what the kernel is to take now.
    pub fn send(&mut self, now: Time, outbox: &mut Outbox) {
        let Some(link) = &mut self.up else {
            return;
        };
        for datagram in outbox.datagrams() {
            link.send(nanos(now), datagram.to_vec());
        }
        outbox.clear();
        self.poll_up(now, outbox);
    }

    /// Append what has come through by `now`; gives when the oldest of it was due.
    pub fn poll_up(&mut self, now: Time, outbox: &mut Outbox) -> Option<Time> {
        let link = self.up.as_mut()?;
        let due = link.next_timeout().map(time)?;
        while let Some(datagram) = link.poll(nanos(now)) {
            outbox.push(&datagram);
        }
        (due <= now).then_some(due)
    }

    /// Put a datagram that the kernel had at `arrival` on the way down; false if it need not go that way.
    pub fn receive(&mut self, arrival: Time, datagram: &[u8]) -> bool {
        let Some(link) = &mut self.down else {
            return false;
        };
        link.send(nanos(arrival), datagram.to_vec());
        true
    }

    /// Take the next datagram that has come down by `now`, and when it did.
    pub fn poll_down(&mut self, now: Time) -> Option<(Time, Vec<u8>)> {
        let link = self.down.as_mut()?;
        let due = link.next_timeout().map(time)?;
        link.poll(nanos(now)).map(|datagram| (due, datagram))
    }

    /// When to poll.
    pub fn next_timeout(&self) -> Option<Time> {
        let links = [&self.up, &self.down];
        let due = links.into_iter().flatten().filter_map(Link::next_timeout);
        due.min().map(time)
    }

    /// Datagrams lost or dropped since the last call.
    pub fn take_losses(&mut self) -> u64 {
        let links = [&self.up, &self.down];
        let lost: u64 = (links.into_iter().flatten())
            .map(|link| link.counters().lost + link.counters().queue_dropped)
            .sum();
        let since = lost - self.counted;
        self.counted = lost;
        since
    }
}

/// Rounded up: a datagram is never given out before its time.
const fn time(nanos: u64) -> Time {
    Time(nanos.div_ceil(NANOS_PER_MICRO))
}

const fn nanos(time: Time) -> u64 {
    time.0 * NANOS_PER_MICRO
}

/// A link that was once there stays: something may be in flight on it.
fn apply(link: &mut Option<Link<Vec<u8>>>, config: LinkConfig, seed: u64) {
    match link {
        Some(link) => link.set_config(config),
        None if config != LinkConfig::default() => *link = Some(Link::new(config, seed)),
        None => {}
    }
}

fn config_of(spec: &LinkSpec) -> Result<LinkConfig, String> {
    let queue_ms = if spec.queue_ms == 0.0 {
        DEFAULT_QUEUE_MS
    } else {
        spec.queue_ms
    };
    let rate = match spec.rate_kbps {
        Some(kbps) if kbps.is_finite() && kbps >= 1.0 => Some(Rate {
            rate_bps: (kbps * 1e3) as u64,
            queue_bytes: ((kbps * millis("queue_ms", queue_ms)? / NANOS_PER_MILLI / 8.0) as u64)
                .max(MIN_QUEUE_BYTES),
        }),
        Some(kbps) => return Err(format!("rate_kbps {kbps} is not at least 1")),
        None => None,
    };
    Ok(LinkConfig {
        loss: loss_of(share("loss", spec.loss)?, spec.burst_packets)?,
        delay_ns: millis("delay_ms", spec.delay_ms)? as u64,
        jitter_ns: millis("jitter_ms", spec.jitter_ms)? as u64,
        reorder: share("reorder", spec.reorder)?,
        reorder_by_ns: millis("reorder_by_ms", spec.reorder_by_ms)? as u64,
        duplicate: share("duplicate", spec.duplicate)?,
        rate,
    })
}

/// Gilbert: lost while bad, never while good; the share of time in bad is `loss`, a stay there `burst` packets long.
fn loss_of(loss: f64, burst: Option<f64>) -> Result<Loss, String> {
    let Some(burst) = burst else {
        return Ok(if loss == 0.0 {
            Loss::None
        } else {
            Loss::Random { probability: loss }
        });
    };
    if !(burst.is_finite() && burst >= 1.0) {
        return Err(format!("burst_packets {burst} is not at least 1"));
    }
    if loss >= 1.0 {
        return Err("bursts with a loss of 1 never end".to_owned());
    }
    Ok(Loss::GilbertElliott {
        good_to_bad: (loss / (burst * (1.0 - loss))).min(1.0),
        bad_to_good: 1.0 / burst,
        loss_in_good: 0.0,
        loss_in_bad: 1.0,
    })
}

fn share(name: &str, value: f64) -> Result<f64, String> {
    if (0.0..=1.0).contains(&value) {
        Ok(value)
    } else {
        Err(format!("{name} {value} is not between 0 and 1"))
    }
}

/// Nanoseconds.
fn millis(name: &str, value: f64) -> Result<f64, String> {
    if (0.0..=MAX_DELAY_MS).contains(&value) {
        Ok(value * NANOS_PER_MILLI)
    } else {
        Err(format!(
            "{name} {value} is not between 0 and {MAX_DELAY_MS}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::MILLISECOND;

    const CLEAN: LinkSpec = LinkSpec {
        loss: 0.0,
        burst_packets: None,
        delay_ms: 0.0,
        jitter_ms: 0.0,
        reorder: 0.0,
        reorder_by_ms: 0.0,
        duplicate: 0.0,
        rate_kbps: None,
        queue_ms: 0.0,
    };

    /// Send `count` numbered datagrams of 100 bytes down, 10 ms apart; gives (when, which) came.
    fn deliveries(seed: u64, spec: LinkSpec, count: u8) -> Vec<(u64, u8)> {
        let mut emulation = Emulation::new(seed, &CLEAN, &spec).expect("a good link");
        for number in 0..count {
            let at = Time(u64::from(number) * 10 * MILLISECOND);
            assert!(emulation.receive(at, &[number; 100]));
        }
        std::iter::from_fn(|| emulation.poll_down(Time(u64::MAX / 2_000)))
            .map(|(at, datagram)| (at.0, datagram[0]))
            .collect()
    }

    #[test]
    fn a_perfect_link_is_none() {
        let mut emulation = Emulation::new(1, &CLEAN, &CLEAN).expect("good links");
        let mut outbox = Outbox::default();
        outbox.push(b"now");
        emulation.send(Time(5), &mut outbox);

        assert_eq!(outbox.len(), 1);
        assert!(!emulation.receive(Time(5), b"directly"));
        assert_eq!(emulation.next_timeout(), None);
    }

    #[test]
    fn one_seed_is_one_run_and_another_is_another() {
        let spec = LinkSpec {
            loss: 0.2,
            jitter_ms: 30.0,
            delay_ms: 40.0,
            ..CLEAN
        };
        assert_eq!(deliveries(1, spec, 200), deliveries(1, spec, 200));
        assert_ne!(deliveries(1, spec, 200), deliveries(2, spec, 200));
    }

    #[test]
    fn both_directions_draw_their_own_numbers() {
        let spec = LinkSpec { loss: 0.5, ..CLEAN };
        let mut emulation = Emulation::new(1, &spec, &spec).expect("good links");
        let mut outbox = Outbox::default();
        let (mut up, mut down) = (Vec::new(), Vec::new());
        for number in 0..64 {
            outbox.push(&[number]);
            emulation.send(Time(number.into()), &mut outbox);
            up.push(outbox.len());
            outbox.clear();
            emulation.receive(Time(number.into()), &[number]);
            down.push(usize::from(
                emulation.poll_down(Time(number.into())).is_some(),
            ));
        }
        assert_ne!(up, down);
        let came: usize = up.iter().chain(&down).sum();
        assert_eq!(emulation.take_losses(), 128 - came as u64);
        assert_eq!(emulation.take_losses(), 0);
    }

    #[test]
    fn delay_is_exact_and_told_as_arrival_however_late_the_poll() {
        let spec = LinkSpec {
            delay_ms: 300.0,
            ..CLEAN
        };
        assert_eq!(deliveries(1, spec, 2), [(300_000, 0), (310_000, 1)]);

        let mut emulation = Emulation::new(1, &spec, &CLEAN).expect("good links");
        let mut outbox = Outbox::default();
        outbox.push(b"later");
        emulation.send(Time(1_000), &mut outbox);
        assert!(outbox.is_empty());
        assert_eq!(emulation.next_timeout(), Some(Time(301_000)));
        assert_eq!(emulation.poll_up(Time(300_999), &mut outbox), None);
        assert_eq!(
            emulation.poll_up(Time(400_000), &mut outbox),
            Some(Time(301_000))
        );
        assert_eq!(outbox.len(), 1);
    }

    #[test]
    fn bursts_have_the_share_and_the_length_that_were_asked_for() {
        let spec = LinkSpec {
            loss: 0.1,
            burst_packets: Some(4.0),
            ..CLEAN
        };
        let mut emulation = Emulation::new(3, &CLEAN, &spec).expect("a good link");
        let (mut lost, mut bursts, mut was_lost) = (0u32, 0u32, false);
        for at in 0..100_000 {
            emulation.receive(Time(at), &[0]);
            let is_lost = emulation.poll_down(Time(at)).is_none();
            lost += u32::from(is_lost);
            bursts += u32::from(is_lost && !was_lost);
            was_lost = is_lost;
        }
        assert!((9_000..11_000).contains(&lost), "{lost}");
        let length = f64::from(lost) / f64::from(bursts);
        assert!((3.7..4.3).contains(&length), "{length}");
    }

    #[test]
    fn a_bottleneck_delays_then_drops_what_its_queue_cannot_hold() {
        // 100 bytes each 10 ms are 80 kbit/s; the queue holds 1,500 bytes, its least.
        let spec = LinkSpec {
            rate_kbps: Some(40.0),
            ..CLEAN
        };
        let came = deliveries(1, spec, 100);
        assert!(came.len() < 75, "{}", came.len());
        assert!(came.windows(2).all(|pair| pair[1].0 >= pair[0].0 + 20_000));
    }

    #[test]
    fn a_link_that_changes_keeps_what_is_in_flight() {
        let slow = LinkSpec {
            delay_ms: 100.0,
            ..CLEAN
        };
        let mut emulation = Emulation::new(1, &CLEAN, &slow).expect("a good link");
        emulation.receive(Time(0), b"slow");
        emulation.set(&CLEAN, &CLEAN).expect("good links");
        assert_eq!(
            emulation.poll_down(Time(100_000)).map(|(at, _)| at),
            Some(Time(100_000))
        );
        emulation.receive(Time(200_000), b"at once");
        assert_eq!(
            emulation.poll_down(Time(200_000)).map(|(at, _)| at),
            Some(Time(200_000))
        );
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_name() {
        for (name, spec) in [
            ("loss", LinkSpec { loss: 1.1, ..CLEAN }),
            (
                "loss",
                LinkSpec {
                    loss: f64::NAN,
                    ..CLEAN
                },
            ),
            (
                "delay_ms",
                LinkSpec {
                    delay_ms: -1.0,
                    ..CLEAN
                },
            ),
            (
                "rate_kbps",
                LinkSpec {
                    rate_kbps: Some(0.0),
                    ..CLEAN
                },
            ),
            (
                "burst_packets",
                LinkSpec {
                    burst_packets: Some(0.5),
                    ..CLEAN
                },
            ),
            (
                "bursts",
                LinkSpec {
                    loss: 1.0,
                    burst_packets: Some(2.0),
                    ..CLEAN
                },
            ),
        ] {
            let refused = Emulation::new(1, &CLEAN, &spec).expect_err("refused");
            assert!(refused.contains(name), "{refused}");
        }
    }
}
