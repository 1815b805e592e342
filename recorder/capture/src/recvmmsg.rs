//! The one door to `recvmmsg(2)`: batches of datagrams with their source, kernel arrival time and drop count.
#![expect(unsafe_code, reason = "recvmmsg has no safe binding")]

use std::{
    io, mem,
    os::fd::{AsRawFd, BorrowedFd},
    ptr::{self, NonNull},
};

use crate::{
    envelope::{self, Envelope},
    limits::{BATCH, CONTROL, DATAGRAM},
};

/// The buffers of one batch. All-zero octets are a valid value of every field.
#[repr(C)]
struct Memory {
    heads: [libc::mmsghdr; BATCH],
    slices: [libc::iovec; BATCH],
    names: [libc::sockaddr_storage; BATCH],
    control: [Control; BATCH],
    octets: [[u8; DATAGRAM]; BATCH],
}

#[repr(C, align(8))]
struct Control([u8; CONTROL]);

/// A batch of datagrams: allocated once per worker, filled by every [`Batch::receive`].
pub(crate) struct Batch {
    /// Owned. Only reached through this pointer, because the heads hold pointers into the same allocation.
    memory: NonNull<Memory>,
    filled: usize,
}

impl Batch {
    pub(crate) fn new() -> Self {
        // SAFETY: every field of Memory is integers, byte arrays or raw pointers; all-zero is valid for each.
        let memory: Box<Memory> = unsafe { Box::new_zeroed().assume_init() };
        let memory = NonNull::from(Box::leak(memory));
        let batch = Self { memory, filled: 0 };
        let base = memory.as_ptr();
        for index in 0..BATCH {
            // SAFETY: `base` points to a live Memory nobody else refers to, and `index` is below the length of each
            // array. The pointers stored stay valid until Drop, because the allocation never moves.
            unsafe {
                let slice = &raw mut (*base).slices[index];
                (*slice).iov_base = (&raw mut (*base).octets[index]).cast();
                (*slice).iov_len = DATAGRAM;
                let head = &raw mut (*base).heads[index].msg_hdr;
                (*head).msg_iov = slice;
                (*head).msg_iovlen = 1;
                (*head).msg_name = (&raw mut (*base).names[index]).cast();
                (*head).msg_control = (&raw mut (*base).control[index]).cast();
            }
            batch.rearm(index);
        }
        batch
    }

    /// The kernel writes lengths and flags back; they are set anew before the entry is used again.
    fn rearm(&self, index: usize) {
        // SAFETY: as in `new`; `index` is below BATCH for all callers, and indexing checks it.
        unsafe {
            let head = &raw mut (*self.memory.as_ptr()).heads[index].msg_hdr;
            (*head).msg_namelen = mem::size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            (*head).msg_controllen = CONTROL as _;
            (*head).msg_flags = 0;
        }
    }

    /// Takes what waits in the socket, at most a batch, without blocking. 0 when nothing waits.
    pub(crate) fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        for index in 0..self.filled {
            self.rearm(index);
        }
        self.filled = 0;
        // SAFETY: `heads` is BATCH entries whose names, slices and control buffers point into the same live
        // allocation with the lengths they state; the descriptor is open while `socket` lives; no timeout is given.
        let count = unsafe {
            let heads = (&raw mut (*self.memory.as_ptr()).heads).cast();
            libc::recvmmsg(socket.as_raw_fd(), heads, BATCH as _, libc::MSG_DONTWAIT as _, ptr::null_mut())
        };
        if count < 0 {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(0),
                _ => Err(error),
            };
        }
        self.filled = (count as usize).min(BATCH);
        Ok(self.filled)
    }

    /// Datagram `index` of the last batch. `None` when its source is no IP address.
    pub(crate) fn datagram(&mut self, index: usize) -> Option<(Envelope, &mut [u8])> {
        assert!(index < self.filled, "only what was received can be read");
        let base = self.memory.as_ptr();
        // SAFETY: `base` is live and `index` in bounds. The octets were zeroed at first and written by the kernel
        // since; the slice borrows `self` mutably, so no second one and no `receive` can overlap it.
        unsafe {
            let head = &raw const (*base).heads[index];
            let length = ((*head).msg_len as usize).min(DATAGRAM);
            let from = envelope::address(&(*base).names[index])?;
            let (arrival, drops) = envelope::control(&raw const (*head).msg_hdr);
            let truncated = (*head).msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
            let octets = (&raw mut (*base).octets[index]).cast::<u8>();
            Some((Envelope { from, arrival, drops, truncated }, std::slice::from_raw_parts_mut(octets, length)))
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        // SAFETY: the pointer came from a leaked Box of the same type and is given back exactly once.
        drop(unsafe { Box::from_raw(self.memory.as_ptr()) });
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::UdpSocket,
        os::fd::AsFd,
        time::{Duration, SystemTime, UNIX_EPOCH},
    };

    use super::*;
    use crate::options::{dropped, stamp_arrivals};

    fn pair(address: &str) -> (UdpSocket, UdpSocket) {
        let ours = UdpSocket::bind(address).unwrap();
        stamp_arrivals(ours.as_fd()).unwrap();
        let theirs = UdpSocket::bind(address).unwrap();
        theirs.connect(ours.local_addr().unwrap()).unwrap();
        (ours, theirs)
    }

    #[test]
    fn a_batch_carries_octets_source_and_kernel_time_for_both_families() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let (ours, theirs) = pair(address);
            let mut batch = Batch::new();
            assert_eq!(batch.receive(ours.as_fd()).unwrap(), 0);
            // Loopback delivers before send returns.
            for round in 0..3_u8 {
                for number in 0..70_u8 {
                    theirs.send(&[round, number, 7]).unwrap();
                }
                let mut got = Vec::new();
                for expected in [64, 6, 0] {
                    assert_eq!(batch.receive(ours.as_fd()).unwrap(), expected);
                    for index in 0..expected {
                        let (envelope, octets) = batch.datagram(index).unwrap();
                        assert_eq!(envelope.from, theirs.local_addr().unwrap());
                        assert!(!envelope.truncated);
                        let age = UNIX_EPOCH + Duration::from_nanos(envelope.arrival.unwrap());
                        #[expect(clippy::disallowed_methods, reason = "compared with the kernel's clock")]
                        let now = SystemTime::now();
                        assert!(now.duration_since(age).unwrap() < Duration::from_secs(5));
                        got.push(octets.to_vec());
                    }
                }
                assert_eq!(got, (0..70).map(|number| vec![round, number, 7]).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn an_oversize_datagram_is_cut_and_says_so() {
        let (ours, theirs) = pair("127.0.0.1:0");
        theirs.send(&[5; DATAGRAM + 1]).unwrap();
        theirs.send(&[]).unwrap();
        let mut batch = Batch::new();
        assert_eq!(batch.receive(ours.as_fd()).unwrap(), 2);
        let (envelope, octets) = batch.datagram(0).unwrap();
        assert_eq!((envelope.truncated, octets.len()), (true, DATAGRAM));
        let (envelope, octets) = batch.datagram(1).unwrap();
        assert_eq!((envelope.truncated, octets.len()), (false, 0));
    }

    #[test]
    fn what_the_kernel_dropped_is_told() {
        let (ours, theirs) = pair("127.0.0.1:0");
        socket2::SockRef::from(&ours).set_recv_buffer_size(4096).unwrap();
        for _ in 0..100 {
            theirs.send(&[1; 1000]).unwrap();
        }
        let mut batch = Batch::new();
        let kept = batch.receive(ours.as_fd()).unwrap();
        assert!(kept < 100);
        assert_eq!(dropped(ours.as_fd()), Some(100 - kept as u32));
        theirs.send(&[2]).unwrap();
        assert_eq!(batch.receive(ours.as_fd()).unwrap(), 1);
        assert_eq!(batch.datagram(0).unwrap().0.drops, Some(100 - kept as u32));
    }
}
