//! Thin safe wrappers of the system calls that std does not have: socket options, eventfd, ppoll, clocks.

use std::io;
use std::mem::size_of;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use libc::{c_int, c_void};

use crate::address::RawAddress;

/// Turn a `-1` return into the error behind it.
fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

/// Read an integer socket option.
pub(crate) fn socket_option(
    socket: BorrowedFd<'_>,
    level: c_int,
    name: c_int,
) -> io::Result<c_int> {
    let mut value: c_int = 0;
    let mut length = size_of::<c_int>() as libc::socklen_t;
    // SAFETY: `value` and `length` outlive the call and `length` states the size of `value`.
    check(unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw mut value).cast::<c_void>(),
            &raw mut length,
        )
    })?;
    Ok(value)
}

/// Set an integer socket option.
pub(crate) fn set_socket_option(
    socket: BorrowedFd<'_>,
    level: c_int,
    name: c_int,
    value: c_int,
) -> io::Result<()> {
    // SAFETY: `value` outlives the call and the stated length is its size.
    check(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast::<c_void>(),
            size_of::<c_int>() as libc::socklen_t,
        )
    })?;
    Ok(())
}

/// Where an IP socket is bound; `None` if it is of another family.
pub(crate) fn local_address(socket: BorrowedFd<'_>) -> io::Result<Option<SocketAddr>> {
    let mut raw = RawAddress::EMPTY;
    // SAFETY: `raw` outlives the call, and `length` states how many bytes of it may be written.
    check(unsafe {
        libc::getsockname(
            socket.as_raw_fd(),
            raw.bytes.as_mut_ptr().cast(),
            &raw mut raw.length,
        )
    })?;
    Ok(raw.decode())
}

/// Duplicate a descriptor number that the caller of the native module passed.
///
/// # Errors
/// `EBADF` if it is not open.
pub(crate) fn duplicate(descriptor: c_int) -> io::Result<OwnedFd> {
    // SAFETY: F_DUPFD_CLOEXEC takes any integer and fails on one that is no open descriptor.
    let copy = check(unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, 0) })?;
    // SAFETY: the call above made `copy` and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// An event descriptor: readable while raised.
#[derive(Debug)]
pub(crate) struct Signal(OwnedFd);

impl Signal {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: no pointers are passed.
        let descriptor =
            check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        // SAFETY: the call above made it and nobody else knows it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(descriptor) }))
    }

    /// Make it readable.
    pub(crate) fn raise(&self) {
        let one: u64 = 1;
        // SAFETY: eight bytes of `one` are readable. A failure can only mean that the counter is full: it is readable then.
        unsafe { libc::write(self.0.as_raw_fd(), (&raw const one).cast::<c_void>(), 8) };
    }

    /// Make it unreadable.
    pub(crate) fn clear(&self) {
        let mut count: u64 = 0;
        // SAFETY: eight bytes of `count` are writable. A failure means that it was not raised.
        unsafe { libc::read(self.0.as_raw_fd(), (&raw mut count).cast::<c_void>(), 8) };
    }
}

impl AsFd for Signal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Descriptors to wait for. `ppoll` and not epoll: two or three descriptors, and a timeout in nanoseconds.
#[derive(Debug)]
pub(crate) struct Poller {
    entries: Vec<libc::pollfd>,
}

impl Poller {
    /// Wait for input on these, which must stay open as long as the poller is used; they are named by their place.
    pub(crate) fn new<'a>(descriptors: impl Iterator<Item = BorrowedFd<'a>>) -> Self {
        let entries = descriptors
            .map(|descriptor| libc::pollfd {
                fd: descriptor.as_raw_fd(),
                events: libc::POLLIN,
                revents: 0,
            })
            .collect();
        Self { entries }
    }

    /// Sleep until one is ready or `timeout` is over; `None` waits for ever. A signal ends the wait with nothing ready.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) {
        if wait_for(&mut self.entries, timeout).is_err() {
            for entry in &mut self.entries {
                entry.revents = 0;
            }
        }
    }

    /// Whether the descriptor at `place` has input or an error to fetch.
    pub(crate) fn is_ready(&self, place: usize) -> bool {
        self.entries
            .get(place)
            .is_some_and(|entry| entry.revents != 0)
    }
}

/// Wait until `socket` takes output; false if it still does not after `timeout`.
pub(crate) fn wait_writable(socket: BorrowedFd<'_>, timeout: Duration) -> bool {
    let mut entry = [libc::pollfd {
        fd: socket.as_raw_fd(),
        events: libc::POLLOUT,
        revents: 0,
    }];
    wait_for(&mut entry, Some(timeout)).is_ok_and(|ready| ready > 0)
}

fn wait_for(entries: &mut [libc::pollfd], timeout: Option<Duration>) -> io::Result<c_int> {
    let limit = timeout.map(|duration| libc::timespec {
        tv_sec: duration.as_secs().min(i32::MAX as u64) as libc::time_t,
        tv_nsec: duration.subsec_nanos() as libc::c_long,
    });
    let limit_pointer = limit.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: `entries` is a valid array of the stated length, `limit` outlives the call, a null mask changes no signals.
    check(unsafe {
        libc::ppoll(
            entries.as_mut_ptr(),
            entries.len() as libc::nfds_t,
            limit_pointer,
            std::ptr::null(),
        )
    })
}

/// How the calling thread is scheduled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheduling {
    /// `SCHED_RR`, at the lowest of its priorities: before all ordinary threads.
    RealTime,
    /// Among the ordinary threads, `SCHED_OTHER`, with the shortest slice that the kernel grants (its own choice is 3 ms; slices
    /// came with Linux 6.12): no larger share of the processor than others, but sooner.
    Ordinary,
    /// As its process was started under another policy.
    Foreign,
}

/// The least that the kernel grants.
const SLICE_NS: u64 = 100_000;
const REAL_TIME_PRIORITY: u32 = 1;
/// How late a sleep may end; the kernel's own choice is 50 µs, as long as the sleeps that gather packets.
const TIMER_SLACK_NS: libc::c_ulong = 1_000;

/// Ask that the calling thread's sleeps end on time. Nothing changes where the kernel refuses.
pub(crate) fn end_sleeps_on_time() {
    // SAFETY: no pointers are passed.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, TIMER_SLACK_NS) };
}

/// Ask for the calling thread to run soon: in real time, or else with a short slice; true if in real time. A thread that was put
/// under another policy stays there.
pub(crate) fn ask_to_run_soon() -> bool {
    if scheduling() == Scheduling::Ordinary && !set_scheduling(Scheduling::RealTime) {
        // An older kernel has no slices: all stays as it is.
        set_scheduling(Scheduling::Ordinary);
    }
    scheduling() == Scheduling::RealTime
}

/// How the calling thread is scheduled now.
pub(crate) fn scheduling() -> Scheduling {
    let mut attributes = SchedulerAttributes::default();
    // Zero names the calling thread.
    // SAFETY: the kernel writes at most the stated size, which is that of `attributes`.
    let result = unsafe {
        libc::syscall(
            libc::SYS_sched_getattr,
            0,
            &raw mut attributes,
            attributes.size,
            0,
        )
    };
    match i32::try_from(attributes.policy) {
        Ok(libc::SCHED_OTHER) if result == 0 => Scheduling::Ordinary,
        Ok(libc::SCHED_RR) if result == 0 => Scheduling::RealTime,
        _ => Scheduling::Foreign,
    }
}

/// Have the calling thread scheduled otherwise; false if the kernel refuses. Real time needs `CAP_SYS_NICE`, or
/// `RLIMIT_RTPRIO` of 1.
pub(crate) fn set_scheduling(wanted: Scheduling) -> bool {
    let attributes = match wanted {
        Scheduling::RealTime => SchedulerAttributes {
            policy: libc::SCHED_RR as u32,
            priority: REAL_TIME_PRIORITY,
            ..SchedulerAttributes::default()
        },
        Scheduling::Ordinary => SchedulerAttributes {
            runtime: SLICE_NS,
            nice: own_nice(),
            ..SchedulerAttributes::default()
        },
        Scheduling::Foreign => return false,
    };
    set_attributes(&attributes)
}

/// If the calling thread runs in real time, make it an ordinary one. Everybody may.
pub(crate) fn leave_real_time() {
    if scheduling() == Scheduling::RealTime {
        set_attributes(&SchedulerAttributes {
            nice: own_nice(),
            ..SchedulerAttributes::default()
        });
    }
}

/// The calling thread's place among ordinary threads, kept while it runs in real time.
fn own_nice() -> i32 {
    // SAFETY: no pointers are passed.
    unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) }
}

fn set_attributes(attributes: &SchedulerAttributes) -> bool {
    // Zero names the calling thread.
    // SAFETY: `attributes` outlives the call and states its size.
    unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const *attributes, 0) == 0 }
}

/// `struct sched_attr` of `man 2 sched_setattr`, in its first version. With `SCHED_OTHER` the run time is the slice.
#[repr(C)]
struct SchedulerAttributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

impl Default for SchedulerAttributes {
    fn default() -> Self {
        Self {
            size: size_of::<Self>() as u32,
            policy: libc::SCHED_OTHER as u32,
            flags: 0,
            nice: 0,
            priority: 0,
            runtime: 0,
            deadline: 0,
            period: 0,
        }
    }
}

/// CPU time that the calling thread has used.
pub fn thread_cpu_time() -> Duration {
    clock(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// Wall time since 1970, the clock of the kernel's receive timestamps.
pub(crate) fn realtime() -> Duration {
    clock(libc::CLOCK_REALTIME)
}

fn clock(id: libc::clockid_t) -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is writable. The ids used here always exist, so the call cannot fail.
    unsafe { libc::clock_gettime(id, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NICE: c_int = 15;

    #[test]
    fn who_leaves_real_time_is_among_ordinary_threads_who_it_was() {
        std::thread::spawn(|| {
            // SAFETY: no pointers are passed.
            assert_eq!(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) }, 0);
            let is_granted = ask_to_run_soon();
            let expected = if is_granted {
                Scheduling::RealTime
            } else {
                Scheduling::Ordinary
            };
            assert_eq!(scheduling(), expected);
            assert!(set_scheduling(Scheduling::Ordinary));
            assert_eq!((scheduling(), own_nice()), (Scheduling::Ordinary, NICE));
            assert_eq!(set_scheduling(Scheduling::RealTime), is_granted);
            leave_real_time();
            assert_eq!((scheduling(), own_nice()), (Scheduling::Ordinary, NICE));
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_thread_under_another_policy_stays_there() {
        std::thread::spawn(|| {
            let idle = libc::sched_param { sched_priority: 0 };
            // SAFETY: `idle` outlives the call.
            let result = unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const idle) };
            assert_eq!(result, 0);
            assert!(!ask_to_run_soon());
            assert_eq!(scheduling(), Scheduling::Foreign);
        })
        .join()
        .unwrap();
    }
}
