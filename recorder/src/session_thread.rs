//! The session thread: takes inputs in order, lets the core decide, commits the facts of the whole batch with one
//! flush, and only then obeys.
//!
//! The mailbox is bounded at more than all tracks can ever report at once, so the packet threads never wait for it;
//! signaling and API may, and that is their back-pressure.

use std::{
    collections::{BTreeSet, HashMap},
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    time::Duration,
};

use model::{CommandError, Entropy, Fact, Order, RecordingId, RsId, Secret, Timestamp};
use session::{Core, Input, Output};
use signaling_core::event::{DialogId, Ended, Event};
use storage::Ledger;
use storage_core::{fold, view::RecordingView};
use tokio::sync::oneshot;

use crate::{keyring::Keyring, life};

/// Four reports of a track's life for every track that fits on 20,000 ports, and room for words beside.
const MAILBOX: usize = 1 << 17;
/// Inputs decided together: one commit for a batch keeps 2,000 set-ups a second within a disk's flushes.
const BATCH: usize = 512;
/// Facts that wait for a disk that refuses to write; beyond it new ones push out nothing: the process ends, because a
/// recorder that cannot write down what it does must not go on answering.
const BACKLOG: usize = 100_000;

/// What lands in the mailbox.
pub(crate) enum Mail {
    /// For the core.
    Input(Box<Input>),
    /// A command with the way back for its reply.
    Control(Box<model::Command>, oneshot::Sender<Result<(), CommandError>>),
    /// A fact that needs no decision (audit, hold): made durable, then confirmed with the number of the last durable fact.
    Note(Box<Fact>, oneshot::Sender<Option<u64>>),
    /// Leave when nothing is live any more; then confirmed by the end of the thread.
    Leave,
}

/// The way into the session thread.
#[derive(Clone)]
pub(crate) struct Mailbox(SyncSender<Mail>);

impl Mailbox {
    pub(crate) fn new() -> (Self, Receiver<Mail>) {
        let (sender, receiver) = sync_channel(MAILBOX);
        (Self(sender), receiver)
    }

    /// Hands an input over, waiting while the mailbox is full. False when the thread is gone.
    pub(crate) fn send(&self, input: Input) -> bool {
        self.0.send(Mail::Input(Box::new(input))).is_ok()
    }

    /// Hands mail over without waiting, for callers on the runtime. False when full or gone.
    pub(crate) fn try_send(&self, mail: Mail) -> bool {
        match self.0.try_send(mail) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }
}

/// Those who carry orders out. The root implements it over the real shells.
pub(crate) trait Shells: Send {
    /// Carries one order out; never waits for the network.
    fn obey(&mut self, order: Order, view: Option<&RecordingView>);
    /// After each batch: numbers for metrics.
    fn observe(&mut self, stats: session::Stats, facts: &[Fact]);
    /// The follower of the ledger may look: `last` is the number of the last durable fact.
    fn committed(&mut self, last: u64);
    /// What has to survive a crash of a live recording, and the sessions that feed it; `None` when it is not live.
    fn keep_state(&mut self, recording: RecordingId, state: Option<(Vec<RsId>, Secret)>);
}

/// Everything the thread owns.
pub(crate) struct SessionThread<S> {
    pub(crate) core: Core,
    pub(crate) ledger: Ledger,
    pub(crate) keyring: Keyring,
    pub(crate) shells: S,
    pub(crate) entropy: Box<dyn Entropy + Send>,
    pub(crate) views: HashMap<RecordingId, RecordingView>,
}

impl<S: Shells> SessionThread<S> {
    /// Runs until [`Mail::Leave`] was received and nothing is live.
    pub(crate) fn run(mut self, mail: &Receiver<Mail>) -> Ledger {
        let mut backlog: Vec<Fact> = Vec::new();
        let mut is_leaving = false;
        loop {
            let mut batch = Batch::default();
            match mail.recv_timeout(Duration::from_millis(500)) {
                Ok(first) => self.take(first, &mut batch, &mut is_leaving),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.ledger,
            }
            for _ in 1..BATCH {
                let Ok(next) = mail.try_recv() else { break };
                self.take(next, &mut batch, &mut is_leaving);
            }
            self.core.apply(Input::Tick, life::now(), &mut *self.entropy, &mut batch.out);
            self.settle(batch, &mut backlog);
            if is_leaving && self.core.is_idle() && backlog.is_empty() {
                return self.ledger;
            }
        }
    }

    fn take(&mut self, mail: Mail, batch: &mut Batch, is_leaving: &mut bool) {
        let now = life::now();
        match mail {
            Mail::Input(input) => self.core.apply(*input, now, &mut *self.entropy, &mut batch.out),
            Mail::Control(command, reply) => {
                let ticket = batch.replies.len() as u64;
                batch.replies.push(Some(reply));
                let input = Input::Control { command: *command, ticket };
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
    fn settle(&mut self, batch: Batch, backlog: &mut Vec<Fact>) {
        let Batch { mut out, mut replies, confirms } = batch;
        let now = life::now();
        backlog.append(&mut out.facts);
        let is_durable = self.commit(backlog, &out.orders, now);
        if is_durable {
            for fact in backlog.iter() {
                self.fold(fact);
            }
            if !backlog.is_empty() {
                self.shells.committed(self.ledger.next_no().saturating_sub(1));
            }
            self.shells.observe(self.core.stats(), backlog);
            self.keep_states(backlog, &out.orders);
            backlog.clear();
        } else {
            assert!(backlog.len() < BACKLOG, "the ledger cannot be written and {BACKLOG} facts wait for it");
            self.shells.observe(self.core.stats(), &[]);
        }
        for order in out.orders {
            self.obey(order, is_durable, now);
        }
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
            _ => None,
        });
        for id in told.chain(ordered).collect::<BTreeSet<_>>() {
            let state = self.core.state(id).map(|state| (self.core.sessions_feeding(id), state));
            self.shells.keep_state(id, state);
        }
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
            Order::FreeSpool { recording } => {
                self.shells.obey(order, self.views.get(&recording));
                self.views.remove(&recording);
            }
            Order::DropRecording { recording } => {
                self.keyring.destroy(recording);
                self.shells.obey(order, None);
            }
            Order::FinishRecording { recording } => {
                let view = self.views.get(&recording);
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

    fn fold(&mut self, fact: &Fact) {
        let Some(id) = fact.recording() else { return };
        let mut view = self.views.remove(&id);
        fold::apply(&mut view, fact);
        let is_over = matches!(fact, Fact::RecordingFailed { .. });
        if let Some(view) = view.filter(|_| !is_over) {
            self.views.insert(id, view);
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

/// What one round collects.
#[derive(Default)]
struct Batch {
    out: Output,
    replies: Vec<Option<oneshot::Sender<Result<(), CommandError>>>>,
    confirms: Vec<oneshot::Sender<Option<u64>>>,
}
