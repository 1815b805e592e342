//! Receiving by io_uring: every socket holds one multishot `recvmsg`, the kernel fills buffers that we provide.
//!
//! ```text
//! buffer = io_uring_recvmsg_out (16) | source (32) | control messages (96) | the datagram
//! ```
//! Deferred task work is what makes it a batch: the kernel moves datagrams out of the sockets only when we ask, some
//! twenty sockets a call, and never behind our back. So whatever is still in a socket after a [`Ring::collect`] is
//! younger than what came out of it, and may be read directly.
#![expect(unsafe_code, reason = "the rings share memory with the kernel")]

use std::{
    collections::{HashMap, VecDeque},
    io,
    mem::{self, ManuallyDrop, MaybeUninit},
    os::fd::{AsRawFd, BorrowedFd, RawFd},
    ptr::{self, NonNull},
    sync::atomic::{AtomicU16, Ordering},
};

use io_uring::{
    IoUring, cqueue, opcode,
    types::{BufRingEntry, CancelBuilder, Fd},
};

use crate::{
    envelope::{self, Ancillary, Envelope},
    limits::{CONTROL, DATAGRAM, RING_BUFFERS, RING_CANCELS, RING_COLLECT_EACH, RING_ENTRIES, RING_RESUMES},
    slots::Token,
};

/// What the kernel writes before source, control messages and datagram.
#[repr(C)]
#[derive(Clone, Copy)]
struct Head {
    name_len: u32,
    control_len: u32,
    payload_len: u32,
    flags: u32,
}

/// One provided buffer. All-zero octets are valid.
#[repr(C, align(8))]
struct Buffer {
    head: Head,
    name: [u8; NAME],
    control: [u8; CONTROL],
    octets: [u8; DATAGRAM],
}

/// Memory shared with the kernel; the entries must begin a page.
#[repr(C, align(4096))]
struct Memory {
    entries: [[u64; 2]; RING_BUFFERS],
    buffers: [Buffer; RING_BUFFERS],
    /// The template of every receive; read by the kernel when one is submitted.
    message: libc::msghdr,
}

/// What came out of the ring.
pub(crate) enum Arrival<'a> {
    /// A datagram.
    Datagram(Envelope, &'a mut [u8]),
    /// The socket reports an error; it is asked again with the next collection.
    Failed,
}

/// One ring with its buffers, used by one thread.
pub(crate) struct Ring {
    ring: ManuallyDrop<IoUring>,
    /// Owned. Only reached through this pointer, because the kernel holds addresses inside it.
    memory: NonNull<Memory>,
    tail: u16,
    /// The descriptors of the sockets that are received from; asked only when a receive ends.
    watched: HashMap<Token, RawFd>,
    /// Receives that ended and begin again in turn.
    ended: VecDeque<Token>,
    /// Those that ended in an error begin again with the next collection, so that a broken socket cannot spin.
    failed: Vec<Token>,
    /// The last receive that ended and does not begin again.
    over: Option<Token>,
}

impl Ring {
    /// A ring of the calling thread. The error says why there is none: an old kernel, or one that forbids it.
    pub(crate) fn new() -> io::Result<Self> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_taskrun_flag()
            .setup_cqsize(8 * RING_ENTRIES)
            .build(RING_ENTRIES)?;
        // SAFETY: Memory is integers, byte arrays and raw pointers; all-zero is valid for each.
        let memory: Box<Memory> = unsafe { Box::new_zeroed().assume_init() };
        let mut ring = Self {
            ring: ManuallyDrop::new(ring),
            memory: NonNull::from(Box::leak(memory)),
            tail: 0,
            watched: HashMap::new(),
            ended: VecDeque::new(),
            failed: Vec::new(),
            over: None,
        };
        let base = ring.memory.as_ptr();
        // SAFETY: `base` is our own live Memory, which nothing else refers to. The entries stand at the beginning of a
        // page and live until Drop, which ends the ring first.
        unsafe {
            (*base).message.msg_namelen = NAME as libc::socklen_t;
            (*base).message.msg_controllen = CONTROL as _;
            let entries = (&raw const (*base).entries) as u64;
            ring.ring.submitter().register_buf_ring_with_flags(entries, RING_BUFFERS as u16, GROUP, 0)?;
        }
        (0..RING_BUFFERS as u16).for_each(|id| ring.provide(id));
        ring.publish();
        Ok(ring)
    }

    /// Receives from a socket until [`Ring::forget`]; it must stay open until then.
    pub(crate) fn watch(&mut self, token: Token, socket: BorrowedFd<'_>) {
        self.watched.insert(token, socket.as_raw_fd());
        self.arm(token);
    }

    /// Ends the receive of a token, so that the kernel lets go of its socket; what it brings meanwhile is handed out.
    pub(crate) fn forget(&mut self, token: Token, mut take: impl FnMut(Token, Arrival<'_>)) {
        let waits = self.ended.contains(&token) || self.failed.contains(&token);
        self.ended.retain(|waiting| *waiting != token);
        self.failed.retain(|waiting| *waiting != token);
        if self.watched.remove(&token).is_none() || waits {
            return;
        }
        for _ in 0..RING_CANCELS {
            // An error says that just now there is nothing to cancel: the receive runs and the next call meets it.
            let _ = self.ring.submitter().register_sync_cancel(None, CancelBuilder::user_data(token.0));
            self.collect(&mut take);
            if self.over == Some(token) {
                return;
            }
        }
        tracing::error!("io_uring does not let go of a socket");
    }

    /// Hands out what has arrived, within a budget; whether that was all.
    pub(crate) fn collect(&mut self, mut take: impl FnMut(Token, Arrival<'_>)) -> bool {
        std::mem::take(&mut self.failed).into_iter().for_each(|token| self.arm(token));
        let mut budget = RING_BUFFERS + self.watched.len() * RING_COLLECT_EACH;
        loop {
            // Interrupted, or the completion queue is full: what waits is taken below, and the next call goes on.
            self.enter();
            let taken = self.take_completions(&mut take);
            self.resume();
            budget = budget.saturating_sub(taken);
            let queue = self.ring.submission();
            let is_idle = taken == 0 && queue.is_empty() && !queue.taskrun();
            if is_idle || budget == 0 {
                return is_idle;
            }
        }
    }

    /// Asks again for sockets whose receive has ended; a few, so that they do not use up the buffers at once and end again.
    fn resume(&mut self) {
        for _ in 0..RING_RESUMES {
            let Some(token) = self.ended.pop_front() else { return };
            self.arm(token);
        }
    }

    /// Submits what is queued, and lets the kernel move what has arrived. Always asked for both: the flag that says whether
    /// there is something to move can be down while there is.
    fn enter(&mut self) {
        let queued = self.ring.submission().len() as u32;
        // SAFETY: no argument is given. Errors (interrupted, completions not taken yet) leave everything in its queue.
        let _ = unsafe { self.ring.submitter().enter::<libc::sigset_t>(queued, 0, IORING_ENTER_GETEVENTS, None) };
    }

    fn take_completions(&mut self, take: &mut impl FnMut(Token, Arrival<'_>)) -> usize {
        let mut taken = 0;
        loop {
            let mut entries = [const { MaybeUninit::uninit() }; 64];
            let entries = self.ring.completion().fill(&mut entries);
            if entries.is_empty() {
                return taken;
            }
            for entry in entries.iter() {
                self.complete(entry, take);
            }
            self.publish();
            taken += entries.len();
        }
    }

    fn complete(&mut self, entry: &cqueue::Entry, take: &mut impl FnMut(Token, Arrival<'_>)) {
        let token = Token(entry.user_data());
        if let Some(id) = cqueue::buffer_select(entry.flags()) {
            if let Some((envelope, octets)) = self.datagram(id) {
                take(token, Arrival::Datagram(envelope, octets));
            }
            self.provide(id);
        }
        if cqueue::more(entry.flags()) {
            return;
        }
        if !self.watched.contains_key(&token) {
            self.over = Some(token);
        } else if entry.result() >= 0 || entry.result() == -libc::ENOBUFS {
            self.ended.push_back(token);
        } else {
            take(token, Arrival::Failed);
            self.failed.push(token);
        }
    }

    /// Asks for the datagrams of a socket, now and until further notice.
    fn arm(&mut self, token: Token) {
        let Some(&socket) = self.watched.get(&token) else { return };
        // SAFETY: only the address is taken; the template lives as long as the ring.
        let message = unsafe { &raw const (*self.memory.as_ptr()).message };
        let entry = opcode::RecvMsgMulti::new(Fd(socket), message, GROUP).build().user_data(token.0);
        for _ in 0..2 {
            // SAFETY: the descriptor is open until `forget`, by the contract of `watch`; the template and the buffers
            // live until Drop.
            if unsafe { self.ring.submission().push(&entry) }.is_ok() {
                return;
            }
            self.enter();
        }
        // The queue is as full as before: the next collection tries again.
        self.failed.push(token);
    }

    /// The datagram in a buffer that the kernel has filled. `None` when its source is no IP address.
    fn datagram(&mut self, id: u16) -> Option<(Envelope, &mut [u8])> {
        assert!(usize::from(id) < RING_BUFFERS, "the kernel gives out our buffers only");
        // SAFETY: `id` is in bounds of live memory. The kernel gave the buffer back with this completion and does not
        // touch it before `provide`; all octets were zeroed at first. The slice borrows `self` mutably.
        unsafe {
            let buffer = &raw mut (*self.memory.as_ptr()).buffers[usize::from(id)];
            let head = (*buffer).head;
            let mut name: libc::sockaddr_storage = mem::zeroed();
            ptr::copy_nonoverlapping((&raw const (*buffer).name).cast::<u8>(), (&raw mut name).cast(), NAME);
            let from = envelope::address(&name)?;
            let mut message: libc::msghdr = mem::zeroed();
            message.msg_control = (&raw mut (*buffer).control).cast();
            message.msg_controllen = (head.control_len as usize).min(CONTROL) as _;
            // Sockets that a ring serves are not asked to put datagrams together: a buffer holds one.
            let Ancillary { arrival, drops, .. } = envelope::control(&raw const message);
            let truncated = head.flags & libc::MSG_TRUNC as u32 != 0;
            let length = (head.payload_len as usize).min(DATAGRAM);
            let octets = std::slice::from_raw_parts_mut((&raw mut (*buffer).octets).cast(), length);
            Some((Envelope { from, arrival, drops, truncated }, octets))
        }
    }

    /// Puts a buffer at the end of those the kernel may fill, as soon as that is published.
    fn provide(&mut self, id: u16) {
        let at = usize::from(self.tail) % RING_BUFFERS;
        // SAFETY: both indices are in bounds (`id` was checked or comes from the range); the entry is ours until the
        // tail is published. Field by field, because the tail itself lies in the spare field of entry 0.
        unsafe {
            let base = self.memory.as_ptr();
            let entry = &mut *(&raw mut (*base).entries[at]).cast::<BufRingEntry>();
            entry.set_addr((&raw const (*base).buffers[usize::from(id)]) as u64);
            entry.set_len(mem::size_of::<Buffer>() as u32);
            entry.set_bid(id);
        }
        self.tail = self.tail.wrapping_add(1);
    }

    fn publish(&self) {
        // SAFETY: the tail lies inside our live entries, aligned for a u16, and is shared with the kernel as an atomic.
        unsafe {
            let entries = (&raw const (*self.memory.as_ptr()).entries).cast::<BufRingEntry>();
            AtomicU16::from_ptr(BufRingEntry::tail(entries).cast_mut()).store(self.tail, Ordering::Release);
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        let _ = self.ring.submitter().register_sync_cancel(None, CancelBuilder::any());
        // SAFETY: the ring goes first, once, so that the kernel is done with the memory when it is freed; the pointer
        // came from a leaked Box of the same type.
        unsafe {
            ManuallyDrop::drop(&mut self.ring);
            drop(Box::from_raw(self.memory.as_ptr()));
        }
    }
}

/// `linux/io_uring.h`.
const IORING_ENTER_GETEVENTS: u32 = 1;

/// Octets kept for a source address: `sockaddr_in6`, rounded up so that the control messages are aligned.
const NAME: usize = 32;

/// The one group of buffers of a ring.
const GROUP: u16 = 0;
