//! The door under overload: which offers wait for their decision, and when a new one is turned away at once.
//!
//! Whoever comes when we are behind gets 503 with Retry-After at once and without a transaction, so that turning away
//! costs a tenth of taking in; whoever was taken in is served in time, and requests inside dialogs are never refused.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{Endpoint, Moment};
use crate::{
    event::DialogId,
    flow::{Flow, token},
    limits,
    sip::{Method, Request},
};

/// New sessions that wait for their decision, by number, which is by age.
#[derive(Debug, Default)]
pub(super) struct Undecided {
    waiting: BTreeMap<DialogId, Instant>,
    window: Option<Window>,
    /// The queue does not empty: whoever comes has to wait, not for a moment but since long.
    is_standing: bool,
    /// More come than are decided, and many wait already.
    is_growing: bool,
}

/// What is looked at together, for [`limits::OVERLOAD_WINDOW`], while decisions come without a break.
#[derive(Debug, Clone, Copy)]
struct Window {
    began: Instant,
    /// Of the last decision.
    last: Instant,
    /// How many waited when it began.
    queue: usize,
    /// What those decided in it had waited for at least.
    least: Duration,
}

impl Window {
    fn begin(now: Instant, queue: usize) -> Self {
        Self { began: now, last: now, queue, least: Duration::MAX }
    }

    /// Plainly fewer wait now than when it began.
    fn has_shrunk(&self, queue: usize) -> bool {
        queue + limits::OVERLOAD_GROWTH.min(self.queue / 8) < self.queue
    }
}

impl Undecided {
    pub(super) fn begin(&mut self, id: DialogId, now: Instant) {
        if self.waiting.is_empty() {
            (self.window, self.is_standing, self.is_growing) = (None, false, false);
        }
        self.waiting.insert(id, now);
    }

    /// It waits no longer, because it was decided.
    pub(super) fn decided(&mut self, id: DialogId, now: Instant) {
        let queue = self.waiting.len();
        let Some(since) = self.waiting.remove(&id) else { return };
        let goes_on = |window: &Window| now.saturating_duration_since(window.last) < limits::OVERLOAD_BREAK;
        let mut window = self.window.filter(goes_on).unwrap_or_else(|| {
            self.is_standing &= queue > limits::UNDECIDED_FEW;
            Window::begin(now, queue)
        });
        window.last = now;
        window.least = window.least.min(now.saturating_duration_since(since));
        if now.saturating_duration_since(window.began) >= limits::OVERLOAD_WINDOW {
            self.is_standing = if self.is_standing {
                window.least > limits::OVERLOAD_OVER
            } else {
                window.least > limits::OVERLOAD_WAIT && !window.has_shrunk(queue)
            };
            window = Window::begin(now, queue);
        }
        self.window = Some(window);
    }

    /// It waits no longer, because it is gone.
    pub(super) fn end(&mut self, id: DialogId) {
        self.waiting.remove(&id);
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Many wait, and what comes now would wait longer still. Neither many nor one long wait says so: a burst at once, or
    /// what came while a disk or a machine stood still, is served as fast as it can be, and meanwhile fewer and fewer wait.
    /// It is behind when more wait the longer others are served, when even the shortest wait of a tenth of a second was
    /// long and the queue stays as long as it was, or when nothing moves for seconds.
    fn is_behind(&mut self, now: Instant) -> bool {
        let queue = self.waiting.len();
        let age = |since: Instant| now.saturating_duration_since(since);
        let grows = |window: Window| {
            age(window.last) < limits::OVERLOAD_BREAK
                && age(window.began) >= limits::OVERLOAD_WINDOW / 2
                && queue >= window.queue + limits::OVERLOAD_GROWTH
        };
        self.is_growing |= queue >= limits::UNDECIDED_MANY && self.window.is_some_and(grows);
        self.is_growing &= queue > limits::UNDECIDED_FEW;
        let is_stuck = self.waiting.first_key_value().is_some_and(|(_, since)| age(*since) > limits::UNDECIDED_AGE);
        let room = match (self.is_standing || is_stuck, self.is_growing) {
            (true, _) => limits::UNDECIDED_FEW + 1,
            (_, true) => limits::UNDECIDED_MANY,
            _ => limits::UNDECIDED,
        };
        queue >= room
    }
}

impl Endpoint {
    /// Turns a new session away when we are behind; true when it did. A repetition of what was taken in is not new.
    pub(super) fn turned_away_at_door(&mut self, flow: &Flow, request: &Request, at: &mut Moment<'_>) -> bool {
        let is_new = request.method == Method::Invite && request.to.tag().is_none();
        if !is_new || !self.undecided.is_behind(at.now) || self.layer.knows(request) {
            return false;
        }
        self.stats.overload_refusals += 1;
        let reply = self.reply(503).with("Retry-After", self.config.retry_after_s.to_string());
        self.layer.reject(flow, request, &reply, &token(at.entropy));
        self.turned_away(request.call_id.clone(), flow, 503, "overload");
        true
    }
}
