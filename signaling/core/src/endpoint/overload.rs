//! The door under overload: which offers wait for their decision, and when a new one is turned away at once.
//!
//! Whoever comes when we are behind gets 503 with Retry-After at once and without a transaction, so that turning away
//! costs a tenth of taking in; whoever was taken in is served in time, and requests inside dialogs are never refused.

use std::{collections::BTreeMap, time::Instant};

use super::{Endpoint, Moment};
use crate::{
    event::DialogId,
    flow::{Flow, token},
    limits,
    sip::{Method, Request},
};

/// New sessions that wait for their decision, by number, which is by age.
#[derive(Debug, Default)]
pub(super) struct Undecided(BTreeMap<DialogId, Instant>);

impl Undecided {
    pub(super) fn begin(&mut self, id: DialogId, now: Instant) {
        self.0.insert(id, now);
    }

    pub(super) fn end(&mut self, id: DialogId) {
        self.0.remove(&id);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Many wait, and the oldest has waited for long: what comes now would wait longer still. Neither alone says so: a
    /// slow disk makes few wait long, a burst makes many wait for a moment.
    fn is_behind(&self, now: Instant) -> bool {
        let oldest = self.0.first_key_value().map(|(_, since)| now.saturating_duration_since(*since));
        self.0.len() >= limits::UNDECIDED
            || (self.0.len() > limits::UNDECIDED_FEW && oldest.is_some_and(|age| age > limits::UNDECIDED_AGE))
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
