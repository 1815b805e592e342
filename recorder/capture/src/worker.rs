//! A worker thread: owns its tracks, takes its orders, serves one slice of the tracks after the other, and sleeps in
//! between; in the time of a sweep every slice has had its turn.

use std::{
    collections::HashMap,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use model::{Report, TrackId, TrackNo};
use storage_core::ports::SpoolSink;

use crate::{
    affinity, clock,
    config::Config,
    gathering::Gathering,
    handshake::Queue,
    intake::Intake,
    limits,
    load::Load,
    mailbox::{Mailbox, Order},
    metrics::Metrics,
    receive::Strategy,
    slice::{Rhythm, Slice},
    slots::Token,
    sweep::{Lent, Sweep},
    track::Track,
    urgent::Urgent,
};

/// What all workers share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) spool: Arc<dyn SpoolSink>,
    pub(crate) reports: Arc<dyn Fn(Report) + Send + Sync>,
    pub(crate) metrics: Metrics,
    pub(crate) strategy: Strategy,
    /// To the handshake thread, where DTLS-SRTP is on.
    pub(crate) handshakes: Option<Arc<Queue>>,
}

/// The state of one worker thread.
pub(crate) struct Worker {
    shared: Arc<Shared>,
    mailbox: Arc<Mailbox>,
    load: Load,
    gathering: Gathering,
    /// Served in turn, all of them once a sweep.
    slices: Vec<Slice>,
    /// Where a track is served: for orders, never for packets.
    places: HashMap<TrackId, Place>,
    /// Empty, to be swapped with what is in the mailbox.
    orders: Vec<Order>,
    /// When orders were last looked for.
    obeyed: Instant,
    /// Between two turns.
    lent: Lent,
    /// Lines whose handshake is under way.
    urgent: Urgent,
}

#[derive(Clone, Copy)]
struct Place {
    slice: usize,
    token: Token,
}

impl Worker {
    /// The life of worker `number`: until the mailbox says stop; what is still open then is closed.
    pub(crate) fn run(number: usize, shared: Arc<Shared>, mailbox: Arc<Mailbox>, intake: Option<Box<Intake>>) {
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
        let now = clock::instant();
        mailbox.belongs_to(thread::current());
        let load = Load::new(shared.metrics.worker(number), now);
        let (gathering, places, orders) = (Gathering::new(), HashMap::new(), Vec::new());
        let (lent, urgent) = (Lent { intake, ..Lent::default() }, Urgent::new(now));
        Self { load, mailbox, gathering, slices, places, orders, obeyed: now, lent, urgent, shared }.serve();
    }

    fn serve(&mut self) {
        let mut number = 0;
        let mut due = clock::instant();
        let mut interval = self.interval(Duration::ZERO);
        loop {
            // Asked before the orders are taken: whoever put one in before the stop is obeyed.
            let is_last = self.mailbox.is_stopping();
            let began = clock::instant();
            self.turn(number, self.rhythm(interval), began);
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
            self.rest(due, ended);
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

    /// Sleeps until the next turn is due, but for orders: they wait for a moment, so that a flood of them is one wake-up.
    fn rest(&mut self, due: Instant, mut now: Instant) {
        while now < due && !self.mailbox.is_stopping() {
            let mut until = due;
            if self.mailbox.is_waiting() {
                until = due.min(self.obeyed + Duration::from_millis(limits::ORDERS_MS));
                if until <= now {
                    let shared = Arc::clone(&self.shared);
                    let mut sweep = Sweep::new(&shared, now, std::mem::take(&mut self.lent));
                    self.obey_all(&mut sweep);
                    self.lent = sweep.end();
                    now = clock::instant();
                    continue;
                }
            }
            if let Some(read) = self.urgent.due() {
                if read <= now {
                    self.read_urgent(now);
                    now = clock::instant();
                    continue;
                }
                until = until.min(read);
            }
            thread::park_timeout(until.saturating_duration_since(now).max(Duration::from_micros(50)));
            now = clock::instant();
        }
    }

    /// Reads lines whose handshake is under way, as far as only a sweep would.
    fn read_urgent(&mut self, now: Instant) {
        let shared = Arc::clone(&self.shared);
        let mut sweep = Sweep::new(&shared, now, std::mem::take(&mut self.lent));
        let (slices, places, batch) = (&mut self.slices, &self.places, &mut self.gathering.batch);
        self.urgent.read(now, |id| {
            let Some(track) = track_at(slices, places.get(&id)) else { return false };
            let is_urgent = track.is_swept && track.dtls.as_ref().is_some_and(|dtls| dtls.is_urgent(now));
            if is_urgent {
                track.drain_media(batch, &mut sweep);
                track.drain_control(batch, &mut sweep);
            }
            is_urgent
        });
        self.lent = sweep.end();
    }

    fn turn(&mut self, number: usize, rhythm: Rhythm, now: Instant) {
        let shared = Arc::clone(&self.shared);
        let mut sweep = Sweep::new(&shared, now, std::mem::take(&mut self.lent));
        self.obey_all(&mut sweep);
        if let Some(intake) = &mut sweep.lent.intake {
            intake.begin_turn();
        }
        self.slices[number].turn(rhythm, &mut self.gathering, &mut sweep);
        if let Some(intake) = &mut sweep.lent.intake {
            intake.end_turn();
        }
        self.lent = sweep.end();
    }

    fn obey_all(&mut self, sweep: &mut Sweep<'_>) {
        self.obeyed = sweep.now;
        // What came before an order may stand behind a datagram that another core is about to put there: a moment later.
        if sweep.lent.intake.as_mut().is_some_and(|intake| intake.is_held_up()) && !self.mailbox.is_stopping() {
            return;
        }
        let mut orders = std::mem::take(&mut self.orders);
        self.mailbox.take(&mut orders);
        self.catch_up(&orders, sweep);
        for order in orders.drain(..) {
            self.obey(order, sweep);
        }
        self.orders = orders;
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
        if orders.iter().any(|order| !matches!(order, Order::Adopt(_) | Order::Transmit { .. })) {
            self.slices.iter_mut().for_each(|slice| slice.catch_up(&mut self.gathering.batch, sweep));
        }
    }

    fn obey(&mut self, order: Order, sweep: &mut Sweep<'_>) {
        match order {
            Order::Adopt(track) => self.adopt(track, sweep),
            Order::Retune { track, source, keys, codecs } => {
                if let Some(track) = track_at(&mut self.slices, self.places.get(&track)) {
                    track.drain_media(&mut self.gathering.batch, sweep);
                    track.retune(source, keys, &codecs, sweep.now);
                }
            }
            Order::Await { track: id } => {
                if let Some(track) = track_at(&mut self.slices, self.places.get(&id)) {
                    track.await_handshake(sweep.now);
                    track.settle(&mut self.gathering.batch, sweep);
                    self.urgent.add(id);
                }
            }
            Order::Transmit { track, leg, octets, to } => {
                let track = track_at(&mut self.slices, self.places.get(&track));
                if track.is_some_and(|track| !track.transmit(leg, &octets, to)) {
                    sweep.tally.socket_errors += 1;
                }
            }
            Order::Key { track, keyed } => {
                if let Some(track) = track_at(&mut self.slices, self.places.get(&track)) {
                    track.key(*keyed, sweep);
                }
            }
            Order::Sever { track } => {
                if let Some(track) = track_at(&mut self.slices, self.places.get(&track)) {
                    track.sever(sweep);
                }
            }
            Order::Pause { track, cause, at } => {
                if let Some(track) = track_at(&mut self.slices, self.places.get(&track)) {
                    track.pause(at, cause, &mut self.gathering.batch, sweep);
                    track.settle(&mut self.gathering.batch, sweep);
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
        if track.dtls.is_some() {
            self.urgent.add(id);
        }
        // Beside the track before it in the recording: their chunks are sealed together.
        let before = id.no.0.checked_sub(1).map(|no| TrackId { no: TrackNo(no), ..id });
        let beside = before.and_then(|before| self.places.get(&before)).map(|place| place.slice);
        let emptiest = || (0..self.slices.len()).min_by_key(|&at| self.slices[at].len());
        let slice = beside.or_else(emptiest).expect("a worker has at least one slice");
        let token = self.slices[slice].adopt(track, &mut self.gathering.batch, sweep);
        self.places.insert(id, Place { slice, token });
        sweep.shared.metrics.tracks.inc();
    }

    fn let_go(&mut self, place: Place, sweep: &mut Sweep<'_>) {
        if let Some(track) = self.slices[place.slice].release(place.token, sweep) {
            self.mailbox.release();
            sweep.shared.metrics.tracks.dec();
            track.close(&mut self.gathering.batch, sweep);
        }
    }

    fn close_all(&mut self) {
        let shared = Arc::clone(&self.shared);
        let mut sweep = Sweep::new(&shared, clock::instant(), std::mem::take(&mut self.lent));
        for slice in 0..self.slices.len() {
            for token in self.slices[slice].tokens() {
                self.let_go(Place { slice, token }, &mut sweep);
            }
        }
        self.places.clear();
        self.lent = sweep.end();
    }
}

fn track_at<'s>(slices: &'s mut [Slice], place: Option<&Place>) -> Option<&'s mut Track> {
    place.and_then(|place| slices[place.slice].get_mut(place.token))
}

/// The slices of a worker. One that cannot have what was chosen is swept: a worker less would be worse.
fn slices(worker: usize, shared: &Shared) -> Vec<Slice> {
    let count = shared.strategy.slices(shared.config.sweep);
    let slice = |_| {
        Slice::new(shared.strategy).or_else(|error| {
            tracing::warn!(worker, %error, strategy = shared.strategy.name(), "capture worker sweeps instead");
            shared.metrics.fell_back();
            Slice::new(Strategy::Sweep)
        })
    };
    (0..count).filter_map(|number| slice(number).ok()).collect()
}
