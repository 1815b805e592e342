//! Every bound of the SIP sockets, the reason for it, and what happens when it is reached.

use std::time::Duration;

/// Messages on their way from all sockets to the endpoint, in each of two lanes. Beyond: readers wait, and the kernel pushes back on streams
/// and drops datagrams, which their senders repeat.
pub(crate) const INBOX: usize = 4_096;

/// Messages on their way into one connection. From half of it on its reader waits (the peer asks faster than it reads);
/// beyond it the connection is closed and counted.
pub(crate) const WRITE_QUEUE: usize = 1_024;

/// Octets read from a stream at once, and written at once.
pub(crate) const STREAM_BUFFER: usize = 64 * 1024;

/// The largest datagram there is.
pub(crate) const DATAGRAM: usize = 65_535;

/// Kernel buffer asked for on the UDP socket: a second of INVITEs with metadata at 1,000 a second. Less is accepted:
/// without CAP_NET_ADMIN as much as net.core.rmem_max, by default the INVITEs of 50 ms at 4,000 a second.
pub(crate) const UDP_KERNEL_BUFFER: usize = 4 * 1024 * 1024;

/// A TLS handshake, or connecting, that takes longer is given up.
pub(crate) const HANDSHAKE: Duration = Duration::from_secs(10);

/// Pause between two attempts of a patient client to connect again.
pub(crate) const AGAIN: Duration = Duration::from_millis(200);

/// A message that began on a stream must be whole by then, else the connection is closed.
pub(crate) const MESSAGE: Duration = Duration::from_secs(30);

/// TCP keep-alive probes find dead peers behind long recordings.
pub(crate) const KEEPALIVE: Duration = Duration::from_secs(60);

/// Last words of a stop are waited for this long.
pub(crate) const LAST_WORDS: Duration = Duration::from_millis(500);

/// Local addresses remembered for wildcard listeners, by peer. At the bound the memory starts anew.
pub(crate) const ROUTES: usize = 1_024;

/// Questions to a client driver that wait.
pub(crate) const ASKS: usize = 1_024;

/// Batches of commands, and messages of each lane, taken before answers are sent: one wake-up serves a burst, and a 100 Trying
/// waits for few messages before it.
pub(crate) const BURST: usize = 32;

/// Messages that wait for a connection of ours to be made. Beyond: dropped and counted; the transaction runs out.
pub(crate) const REDIAL_QUEUE: usize = 1_024;

/// How long events wait before whoever listens is asked again whether there is room.
pub(crate) const ROOM_LOOK: Duration = Duration::from_millis(2);

/// Drain, resume and stop on their way to the owner; it takes them at once. Beyond: the wish is dropped, the next counts.
pub(crate) const WISHES: usize = 16;
