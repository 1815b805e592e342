//! Receiving by readiness: one epoll instance tells which sockets have something, `recvmmsg` fetches it.
#![expect(unsafe_code, reason = "epoll has no safe binding")]

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
};

use crate::{limits::EPOLL_EVENTS, slots::Token};

/// The sockets of one thread, edge-triggered: who is told of a socket drains it, or comes back by itself.
pub(crate) struct Epoll {
    poll: OwnedFd,
    events: Box<[libc::epoll_event]>,
}

impl Epoll {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: no pointers; the descriptor is new and ours.
        let poll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if poll < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: as above.
        let poll = unsafe { OwnedFd::from_raw_fd(poll) };
        Ok(Self { poll, events: vec![libc::epoll_event { events: 0, u64: 0 }; EPOLL_EVENTS].into() })
    }

    /// Tells of this socket from now on, at first at once if something waits; until it is closed.
    pub(crate) fn watch(&self, token: Token, socket: BorrowedFd<'_>) -> io::Result<()> {
        let mut event = libc::epoll_event { events: (libc::EPOLLIN | libc::EPOLLET) as u32, u64: token.0 };
        let (poll, socket) = (self.poll.as_raw_fd(), socket.as_raw_fd());
        // SAFETY: both descriptors are open, and `event` outlives the call.
        let done = unsafe { libc::epoll_ctl(poll, libc::EPOLL_CTL_ADD, socket, &raw mut event) };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Appends the sockets that have got something since they were told of last, without waiting.
    pub(crate) fn ready(&mut self, into: &mut Vec<Token>) {
        loop {
            let (events, room) = (self.events.as_mut_ptr(), self.events.len());
            // SAFETY: `events` has room for as many entries as the call is told; it does not wait.
            let count = unsafe { libc::epoll_wait(self.poll.as_raw_fd(), events, room as _, 0) };
            // An interruption loses nothing: the edges are told with the next call.
            let told = &self.events[..usize::try_from(count).unwrap_or(0)];
            into.extend(told.iter().map(|event| Token(event.u64)));
            if told.len() < room {
                return;
            }
        }
    }
}
