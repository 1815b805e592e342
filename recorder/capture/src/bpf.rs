//! The doors to eBPF: maps, the program, its place on a socket, and the memory that it fills.
//!
//! `CAP_BPF` is needed to make a [`Ring`], and for nothing after that. The memory is the kernel's and read-only here: a
//! record is overwritten when the ring comes round, or gone with the ring.
#![expect(unsafe_code, reason = "bpf(2) and the memory it shares have no safe binding")]

pub(crate) mod program;

use std::{
    io, mem,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    ptr::{self, NonNull},
    slice,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

use program::{HEAD, Head};

use crate::{limits, options, prefetch};

/// A ring buffer of the kernel, the program that fills it, and a count of what it left to the sockets. Of one thread.
pub(crate) struct Ring {
    program: OwnedFd,
    /// Where the consumer stands: written here.
    consumer: Mapping,
    /// Where the producer stands, and behind it the octets of the ring, twice in a row so that no record is torn.
    producer: Mapping,
    /// Datagrams that the program left to their sockets.
    kept: Mapping,
    /// Octets, a power of two.
    size: usize,
    page: usize,
}

/// A record, as [`Ring::next`] finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position(u64);

/// One datagram, or several of one sender and one length that came together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'r> {
    pub(crate) head: Head,
    /// From the UDP header on.
    pub(crate) octets: &'r [u8],
}

impl Ring {
    /// A ring of so many octets, a power of two and whole pages. The error says why there is none: a kernel that is too
    /// old (5.8), or that forbids it.
    pub(crate) fn new(size: usize) -> io::Result<Self> {
        let page = page_size()?;
        let ring = create_map(&MapTerms { kind: MAP_RING, entries: size as u32, ..MapTerms::default() })?;
        let counted = MapTerms { kind: MAP_ARRAY, key: 4, value: 8, entries: 1, flags: MMAPABLE };
        let counter = create_map(&counted)?;
        let program = load(&program::assemble(ring.as_raw_fd(), counter.as_raw_fd()))?;
        Ok(Self {
            program,
            consumer: Mapping::new(&ring, 0, page, libc::PROT_READ | libc::PROT_WRITE)?,
            producer: Mapping::new(&ring, page, page + 2 * size, libc::PROT_READ)?,
            kept: Mapping::new(&counter, 0, page, libc::PROT_READ)?,
            size,
            page,
        })
    }

    /// From now on datagrams of the socket come here.
    pub(crate) fn attach(&self, socket: BorrowedFd<'_>) -> io::Result<()> {
        options::set(socket, (libc::SOL_SOCKET, libc::SO_ATTACH_BPF), self.program.as_raw_fd())
    }

    /// How many datagrams the program has left to their sockets so far.
    pub(crate) fn kept(&self) -> u64 {
        // SAFETY: the mapping is a page that begins with the one value of the map, aligned, and lives as long as `self`;
        // it is shared with the kernel as an atomic.
        unsafe { AtomicU64::from_ptr(self.kept.at(0).cast()) }.load(Ordering::Acquire)
    }

    /// Where the first record that was not given back stands.
    pub(crate) fn begin(&self) -> Position {
        Position(self.consumer().load(Ordering::Acquire))
    }

    /// The record at this position and the one behind it; `None` where nothing is yet.
    pub(crate) fn next(&self, mut from: Position) -> Option<(Position, Position)> {
        let end = self.end();
        while from.0 < end {
            let word = self.word(from);
            if word & BUSY != 0 {
                return None;
            }
            let length = u64::from(word & !DISCARDED);
            let behind = Position(from.0 + (RECORD_HEADER as u64 + length).next_multiple_of(8));
            if word & DISCARDED == 0 {
                return Some((from, behind));
            }
            from = behind;
        }
        None
    }

    /// Whether the record here is being written.
    pub(crate) fn is_held_up(&self, at: Position) -> bool {
        at.0 < self.end() && self.word(at) & BUSY != 0
    }

    /// What stands at a position that [`Ring::next`] gave out and that was not given back.
    pub(crate) fn record(&self, at: Position) -> Record<'_> {
        let reserved = (self.word(at) & !(BUSY | DISCARDED)) as usize;
        assert!((HEAD..=self.size).contains(&reserved), "the program reserves whole records");
        let from = self.page + self.offset(at) + RECORD_HEADER;
        // SAFETY: the record begins inside the ring and is no longer than it is, so that it ends inside the second
        // mapping of the octets. It was submitted, and the kernel writes there only when it was given back, for which
        // `give_back` needs the ring for itself. A head is integers, aligned because records are.
        unsafe {
            let head = self.producer.at(from).cast::<Head>().read();
            let length = (head.length as usize).min(reserved - HEAD);
            Record { head, octets: slice::from_raw_parts(self.producer.at(from + HEAD), length) }
        }
    }

    /// Asks for the memory of a record.
    pub(crate) fn prefetch(&self, at: Position) {
        prefetch::octets(self.producer.at(self.page + self.offset(at)), limits::RING_RECORD);
    }

    /// Asks for the beginning of the record that stands so many behind this one, if they are all of one length.
    pub(crate) fn prefetch_behind(&self, (at, behind): (Position, Position), records: u64) {
        let guess = Position(behind.0 + records * (behind.0 - at.0));
        prefetch::octets(self.producer.at(self.page + self.offset(guess)), RECORD_HEADER + HEAD);
    }

    /// Everything before this position may be overwritten.
    pub(crate) fn give_back(&mut self, before: Position) {
        self.consumer().store(before.0, Ordering::Release);
    }

    /// Behind the last record.
    fn end(&self) -> u64 {
        // SAFETY: as for `kept`: the page begins with the position.
        unsafe { AtomicU64::from_ptr(self.producer.at(0).cast()) }.load(Ordering::Acquire)
    }

    fn consumer(&self) -> &AtomicU64 {
        // SAFETY: as for `kept`: the page begins with the position.
        unsafe { AtomicU64::from_ptr(self.consumer.at(0).cast()) }
    }

    /// Length and state of a record.
    fn word(&self, at: Position) -> u32 {
        // SAFETY: records are aligned to eight octets and begin inside the ring; the kernel publishes the word last.
        unsafe { AtomicU32::from_ptr(self.producer.at(self.page + self.offset(at)).cast()) }.load(Ordering::Acquire)
    }

    fn offset(&self, at: Position) -> usize {
        at.0 as usize & (self.size - 1)
    }
}

impl Record<'_> {
    /// Source and destination port of the UDP header (RFC 768).
    pub(crate) fn ports(&self) -> Option<(u16, u16)> {
        let [a, b, c, d] = *self.octets.first_chunk()?;
        Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
    }

    /// What follows the UDP header.
    pub(crate) fn payload(&self) -> &[u8] {
        self.octets.get(UDP_HEADER..).unwrap_or_default()
    }
}

/// The clock that the program stamps with (`CLOCK_MONOTONIC`), nanoseconds.
pub(crate) fn monotonic_nanos() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes a timespec, which `now` is. This clock is always there.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    let part = |part: i64| part.cast_unsigned();
    part(now.tv_sec).saturating_mul(1_000_000_000).saturating_add(part(now.tv_nsec))
}

fn page_size() -> io::Result<usize> {
    // SAFETY: no pointers.
    let octets = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(octets).map_err(|_| io::ErrorKind::Unsupported.into())
}

/// Datagrams of the socket come to the socket again.
pub(crate) fn detach(socket: BorrowedFd<'_>) -> io::Result<()> {
    options::set(socket, (libc::SOL_SOCKET, libc::SO_DETACH_FILTER), 0)
}

/// Memory shared with the kernel, until dropped.
struct Mapping {
    memory: NonNull<u8>,
    length: usize,
}

// SAFETY: a mapping belongs to the process, not to the thread that made it, and nobody else knows of this one.
unsafe impl Send for Mapping {}

impl Mapping {
    fn new(map: &OwnedFd, offset: usize, length: usize, access: libc::c_int) -> io::Result<Self> {
        // SAFETY: a new mapping at an address that the kernel chooses takes nothing away from anybody.
        let memory = unsafe {
            libc::mmap(ptr::null_mut(), length, access, libc::MAP_SHARED, map.as_raw_fd(), offset as libc::off_t)
        };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let memory = NonNull::new(memory.cast::<u8>()).ok_or(io::ErrorKind::OutOfMemory)?;
        // SAFETY: our own mapping; sound has no place in a core file. A kernel without the advice has none to write.
        let _ = unsafe { libc::madvise(memory.as_ptr().cast(), length, libc::MADV_DONTDUMP) };
        Ok(Self { memory, length })
    }

    fn at(&self, offset: usize) -> *mut u8 {
        assert!(offset < self.length, "inside the mapping");
        self.memory.as_ptr().wrapping_add(offset)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: our own mapping, once; nothing that was read from it outlives the ring.
        unsafe { libc::munmap(self.memory.as_ptr().cast(), self.length) };
    }
}

/// What a map is made of: the beginning of `union bpf_attr`.
#[repr(C)]
#[derive(Default)]
struct MapTerms {
    kind: u32,
    key: u32,
    value: u32,
    entries: u32,
    flags: u32,
}

/// What a program is made of: the same.
#[repr(C)]
struct ProgramTerms {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
}

fn create_map(terms: &MapTerms) -> io::Result<OwnedFd> {
    // SAFETY: the terms are integers.
    unsafe { bpf(MAP_CREATE, terms) }
}

fn load(code: &[program::Instruction]) -> io::Result<OwnedFd> {
    let terms = ProgramTerms {
        kind: SOCKET_FILTER,
        count: code.len() as u32,
        instructions: code.as_ptr() as u64,
        // None of the functions it calls is only for programs under the GPL.
        license: c"proprietary".as_ptr() as u64,
    };
    // SAFETY: the addresses are those of as many instructions and of a C string, which live while the kernel reads them.
    unsafe { bpf(PROGRAM_LOAD, &terms) }
}

/// A call that gives a new descriptor.
///
/// # Safety
/// The terms are the beginning of `union bpf_attr` for the command, and every address in them is good for it.
unsafe fn bpf<T>(command: libc::c_int, terms: &T) -> io::Result<OwnedFd> {
    // SAFETY: by contract; the kernel reads so many octets and takes the rest for zero.
    let made = unsafe { libc::syscall(libc::SYS_bpf, command, ptr::from_ref(terms), mem::size_of::<T>()) };
    if made < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and ours; both commands make it close-on-exec.
    Ok(unsafe { OwnedFd::from_raw_fd(made as libc::c_int) })
}

/// `linux/bpf.h`.
const MAP_CREATE: libc::c_int = 0;
const PROGRAM_LOAD: libc::c_int = 5;
const MAP_ARRAY: u32 = 2;
const MAP_RING: u32 = 27;
const MMAPABLE: u32 = 1 << 10;
const SOCKET_FILTER: u32 = 1;
const BUSY: u32 = 1 << 31;
const DISCARDED: u32 = 1 << 30;

/// Octets before a record: its length, and where it stands.
const RECORD_HEADER: usize = 8;
/// RFC 768.
const UDP_HEADER: usize = 8;
