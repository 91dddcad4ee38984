//! The way of datagrams between clients and engine, over links where there are any.

use super::{Harness, Rtp};
use engine::{Coming, Path, Time};
use netem::{Link, LinkConfig};
use std::hash::Hash;
use wire::rtp::OutgoingHeader;

impl Harness {
    /// Put a path between a client and the engine, different seeds for both ways.
    pub(crate) fn set_links(&mut self, index: usize, up: LinkConfig, down: LinkConfig, seed: u64) {
        let seed = seed ^ (index as u64) << 8;
        self.links
            .insert(index, (Link::new(up, seed), Link::new(down, seed ^ 0x5555)));
    }

    /// A binding request from the client's current path.
    pub(crate) fn check(&mut self, index: usize) {
        let client = &mut self.clients[index];
        let (path, datagram) = (client.path, client.write_check());
        self.deliver(path, datagram);
    }

    /// Protect and send one RTP packet, with mid (and rid, level) extensions and a transport-wide number.
    pub(crate) fn send_rtp(&mut self, index: usize, packet: &Rtp<'_>) {
        let datagram = self.clients[index].seal(packet);
        self.deliver(self.clients[index].path, datagram);
    }

    /// Send a packet without payload, as a browser without RTX does to probe: the last byte counts the padding.
    pub(crate) fn send_padding(&mut self, index: usize, header: &OutgoingHeader, bytes: u8) {
        let mut plain = Vec::new();
        header.write(&mut plain, false, true);
        plain.resize(plain.len() + usize::from(bytes) - 1, 0);
        plain.push(bytes);
        let datagram = self.clients[index].protect(plain);
        self.deliver(self.clients[index].path, datagram);
    }

    pub(crate) fn send_rtcp(&mut self, index: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let mut compound = Vec::new();
        write(&mut compound);
        let client = &mut self.clients[index];
        client
            .sender
            .protect_rtcp(&mut compound, 0)
            .expect("protect");
        let path = client.path;
        self.deliver(path, compound);
    }

    /// Send a datagram from `path`, over the client's link if it has one.
    pub(crate) fn deliver(&mut self, path: Path, datagram: Vec<u8>) {
        let index = self.client_at(path);
        if let Some((up, _)) = index.and_then(|index| self.links.get_mut(&index)) {
            up.send(self.now.as_nanos(), datagram);
            return;
        }
        self.hand_in(path, datagram);
    }

    fn hand_in(&mut self, path: Path, mut datagram: Vec<u8>) {
        let is_rtp = matches!(datagram.first(), Some(128..=191)) && !wire::rtp::is_rtcp(&datagram);
        self.rtp_delivered += u64::from(is_rtp);
        if let Some(capture) = self.capture.as_mut().filter(|_| is_rtp) {
            capture.push(datagram.clone());
        }
        self.engine.prefetch(&[Coming::new(path, &datagram)]);
        self.engine.handle_datagram(self.now, path, &mut datagram);
        if !self.is_in_batch {
            self.drain();
        }
    }

    /// What `send` sends is handed in before anything is looked at, as a batch that the shell received; one by one in a
    /// harness that was told so. A batch within a batch is part of it.
    pub(crate) fn in_batch(&mut self, send: impl FnOnce(&mut Self)) {
        let is_whole = !std::mem::replace(&mut self.is_in_batch, !self.is_one_by_one);
        send(self);
        if is_whole {
            self.is_in_batch = false;
            self.drain();
        }
    }

    fn client_at(&self, path: Path) -> Option<usize> {
        let guess = usize::from(path.remote.port().wrapping_sub(20_000));
        if self
            .clients
            .get(guess)
            .is_some_and(|client| client.path == path)
        {
            return Some(guess);
        }
        self.clients.iter().position(|client| client.path == path)
    }

    /// What the links have for now.
    pub(super) fn serve_links(&mut self) {
        let now = self.now.as_nanos();
        for index in 0..self.clients.len() {
            self.in_batch(|harness| {
                while let Some(datagram) =
                    (harness.links.get_mut(&index)).and_then(|(up, _)| up.poll(now))
                {
                    let path = harness.clients[index].path;
                    harness.hand_in(path, datagram);
                }
            });
            while let Some(datagram) = self
                .links
                .get_mut(&index)
                .and_then(|(_, down)| down.poll(now))
            {
                self.clients[index].receive(self.now, datagram);
            }
        }
    }

    pub(super) fn next_delivery(&self) -> Time {
        self.links
            .values()
            .flat_map(|(up, down)| [up.next_timeout(), down.next_timeout()])
            .flatten()
            .min()
            .map_or(Time::NEVER, Time::from_nanos)
    }

    pub(super) fn drain(&mut self) {
        let mut datagrams = Vec::new();
        for transmit in self.engine.transmits() {
            self.bursts.push(transmit.datagram_bytes.to_vec());
            let lengths = transmit.datagram_bytes.iter().copied().map(usize::from);
            assert_eq!(lengths.sum::<usize>(), transmit.contents.len());
            for datagram in transmit.datagrams() {
                datagrams.push((transmit.path, datagram.to_vec()));
            }
        }
        self.engine.clear_transmits();
        for (path, datagram) in datagrams {
            (self.now, path, &datagram).hash(&mut self.trace);
            let Some(index) = self.client_at(path) else {
                self.strays.push((path, datagram));
                continue;
            };
            match self.links.get_mut(&index) {
                Some((_, down)) => down.send(self.now.as_nanos(), datagram),
                None => self.clients[index].receive(self.now, datagram),
            }
        }
        while let Some(event) = self.engine.poll_event() {
            self.events.push_back(event);
        }
    }
}
