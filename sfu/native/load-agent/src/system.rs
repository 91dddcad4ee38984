//! The system calls that std does not have: epoll, batches of datagrams with GRO and receive times, clocks. All unsafe code of
//! the agent is here.

use crate::outbox::Outbox;
use crate::time::Time;
use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// LIMIT: messages of one `recvmmsg`; a message may hold many datagrams.
const RECEIVE_BATCH: usize = 16;
/// A coalesced message is at most 65,535 bytes long.
const BUFFER_BYTES: usize = 65_536;
/// LIMIT: messages of one `sendmmsg`.
const SEND_BATCH: usize = 64;
/// LIMIT: sockets reported ready by one wait; the rest are by the next.
const READY_BATCH: usize = 256;
const CONTROL_BYTES: usize = 128;
/// linux/udp.h; not in libc for every target.
const UDP_GRO: libc::c_int = 104;

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// The monotonic clock.
pub fn monotonic() -> Time {
    Time(clock(libc::CLOCK_MONOTONIC))
}

/// Wall clock in µs, that of the kernel's receive times.
pub fn realtime_micros() -> u64 {
    clock(libc::CLOCK_REALTIME)
}

/// CPU time of this process in µs.
pub fn cpu_micros() -> u64 {
    clock(libc::CLOCK_PROCESS_CPUTIME_ID)
}

fn clock(id: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is writable; the ids used here always exist.
    unsafe { libc::clock_gettime(id, &raw mut time) };
    time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1_000
}

/// Allow as many open files as the hard limit does: a socket for each participant.
pub fn raise_file_limit() {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is writable, then readable; a failure leaves the limit as it was.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        }
    }
}

/// Have the kernel note receive times and what it drops, and hand over runs of datagrams as one message.
///
/// # Errors
/// What the kernel refuses.
pub fn prepare_socket(socket: BorrowedFd<'_>, buffer_bytes: usize) -> io::Result<()> {
    let options = [
        (libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1),
        (libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 1),
        (
            libc::SOL_SOCKET,
            libc::SO_RCVBUF,
            buffer_bytes as libc::c_int,
        ),
        (libc::SOL_UDP, UDP_GRO, 1),
    ];
    for (level, name, value) in options {
        // SAFETY: `value` outlives the call and the stated length is its size.
        check(unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                level,
                name,
                (&raw const value).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        })?;
    }
    Ok(())
}

/// Tells which of many sockets have something to read.
pub struct Epoll {
    descriptor: OwnedFd,
    events: Vec<libc::epoll_event>,
}

impl Epoll {
    /// Watch nothing yet.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers are passed.
        let descriptor = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        Ok(Self {
            // SAFETY: the call above made it and nobody else knows it.
            descriptor: unsafe { OwnedFd::from_raw_fd(descriptor) },
            events: vec![libc::epoll_event { events: 0, u64: 0 }; READY_BATCH],
        })
    }

    /// Watch `socket` and call it `token`. Closing it ends that.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn add(&self, socket: BorrowedFd<'_>, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: libc::EPOLLIN as u32,
            u64: token,
        };
        // SAFETY: `event` outlives the call.
        check(unsafe {
            libc::epoll_ctl(
                self.descriptor.as_raw_fd(),
                libc::EPOLL_CTL_ADD,
                socket.as_raw_fd(),
                &raw mut event,
            )
        })?;
        Ok(())
    }

    /// Wait until something is ready or `micros` are over; put the tokens of what is into `ready`.
    pub fn wait(&mut self, micros: u64, ready: &mut Vec<u64>) {
        let timeout = libc::timespec {
            tv_sec: (micros / 1_000_000) as libc::time_t,
            tv_nsec: (micros % 1_000_000 * 1_000) as libc::c_long,
        };
        // epoll_pwait2 and not epoll_wait: frames are due at microseconds, not milliseconds.
        // SAFETY: `events` has the stated length, `timeout` outlives the call, a null mask changes no signals.
        let count = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.descriptor.as_raw_fd(),
                self.events.as_mut_ptr(),
                self.events.len() as libc::c_int,
                &raw const timeout,
                std::ptr::null::<libc::sigset_t>(),
                0usize,
            )
        };
        ready.clear();
        let count = usize::try_from(count).unwrap_or(0);
        ready.extend(self.events[..count].iter().map(|event| event.u64));
    }
}

/// One received datagram.
pub struct Received<'a> {
    /// Its bytes.
    pub bytes: &'a mut [u8],
    /// When the kernel had it, µs of the wall clock; `None` if it did not say.
    pub realtime_micros: Option<u64>,
    /// Datagrams that the socket's full buffer has cost so far; `None` if there were none yet.
    pub overflows: Option<u32>,
}

/// What the kernel says about a received message.
#[derive(Debug, Clone, Copy, Default)]
struct Control {
    realtime_micros: Option<u64>,
    segment_bytes: Option<usize>,
    overflows: Option<u32>,
}

/// Buffers and arrays for `recvmmsg`, used for all sockets in turn.
pub struct Receiver {
    buffers: Vec<u8>,
    controls: Vec<[u64; CONTROL_BYTES / 8]>,
    vectors: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
}

impl Default for Receiver {
    fn default() -> Self {
        let empty = libc::iovec {
            iov_base: std::ptr::null_mut(),
            iov_len: 0,
        };
        Self {
            buffers: vec![0; RECEIVE_BATCH * BUFFER_BYTES],
            controls: vec![[0; CONTROL_BYTES / 8]; RECEIVE_BATCH],
            vectors: vec![empty; RECEIVE_BATCH],
            // SAFETY: `mmsghdr` is plain C data whose all-zero value means "no buffers".
            headers: (0..RECEIVE_BATCH).map(|_| unsafe { zeroed() }).collect(),
        }
    }
}

impl Receiver {
    /// Fetch what waits on `socket`, at most one batch; gives how many messages, 0 if none or if the socket reports an error
    /// (a refused port is not an end: the server may come back).
    pub fn receive(&mut self, socket: BorrowedFd<'_>) -> usize {
        let slots = (self.headers.iter_mut())
            .zip(&mut self.vectors)
            .zip(&mut self.controls)
            .zip(self.buffers.chunks_exact_mut(BUFFER_BYTES));
        for (((header, vector), control), buffer) in slots {
            vector.iov_base = buffer.as_mut_ptr().cast();
            vector.iov_len = BUFFER_BYTES;
            let header = &mut header.msg_hdr;
            header.msg_iov = vector;
            header.msg_iovlen = 1;
            header.msg_control = control.as_mut_ptr().cast();
            header.msg_controllen = CONTROL_BYTES as _;
            header.msg_flags = 0;
        }
        // SAFETY: every header points at a distinct part of our own arrays with its true length; all are borrowed mutably
        // until after the call. A null timeout is allowed.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                RECEIVE_BATCH as libc::c_uint,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        usize::try_from(count).unwrap_or(0)
    }

    /// Call `handle` for each datagram of message `index`, below what `receive` gave.
    pub fn for_each(&mut self, index: usize, mut handle: impl FnMut(Received<'_>)) {
        let header = &self.headers[index];
        let length = (header.msg_len as usize).min(BUFFER_BYTES);
        let control = read_control(&header.msg_hdr);
        let bytes = &mut self.buffers[index * BUFFER_BYTES..][..length];
        for datagram in bytes.chunks_mut(control.segment_bytes.unwrap_or(length).max(1)) {
            handle(Received {
                bytes: datagram,
                realtime_micros: control.realtime_micros,
                overflows: control.overflows,
            });
        }
    }
}

fn read_control(header: &libc::msghdr) -> Control {
    let mut control = Control::default();
    // SAFETY: the kernel filled `msg_control` up to `msg_controllen`; both are still those of our own array, and the macros
    // stay within them. Data is read unaligned, of the sizes that the kernel writes for these types.
    unsafe {
        let mut item = libc::CMSG_FIRSTHDR(header);
        while !item.is_null() {
            let data = libc::CMSG_DATA(item);
            match ((*item).cmsg_level, (*item).cmsg_type) {
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                    let at = data.cast::<libc::timespec>().read_unaligned();
                    let micros = at.tv_sec as u64 * 1_000_000 + at.tv_nsec as u64 / 1_000;
                    control.realtime_micros = Some(micros);
                }
                (libc::SOL_UDP, UDP_GRO) => {
                    let bytes = data.cast::<libc::c_int>().read_unaligned();
                    control.segment_bytes = usize::try_from(bytes).ok();
                }
                (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => {
                    control.overflows = Some(data.cast::<u32>().read_unaligned());
                }
                _ => {}
            }
            item = libc::CMSG_NXTHDR(header, item);
        }
    }
    control
}

/// Arrays for `sendmmsg`, used for all sockets in turn.
pub struct Sender {
    vectors: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
}

impl Default for Sender {
    fn default() -> Self {
        let empty = libc::iovec {
            iov_base: std::ptr::null_mut(),
            iov_len: 0,
        };
        Self {
            vectors: vec![empty; SEND_BATCH],
            // SAFETY: as in `Receiver`.
            headers: (0..SEND_BATCH).map(|_| unsafe { zeroed() }).collect(),
        }
    }
}

impl Sender {
    /// Send all of `outbox` on a connected socket; gives how many datagrams the kernel did not take.
    pub fn send(&mut self, socket: BorrowedFd<'_>, outbox: &Outbox) -> usize {
        let (mut pending, mut refused) = (0, 0);
        for datagram in outbox.datagrams() {
            let vector = &mut self.vectors[pending];
            vector.iov_base = datagram.as_ptr().cast_mut().cast();
            vector.iov_len = datagram.len();
            let header = &mut self.headers[pending].msg_hdr;
            header.msg_iov = vector;
            header.msg_iovlen = 1;
            pending += 1;
            if pending == SEND_BATCH {
                refused += self.flush(socket, pending);
                pending = 0;
            }
        }
        refused + self.flush(socket, pending)
    }

    fn flush(&mut self, socket: BorrowedFd<'_>, count: usize) -> usize {
        if count == 0 {
            return 0;
        }
        // SAFETY: the first `count` headers point at datagrams of the outbox that `send` borrows; the kernel only reads.
        let sent = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                count as libc::c_uint,
                libc::MSG_DONTWAIT,
            )
        };
        count - usize::try_from(sent).unwrap_or(0)
    }
}
