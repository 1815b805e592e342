//! Every bound of capture, with its reason and what happens there.

/// Datagrams per `recvmmsg` call. Measured: 64 costs 0.85-0.98 us a packet over thousands of sockets; larger batches
/// gain nothing because a socket rarely holds more. At the bound: another call.
pub(crate) const BATCH: usize = 64;

/// Calls per socket and drain: 1,024 packets, twenty times what a 20 ms sweep of a busy line holds. At the bound: the
/// rest waits in the kernel for the next sweep, so a flooded port cannot starve its neighbours.
pub(crate) const BATCHES_PER_DRAIN: usize = 16;

/// Drains of a track that closes: more than its receive buffer holds. At the bound: what a flood still brings is left.
pub(crate) const LAST_DRAINS: usize = 4;

/// How long the turn of one slice is, in milliseconds, rounded up: what orders wait for, and over which the work of a
/// sweep is spread. Wake-ups cost nothing that could be measured.
pub(crate) const TURN_MS: u64 = 15;

/// Buffers that one io_uring ring gives the kernel to fill, a power of two: one call moves the datagrams of twenty
/// sockets and of those asked for again, at most 32 each. More would only fill the caches. At the bound: the receive
/// ends, and is asked for again when buffers are free.
pub(crate) const RING_BUFFERS: usize = 1_024;

/// Receives asked for again in one call. Measured: with hundreds of them a ring that fell behind once spent its time on
/// receives that found no buffer. At the bound: the next call.
pub(crate) const RING_RESUMES: usize = 8;

/// Submissions of one ring between two calls: only for sockets that are new. At the bound: another call.
pub(crate) const RING_ENTRIES: u32 = 256;

/// Datagrams of one collection, a socket: as many as a drain takes. At the bound: the rest waits in the kernel.
pub(crate) const RING_COLLECT_EACH: usize = BATCH * BATCHES_PER_DRAIN;

/// Attempts to end a receive. One is enough unless it runs at that moment, on another; at the bound: an error in the
/// log, and the port stays taken until the worker ends.
pub(crate) const RING_CANCELS: usize = 64;

/// Events fetched from epoll at once. At the bound: another call.
pub(crate) const EPOLL_EVENTS: usize = 256;

/// Descriptors that the process needs beside those of the media ports: spool files (2,048), SIP and HTTP connections.
/// With fewer than the sum, a warning at the start; what cannot be opened later is refused and counted.
pub(crate) const OTHER_DESCRIPTORS: u64 = 8_192;

/// The slowest sweep a busy worker slows down to by itself, in milliseconds. At the bound: it sweeps without pause, and
/// `recorder_capture_overruns_total` rises.
pub(crate) const SLOWEST_SWEEP_MS: u64 = 100;

/// Octets of the largest datagram read; Ethernet carries 1,472. At the bound: refused as `oversize` and counted.
pub(crate) const DATAGRAM: usize = 2048;

/// Control message octets per datagram: a timespec and a u32 with their headers are 56.
pub(crate) const CONTROL: usize = 96;

/// Tracks of one worker. Measured: 16,000 sockets a sweep of 100 ms on one core. At the bound: `TrackRefused`.
pub(crate) const TRACKS_PER_WORKER: usize = 16_384;

/// Orders waiting for one worker: four a track. A worker takes all of them every sweep, so only one that hangs gets
/// here. At the bound: an open is refused; any other order is dropped, counted and logged.
pub(crate) const MAILBOX: usize = 4 * TRACKS_PER_WORKER;

/// Gaps kept of one track. At the bound: the last gap is prolonged instead, so the truth gets coarser, never rosier.
pub(crate) const GAPS: usize = 256;

/// Two overload gaps closer than this are told as one: no listener tells them apart, in nanoseconds.
pub(crate) const OVERLOAD_MERGE_NANOS: u64 = 200_000_000;

/// Packets a second that a receive buffer is sized for: 10 ms packets, the shortest in the field.
pub(crate) const PACKETS_PER_SECOND: usize = 100;

/// What one small datagram costs in a receive buffer (`truesize` of a received skb), octets.
pub(crate) const TRUESIZE: usize = 2304;

/// A receive buffer survives a worker that stands still for so long (or four sweeps, if longer), in milliseconds. At
/// the bound: the kernel drops, SO_RXQ_OVFL tells, `kernel_drops` and an `overload` gap record it.
pub(crate) const STALL_MS: u64 = 1_000;

/// Octets a second that a chunk buffer is sized for: 64 kbit/s in 10 ms packets with headers, rounded up.
pub(crate) const CHUNK_OCTETS_PER_SECOND: usize = 16_384;

/// The smallest chunk buffer: one of the largest datagrams. At the bound (full): sealed early.
pub(crate) const CHUNK_MIN: usize = DATAGRAM + 64;

/// The largest chunk buffer, resident per track: 64 KiB.
pub(crate) const CHUNK_MAX: usize = 65_536;

/// How often a swept RTCP socket is read, in milliseconds: its packets come every few seconds and carry kernel stamps,
/// and an empty read costs 0.2 us: at this rhythm 10,000 of them 0.2 % of a core.
pub(crate) const RTCP_READ_MS: u64 = 1_000;

/// How long the key before a re-key still opens packets, in seconds: the peer may switch only when it has our answer,
/// and 64*T1 (RFC 3261 17.1.1.2) bounds how late that is.
pub(crate) const OLD_KEY_S: u64 = 32;

/// How long it stays once the new key has opened a packet: reordered stragglers, in seconds.
pub(crate) const OLD_KEY_AFTER_NEW_S: u64 = 2;
