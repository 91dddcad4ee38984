//! `recvmmsg` and `sendmmsg` over reused arrays. The pointers that the kernel gets are made right before each call from
//! borrows that outlive it, and are never read again by us: nothing here can dangle.

use std::io;
use std::mem::zeroed;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::address::RawAddress;
use crate::control_message::{self, ControlBuffer, ReceiveNotes};

/// LIMIT: messages per `recvmmsg`, hence 2 MiB of address space for buffers (touched only as far as messages fill them).
pub(crate) const RECEIVE_BATCH: usize = 32;
/// LIMIT: messages per `sendmmsg`.
pub(crate) const SEND_BATCH: usize = 64;
/// A coalesced message is at most 65,535 bytes long.
const BUFFER_BYTES: usize = 65_536;
/// Buffers lie this far apart: a page-aligned power of two would put all packets into the same cache sets.
const BUFFER_STRIDE: usize = BUFFER_BYTES + 19 * 64;

/// One message to send: `contents` goes to `remote`, cut by the kernel each `segment_bytes` if that is given, from `source` if
/// that is given (in the socket's family).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    pub(crate) remote: RawAddress,
    pub(crate) source: Option<IpAddr>,
    pub(crate) contents: &'a [u8],
    pub(crate) segment_bytes: Option<u16>,
    /// How many datagrams it is.
    pub(crate) datagrams: u16,
}

/// Arrays for `sendmmsg`.
pub(crate) struct SendArrays {
    headers: Box<[libc::mmsghdr]>,
    vectors: Box<[libc::iovec]>,
    controls: Box<[ControlBuffer]>,
}

impl SendArrays {
    pub(crate) fn new() -> Self {
        Self {
            headers: zeroed_headers(SEND_BATCH),
            vectors: empty_vectors(SEND_BATCH),
            controls: vec![ControlBuffer::EMPTY; SEND_BATCH].into(),
        }
    }

    /// Hand over the first messages, at most [`SEND_BATCH`], without waiting; gives how many the kernel took.
    ///
    /// # Errors
    /// That of the first message. If a later one fails, the call ends before it, and its error shows when it is first.
    pub(crate) fn send(
        &mut self,
        socket: BorrowedFd<'_>,
        messages: &[Message<'_>],
    ) -> io::Result<usize> {
        let slots = (self.headers.iter_mut())
            .zip(self.vectors.iter_mut())
            .zip(self.controls.iter_mut());
        let mut count = 0;
        for (((header, vector), control), message) in slots.zip(messages) {
            vector.iov_base = message.contents.as_ptr().cast_mut().cast();
            vector.iov_len = message.contents.len();
            let header = &mut header.msg_hdr;
            header.msg_name = message.remote.bytes.as_ptr().cast_mut().cast();
            header.msg_namelen = message.remote.length;
            header.msg_iov = vector;
            header.msg_iovlen = 1;
            let control_length = control.write(message.segment_bytes, message.source);
            header.msg_controllen = control_length as _;
            header.msg_control = match control_length {
                0 => std::ptr::null_mut(),
                _ => control.0.as_mut_ptr().cast(),
            };
            count += 1;
        }
        // SAFETY: the first `count` headers point at `messages` and at our own arrays, all borrowed until after the call;
        // the kernel only reads through them (it writes `msg_len` into the headers themselves).
        let sent = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                count,
                libc::MSG_DONTWAIT,
            )
        };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }
}

/// One received message: one datagram, or several of one sender back to back.
#[derive(Debug)]
pub(crate) struct Received<'a> {
    pub(crate) remote: SocketAddr,
    pub(crate) contents: &'a mut [u8],
    pub(crate) notes: ReceiveNotes,
}

/// Buffers and arrays for `recvmmsg`.
pub(crate) struct ReceiveArrays {
    buffers: Box<[u8]>,
    names: Box<[RawAddress]>,
    controls: Box<[ControlBuffer]>,
    vectors: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
}

impl ReceiveArrays {
    pub(crate) fn new() -> Self {
        Self {
            buffers: vec![0; RECEIVE_BATCH * BUFFER_STRIDE].into(),
            names: vec![RawAddress::EMPTY; RECEIVE_BATCH].into(),
            controls: vec![ControlBuffer::EMPTY; RECEIVE_BATCH].into(),
            vectors: empty_vectors(RECEIVE_BATCH),
            headers: zeroed_headers(RECEIVE_BATCH),
        }
    }

    /// Fetch what waits, at most [`RECEIVE_BATCH`] messages; gives how many.
    ///
    /// # Errors
    /// `WouldBlock` if nothing waits; else what the socket had to report.
    pub(crate) fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        let slots = (self.headers.iter_mut())
            .zip(self.vectors.iter_mut())
            .zip(self.names.iter_mut())
            .zip(self.controls.iter_mut())
            .zip(self.buffers.chunks_exact_mut(BUFFER_STRIDE));
        for ((((header, vector), name), control), buffer) in slots {
            vector.iov_base = buffer.as_mut_ptr().cast();
            vector.iov_len = BUFFER_BYTES;
            let header = &mut header.msg_hdr;
            header.msg_name = name.bytes.as_mut_ptr().cast();
            header.msg_namelen = name.bytes.len() as libc::socklen_t;
            header.msg_iov = vector;
            header.msg_iovlen = 1;
            header.msg_control = control.0.as_mut_ptr().cast();
            header.msg_controllen = control.0.len() as _;
            header.msg_flags = 0;
        }
        // SAFETY: every header points at a distinct part of our own arrays with its true length; all are borrowed mutably
        // until after the call. A null timeout is allowed.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                RECEIVE_BATCH as libc::c_uint,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        usize::try_from(received).map_err(|_| io::Error::last_os_error())
    }

    /// The message at `index`, below what `receive` gave; `None` if it was cut off or its sender has no IP address.
    pub(crate) fn message(&mut self, index: usize) -> Option<Received<'_>> {
        let header = self.headers.get(index)?;
        if header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0 {
            return None;
        }
        let length = (header.msg_len as usize).min(BUFFER_BYTES);
        let name = &mut self.names[index];
        name.length = header.msg_hdr.msg_namelen;
        let control = &self.controls[index].0;
        let control_length = header.msg_hdr.msg_controllen.min(control.len());
        Some(Received {
            remote: name.decode()?,
            contents: &mut self.buffers[index * BUFFER_STRIDE..][..length],
            notes: control_message::parse(&control[..control_length]),
        })
    }
}

fn zeroed_headers(count: usize) -> Box<[libc::mmsghdr]> {
    // SAFETY: `mmsghdr` is plain C data whose all-zero value means "no buffers".
    (0..count).map(|_| unsafe { zeroed() }).collect()
}

fn empty_vectors(count: usize) -> Box<[libc::iovec]> {
    let empty = libc::iovec {
        iov_base: std::ptr::null_mut(),
        iov_len: 0,
    };
    vec![empty; count].into()
}
