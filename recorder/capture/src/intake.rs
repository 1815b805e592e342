//! What came past the sockets: the ring of a worker, sorted by line, so that each track finds its own as it would in its
//! socket.
//!
//! ```text
//! datagram -> firewall, reassembly, checksum -> filter of the socket -> ring -> line -> batch
//!                                                    '- full, too long -> socket ----------'
//! ```
//! A line is read in this order: what its socket held before it came here, what the ring has and, when the filter left
//! anything to any socket since the last turn, its socket again. So a ring that is full costs system calls and no packet.
//!
//! The kernel counts what the filter takes as dropped, by `SO_RXQ_OVFL` and in the host's `UdpInErrors`: that much is
//! subtracted here.

use std::{
    collections::VecDeque,
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    num::NonZeroU32,
};

use crate::{
    bpf::{self, Position, Record, Ring, program::V4},
    clock,
    envelope::{Envelope, source},
    limits::{self, BATCH},
    options,
    recvmmsg::Batch,
    socket::Socket,
};

/// The ring of a worker and the lines whose datagrams come by it.
pub(crate) struct Intake {
    ring: Ring,
    /// By local port.
    lines: Vec<Line>,
    /// What was found in the ring and not given back, in the order of arrival; how many were before them.
    arrived: VecDeque<Arrived>,
    gone: u32,
    /// How far the ring was looked through.
    seen: Position,
    /// In how many turns every line has had its turn.
    round: u32,
    /// What the filter had left to sockets when the turn began, and in how many turns, this one included, sockets are to be
    /// asked for it: each once.
    kept: u64,
    asks: u32,
}

/// A socket whose datagrams come by the ring. All zero: nobody's.
#[derive(Debug, Clone, Copy, Default)]
struct Line {
    /// Which socket; 0 for none.
    cookie: u64,
    /// First and last of what waits.
    first: Option<Number>,
    last: Option<Number>,
    /// Datagrams (or several at once) that came by the ring so far: what the kernel counts as dropped.
    taken: u32,
    /// Its socket holds what came before.
    has_past: bool,
    /// How often its socket is still to be asked for what was on its way then.
    asks: u8,
    /// The filter is in its place.
    is_attached: bool,
}

#[derive(Debug, Clone, Copy)]
struct Arrived {
    at: Position,
    /// The next one of the line.
    next: Option<Number>,
    /// Nobody waits for it.
    is_taken: bool,
}

/// The how manieth of all that arrived: from 1 to 2^31, and from 1 again.
type Number = NonZeroU32;

impl Intake {
    /// The intake of one worker that serves all of its lines in so many turns, with a ring of so many octets. The error says
    /// why there is none.
    pub(crate) fn new(octets: usize, round: u32) -> io::Result<Self> {
        let ring = Ring::new(octets)?;
        let seen = ring.begin();
        // As many as a full ring has of the usual length: the path of a packet allocates nothing.
        let arrived = VecDeque::with_capacity(octets / limits::RING_RECORD);
        Ok(Self { lines: Vec::new(), arrived, gone: 0, seen, round, kept: ring.kept(), asks: 0, ring })
    }

    /// A turn begins: what has come is sorted.
    pub(crate) fn begin_turn(&mut self) {
        let kept = self.ring.kept();
        if kept != self.kept {
            (self.kept, self.asks) = (kept, self.round);
        }
        self.look();
    }

    /// A turn ended: the ring is given back up to what still waits for a line.
    pub(crate) fn end_turn(&mut self) {
        self.asks = self.asks.saturating_sub(1);
        while self.arrived.front().is_some_and(|arrived| arrived.is_taken) {
            self.arrived.pop_front();
            self.gone = (self.gone + 1) & NUMBERS;
        }
        if self.arrived.is_empty() {
            // Begins at its front again: only as much of it is touched as ever waits at once.
            self.arrived.clear();
        }
        self.ring.give_back(self.arrived.front().map_or(self.seen, |arrived| arrived.at));
    }

    /// Whether what has come cannot be seen yet, because another core is about to put something before it.
    pub(crate) fn is_held_up(&mut self) -> bool {
        self.look();
        self.ring.is_held_up(self.seen)
    }

    /// From now on datagrams of the socket come here; false when another one has its port. What the socket holds is to be
    /// taken before anything else happens to it.
    pub(crate) fn attach(&mut self, socket: &mut Socket) -> io::Result<bool> {
        let (port, cookie) = (socket.local()?.port(), options::cookie(socket.as_fd())?);
        if self.lines.len() <= usize::from(port) {
            self.lines.resize(usize::from(port) + 1, Line::default());
        }
        let line = &mut self.lines[usize::from(port)];
        if line.cookie != 0 && line.cookie != cookie {
            return Ok(false);
        }
        self.ring.attach(socket.as_fd())?;
        (line.cookie, line.has_past, line.is_attached) = (cookie, true, true);
        line.asks = limits::RING_LATE_READS;
        socket.line = Some(port);
        Ok(true)
    }

    /// Datagrams come to the socket again; what is here already stays for the line.
    pub(crate) fn detach(&mut self, socket: &Socket) -> io::Result<()> {
        let Some(line) = self.line(socket).filter(|line| line.is_attached) else { return Ok(()) };
        line.is_attached = false;
        bpf::detach(socket.as_fd())
    }

    /// Whether datagrams of the socket come here.
    pub(crate) fn is_attached(&self, socket: &Socket) -> bool {
        socket.line.and_then(|port| self.lines.get(usize::from(port))).is_some_and(|line| line.is_attached)
    }

    /// Whether something waits here for the socket.
    pub(crate) fn holds(&self, socket: &Socket) -> bool {
        socket.line.and_then(|port| self.lines.get(usize::from(port))).is_some_and(|line| line.first.is_some())
    }

    /// Asks for the memory of what waits for a socket.
    pub(crate) fn prefetch(&self, socket: &Socket) {
        let Some(line) = socket.line.and_then(|port| self.lines.get(usize::from(port))) else { return };
        let mut next = line.first;
        for _ in 0..limits::PREFETCH_RECORDS {
            let Some(arrived) = next.and_then(|number| self.arrived.get(self.place(number))) else { return };
            self.ring.prefetch(arrived.at);
            next = arrived.next;
        }
    }

    /// The socket closes: what is left of it is nobody's. How much of what the kernel counts as dropped came here, if its
    /// count was read before; `None` while that is not known.
    pub(crate) fn forget(&mut self, socket: &mut Socket) -> Option<u32> {
        let is_held_up = self.is_held_up();
        let Some(line) = self.line(socket).map(std::mem::take) else { return Some(0) };
        socket.line = None;
        let mut next = line.first;
        while let Some(number) = next {
            next = self.take(number).next;
        }
        (!is_held_up).then_some(line.taken)
    }

    /// Takes what waits for a line, at most so many messages, behind what is in the batch already; fewer when nothing is
    /// left. What came since the turn began counts only if `is_late`. An error of the socket takes nothing away that is in
    /// the batch by then.
    pub(crate) fn receive(
        &mut self,
        socket: &Socket,
        batch: &mut Batch,
        (most, is_late, step): (usize, bool, i64),
    ) -> io::Result<usize> {
        let most = most.min(batch.room());
        if is_late {
            self.look();
        }
        let Some(has_past) = self.line(socket).map(|line| line.has_past) else {
            return socket.receive_more(batch, most);
        };
        let first = batch.filled();
        let past = if has_past { self.receive_kept(socket, batch, most) } else { Ok(0) };
        if let (true, Ok(count)) = (has_past, &past) {
            let is_more = *count == most;
            self.line(socket).into_iter().for_each(|line| line.has_past = is_more);
        }
        let taken = batch.filled() - first;
        self.hand_out(socket, batch, (most - taken, step));
        let taken = batch.filled() - first;
        // An error is told, and what was taken stands in the batch all the same.
        past?;
        if taken < most && self.asks_socket(socket) {
            self.receive_kept(socket, batch, most - taken)?;
            batch.sort(first);
        }
        Ok(batch.filled() - first)
    }

    /// Whether the socket of a line, which is to be asked after this, may hold something.
    fn asks_socket(&mut self, socket: &Socket) -> bool {
        let is_kept = self.asks > 0 || self.ring.kept() != self.kept;
        let Some(line) = self.line(socket) else { return true };
        let is_late = line.asks > 0;
        line.asks = line.asks.saturating_sub(1);
        is_kept || is_late || !line.is_attached
    }

    /// What came to the socket, or was left to it.
    fn receive_kept(&mut self, socket: &Socket, batch: &mut Batch, most: usize) -> io::Result<usize> {
        let first = batch.filled();
        let count = socket.receive_more(batch, most)?;
        let taken = self.line(socket).map_or(0, |line| line.taken);
        batch.forgive(first, taken);
        Ok(count)
    }

    /// What the ring has for a line.
    fn hand_out(&mut self, socket: &Socket, batch: &mut Batch, (most, step): (usize, i64)) {
        let Some(mut next) = self.line(socket).map(|line| line.first) else { return };
        let mut count = 0;
        while count < most {
            let Some(number) = next else { break };
            let Arrived { at, next: behind, .. } = self.take(number);
            next = behind;
            let record = self.ring.record(at);
            if let Some(envelope) = envelope(&record, step) {
                let segment = usize::try_from(record.head.segment).ok().filter(|octets| *octets > 0);
                batch.put(envelope, segment, record.payload());
                count += 1;
            }
        }
        self.line(socket).into_iter().for_each(|line| line.first = next);
    }

    /// Nobody waits for this one any more.
    fn take(&mut self, number: Number) -> Arrived {
        let place = self.place(number);
        self.arrived[place].is_taken = true;
        self.arrived[place]
    }

    /// Where it stands in `arrived`.
    fn place(&self, number: Number) -> usize {
        ((number.get() - 1).wrapping_sub(self.gone) & NUMBERS) as usize
    }

    /// Sorts what has come since the last look.
    fn look(&mut self) {
        while let Some((at, behind)) = self.ring.next(self.seen) {
            self.seen = behind;
            self.ring.prefetch_behind((at, behind), limits::PREFETCH_RECORDS);
            let record = self.ring.record(at);
            let Some((_, port)) = record.ports() else { continue };
            let Some(line) = self.lines.get_mut(usize::from(port)) else { continue };
            // What still comes of a socket that is gone is nobody's.
            if line.cookie != record.head.cookie {
                continue;
            }
            let number = Number::MIN.saturating_add((self.gone + self.arrived.len() as u32) & NUMBERS);
            let before = line.first.and(line.last);
            line.first = line.first.or(Some(number));
            line.last = Some(number);
            line.taken = line.taken.wrapping_add(1);
            if let Some(before) = before {
                let place = self.place(before);
                self.arrived[place].next = Some(number);
            }
            self.arrived.push_back(Arrived { at, next: None, is_taken: false });
        }
    }

    fn line(&mut self, socket: &Socket) -> Option<&mut Line> {
        socket.line.and_then(|port| self.lines.get_mut(usize::from(port)))
    }
}

/// Numbers there are, less one: a power of two, and far more than a ring holds.
const NUMBERS: u32 = (1 << 31) - 1;

/// Who sent a record and when. `None` when it is of no kind of IP.
fn envelope(record: &Record<'_>, step: i64) -> Option<Envelope> {
    let (port, _) = record.ports()?;
    let is_v4 = record.head.protocol == u32::from(V4.to_be());
    let steady = clock::at_monotonic(record.head.stamp);
    Some(Envelope {
        from: source(&record.head.source, is_v4, port),
        // The wall clock's, as the kernel stamps what goes by the sockets.
        arrival: Some(steady.saturating_add_signed(step)),
        drops: None,
        truncated: record.payload().len() > limits::COALESCED,
    })
}

/// Whether the way is open: a datagram of our own has to come by it, whole, and be counted as it is reckoned with. The error
/// says what stands in the way.
pub(crate) fn probe() -> io::Result<()> {
    let mut intake = Intake::new(limits::RING_MIN, 1)?;
    let loopback = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), SocketAddr::from((Ipv6Addr::LOCALHOST, 0))];
    let mut socket =
        loopback.into_iter().map(|at| Socket::bind(at, limits::RING_MIN)).reduce(Result::or).expect("two")?;
    let at = socket.local()?;
    intake.attach(&mut socket)?;
    let mut batch = Batch::new();
    let said = b"is anybody there";
    if !socket.send(said, at) || intake.receive(&socket, &mut batch, (BATCH, true, 0))? != 1 {
        return Err(io::Error::other("a filter of a socket takes nothing"));
    }
    let heard = batch.message(0).and_then(|message| message.datagrams().next());
    if heard.is_none_or(|(envelope, octets)| envelope.from != at || octets != said) || socket.dropped() != Some(1) {
        return Err(io::Error::other("a filter of a socket takes something else, or the kernel counts it otherwise"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
