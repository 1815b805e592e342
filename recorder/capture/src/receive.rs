//! How packets get from the sockets of a slice to its tracks: one seam, four ways behind it.
//!
//! Thread CPU a packet: the receive alone (trials in C, 1,000 sockets, packets 20 ms apart, by turns with the sweep), and
//! all that a worker does with plain RTP, spool apart (`make bench`, stage `receive`, one run; bursts of five / paced):
//! ```text
//!                                                receive alone    the worker
//! bpf: socket filters that fill a ring           0.02-0.03 us     197 / 296 ns        <- auto, where it may be had
//! sweep: recvmmsg(64) on each socket in turn     1.16-1.43 us     543 / 1,433 ns      <- auto otherwise
//! epoll + recvmmsg on what it names              -                988 / 1,630 ns
//! io_uring: multishot, provided buffers          0.64-0.81 us     1,776 / 1,923 ns    (alone: another machine)
//! recv_from, quinn-udp                           0.80-1.15 us, 0.96 us                (another machine, sweep 0.83-0.98)
//! a reader woken by every packet                 2.1-2.4 us                           (the same)
//! ```
//! A filter runs where the kernel would put the datagram into the queue of its socket: behind the host's firewall, the
//! reassembly and the checksum, and only for the sockets that have it. To copy it into a ring there costs who delivers it
//! no more than to queue it (5.1-5.7 us a packet sent with either, 3.6-3.8 in larger numbers), and saves the reader all
//! system calls; what does not fit stays with the socket, and is swept. It needs `CAP_BPF` at the start and Linux 5.8.
//! The host counts what a filter takes among its `UdpInErrors` (`ss -um` as drops of the socket): no alarm may hang on
//! them; the recorder's own `recorder_capture_kernel_dropped_packets_total` is right.
//!
//! What makes a sweep cheap is what keeps caches warm: all sockets in one turn, few turns, several packets a call. io_uring
//! costs 2.4 MB of buffers a slice, and is an interface that containers and hardened hosts commonly forbid. Epoll costs
//! whoever delivers the packet a wake-up, and is the way where most lines are silent.
//!
//! Tried and not taken: a packet ring (AF_PACKET, TPACKET_V3; 0.04-0.05 us) sees datagrams before the firewall, checksum
//! and reassembly have, on every interface they pass, and tells one count of drops for thousands of lines. One socket for
//! all lines (what a BPF `sk_lookup` program could steer) takes 0.94-0.98 us where the sweep beside it takes 1.31.
//!
//! `UDP_GRO` is asked for: lines whose packets come 20 ms apart neither gain nor lose, but a sender that hands its kernel
//! several at once (a generator, a forwarder that batches) costs a third: 0.37 us instead of 0.82-1.21 (receive alone).

use std::{io, thread, time::Duration};

use crate::{
    config::Receive,
    epoll::Epoll,
    intake, limits,
    metrics::Tally,
    recvmmsg::Batch,
    slots::{Slots, Token},
    sweep::Sweep,
    track::Track,
    uring::{Arrival, Ring},
};

/// A way to receive, as it was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// `recvmmsg` on every socket, once a sweep.
    Sweep,
    /// Multishot `recvmsg` with provided buffers.
    IoUring,
    /// `recvmmsg` on the sockets that epoll names.
    Epoll,
    /// A ring that socket filters fill, and the sweep for what they leave.
    Bpf,
}

impl Strategy {
    pub(crate) const ALL: [Self; 4] = [Self::Sweep, Self::IoUring, Self::Epoll, Self::Bpf];

    /// What is asked for, if the kernel has it; otherwise the sweep, and why.
    pub(crate) fn choose(wanted: Receive) -> (Self, Option<io::Error>) {
        let probed = match wanted {
            Receive::Sweep => return (Self::Sweep, None),
            Receive::Auto | Receive::Bpf => intake::probe().map(|()| Self::Bpf),
            Receive::IoUring => probe_ring().map(|()| Self::IoUring),
            Receive::Epoll => Epoll::new().map(|_| Self::Epoll),
        };
        probed.map_or_else(|error| (Self::Sweep, Some(error)), |strategy| (strategy, None))
    }

    /// Whether packets come in batches of messages, each of which may be several datagrams.
    pub(crate) const fn takes_messages(self) -> bool {
        matches!(self, Self::Sweep | Self::Epoll | Self::Bpf)
    }

    /// In how many turns a worker serves all of its tracks once.
    ///
    /// A sweep is one turn: a worker that slept begins with cold caches, and a thousand sockets cost 1.15 us a packet in
    /// one turn, 1.45 in five (receive alone). Rings and event lists are emptied more often, because they are of a size; and
    /// what was sealed in one turn waits for the disk together: 4 kB a call when all tracks are served in one.
    pub(crate) fn slices(self, sweep: Duration) -> u64 {
        match self {
            Self::Sweep => 1,
            Self::Bpf => (sweep.as_millis() as u64 / limits::RING_TURN_MS).max(1),
            Self::IoUring | Self::Epoll => (sweep.as_millis() as u64 / limits::TURN_MS).max(1),
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sweep => "sweep",
            Self::IoUring => "io_uring",
            Self::Epoll => "epoll",
            Self::Bpf => "bpf",
        }
    }
}

/// The way of one slice, with what the kernel keeps for it.
pub(crate) enum Receiver {
    Sweep,
    Epoll {
        poll: Epoll,
        /// Sockets to drain: those named, and those that had more than a drain takes.
        ready: Vec<Token>,
    },
    IoUring(Box<Ring>),
}

impl Receiver {
    pub(crate) fn new(strategy: Strategy) -> io::Result<Self> {
        Ok(match strategy {
            Strategy::Sweep | Strategy::Bpf => Self::Sweep,
            Strategy::Epoll => Self::Epoll { poll: Epoll::new()?, ready: Vec::new() },
            Strategy::IoUring => Self::IoUring(Box::new(Ring::new()?)),
        })
    }

    /// Begins to receive for a track. A socket that cannot be watched is swept.
    pub(crate) fn adopt(&mut self, token: Token, track: &mut Track, tally: &mut Tally) {
        let control = track.control.as_ref().map(|control| (token.control(), control.as_fd()));
        let sockets = [(token, track.media.as_fd())].into_iter().chain(control);
        match self {
            Self::Sweep => {}
            Self::Epoll { poll, .. } => {
                for (token, socket) in sockets {
                    if poll.watch(token, socket).is_err() {
                        tally.socket_errors += 1;
                        track.is_swept = true;
                        return;
                    }
                }
            }
            Self::IoUring(ring) => sockets.for_each(|(token, socket)| ring.watch(token, socket)),
        }
        track.is_swept = matches!(self, Self::Sweep);
    }

    /// Hands out what has arrived for tracks that are not swept; whether nothing of it is left.
    pub(crate) fn collect(&mut self, slots: &mut Slots, batch: &mut Batch, sweep: &mut Sweep<'_>) -> bool {
        match self {
            Self::Sweep => true,
            Self::Epoll { poll, ready } => {
                poll.ready(ready);
                ready.retain(|&token| {
                    let Some(track) = slots.get_mut(token) else { return false };
                    let is_empty = match token.is_control() {
                        true => track.drain_control(batch, sweep),
                        false => track.drain_media(batch, sweep),
                    };
                    !is_empty
                });
                ready.is_empty()
            }
            Self::IoUring(ring) => ring.collect(|token, arrival| hand_out(slots, sweep, token, arrival)),
        }
    }

    /// Ends what the kernel does for a track, whose sockets can then be closed; what it brings meanwhile is handed out.
    pub(crate) fn release(&mut self, token: Token, slots: &mut Slots, sweep: &mut Sweep<'_>) {
        // Epoll forgets a socket when it is closed.
        if let Self::IoUring(ring) = self {
            for token in [token, token.control()] {
                ring.forget(token, |token, arrival| hand_out(slots, sweep, token, arrival));
            }
        }
    }
}

/// On a thread of its own: a ring that ends interrupts the system calls of the thread it belonged to.
fn probe_ring() -> io::Result<()> {
    let probe = thread::Builder::new().name("probe".into()).spawn(|| Ring::new().map(drop))?;
    probe.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
}

fn hand_out(slots: &mut Slots, sweep: &mut Sweep<'_>, token: Token, arrival: Arrival<'_>) {
    let Some(track) = slots.get_mut(token) else { return };
    match arrival {
        Arrival::Datagram(envelope, octets) if token.is_control() => track.control_datagram(envelope, octets, sweep),
        Arrival::Datagram(envelope, octets) => track.datagram(envelope, octets, None, sweep),
        Arrival::Failed => sweep.tally.socket_errors += 1,
    }
}
