//! A tiny core that does what each datagram's first byte says, and a handle around it.
#![allow(
    dead_code,
    reason = "each test binary uses its own part of the support"
)]

use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use engine::ids::{ParticipantId, RoomId};
use engine::{Command, CommandError, DropReason, Event, Path, Statistics, Time, Transmit};
use engine_io::{Core, EngineHandle, Options};

/// Come back as you are.
pub(crate) const ECHO: u8 = b'e';
/// `[_, count u16, bytes u16, last_bytes u16]`: send that many datagrams of so many bytes, the last shorter. Each starts with
/// its number.
pub(crate) const BURST: u8 = b'b';
/// Send one datagram to each of `Script::strangers`, then come back.
pub(crate) const STRANGERS: u8 = b's';
/// `[_, count u32]`: make so many events, numbered as rooms.
pub(crate) const EVENTS: u8 = b'v';
/// `[_, microseconds u32]`: come back after that time, with the microseconds that really passed.
pub(crate) const LATER: u8 = b't';
/// Come back as the text of the path: socket, remote, and the local address if it has one.
pub(crate) const PATH: u8 = b'p';
/// Come back as `[longest run of datagrams between two flushes u64, datagrams seen u64, distinct times u64]`.
pub(crate) const REPORT: u8 = b'r';
/// Panic.
pub(crate) const PANIC: u8 = b'!';

/// A room whose removal takes this long blocks the thread.
pub(crate) const SLOW_ROOM: RoomId = RoomId(999);
pub(crate) const SLOW: Duration = Duration::from_millis(300);

#[derive(Default)]
pub(crate) struct Script {
    strangers: Vec<SocketAddr>,
    out: VecDeque<(Path, Vec<u8>, Vec<u16>)>,
    events: VecDeque<Event>,
    rooms: Vec<RoomId>,
    last_path: Option<Path>,
    due: Option<(Time, Time, Path)>,
    since_flush: u64,
    longest_run: u64,
    seen: u64,
    distinct_times: u64,
    last_time: Time,
}

impl Script {
    pub(crate) fn with_strangers(strangers: Vec<SocketAddr>) -> Self {
        Self {
            strangers,
            ..Self::default()
        }
    }

    fn send(&mut self, path: Path, datagram: &[u8]) {
        let sizes = vec![datagram.len() as u16];
        self.out.push_back((path, datagram.to_vec(), sizes));
    }

    fn burst(&mut self, path: Path, order: &[u8]) {
        let number = |at: usize| u16::from_be_bytes([order[at], order[at + 1]]);
        let mut sizes = vec![number(3); usize::from(number(1))];
        *sizes.last_mut().unwrap() = number(5);
        let mut contents = Vec::new();
        for (index, size) in sizes.iter().enumerate() {
            let mut datagram = vec![index as u8; usize::from(*size)];
            datagram[..2].copy_from_slice(&(index as u16).to_be_bytes());
            contents.extend(datagram);
        }
        self.out.push_back((path, contents, sizes));
    }
}

impl Core for Script {
    fn handle_datagram(&mut self, now: Time, path: Path, datagram: &mut [u8]) {
        self.since_flush += 1;
        self.longest_run = self.longest_run.max(self.since_flush);
        self.seen += 1;
        self.distinct_times += u64::from(now != self.last_time);
        self.last_time = now;
        self.last_path = Some(path);
        let argument = |at: usize| u32::from_be_bytes(datagram[at..at + 4].try_into().unwrap());
        match datagram.first() {
            Some(&ECHO) => self.send(path, datagram),
            Some(&BURST) => self.burst(path, datagram),
            Some(&STRANGERS) => {
                for remote in self.strangers.clone() {
                    self.send(Path { remote, ..path }, b"lost");
                }
                self.send(path, datagram);
            }
            Some(&EVENTS) => {
                self.events
                    .extend((0..u64::from(argument(1))).map(|room| Event::Speakers {
                        room: RoomId(room),
                        participants: Vec::new(),
                    }));
            }
            Some(&LATER) => {
                let delay = Duration::from_micros(u64::from(argument(1)));
                self.due = Some((now + delay, now, path));
            }
            Some(&PATH) => {
                let local = path.local.map(|local| format!(" {local}"));
                let local = local.unwrap_or_default();
                let text = format!("{} {}{local}", path.socket, path.remote);
                self.send(path, text.as_bytes());
            }
            Some(&REPORT) => {
                let report = [self.longest_run, self.seen, self.distinct_times];
                self.send(path, &report.map(u64::to_be_bytes).concat());
            }
            Some(&PANIC) => panic!("asked to"),
            _ => {}
        }
    }

    fn handle_command(&mut self, _now: Time, command: Command) -> Result<(), CommandError> {
        match command {
            Command::AddRoom { room } if self.rooms.contains(&room) => {
                return Err(CommandError::AlreadyExists("room"));
            }
            Command::AddRoom { room } => self.rooms.push(room),
            Command::RemoveRoom { room } => {
                if room == SLOW_ROOM {
                    std::thread::sleep(SLOW);
                }
                if let Some(path) = self.last_path {
                    self.send(path, format!("bye {}", room.0).as_bytes());
                }
            }
            Command::SendDtls { participant, .. } => {
                return Err(CommandError::UnknownParticipant(participant));
            }
            _ => {}
        }
        Ok(())
    }

    fn handle_timeout(&mut self, now: Time) {
        if let Some((due, asked, path)) = self.due.take() {
            assert!(due <= now, "woken early");
            let passed = now.since(asked).as_micros() as u64;
            self.send(path, &passed.to_be_bytes());
        }
    }

    fn next_timeout(&self) -> Time {
        self.due.map_or(Time::NEVER, |(due, ..)| due)
    }

    fn transmits(&mut self) -> impl Iterator<Item = Transmit<'_>> {
        self.out
            .iter()
            .map(|(path, contents, datagram_bytes)| Transmit {
                path: *path,
                contents,
                datagram_bytes,
            })
    }

    fn clear_transmits(&mut self) {
        self.out.clear();
        self.since_flush = 0;
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn statistics(&self) -> Statistics {
        Statistics {
            counters: engine::statistics::Counters::default(),
            drops: [0; DropReason::ALL.len()],
            gauges: engine::statistics::Gauges::default(),
        }
    }
}

/// A script running behind sockets bound to `addresses`.
pub(crate) struct Served {
    pub(crate) handle: EngineHandle,
    pub(crate) addresses: Vec<SocketAddr>,
}

pub(crate) fn serve(sockets: &[UdpSocket], use_gso: bool) -> Served {
    serve_script(sockets, use_gso, Script::default())
}

pub(crate) fn serve_script(sockets: &[UdpSocket], use_gso: bool, script: Script) -> Served {
    let options = Options {
        sockets: sockets.iter().map(AsRawFd::as_raw_fd).collect(),
        seed: [7; 32],
        is_kep: false,
        use_gso,
    };
    Served {
        handle: EngineHandle::start_core(&options, move |_clock| script).unwrap(),
        addresses: sockets.iter().map(|s| s.local_addr().unwrap()).collect(),
    }
}

pub(crate) fn bind(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    socket
}

/// Send `request` and wait for one datagram back.
pub(crate) fn ask(client: &UdpSocket, server: SocketAddr, request: &[u8]) -> Vec<u8> {
    client.send_to(request, server).unwrap();
    receive(client)
}

pub(crate) fn receive(client: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 65_536];
    let length = client.recv(&mut buffer).expect("a datagram within 10 s");
    buffer.truncate(length);
    buffer
}

pub(crate) fn burst(count: u16, bytes: u16, last_bytes: u16) -> Vec<u8> {
    let numbers = [count, bytes, last_bytes].map(u16::to_be_bytes).concat();
    [&[BURST][..], &numbers].concat()
}

pub(crate) fn unknown_participant() -> Command {
    Command::SendDtls {
        participant: ParticipantId(42),
        datagram: vec![22],
    }
}

pub(crate) fn set_option(socket: &UdpSocket, name: i32, value: i32) {
    // SAFETY: `value` outlives the call and the length is its size.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            name,
            (&raw const value).cast(),
            size_of::<i32>() as libc::socklen_t,
        )
    };
    assert_eq!(result, 0);
}
