//! A worker thread: owns its tracks, takes its orders, serves one slice of the tracks after the other, and sleeps in
//! between; in the time of a sweep every slice has had its turn.

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
    load::Load,
    mailbox::{Mailbox, Order},
    metrics::{Metrics, Tally},
    receive::Strategy,
    recvmmsg::Batch,
    slice::{Rhythm, Slice},
    slots::Token,
    socket::Socket,
    track::Track,
};

/// What all workers share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) spool: Arc<dyn SpoolSink>,
    pub(crate) reports: Arc<dyn Fn(Report) + Send + Sync>,
    pub(crate) metrics: Metrics,
    pub(crate) strategy: Strategy,
}

/// One turn of a worker: its times, its numbers, and where things go.
pub(crate) struct Sweep<'a> {
    /// Time of what is recorded, nanoseconds: the wall clock without its steps.
    pub(crate) wall: u64,
    /// How far the wall clock has stepped away from it.
    step: i64,
    pub(crate) now: Instant,
    pub(crate) tally: Tally,
    pub(crate) shared: &'a Shared,
}

impl<'a> Sweep<'a> {
    pub(crate) fn new(shared: &'a Shared, now: Instant) -> Self {
        Self { wall: clock::now_nanos(), step: clock::step_nanos(), now, tally: Tally::default(), shared }
    }

    /// When a datagram came, by the kernel's stamp if there is one.
    pub(crate) fn arrival(&self, stamp: Option<u64>) -> u64 {
        stamp.map_or(self.wall, |stamp| clock::arrival(stamp, self.step, self.wall))
    }

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
    load: Load,
    batch: Batch,
    /// Served in turn, all of them once a sweep.
    slices: Vec<Slice>,
    /// Where a track is served: for orders, never for packets.
    places: HashMap<TrackId, Place>,
}

#[derive(Clone, Copy)]
struct Place {
    slice: usize,
    token: Token,
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
        if let Err(error) = affinity::prefer() {
            tracing::info!(worker = number, %error, "capture worker runs at the priority of the rest");
        }
        let slices = slices(number, &shared);
        let load = Load::new(shared.metrics.worker(number), clock::instant());
        Self { load, mailbox, batch: Batch::new(), slices, places: HashMap::new(), shared }.serve();
    }

    fn serve(&mut self) {
        let (mut orders, mut number) = (Vec::new(), 0);
        let mut due = clock::instant();
        let mut interval = self.interval(Duration::ZERO);
        loop {
            // Asked before the orders are taken: whoever put one in before the stop is obeyed.
            let is_last = self.mailbox.is_stopping();
            let began = clock::instant();
            self.turn(&mut orders, number, self.rhythm(interval), began);
            if is_last {
                return self.close_all();
            }
            let ended = clock::instant();
            let took = ended.duration_since(began);
            self.load.turned(took, ended);
            number = (number + 1) % self.slices.len();
            interval = self.interval(took);
            due += interval;
            if due < ended {
                self.load.overran();
                due = ended;
            }
            self.sleep(due, ended);
        }
    }

    /// From turn to turn. When a turn eats more than half of it, fewer of them with fuller batches cost less a packet.
    fn interval(&self, took: Duration) -> Duration {
        let slices = self.slices.len() as u32;
        let turn = self.shared.config.sweep / slices;
        (2 * took).clamp(turn, turn.max(Duration::from_millis(limits::SLOWEST_SWEEP_MS) / slices))
    }

    /// A chunk is sealed before its oldest packet is older than configured, however slow the turns are.
    fn rhythm(&self, interval: Duration) -> Rhythm {
        let sweep = (interval * self.slices.len() as u32).max(Duration::from_millis(1));
        let in_turns = |age: Duration| (age.as_micros() / sweep.as_micros()).max(1) as u64;
        let rtcp = Duration::from_millis(limits::RTCP_READ_MS);
        Rhythm { seal: in_turns(self.shared.config.chunk), rtcp: in_turns(rtcp) }
    }

    fn sleep(&self, due: Instant, mut now: Instant) {
        while now < due && !self.mailbox.is_stopping() {
            thread::park_timeout(due.saturating_duration_since(now).max(Duration::from_micros(50)));
            now = clock::instant();
        }
    }

    fn turn(&mut self, orders: &mut Vec<Order>, number: usize, rhythm: Rhythm, now: Instant) {
        let shared = Arc::clone(&self.shared);
        let mut sweep = Sweep::new(&shared, now);
        self.mailbox.take(orders);
        self.catch_up(orders, &mut sweep);
        for order in orders.drain(..) {
            self.obey(order, &mut sweep);
        }
        self.slices[number].turn(rhythm, &mut self.batch, &mut sweep);
        shared.metrics.add(&sweep.tally);
    }

    /// Before any order counts: what the kernel has handed out already came before it. A pause is known by then, because
    /// what came after it is handed out with the rest.
    fn catch_up(&mut self, orders: &[Order], sweep: &mut Sweep<'_>) {
        for order in orders {
            if let Order::Pause { track, at, .. } = order
                && let Some(track) = track_at(&mut self.slices, self.places.get(track))
            {
                track.keeping.end_at(*at);
            }
        }
        if orders.iter().any(|order| !matches!(order, Order::Adopt(_))) {
            self.slices.iter_mut().for_each(|slice| slice.catch_up(&mut self.batch, sweep));
        }
    }

    fn obey(&mut self, order: Order, sweep: &mut Sweep<'_>) {
        match order {
            Order::Adopt(track) => self.adopt(track, sweep),
            Order::Retune { track, source, keys, codecs } => {
                if let Some(track) = track_at(&mut self.slices, self.places.get(&track)) {
                    track.drain_media(&mut self.batch, sweep);
                    track.retune(source, keys, &codecs, sweep.now);
                }
            }
            Order::Pause { track, cause, at } => {
                if let Some(track) = track_at(&mut self.slices, self.places.get(&track)) {
                    track.pause(at, cause, &mut self.batch, sweep);
                }
            }
            Order::Resume { track, at } => {
                if let Some(track) = track_at(&mut self.slices, self.places.get(&track)) {
                    track.resume(at, sweep.now);
                }
            }
            Order::Close { track } => {
                if let Some(place) = self.places.remove(&track) {
                    self.let_go(place, sweep);
                }
            }
        }
    }

    fn adopt(&mut self, track: Box<Track>, sweep: &mut Sweep<'_>) {
        let id = track.id;
        let emptiest = (0..self.slices.len()).min_by_key(|&at| self.slices[at].len());
        let slice = emptiest.expect("a worker has at least one slice");
        let token = self.slices[slice].adopt(track, sweep);
        self.places.insert(id, Place { slice, token });
        sweep.shared.metrics.tracks.inc();
    }

    fn let_go(&mut self, place: Place, sweep: &mut Sweep<'_>) {
        if let Some(track) = self.slices[place.slice].release(place.token, sweep) {
            self.mailbox.release();
            sweep.shared.metrics.tracks.dec();
            track.close(&mut self.batch, sweep);
        }
    }

    fn close_all(&mut self) {
        let shared = Arc::clone(&self.shared);
        let mut sweep = Sweep::new(&shared, clock::instant());
        for slice in 0..self.slices.len() {
            for token in self.slices[slice].tokens() {
                self.let_go(Place { slice, token }, &mut sweep);
            }
        }
        self.places.clear();
        shared.metrics.add(&sweep.tally);
    }
}

fn track_at<'s>(slices: &'s mut [Slice], place: Option<&Place>) -> Option<&'s mut Track> {
    place.and_then(|place| slices[place.slice].get_mut(place.token))
}

/// The slices of a worker. One that cannot have what was chosen is swept: a worker less would be worse.
fn slices(worker: usize, shared: &Shared) -> Vec<Slice> {
    let count = (shared.config.sweep.as_millis() as u64 / limits::TURN_MS).max(1);
    let slice = |_| {
        Slice::new(shared.strategy).or_else(|error| {
            tracing::warn!(worker, %error, strategy = shared.strategy.name(), "capture worker sweeps instead");
            shared.metrics.fell_back();
            Slice::new(Strategy::Sweep)
        })
    };
    (0..count).filter_map(|number| slice(number).ok()).collect()
}
