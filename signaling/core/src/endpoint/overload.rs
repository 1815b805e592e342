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
    /// What the decisions of the last [`limits::OVERLOAD_WINDOW`] had waited for at least, from its beginning on.
    window: Option<(Instant, Duration)>,
    /// Since when decisions have come without a break, and the last of them.
    flow: Option<(Instant, Instant)>,
    /// The queue does not empty: whoever comes has to wait, not for a moment but since long.
    is_standing: bool,
}

impl Undecided {
    pub(super) fn begin(&mut self, id: DialogId, now: Instant) {
        if self.waiting.is_empty() {
            (self.window, self.is_standing) = (None, false);
        }
        self.waiting.insert(id, now);
    }

    /// It waits no longer, because it was decided.
    pub(super) fn decided(&mut self, id: DialogId, now: Instant) {
        let Some(since) = self.waiting.remove(&id) else { return };
        let waited = now.saturating_duration_since(since);
        let goes_on = |(_, last): &(Instant, Instant)| now.saturating_duration_since(*last) < limits::OVERLOAD_BREAK;
        self.flow = Some((self.flow.filter(goes_on).map_or(now, |(began, _)| began), now));
        let (began, least) = self.window.map_or((now, waited), |(began, least)| (began, least.min(waited)));
        if now.saturating_duration_since(began) < limits::OVERLOAD_WINDOW {
            self.window = Some((began, least));
            return;
        }
        self.window = None;
        self.is_standing = least > if self.is_standing { limits::OVERLOAD_OVER } else { limits::OVERLOAD_WAIT };
    }

    /// It waits no longer, because it is gone.
    pub(super) fn end(&mut self, id: DialogId) {
        self.waiting.remove(&id);
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Many wait, and not for a moment: what comes now would wait longer still. Neither alone says so, and no single long
    /// wait does: after a disk or a machine stood still everybody has waited long, and all are served at once. It is
    /// behind when even the shortest wait of a tenth of a second was long, when others have been served for as long while
    /// many wait, or when nothing moves for seconds.
    fn is_behind(&mut self, now: Instant) -> bool {
        let oldest = self.waiting.first_key_value().map(|(_, since)| *since);
        let is_stuck = oldest.is_some_and(|since| now.saturating_duration_since(since) > limits::UNDECIDED_AGE);
        // Not the oldest: one that nobody ever decides says nothing.
        let passed_over = self.waiting.values().nth(limits::UNDECIDED_FEW).copied();
        if let (Some(since), Some((began, last))) = (passed_over, self.flow) {
            self.is_standing |= last.saturating_duration_since(since.max(began)) > limits::OVERLOAD_WINDOW;
        }
        self.waiting.len() >= limits::UNDECIDED
            || (self.waiting.len() > limits::UNDECIDED_FEW && (self.is_standing || is_stuck))
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
