//! The one door to `recvmmsg(2)`: batches of datagrams with their source, kernel arrival time and drop count.
#![expect(unsafe_code, reason = "recvmmsg has no safe binding")]

use std::{
    io, iter, mem,
    os::fd::{AsRawFd, BorrowedFd},
    ptr::{self, NonNull},
};

use crate::{
    envelope::{self, Ancillary, Envelope},
    limits::{BATCH, COALESCED, CONTROL, DATAGRAM},
};

/// The buffers of one batch. All-zero octets are a valid value of every field.
#[repr(C)]
struct Memory {
    heads: [libc::mmsghdr; BATCH],
    slices: [libc::iovec; BATCH],
    names: [libc::sockaddr_storage; BATCH],
    control: [Control; BATCH],
    octets: [Octets; BATCH],
}

#[repr(C, align(8))]
struct Control([u8; CONTROL]);

#[repr(C)]
struct Octets {
    message: [u8; COALESCED],
    /// Without it the beginnings of all messages would share the same few sets of the caches.
    _stagger: [u8; STAGGER],
}

/// What one call of the kernel names a message: a datagram, or several of one sender and one length (the last may be
/// shorter) that came together.
pub(crate) struct Message<'b> {
    envelope: Envelope,
    octets: &'b mut [u8],
    segment: usize,
}

impl<'b> Message<'b> {
    /// Its datagrams, at least one.
    pub(crate) fn datagrams(self) -> impl Iterator<Item = (Envelope, &'b mut [u8])> {
        let Self { envelope, octets, segment } = self;
        let (first, rest) = octets.split_at_mut(segment.min(octets.len()));
        iter::once(first).chain(rest.chunks_mut(segment)).map(move |octets| {
            let truncated = envelope.truncated || octets.len() > DATAGRAM;
            (Envelope { truncated, ..envelope }, octets)
        })
    }
}

/// What the kernel says about a message.
#[derive(Clone, Copy)]
struct Note {
    envelope: Envelope,
    /// Where its octets stand.
    place: usize,
    /// Octets of the message, and of each datagram in it.
    length: usize,
    segment: usize,
}

/// A batch of messages: allocated once per worker, filled more and more by [`Batch::receive_more`] until
/// it is [cleared](Batch::clear).
pub(crate) struct Batch {
    /// Owned. Only reached through this pointer, because the heads hold pointers into the same allocation.
    memory: NonNull<Memory>,
    /// Of each message, read once; `None` when its source is no IP address.
    notes: Box<[Option<Note>; BATCH]>,
    filled: usize,
    octets: usize,
}

impl Batch {
    pub(crate) fn new() -> Self {
        // SAFETY: every field of Memory is integers, byte arrays or raw pointers; all-zero is valid for each.
        let memory: Box<Memory> = unsafe { Box::new_zeroed().assume_init() };
        let memory = NonNull::from(Box::leak(memory));
        let batch = Self { memory, notes: Box::new([None; BATCH]), filled: 0, octets: 0 };
        let base = memory.as_ptr();
        for index in 0..BATCH {
            // SAFETY: `base` points to a live Memory nobody else refers to, and `index` is below the length of each
            // array. The pointers stored stay valid until Drop, because the allocation never moves.
            unsafe {
                let slice = &raw mut (*base).slices[index];
                (*slice).iov_base = (&raw mut (*base).octets[index].message).cast();
                (*slice).iov_len = COALESCED;
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

    /// Messages in it.
    pub(crate) fn filled(&self) -> usize {
        self.filled
    }

    /// Octets of datagrams in it.
    pub(crate) fn octets(&self) -> usize {
        self.octets
    }

    /// Messages there is room for.
    pub(crate) fn room(&self) -> usize {
        BATCH - self.filled
    }

    /// When the last message in it arrived, if the kernel said.
    pub(crate) fn newest(&self) -> Option<u64> {
        self.notes[..self.filled].last().copied().flatten()?.envelope.arrival
    }

    /// Empty again.
    pub(crate) fn clear(&mut self) {
        for index in 0..self.filled {
            self.rearm(index);
        }
        (self.filled, self.octets) = (0, 0);
    }

    /// Takes what waits in the socket, without blocking, behind what is there already: at most so many messages, and as many
    /// as there is room for. 0 when nothing waits.
    pub(crate) fn receive_more(&mut self, socket: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
        let room = self.room().min(most);
        // SAFETY: `heads` is BATCH entries whose names, slices and control buffers point into the same live
        // allocation with the lengths they state; `room` of them begin at `filled`, which is at most BATCH; the
        // descriptor is open while `socket` lives; no timeout is given.
        let count = unsafe {
            let heads = (&raw mut (*self.memory.as_ptr()).heads).cast::<libc::mmsghdr>().add(self.filled);
            libc::recvmmsg(socket.as_raw_fd(), heads, room as _, libc::MSG_DONTWAIT as _, ptr::null_mut())
        };
        if count < 0 {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(0),
                _ => Err(error),
            };
        }
        let count = (count as usize).min(room);
        for index in self.filled..self.filled + count {
            let (length, note) = self.read(index);
            self.octets += length;
            self.notes[index] = note;
        }
        self.filled += count;
        Ok(count)
    }

    /// Adds a message that came another way. There must be room; what is longer than a message can be is cut.
    pub(crate) fn put(&mut self, envelope: Envelope, segment: Option<usize>, octets: &[u8]) {
        let (index, length) = (self.filled, octets.len().min(COALESCED));
        assert!(index < BATCH, "there is room");
        // SAFETY: the memory is live, `index` is below BATCH and `length` at most COALESCED; `octets` was borrowed from
        // elsewhere, because `self` is borrowed mutably.
        unsafe {
            let to = (&raw mut (*self.memory.as_ptr()).octets[index].message).cast::<u8>();
            ptr::copy_nonoverlapping(octets.as_ptr(), to, length);
        }
        self.notes[index] = Some(Note { envelope, place: index, length, segment: segment.unwrap_or(COALESCED) });
        self.octets += length;
        self.filled += 1;
    }

    /// Puts the messages from `first` on in the order they arrived in.
    pub(crate) fn sort(&mut self, first: usize) {
        let key = |note: &Option<Note>| note.map(|note| (note.envelope.arrival, note.place));
        self.notes[first..self.filled].sort_unstable_by_key(key);
    }

    /// Of what the kernel counts as dropped in the messages from `first` on, so many were not.
    pub(crate) fn forgive(&mut self, first: usize, taken: u32) {
        for note in self.notes[first..self.filled].iter_mut().flatten() {
            note.envelope.drops = note.envelope.drops.map(|drops| drops.wrapping_sub(taken));
        }
    }

    /// What the kernel wrote about a message it has just filled: its octets, and the rest.
    fn read(&self, index: usize) -> (usize, Option<Note>) {
        let base = self.memory.as_ptr();
        // SAFETY: `base` is live and indexing checks `index`; the kernel filled the head and what it points to.
        unsafe {
            let head = &raw const (*base).heads[index];
            let length = ((*head).msg_len as usize).min(COALESCED);
            let Some(from) = envelope::address(&(*base).names[index]) else { return (length, None) };
            let Ancillary { arrival, drops, segment } = envelope::control(&raw const (*head).msg_hdr);
            let segment = segment.unwrap_or(COALESCED);
            let truncated = (*head).msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
            (
                length,
                Some(Note { envelope: Envelope { from, arrival, drops, truncated }, place: index, length, segment }),
            )
        }
    }

    /// Message `index` of those in it. `None` when its source is no IP address.
    pub(crate) fn message(&mut self, index: usize) -> Option<Message<'_>> {
        assert!(index < self.filled, "only what was received can be read");
        let Note { envelope, place, length, segment } = self.notes[index]?;
        // SAFETY: the memory is live, indexing checks `place`, and `length` is at most COALESCED. The octets were zeroed
        // at first and written by the kernel since; the slice borrows `self` mutably, so no second one and no
        // `receive_more` can overlap it.
        let octets = unsafe {
            let octets = (&raw mut (*self.memory.as_ptr()).octets[place].message).cast::<u8>();
            std::slice::from_raw_parts_mut(octets, length)
        };
        Some(Message { envelope, octets, segment })
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        // SAFETY: the pointer came from a leaked Box of the same type and is given back exactly once.
        drop(unsafe { Box::from_raw(self.memory.as_ptr()) });
    }
}

/// Seventeen cache lines.
const STAGGER: usize = 1_088;

#[cfg(test)]
pub(crate) mod tests {
    use std::{
        net::UdpSocket,
        os::fd::AsFd,
        time::{Duration, SystemTime, UNIX_EPOCH},
    };

    use super::*;
    use crate::options::{coalesce, dropped, stamp_arrivals};

    fn pair(address: &str) -> (UdpSocket, UdpSocket) {
        let ours = UdpSocket::bind(address).unwrap();
        stamp_arrivals(ours.as_fd()).unwrap();
        let theirs = UdpSocket::bind(address).unwrap();
        theirs.connect(ours.local_addr().unwrap()).unwrap();
        (ours, theirs)
    }

    /// What waits, in the place of what was there.
    fn receive(batch: &mut Batch, socket: &UdpSocket) -> io::Result<usize> {
        batch.clear();
        batch.receive_more(socket.as_fd(), BATCH)
    }

    /// A message of one datagram.
    fn single(batch: &mut Batch, index: usize) -> (Envelope, &mut [u8]) {
        let mut datagrams = batch.message(index).unwrap().datagrams();
        let first = datagrams.next().unwrap();
        assert!(datagrams.next().is_none());
        first
    }

    #[test]
    fn a_batch_carries_octets_source_and_kernel_time_for_both_families() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let (ours, theirs) = pair(address);
            let mut batch = Batch::new();
            assert_eq!(receive(&mut batch, &ours).unwrap(), 0);
            // Loopback delivers before send returns.
            for round in 0..3_u8 {
                for number in 0..70_u8 {
                    theirs.send(&[round, number, 7]).unwrap();
                }
                let mut got = Vec::new();
                for expected in [64, 6, 0] {
                    assert_eq!(receive(&mut batch, &ours).unwrap(), expected);
                    for index in 0..expected {
                        let (envelope, octets) = single(&mut batch, index);
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

    /// From now on a send leaves as datagrams of so many octets each (`UDP_SEGMENT`, udp(7)).
    pub(crate) fn segment(socket: &UdpSocket, octets: libc::c_int) {
        // SAFETY: the option takes an int, which outlives the call.
        let done = unsafe {
            let size = mem::size_of::<libc::c_int>() as libc::socklen_t;
            libc::setsockopt(socket.as_raw_fd(), libc::SOL_UDP, libc::UDP_SEGMENT, (&raw const octets).cast(), size)
        };
        assert_eq!(done, 0);
    }

    #[test]
    fn datagrams_that_came_together_are_taken_apart_again() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            for is_coalesced in [true, false] {
                let (ours, theirs) = pair(address);
                if is_coalesced {
                    coalesce(ours.as_fd());
                }
                theirs.send(&[9; 7]).unwrap();
                segment(&theirs, 172);
                let sent: Vec<u8> = (0..5 * 172 - 100).map(|octet| (octet / 172) as u8).collect();
                theirs.send(&sent).unwrap();
                segment(&theirs, DATAGRAM as libc::c_int + 1);
                theirs.send(&[1; DATAGRAM + 3]).unwrap();
                segment(&theirs, 0);
                theirs.send(&[]).unwrap();
                let mut batch = Batch::new();
                let messages = receive(&mut batch, &ours).unwrap();
                assert_eq!(messages, if is_coalesced { 4 } else { 9 });
                let mut got = Vec::new();
                for index in 0..messages {
                    for (envelope, octets) in batch.message(index).unwrap().datagrams() {
                        assert_eq!(envelope.from, theirs.local_addr().unwrap());
                        assert!(envelope.arrival.is_some());
                        got.push((envelope.truncated, octets.len(), octets.first().copied()));
                    }
                }
                let mut expected = vec![(false, 7, Some(9))];
                expected.extend((0..4).map(|number| (false, 172, Some(number))));
                expected.extend([(false, 72, Some(4)), (true, DATAGRAM + 1, Some(1)), (false, 2, Some(1))]);
                expected.push((false, 0, None));
                assert_eq!(got, expected, "{address}, coalesced: {is_coalesced}");
            }
        }
    }

    #[test]
    fn what_comes_behind_leaves_what_is_there_and_stops_at_the_end() {
        let (first, second) = (pair("127.0.0.1:0"), pair("127.0.0.1:0"));
        (0..60_u8).for_each(|number| assert!(first.1.send(&[1, number]).is_ok()));
        (0..10_u8).for_each(|number| assert!(second.1.send(&[2, number, 0]).is_ok()));
        let mut batch = Batch::new();
        assert_eq!(receive(&mut batch, &first.0).unwrap(), 60);
        assert_eq!((batch.receive_more(second.0.as_fd(), 64).unwrap(), batch.room()), (4, 0));
        assert_eq!(batch.receive_more(second.0.as_fd(), 64).unwrap(), 0, "no room");
        for index in 0..64 {
            let (theirs, octets) =
                if index < 60 { (&first.1, vec![1, index as u8]) } else { (&second.1, vec![2, index as u8 - 60, 0]) };
            let (envelope, got) = single(&mut batch, index);
            assert_eq!((envelope.from, &*got), (theirs.local_addr().unwrap(), &octets[..]));
        }
        assert_eq!(receive(&mut batch, &second.0).unwrap(), 6);
        assert_eq!(*single(&mut batch, 0).1, [2, 4, 0]);
    }

    #[test]
    fn an_oversize_datagram_says_so() {
        let (ours, theirs) = pair("127.0.0.1:0");
        theirs.send(&[5; DATAGRAM + 1]).unwrap();
        theirs.send(&[]).unwrap();
        let mut batch = Batch::new();
        assert_eq!(receive(&mut batch, &ours).unwrap(), 2);
        let (envelope, octets) = single(&mut batch, 0);
        assert_eq!((envelope.truncated, octets.len()), (true, DATAGRAM + 1));
        let (envelope, octets) = single(&mut batch, 1);
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
        let kept = receive(&mut batch, &ours).unwrap();
        assert!(kept < 100);
        assert_eq!(dropped(ours.as_fd()), Some(100 - kept as u32));
        theirs.send(&[2]).unwrap();
        assert_eq!(receive(&mut batch, &ours).unwrap(), 1);
        assert_eq!(single(&mut batch, 0).0.drops, Some(100 - kept as u32));
    }
}
