//! The session thread: takes inputs in order, lets the core decide, commits the facts of the whole batch with one
//! flush, and only then obeys.
//!
//! The mailbox is bounded at more than all tracks can ever report at once, so the packet threads never wait for it;
//! signaling and API may, and that is their back-pressure.

mod pace;

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    time::Duration,
};

use model::{CommandError, Entropy, Fact, Order, RecordingId, RsId, Secret, Timestamp};
use session::{Core, Input, Output};
use signaling_core::{
    event::{DialogId, Ended, Event},
    tlib::event::CtiEvent,
};
use storage::{Ledger, Mark, Unfinished};
use storage_core::view::RecordingView;
use tokio::sync::oneshot;

use crate::{keyring::Keyring, life};
use pace::Pace;

/// Four reports of a track's life for every track that fits on 20,000 ports, and room for words beside.
const MAILBOX: usize = 1 << 17;
/// Events of signaling that may wait for the thread; beyond it signaling refuses new sessions with 503.
const EVENTS: usize = 4_096;
/// Inputs decided together: one commit for a batch keeps 2,000 set-ups a second within a disk's flushes.
const BATCH: usize = 512;
/// Facts that wait for a disk that refuses to write; beyond it new ones push out nothing: the process ends, because a
/// recorder that cannot write down what it does must not go on answering.
const BACKLOG: usize = 100_000;

/// What lands in the mailbox.
pub(crate) enum Mail {
    /// For the core.
    Input(Box<Input>),
    /// For the core: what one wake-up of signaling brought, in order.
    Signals(Vec<Event>),
    /// For the core: what CTI sources told, in order; said when what follows is durable, so that the next can come.
    Cti(Vec<CtiEvent>, oneshot::Sender<()>),
    /// A command with the way back for its reply.
    Control(Box<model::Command>, oneshot::Sender<Result<(), CommandError>>),
    /// The same about whatever is recorded of a call.
    ControlCall(Box<model::CallCommand>, oneshot::Sender<Result<(), CommandError>>),
    /// A fact that needs no decision (audit, hold): made durable, then confirmed with the number of the last durable fact.
    Note(Box<Fact>, oneshot::Sender<Option<u64>>),
    /// Leave when nothing is live any more; then confirmed by the end of the thread.
    Leave,
}

/// The way into the session thread.
#[derive(Clone)]
pub(crate) struct Mailbox {
    mail: SyncSender<Mail>,
    /// Events of signaling that wait.
    events: Arc<AtomicUsize>,
}

/// What comes out of the mailbox.
pub(crate) struct Letters {
    mail: Receiver<Mail>,
    events: Arc<AtomicUsize>,
}

impl Mailbox {
    pub(crate) fn new() -> (Self, Letters) {
        let (sender, mail) = sync_channel(MAILBOX);
        let events = Arc::<AtomicUsize>::default();
        (Self { mail: sender, events: Arc::clone(&events) }, Letters { mail, events })
    }

    /// Hands an input over, waiting while the mailbox is full. False when the thread is gone.
    pub(crate) fn send(&self, input: Input) -> bool {
        self.mail.send(Mail::Input(Box::new(input))).is_ok()
    }

    /// Hands mail over without waiting, for callers on the runtime. False when full or gone.
    pub(crate) fn try_send(&self, mail: Mail) -> bool {
        match self.mail.try_send(mail) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }
}

/// The way of signaling's events into the mailbox: no thread and no second queue in between.
pub(crate) struct Ear {
    mailbox: Mailbox,
    /// What the mailbox did not take; then there is room for nothing.
    held: Option<Vec<Event>>,
    is_deaf: bool,
}

impl Ear {
    pub(crate) const fn new(mailbox: Mailbox) -> Self {
        Self { mailbox, held: None, is_deaf: false }
    }

    fn post(&mut self, events: Vec<Event>) {
        let count = events.len();
        // Before they can be taken out, and with that subtracted.
        self.mailbox.events.fetch_add(count, Ordering::Relaxed);
        let held = match self.mailbox.mail.try_send(Mail::Signals(events)) {
            Ok(()) => return,
            Err(TrySendError::Full(Mail::Signals(events))) => Some(events),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => None,
        };
        self.mailbox.events.fetch_sub(count, Ordering::Relaxed);
        self.is_deaf = held.is_none();
        self.held = held;
    }
}

impl signaling::Ear for Ear {
    fn room(&mut self) -> Option<usize> {
        if let Some(held) = self.held.take() {
            self.post(held);
        }
        if self.is_deaf {
            return None;
        }
        let waiting = self.mailbox.events.load(Ordering::Relaxed);
        Some(if self.held.is_some() { 0 } else { EVENTS.saturating_sub(waiting) })
    }

    fn tell(&mut self, events: Vec<Event>) {
        self.post(events);
    }
}

/// Those who carry orders out. The root implements it over the real shells.
pub(crate) trait Shells: Send {
    /// Carries one order out, or holds it until [`Self::flush`]; never waits for the network.
    fn obey(&mut self, order: Order, view: Option<&Arc<RecordingView>>);
    /// The last order of a batch was given: what goes the same way leaves together.
    fn flush(&mut self);
    /// After each batch: numbers for metrics.
    fn observe(&mut self, stats: session::Stats, facts: &[Fact]);
    /// The ledger is durable up to `mark`, where these recordings are unfinished: its follower may look.
    fn committed(&mut self, mark: Mark, views: &Unfinished);
    /// What has to survive a crash of live recordings that changed.
    fn keep_states(&mut self, states: Vec<LiveState>);
}

/// What has to survive a crash of a live recording, and the sessions that feed it; `None` when it is not live.
pub(crate) type LiveState = (RecordingId, Option<(Vec<RsId>, Secret)>);

/// Everything the thread owns.
pub(crate) struct SessionThread<S> {
    pub(crate) core: Core,
    pub(crate) ledger: Ledger,
    pub(crate) keyring: Keyring,
    pub(crate) shells: S,
    pub(crate) entropy: Box<dyn Entropy + Send>,
    pub(crate) views: Unfinished,
}

impl<S: Shells> SessionThread<S> {
    /// Runs until [`Mail::Leave`] was received and nothing is live.
    pub(crate) fn run(mut self, letters: &Letters) -> (Ledger, Unfinished) {
        let mut backlog = Backlog::default();
        let mut is_leaving = false;
        let mut pace = Pace::default();
        loop {
            let mut batch = Batch::default();
            match self.next(letters) {
                Ok(first) => {
                    pace.hold();
                    self.take(first, letters, &mut batch, &mut is_leaving);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return (self.ledger, self.views),
            }
            while batch.inputs < BATCH {
                let Ok(next) = letters.mail.try_recv() else { break };
                self.take(next, letters, &mut batch, &mut is_leaving);
            }
            self.core.apply(Input::Tick, life::now(), &mut *self.entropy, &mut batch.out);
            let inputs = batch.inputs;
            self.settle(batch, &mut backlog);
            pace.done(inputs);
            if is_leaving && self.core.is_idle() && backlog.facts.is_empty() {
                return (self.ledger, self.views);
            }
        }
    }

    /// The next mail. Before it is waited for, the readers of the ledger are shown all that was committed.
    fn next(&mut self, letters: &Letters) -> Result<Mail, RecvTimeoutError> {
        if let Ok(next) = letters.mail.try_recv() {
            return Ok(next);
        }
        if self.ledger.is_head_behind() {
            self.ledger.show(life::now());
            self.shells.committed(self.ledger.mark(), &self.views);
        }
        letters.mail.recv_timeout(Duration::from_millis(500))
    }

    fn take(&mut self, mail: Mail, letters: &Letters, batch: &mut Batch, is_leaving: &mut bool) {
        let now = life::now();
        batch.inputs += 1;
        match mail {
            Mail::Signals(events) => {
                letters.events.fetch_sub(events.len(), Ordering::Relaxed);
                batch.inputs += events.len();
                for event in events {
                    self.core.apply(Input::Signal(event), now, &mut *self.entropy, &mut batch.out);
                }
            }
            Mail::Cti(events, done) => {
                batch.inputs += events.len();
                for event in events {
                    self.core.apply(Input::Cti(event), now, &mut *self.entropy, &mut batch.out);
                }
                batch.told.push(done);
            }
            Mail::Input(input) => self.core.apply(*input, now, &mut *self.entropy, &mut batch.out),
            Mail::Control(command, reply) => {
                let ticket = batch.replies.len() as u64;
                batch.replies.push(Some(reply));
                let input = Input::Control { command: *command, ticket };
                self.core.apply(input, now, &mut *self.entropy, &mut batch.out);
            }
            Mail::ControlCall(command, reply) => {
                let ticket = batch.replies.len() as u64;
                batch.replies.push(Some(reply));
                let input = Input::ControlCall { command: *command, ticket };
                self.core.apply(input, now, &mut *self.entropy, &mut batch.out);
            }
            Mail::Note(fact, confirm) => {
                batch.out.facts.push(*fact);
                batch.confirms.push(confirm);
            }
            Mail::Leave => *is_leaving = true,
        }
    }

    /// Facts first, then orders, then replies.
    fn settle(&mut self, batch: Batch, backlog: &mut Backlog) {
        let Batch { mut out, mut replies, confirms, mut told, inputs: _ } = batch;
        let Backlog { facts: backlog, untold } = backlog;
        untold.append(&mut told);
        let now = life::now();
        backlog.append(&mut out.facts);
        let is_durable = self.commit(backlog, &out.orders, now);
        if is_durable {
            for fact in backlog.iter() {
                self.views.apply(fact);
            }
            if !backlog.is_empty() {
                self.shells.committed(self.ledger.mark(), &self.views);
            }
            self.shells.observe(self.core.stats(), backlog);
            self.keep_states(backlog, &out.orders);
            backlog.clear();
            for done in untold.drain(..) {
                // Who told it may have left.
                let _ = done.send(());
            }
        } else {
            assert!(backlog.len() < BACKLOG, "the ledger cannot be written and {BACKLOG} facts wait for it");
            self.shells.observe(self.core.stats(), &[]);
        }
        for order in out.orders {
            self.obey(order, is_durable, now);
        }
        self.shells.flush();
        for (ticket, outcome) in out.replies {
            if let Some(reply) = replies.get_mut(ticket as usize).and_then(Option::take) {
                let outcome = if is_durable { outcome } else { Err(CommandError::Unavailable) };
                // The asker may have gone; what it asked for has happened all the same.
                let _ = reply.send(outcome);
            }
        }
        for confirm in confirms {
            let _ = confirm.send(is_durable.then(|| self.ledger.next_no().saturating_sub(1)));
        }
    }

    /// Tells what changed of live recordings before anything of it is obeyed.
    fn keep_states(&mut self, facts: &[Fact], orders: &[Order]) {
        let told = facts.iter().filter(|fact| says_state(fact)).filter_map(Fact::recording);
        let ordered = orders.iter().filter_map(|order| match order {
            Order::OpenTrack(open) => Some(open.track.recording),
            Order::RetuneTrack(retune) => Some(retune.track.recording),
            Order::PauseTrack { track, .. } | Order::ResumeTrack { track } | Order::CloseTrack { track } => {
                Some(track.recording)
            }
            Order::Answer { session, .. } => self.core.recording_of(*session),
            Order::KeepState { recording } => Some(*recording),
            _ => None,
        });
        let changed: BTreeSet<RecordingId> = told.chain(ordered).collect();
        if changed.is_empty() {
            return;
        }
        let state = |id| self.core.state(id).map(|state| (self.core.sessions_feeding(id), state));
        let states = changed.into_iter().map(|id| (id, state(id))).collect();
        self.shells.keep_states(states);
    }

    /// Invariant 2. Keys of recordings that are about to be answered are durable before the facts that name them.
    fn commit(&mut self, facts: &[Fact], orders: &[Order], now: Timestamp) -> bool {
        let needs_keys = orders.iter().any(|order| matches!(order, Order::Answer { .. }));
        if needs_keys && let Err(error) = self.keyring.sync() {
            tracing::error!(%error, "keys cannot be written");
            return false;
        }
        if facts.is_empty() {
            return true;
        }
        match self.ledger.commit(facts, now) {
            Ok(_) => true,
            Err(error) => {
                tracing::error!(%error, facts = facts.len(), "the ledger cannot be written; new sessions are refused");
                false
            }
        }
    }

    fn obey(&mut self, order: Order, is_durable: bool, now: Timestamp) {
        match order {
            // Nothing is answered that is not written down.
            Order::Answer { session, .. } if !is_durable => self.refuse_after_all(session, now),
            // Nothing is freed before the fact that allows it is durable; the next start finds and frees it.
            Order::FreeSpool { .. } | Order::DropRecording { .. } if !is_durable => {}
            Order::DropRecording { recording } => {
                self.keyring.destroy(recording);
                self.shells.obey(order, None);
            }
            Order::FinishRecording { recording } => {
                let view = self.views.get(recording);
                self.shells.obey(order, view);
            }
            order => self.shells.obey(order, None),
        }
    }

    fn refuse_after_all(&mut self, session: RsId, now: Timestamp) {
        self.shells.obey(Order::Refuse { session, status: 503, retry_after_s: Some(5), warning: None }, None);
        let event = Event::Ended {
            dialog: DialogId(session.0),
            cause: Ended::NotEstablished,
            reason: Some("ledger unavailable".into()),
            metadata: None,
        };
        let mut out = Output::default();
        self.core.apply(Input::Signal(event), now, &mut *self.entropy, &mut out);
        for order in out.orders {
            self.shells.obey(order, None);
        }
    }
}

/// Facts that leave their mark on the state of a live recording.
fn says_state(fact: &Fact) -> bool {
    matches!(
        fact,
        Fact::RecordingOpened(_)
            | Fact::SessionJoined { .. }
            | Fact::TrackOpened(_)
            | Fact::PartiesNamed { .. }
            | Fact::MetadataReceived { .. }
            | Fact::RecordingPaused { .. }
            | Fact::RecordingResumed { .. }
            | Fact::SessionEnded { .. }
            | Fact::RecordingEnded { .. }
    )
}

/// What a disk that refuses to write has not taken yet.
#[derive(Default)]
struct Backlog {
    facts: Vec<Fact>,
    /// CTI sources are held up meanwhile: their events would only add to it.
    untold: Vec<oneshot::Sender<()>>,
}

/// What one round collects.
#[derive(Default)]
struct Batch {
    inputs: usize,
    out: Output,
    replies: Vec<Option<oneshot::Sender<Result<(), CommandError>>>>,
    confirms: Vec<oneshot::Sender<Option<u64>>>,
    /// CTI sources that wait until what they told is durable.
    told: Vec<oneshot::Sender<()>>,
}
