//! One direction of a network path: bottleneck queue, then a medium that loses, delays, doubles and reorders.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use crate::loss::{Loss, LossProcess};
use crate::random::Random;

/// What a path does to packets. The default does nothing: no loss, no delay, no limit.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LinkConfig {
    /// Which packets are lost, after the bottleneck: a lost packet has used up its share of the rate.
    pub loss: Loss,
    /// Propagation delay in nanoseconds.
    pub delay_ns: u64,
    /// Most that is added to the delay, evenly distributed, in nanoseconds. Jitter alone never changes the order.
    pub jitter_ns: u64,
    /// Probability that a packet is held back by `reorder_by_ns` while later ones overtake it.
    pub reorder: f64,
    /// How long a reordered packet is held back, in nanoseconds.
    pub reorder_by_ns: u64,
    /// Probability that a packet arrives twice, one right after the other.
    pub duplicate: f64,
    /// The bottleneck; `None` is a path without one.
    pub rate: Option<Rate>,
}

/// A bottleneck: packets leave one after the other at a fixed rate, and wait in a queue that drops at its tail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Bits per second, more than 0; counts what is sent, without headers below.
    pub rate_bps: u64,
    /// Bytes that may wait, the packet being sent included. A packet that does not fit whole is dropped.
    pub queue_bytes: u64,
}

/// What became of the packets sent so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LinkCounters {
    /// Packets handed to `send`.
    pub sent: u64,
    /// Lost by the medium.
    pub lost: u64,
    /// Dropped at the queue's tail.
    pub queue_dropped: u64,
    /// Extra copies made.
    pub duplicated: u64,
    /// Packets held back.
    pub reordered: u64,
    /// Packets given out by `poll`.
    pub delivered: u64,
}

/// One direction of a path, carrying datagrams of type `T` (their length is that of their bytes).
///
/// Memory is what is in flight: nothing bounds it but the sender and the configured delay.
#[derive(Debug, Clone)]
pub struct Link<T> {
    config: LinkConfig,
    random: Random,
    loss: LossProcess,
    counters: LinkCounters,
    /// When the bottleneck has sent all it holds.
    busy_until_ns: u64,
    /// Latest delivery of a packet that was not held back: jitter must not overtake it.
    in_order_until_ns: u64,
    next_serial: u64,
    in_flight: BinaryHeap<Reverse<InFlight<T>>>,
}

impl<T: AsRef<[u8]> + Clone> Link<T> {
    /// An empty link. `seed` decides every draw.
    pub fn new(config: LinkConfig, seed: u64) -> Self {
        Self {
            config,
            random: Random::new(seed),
            loss: LossProcess::new(config.loss),
            counters: LinkCounters::default(),
            busy_until_ns: 0,
            in_order_until_ns: 0,
            next_serial: 0,
            in_flight: BinaryHeap::new(),
        }
    }

    /// Replace the path's behaviour from now on; packets in flight arrive as planned.
    pub fn set_config(&mut self, config: LinkConfig) {
        if config.loss != self.config.loss {
            self.loss = LossProcess::new(config.loss);
        }
        self.config = config;
    }

    /// Put a datagram on the path at `now_ns`, which never goes back.
    pub fn send(&mut self, now_ns: u64, datagram: T) {
        self.counters.sent += 1;
        let Some(left_queue_ns) = self.pass_bottleneck(now_ns, datagram.as_ref().len() as u64)
        else {
            self.counters.queue_dropped += 1;
            return;
        };
        if self.loss.decide(&mut self.random) {
            self.counters.lost += 1;
            return;
        }
        let jitter_ns = self.random.up_to(self.config.jitter_ns);
        let mut delivery_ns =
            (left_queue_ns + self.config.delay_ns + jitter_ns).max(self.in_order_until_ns);
        if self.random.chance(self.config.reorder) {
            self.counters.reordered += 1;
            delivery_ns += self.config.reorder_by_ns;
        } else {
            self.in_order_until_ns = delivery_ns;
        }
        if self.random.chance(self.config.duplicate) {
            self.counters.duplicated += 1;
            self.deliver_at(delivery_ns, datagram.clone());
        }
        self.deliver_at(delivery_ns, datagram);
    }

    /// Take the next datagram that has arrived by `now_ns`; call until `None`.
    pub fn poll(&mut self, now_ns: u64) -> Option<T> {
        if self.next_timeout()? > now_ns {
            return None;
        }
        self.counters.delivered += 1;
        self.in_flight
            .pop()
            .map(|Reverse(arrived)| arrived.datagram)
    }

    /// When the next datagram arrives, in nanoseconds; `None` if nothing is in flight.
    pub fn next_timeout(&self) -> Option<u64> {
        self.in_flight
            .peek()
            .map(|Reverse(first)| first.delivery_ns)
    }

    /// What became of the packets so far.
    pub const fn counters(&self) -> LinkCounters {
        self.counters
    }

    /// When a packet of `size_bytes` has left the bottleneck; `None` if the queue has no room for it.
    fn pass_bottleneck(&mut self, now_ns: u64, size_bytes: u64) -> Option<u64> {
        let Some(rate) = self.config.rate else {
            return Some(now_ns);
        };
        let rate_bps = rate.rate_bps.max(1);
        let waiting_ns = self.busy_until_ns.saturating_sub(now_ns);
        let waiting_bytes =
            (u128::from(waiting_ns) * u128::from(rate_bps) / (8 * NANOS_PER_SECOND)) as u64;
        if waiting_bytes + size_bytes > rate.queue_bytes {
            return None;
        }
        let sending_ns =
            (u128::from(size_bytes) * 8 * NANOS_PER_SECOND / u128::from(rate_bps)) as u64;
        self.busy_until_ns = self.busy_until_ns.max(now_ns) + sending_ns;
        Some(self.busy_until_ns)
    }

    fn deliver_at(&mut self, delivery_ns: u64, datagram: T) {
        self.in_flight.push(Reverse(InFlight {
            delivery_ns,
            serial: self.next_serial,
            datagram,
        }));
        self.next_serial += 1;
    }
}

/// A datagram on its way, ordered by delivery, then by sending.
#[derive(Debug, Clone)]
struct InFlight<T> {
    delivery_ns: u64,
    serial: u64,
    datagram: T,
}

impl<T> Ord for InFlight<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.delivery_ns, self.serial).cmp(&(other.delivery_ns, other.serial))
    }
}

impl<T> PartialOrd for InFlight<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for InFlight<T> {
    fn eq(&self, other: &Self) -> bool {
        self.serial == other.serial
    }
}

impl<T> Eq for InFlight<T> {}

const NANOS_PER_SECOND: u128 = 1_000_000_000;
