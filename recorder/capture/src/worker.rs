//! A worker thread: owns its tracks, takes its orders, drains every socket once a sweep, and sleeps in between.

use std::{
    collections::HashMap,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use model::{Report, TrackId};
use storage_core::ports::SpoolSink;

use crate::{
    affinity, clock,
    config::Config,
    limits,
    mailbox::{Mailbox, Order},
    metrics::{Metrics, Tally, WorkerMetrics},
    recvmmsg::Batch,
    socket::Socket,
    track::Track,
};

/// What all workers share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) spool: Arc<dyn SpoolSink>,
    pub(crate) reports: Arc<dyn Fn(Report) + Send + Sync>,
    pub(crate) metrics: Metrics,
}

/// One sweep: its times, its numbers, and where things go.
pub(crate) struct Sweep<'a> {
    /// Wall time, nanoseconds.
    pub(crate) wall: u64,
    pub(crate) now: Instant,
    /// Whether the RTCP socket of the track is read this time.
    pub(crate) reads_rtcp: bool,
    pub(crate) tally: Tally,
    pub(crate) shared: &'a Shared,
}

impl Sweep<'_> {
    /// Takes what waits in a socket, at most a batch; an error is counted and the socket tried again next time.
    pub(crate) fn receive(&mut self, socket: &Socket, batch: &mut Batch) -> usize {
        socket.receive(batch).unwrap_or_else(|_| {
            self.tally.socket_errors += 1;
            0
        })
    }
}

/// The state of one worker thread.
pub(crate) struct Worker {
    shared: Arc<Shared>,
    mailbox: Arc<Mailbox>,
    metrics: WorkerMetrics,
    batch: Batch,
    #[expect(clippy::vec_box, reason = "a track is kilobytes of cipher state: it changes hands by pointer")]
    tracks: Vec<Box<Track>>,
    /// Where a track stands in `tracks`: for orders, never for packets.
    places: HashMap<TrackId, usize>,
    /// RTCP sockets are read every so many sweeps.
    rtcp_every: u64,
}

impl Worker {
    /// The life of worker `number`: until the mailbox says stop; what is still open then is closed.
    pub(crate) fn run(number: usize, shared: Arc<Shared>, mailbox: Arc<Mailbox>) {
        let cores = affinity::cores();
        if let Some(core) = cores.get(number % cores.len().max(1))
            && let Err(error) = affinity::pin(*core)
        {
            tracing::warn!(worker = number, core, %error, "capture worker is not pinned");
        }
        let sweep_ms = shared.config.sweep.as_millis() as u64;
        let mut worker = Self {
            metrics: shared.metrics.worker(number),
            mailbox,
            batch: Batch::new(),
            tracks: Vec::new(),
            places: HashMap::new(),
            rtcp_every: (limits::RTCP_READ_MS / sweep_ms.max(1)).max(1),
            shared,
        };
        worker.serve();
    }

    fn serve(&mut self) {
        let (mut orders, mut number) = (Vec::new(), 0);
        let mut due = clock::instant();
        loop {
            // Asked before the orders are taken: whoever put one in before the stop is obeyed.
            let is_last = self.mailbox.is_stopping();
            let began = clock::instant();
            self.sweep(&mut orders, number, began, is_last);
            let ended = clock::instant();
            self.metrics.busy.inc_by(ended.duration_since(began).as_secs_f64());
            self.metrics.sweeps.inc();
            if is_last {
                return;
            }
            number += 1;
            due += self.interval(ended.duration_since(began));
            if due < ended {
                self.metrics.overruns.inc();
                due = ended;
            }
            self.sleep(due, ended);
        }
    }

    /// When a sweep eats more than half of its interval, fewer of them with fuller batches cost less a packet.
    fn interval(&self, took: Duration) -> Duration {
        let sweep = self.shared.config.sweep;
        (2 * took).clamp(sweep, sweep.max(Duration::from_millis(limits::SLOWEST_SWEEP_MS)))
    }

    fn sleep(&self, due: Instant, mut now: Instant) {
        while now < due && !self.mailbox.is_stopping() {
            thread::park_timeout(due.saturating_duration_since(now).max(Duration::from_micros(50)));
            now = clock::instant();
        }
    }

    fn sweep(&mut self, orders: &mut Vec<Order>, number: u64, now: Instant, is_last: bool) {
        let shared = Arc::clone(&self.shared);
        let mut sweep =
            Sweep { wall: clock::wall_nanos(), now, reads_rtcp: false, tally: Tally::default(), shared: &shared };
        self.mailbox.take(orders);
        for order in orders.drain(..) {
            self.obey(order, &mut sweep);
        }
        for (place, track) in self.tracks.iter_mut().enumerate() {
            // Spread over the sweeps, so that none of them reads every RTCP socket.
            sweep.reads_rtcp = (number + place as u64).is_multiple_of(self.rtcp_every);
            track.sweep(&mut self.batch, &mut sweep);
        }
        if is_last {
            for track in std::mem::take(&mut self.tracks) {
                self.let_go(track, &mut sweep);
            }
            self.places.clear();
        }
        shared.metrics.add(&sweep.tally);
    }

    fn obey(&mut self, order: Order, sweep: &mut Sweep<'_>) {
        match order {
            Order::Adopt(track) => {
                self.places.insert(track.id, self.tracks.len());
                self.tracks.push(track);
                sweep.shared.metrics.tracks.inc();
            }
            Order::Retune { track, source, keys, codecs } => {
                if let Some(&place) = self.places.get(&track) {
                    let track = &mut self.tracks[place];
                    track.drain_media(&mut self.batch, sweep);
                    track.retune(source, keys, &codecs, sweep.now);
                }
            }
            Order::Pause { track, cause, at } => {
                if let Some(&place) = self.places.get(&track) {
                    self.tracks[place].pause(at, cause, &mut self.batch, sweep);
                }
            }
            Order::Resume { track, at } => {
                if let Some(&place) = self.places.get(&track) {
                    self.tracks[place].resume(at, sweep.now);
                }
            }
            Order::Close { track } => {
                if let Some(place) = self.places.remove(&track) {
                    let track = self.tracks.swap_remove(place);
                    if let Some(moved) = self.tracks.get(place) {
                        self.places.insert(moved.id, place);
                    }
                    self.let_go(track, sweep);
                }
            }
        }
    }

    fn let_go(&mut self, track: Box<Track>, sweep: &mut Sweep<'_>) {
        self.mailbox.release();
        sweep.shared.metrics.tracks.dec();
        track.close(&mut self.batch, sweep);
    }
}
