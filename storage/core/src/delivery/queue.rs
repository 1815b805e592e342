//! What one subscriber is owed now: which item may go next, and what follows from how it went.
//!
//! Call [`Queue::admit`] while there is room, then [`Queue::next`] until it returns `None`; hand each item over and tell
//! [`Queue::settle`] how it went; what the verdict says is to be written down. [`Queue::wake_at`] says when to look again.

use std::collections::{BTreeMap, HashSet};

use model::Timestamp;

use super::Schedule;
use crate::limits::{PARCELS_AT_ONCE, PARCELS_PER_SUBSCRIBER, RETRY_AFTER_S};

/// How long everything waits when we were not ready for an item: what we lack we lack for others too.
const NOT_YET_NANOS: u64 = 1_000_000_000;

/// One item on its way to one subscriber.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// Its notice. Of one subject the lower number goes first.
    pub number: u64,
    /// What has to stay in order.
    pub subject: String,
    /// Attempts so far.
    pub attempts: u32,
    /// Not before.
    pub next_at: Timestamp,
    /// When patience with it began.
    pub raised: Timestamp,
}

/// How an attempt went; each variant is another reaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The subscriber has it.
    Accepted,
    /// There is nothing to hand over: something newer takes its place, or it is not for this subscriber.
    Dropped,
    /// We are not ready ourselves: no attempt was made.
    NotYet,
    /// It may go another time. `wait_s` is what the subscriber asked for.
    Failed {
        /// For the dead letter.
        cause: String,
        /// `Retry-After`.
        wait_s: Option<u64>,
    },
    /// The subscriber will never take this one.
    Refused {
        /// For the dead letter.
        cause: String,
    },
    /// The subscriber wants nothing any more (410).
    Gone,
}

/// What to write down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is done with.
    Done,
    /// It goes again then, after so many attempts.
    Again {
        /// Not before.
        at: Timestamp,
        /// So far.
        attempts: u32,
    },
    /// It is a dead letter.
    Dead {
        /// So far.
        attempts: u32,
        /// Why.
        cause: String,
    },
    /// Nothing goes to this subscriber until somebody says so; the item waits.
    Disabled,
}

/// The items of one subscriber.
#[derive(Debug)]
pub struct Queue {
    schedule: Schedule,
    parcels: BTreeMap<u64, Parcel>,
    under_way: HashSet<u64>,
    /// Failures in a row, of whatever item.
    strain: u32,
    /// Nothing goes before: one that fails is not asked for everything at once.
    rest_until: Timestamp,
    is_disabled: bool,
}

impl Queue {
    /// Nothing is owed.
    pub fn new(schedule: Schedule, is_disabled: bool) -> Self {
        Self {
            schedule,
            parcels: BTreeMap::new(),
            under_way: HashSet::new(),
            strain: 0,
            rest_until: Timestamp::default(),
            is_disabled,
        }
    }

    /// How many more may be admitted.
    pub fn room(&self) -> usize {
        PARCELS_PER_SUBSCRIBER.saturating_sub(self.parcels.len())
    }

    /// When it tries again.
    pub const fn schedule(&self) -> Schedule {
        self.schedule
    }

    /// Takes an item in; one that is in already stays as it is.
    pub fn admit(&mut self, parcel: Parcel) {
        self.parcels.entry(parcel.number).or_insert(parcel);
    }

    /// How many are owed.
    pub fn len(&self) -> usize {
        self.parcels.len()
    }

    /// None is.
    pub fn is_empty(&self) -> bool {
        self.parcels.is_empty()
    }

    /// Whether the subscriber wants nothing.
    pub const fn is_disabled(&self) -> bool {
        self.is_disabled
    }

    /// The subscriber is asked again, at once.
    pub fn enable(&mut self) {
        (self.is_disabled, self.strain, self.rest_until) = (false, 0, Timestamp::default());
    }

    /// The item that may go now; it is under way until it is settled.
    pub fn next(&mut self, now: Timestamp) -> Option<Parcel> {
        if self.is_disabled || now < self.rest_until || self.is_busy() {
            return None;
        }
        let number = self.first_free().find(|parcel| parcel.next_at <= now).map(|parcel| parcel.number)?;
        self.under_way.insert(number);
        self.parcels.get(&number).cloned()
    }

    fn is_busy(&self) -> bool {
        self.under_way.len() >= if self.strain == 0 { PARCELS_AT_ONCE } else { 1 }
    }

    /// Items that no earlier one of their subject holds up.
    fn first_free(&self) -> impl Iterator<Item = &Parcel> {
        let mut before = HashSet::new();
        self.parcels
            .values()
            .filter(move |parcel| before.insert(parcel.subject.as_str()) && !self.under_way.contains(&parcel.number))
    }

    /// What follows from an attempt; `chance` is any random number.
    pub fn settle(&mut self, number: u64, outcome: Outcome, now: Timestamp, chance: u64) -> Verdict {
        self.under_way.remove(&number);
        match outcome {
            Outcome::Accepted | Outcome::Dropped => {
                if outcome == Outcome::Accepted {
                    self.strain = 0;
                }
                self.parcels.remove(&number);
                Verdict::Done
            }
            Outcome::NotYet => {
                let at = now.plus_nanos(NOT_YET_NANOS);
                self.rest_until = self.rest_until.max(at);
                self.again(number, at, 0)
            }
            Outcome::Refused { cause } => self.bury(number, cause),
            Outcome::Gone => {
                self.is_disabled = true;
                Verdict::Disabled
            }
            Outcome::Failed { cause, wait_s } => self.failed(number, cause, wait_s, (now, chance)),
        }
    }

    fn failed(&mut self, number: u64, cause: String, wait_s: Option<u64>, (now, chance): (Timestamp, u64)) -> Verdict {
        self.strain = self.strain.saturating_add(1);
        let asked_ms = wait_s.unwrap_or(0).min(RETRY_AFTER_S) * 1_000;
        let rest_ms = self.schedule.delay_ms(self.strain, chance).max(asked_ms);
        self.rest_until = now.plus_nanos(rest_ms * 1_000_000);
        let Some(parcel) = self.parcels.get(&number) else { return Verdict::Done };
        let wait_ms = self.schedule.delay_ms(parcel.attempts + 1, chance).max(asked_ms);
        let at = now.plus_nanos(wait_ms * 1_000_000);
        if self.schedule.is_over(parcel.raised, at) {
            return self.bury(number, cause);
        }
        self.again(number, at, 1)
    }

    fn again(&mut self, number: u64, at: Timestamp, attempts: u32) -> Verdict {
        let Some(parcel) = self.parcels.get_mut(&number) else { return Verdict::Done };
        parcel.attempts = parcel.attempts.saturating_add(attempts);
        parcel.next_at = at;
        Verdict::Again { at, attempts: parcel.attempts }
    }

    fn bury(&mut self, number: u64, cause: String) -> Verdict {
        let attempts = self.parcels.remove(&number).map_or(0, |parcel| parcel.attempts);
        Verdict::Dead { attempts: attempts.saturating_add(1), cause }
    }

    /// Items that are too old to go on with, though nothing may have been tried: the subscriber was away all the time.
    pub fn expire(&mut self, now: Timestamp) -> Vec<(u64, Verdict)> {
        let is_over = |parcel: &&Parcel| self.schedule.is_over(parcel.raised, now);
        let is_free = |parcel: &&Parcel| !self.under_way.contains(&parcel.number);
        let old: Vec<u64> = self.parcels.values().filter(is_over).filter(is_free).map(|parcel| parcel.number).collect();
        let bury = |number: u64| {
            let attempts = self.parcels.remove(&number).map_or(0, |parcel| parcel.attempts);
            (number, Verdict::Dead { attempts, cause: "too old".into() })
        };
        old.into_iter().map(bury).collect()
    }

    /// When something may go, if nothing is settled or admitted before; `None` when an answer has to come first, or an item.
    pub fn wake_at(&self) -> Option<Timestamp> {
        if self.is_disabled || self.is_busy() {
            return None;
        }
        self.first_free().map(|parcel| parcel.next_at.max(self.rest_until)).min()
    }
}
