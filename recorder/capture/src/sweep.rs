//! One turn of a worker: its times, its numbers, where datagrams come from and where things go.

use std::{io, time::Instant};

use crate::{
    bodies::Bodies, clock, intake::Intake, limits::BATCH, metrics::Tally, recvmmsg::Batch, socket::Socket,
    worker::Shared,
};

/// What a worker lends to each of its turns.
#[derive(Default)]
pub(crate) struct Lent {
    /// Memory of chunks that were sealed, for those that begin.
    pub(crate) bodies: Bodies,
    /// What comes past the sockets, where that is the way.
    pub(crate) intake: Option<Box<Intake>>,
}

/// The turn.
pub(crate) struct Sweep<'a> {
    /// Time of what is recorded, nanoseconds: the wall clock without its steps.
    pub(crate) wall: u64,
    /// How far the wall clock has stepped away from it.
    step: i64,
    pub(crate) now: Instant,
    pub(crate) tally: Tally,
    pub(crate) lent: Lent,
    pub(crate) shared: &'a Shared,
}

impl<'a> Sweep<'a> {
    pub(crate) fn new(shared: &'a Shared, now: Instant, lent: Lent) -> Self {
        Self { wall: clock::now_nanos(), step: clock::step_nanos(), now, tally: Tally::default(), lent, shared }
    }

    /// Tells its numbers; gives what was lent back.
    pub(crate) fn end(self) -> Lent {
        self.shared.metrics.add(&self.tally);
        self.lent
    }

    /// When a datagram came, by the kernel's stamp if there is one.
    pub(crate) fn arrival(&self, stamp: Option<u64>) -> u64 {
        stamp.map_or(self.wall, |stamp| clock::arrival(stamp, self.step, self.wall))
    }

    /// Takes what waits for a socket by now, at most a batch; an error is counted and the socket tried again next time.
    pub(crate) fn receive(&mut self, socket: &Socket, batch: &mut Batch) -> usize {
        batch.clear();
        self.take(socket, batch, (BATCH, true))
    }

    /// What waited when the turn began, at most so many messages, behind what is in the batch already.
    pub(crate) fn receive_more(&mut self, socket: &Socket, batch: &mut Batch, most: usize) -> usize {
        self.take(socket, batch, (most, false))
    }

    fn take(&mut self, socket: &Socket, batch: &mut Batch, (most, is_late): (usize, bool)) -> usize {
        let (step, before) = (self.step, batch.filled());
        let received = match &mut self.lent.intake {
            Some(intake) => intake.receive(socket, batch, (most, is_late, step)),
            None => socket.receive_more(batch, most),
        };
        self.counted(received);
        batch.filled() - before
    }

    /// Whether datagrams of the socket come past it.
    pub(crate) fn is_past(&self, socket: &Socket) -> bool {
        self.lent.intake.as_ref().is_some_and(|intake| intake.is_attached(socket))
    }

    /// Asks for the memory of what came past a socket.
    pub(crate) fn prefetch(&self, socket: &Socket) {
        self.lent.intake.iter().for_each(|intake| intake.prefetch(socket));
    }

    /// Whether something that came past the socket waits.
    pub(crate) fn waits_past(&self, socket: &Socket) -> bool {
        self.lent.intake.as_ref().is_some_and(|intake| intake.holds(socket))
    }

    /// Lets datagrams of a socket come past it, or not any more, where that is the way. Whether they do from now on: what
    /// the socket holds has to be taken then.
    pub(crate) fn lead_past(&mut self, socket: &mut Socket, is_past: bool) -> bool {
        let Some(intake) = &mut self.lent.intake else { return false };
        let done = match (intake.is_attached(socket), is_past) {
            (false, true) => intake.attach(socket),
            (true, false) => intake.detach(socket).map(|()| false),
            _ => return false,
        };
        self.counted(done).unwrap_or(false)
    }

    /// A socket closes. Of what the kernel counts as dropped so much was taken past it; `None` when that is not known.
    pub(crate) fn forget(&mut self, socket: &mut Socket) -> Option<u32> {
        self.lent.intake.as_mut().map_or(Some(0), |intake| intake.forget(socket))
    }

    fn counted<T>(&mut self, done: io::Result<T>) -> Option<T> {
        done.inspect_err(|_| self.tally.socket_errors += 1).ok()
    }
}
