//! Every bound of capture, with its reason and what happens there.

use std::time::Duration;

/// Datagrams per `recvmmsg` call. Measured: 64 costs 0.85-0.98 us a packet over thousands of sockets; larger batches
/// gain nothing because a socket rarely holds more. At the bound: another call.
pub(crate) const BATCH: usize = 64;

/// Bodies of sealed chunks that a worker keeps for those that begin: one for each track that is gathered together with
/// others, and as many again. At the bound: freed, and made anew when needed.
pub(crate) const BODIES: usize = 2 * BATCH;

/// Messages of consecutive tracks that are opened together, a quarter less than a batch so that the last of the tracks
/// seldom has to be asked twice. What each of them costs is least when the tags of sixteen are computed at once; more
/// than some sixteens would only fill the caches. At the bound: they are opened, and the next ones gathered.
pub(crate) const GATHERED: usize = BATCH / 4 * 3;

/// Octets of them: messages of five datagrams each (`UDP_GRO`) make as many sixteens sooner, and all of them are to be
/// computed ahead. Ninety packets of G.711.
pub(crate) const GATHERED_OCTETS: usize = 16_384;

/// How many tracks ahead the memory of a track is asked for, and what it points to: each is a receive, 1-4 us, and what is
/// asked for takes 0.1-0.4 us to come. Nearer would be late, and farther away would push out what is still to be used.
pub(crate) const PREFETCH_TRACK: usize = 4;
/// See there.
pub(crate) const PREFETCH_BEHIND: usize = 2;

/// Records of a ring that are asked for ahead: of one track what a sweep of 150 ms brings it, and as many in a row while
/// they are sorted. Those behind come when they are read.
pub(crate) const PREFETCH_RECORDS: u64 = 8;

/// Datagrams whose tags are computed ahead, of those gathered: two for each message, 72 octets each. At the bound (one
/// sender sent many at once): the others are computed one by one.
pub(crate) const AHEAD: usize = 2 * BATCH;

/// Datagrams per socket and drain, to the end of a batch: a hundred times what a sweep of a busy line holds. At the
/// bound: the rest waits in the kernel for the next sweep, so a flooded port cannot starve its neighbours.
pub(crate) const DRAIN: usize = 1_024;

/// Drains of a track that closes: more than its receive buffer holds. At the bound: what a flood still brings is left.
pub(crate) const LAST_DRAINS: usize = 4;

/// How far apart the turns of slices are, in milliseconds, rounded up, where the kernel names or brings what has arrived.
pub(crate) const TURN_MS: u64 = 15;

/// How long orders wait at most, in milliseconds: at a wake-up for each of them a flood of calls would pay 12 us a time.
pub(crate) const ORDERS_MS: u64 = 15;

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
pub(crate) const RING_COLLECT_EACH: usize = DRAIN;

/// Attempts to end a receive. One is enough unless it runs at that moment, on another; at the bound: an error in the
/// log, and the port stays taken until the worker ends.
pub(crate) const RING_CANCELS: usize = 64;

/// Packets a second that the ring of a worker is sized for: 20 ms packets on every line it may have. At the bound: the
/// rest goes to the sockets, and costs system calls.
pub(crate) const RING_PACKETS_PER_SECOND: usize = 50;

/// How far apart the turns of slices are where a ring is filled, in milliseconds, rounded up.
pub(crate) const RING_TURN_MS: u64 = 20;

/// Octets of such a packet on the ring, with its record (172 of G.711, 10 of a tag).
pub(crate) const RING_RECORD: usize = 264;
/// How often a socket is read again after its line came to the ring: at once, and in the turns after that. Another core may
/// have looked for a filter just before there was one, and be about to put a datagram into the socket: one that is not taken
/// soon would lie there until the line closes.
pub(crate) const RING_LATE_READS: u8 = 4;

/// The smallest ring: a few of the largest records, whole pages on every machine. And the largest: what 16,384 lines bring
/// in a sweep of 250 ms; it is there all the time.
pub(crate) const RING_MIN: usize = 65_536;
/// See there.
pub(crate) const RING_MAX: usize = 67_108_864;

/// Events fetched from epoll at once. At the bound: another call.
pub(crate) const EPOLL_EVENTS: usize = 256;

/// Descriptors that the process needs beside those of the media ports: spool files (2,048), SIP and HTTP connections.
/// With fewer than the sum, a warning at the start; what cannot be opened later is refused and counted.
pub(crate) const OTHER_DESCRIPTORS: u64 = 8_192;

/// The slowest sweep a busy worker slows down to by itself, in milliseconds. At the bound: it sweeps without pause, and
/// `recorder_capture_overruns_total` rises.
pub(crate) const SLOWEST_SWEEP_MS: u64 = 100;

/// Octets of what the kernel hands over at once when it has put datagrams of one sender together (`UDP_GRO`): never more
/// than a datagram can be long (RFC 768). Only memory that was used once is resident.
pub(crate) const COALESCED: usize = 65_536;

/// Octets of the largest datagram read; Ethernet carries 1,472. At the bound: refused as `oversize` and counted.
pub(crate) const DATAGRAM: usize = 2048;

/// Control message octets per message: a timespec, a u32 and an int with their headers are 80.
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

/// Nanoseconds between two messages of a socket as they are reckoned with, at least: so close together they are a burst,
/// of which everything is asked for.
pub(crate) const APART_LEAST: u64 = 1_000_000;

/// The same at most. A message that comes sooner is found at once or in the next sweep all the same.
pub(crate) const APART_MOST: u64 = 1_000_000_000;

/// How often a swept RTCP socket is read, in milliseconds: its packets come every few seconds and carry kernel stamps,
/// and an empty read costs 0.2 us: at this rhythm 10,000 of them 0.2 % of a core.
pub(crate) const RTCP_READ_MS: u64 = 1_000;

/// How long the key before a re-key still opens packets, in seconds: the peer may switch only when it has our answer,
/// and 64*T1 (RFC 3261 17.1.1.2) bounds how late that is.
pub(crate) const OLD_KEY_S: u64 = 32;

/// How long it stays once the new key has opened a packet: reordered stragglers, in seconds.
pub(crate) const OLD_KEY_AFTER_NEW_S: u64 = 2;

/// DTLS datagrams that wait for the handshake thread: what 400 handshakes have under way. At the bound: refused as
/// `handshake` and counted; the peer repeats them.
pub(crate) const DTLS_DATAGRAMS: usize = 4_096;

/// DTLS datagrams that the offered address may send on one line, and how often it may send one more: three handshakes in
/// small fragments. At the bound: refused as `handshake`.
pub(crate) const DTLS_OFFERED: (u32, Duration) = (96, Duration::from_millis(50));

/// The same for everybody else together: behind a NAT the peer is among them, and one handshake fits. At the bound: refused.
pub(crate) const DTLS_OTHERS: (u32, Duration) = (32, Duration::from_millis(500));

/// Datagrams that one association takes: three handshakes' worth. At the bound: dropped, and it runs out of time.
pub(crate) const DTLS_DATAGRAMS_EACH: u32 = 96;

/// Peers that try at once on one transport of a line. At the bound: the oldest of the least likely ones goes, so that who
/// comes from the offered address is never kept out by others.
pub(crate) const DTLS_PEERS: usize = 4;

/// Handshakes that we begin on one transport before it has failed: the peer may not have heard of our answer yet.
pub(crate) const DTLS_ATTEMPTS: u8 = 3;

/// How long an association is kept for a last flight that the peer repeats: longer than a handshake may take.
pub(crate) const DTLS_LINGER: Duration = Duration::from_secs(60);

/// How often a line is looked at for its timers at most.
pub(crate) const DTLS_TICK: Duration = Duration::from_millis(10);

/// SRTP packets of one line held until there are keys: 320 ms at 20 ms, twice what a sweep and the handshake thread take.
/// At the bound: the oldest is refused as `no_key`.
pub(crate) const DTLS_HELD: usize = 16;

/// How long a line that waits for keys is read between the sweeps: as long as one handshake may take.
pub(crate) const DTLS_URGENT: Duration = Duration::from_secs(40);

/// How often such lines are read: the flights of a handshake are four to six, and each waits for that. In milliseconds.
pub(crate) const DTLS_READ_MS: u64 = 10;

/// Such lines read at once, 0.3 us each while nothing comes. At the bound: the others in their turn.
pub(crate) const DTLS_READ_AT_ONCE: usize = 64;
