//! The table of recordings with the answers that are asked for at every input kept beside it: how many are live, who
//! waits for another leg until when. Whatever was lent out for change is looked at again before an answer is given.
//!
//! Counting all recordings at each INVITE and looking through all at each tick grew with the recordings that are live;
//! an index costs nearly the same at 10,000 as at one.

use std::collections::{BTreeMap, BTreeSet};

use model::{RecordingId, Timestamp};

use crate::state::Recording;

/// All recordings that are live or wait for their archive.
#[derive(Debug, Default)]
pub(crate) struct Recordings {
    /// Boxed: a tree of large values is half empty.
    all: BTreeMap<RecordingId, Box<Entry>>,
    counts: Counts,
    lingering: BTreeSet<(Timestamp, RecordingId)>,
    paused: BTreeSet<(Timestamp, RecordingId)>,
    provisional: BTreeSet<(Timestamp, RecordingId)>,
    /// Lent out since the last [`Self::settle`].
    touched: Vec<RecordingId>,
}

#[derive(Debug)]
struct Entry {
    recording: Recording,
    traits: Traits,
}

/// How many recordings there are of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Not ended, written down or not: what the bound on live recordings counts.
    pub(crate) open: usize,
    /// Written down and not ended.
    pub(crate) live: usize,
    /// Ended, waiting for their archive.
    pub(crate) pending: usize,
    /// Waiting for another leg, or with a track on its way to the spool.
    pub(crate) unsettled: usize,
}

/// What the index knows of one recording.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Traits {
    is_open: bool,
    is_live: bool,
    is_pending: bool,
    is_unsettled: bool,
    paused_at: Option<Timestamp>,
    linger_until: Option<Timestamp>,
    keep_until: Option<Timestamp>,
}

impl Traits {
    fn of(recording: &Recording) -> Self {
        let is_open = recording.ended.is_none();
        Self {
            is_open,
            is_live: is_open && recording.is_opened,
            is_pending: !is_open,
            is_unsettled: recording.linger_until.is_some() || recording.tracks.values().any(|track| !track.is_done),
            paused_at: recording.paused_at.filter(|_| is_open),
            linger_until: recording.linger_until,
            keep_until: recording.keep_until,
        }
    }
}

impl Recordings {
    pub(crate) fn get(&self, id: &RecordingId) -> Option<&Recording> {
        self.all.get(id).map(|entry| &entry.recording)
    }

    /// Lends a recording out for change.
    pub(crate) fn get_mut(&mut self, id: &RecordingId) -> Option<&mut Recording> {
        let entry = self.all.get_mut(id)?;
        if self.touched.last() != Some(id) {
            self.touched.push(*id);
        }
        Some(&mut entry.recording)
    }

    pub(crate) fn insert(&mut self, id: RecordingId, recording: Recording) {
        self.remove(&id);
        let traits = Traits::of(&recording);
        self.note(id, Traits::default(), traits);
        self.all.insert(id, Box::new(Entry { recording, traits }));
    }

    pub(crate) fn remove(&mut self, id: &RecordingId) -> Option<Recording> {
        let Entry { recording, traits } = *self.all.remove(id)?;
        self.note(*id, traits, Traits::default());
        Some(recording)
    }

    /// Looks again at what was lent out. Every input ends with it.
    pub(crate) fn settle(&mut self) {
        while let Some(id) = self.touched.pop() {
            let Some(entry) = self.all.get_mut(&id) else { continue };
            let now = Traits::of(&entry.recording);
            let before = std::mem::replace(&mut entry.traits, now);
            if before != now {
                self.note(id, before, now);
            }
        }
    }

    /// As of the last [`Self::settle`].
    pub(crate) const fn counts(&self) -> Counts {
        self.counts
    }

    /// Recordings whose wait for another leg is over at `now`, longest waiting first; `None`: everybody's is.
    pub(crate) fn waited_until(&mut self, now: Option<Timestamp>) -> Vec<RecordingId> {
        self.settle();
        let is_due = |(until, _): &&(Timestamp, RecordingId)| now.is_none_or(|now| *until <= now);
        self.lingering.iter().take_while(is_due).map(|(_, id)| *id).collect()
    }

    /// Recordings that have been paused by command for at least this long, and since when.
    pub(crate) fn paused_before(&mut self, now: Timestamp, for_ms: u64) -> Vec<(RecordingId, Timestamp)> {
        self.settle();
        let is_long = |(since, _): &&(Timestamp, RecordingId)| now.millis_since(*since) >= for_ms;
        self.paused.iter().take_while(is_long).map(|(since, id)| (*id, *since)).collect()
    }

    /// Recordings that somebody could have asked for until `now`, and nobody did.
    pub(crate) fn unkept(&mut self, now: Timestamp) -> Vec<RecordingId> {
        self.settle();
        self.provisional.iter().take_while(|(until, _)| *until <= now).map(|(_, id)| *id).collect()
    }

    fn note(&mut self, id: RecordingId, before: Traits, now: Traits) {
        let Counts { open, live, pending, unsettled } = &mut self.counts;
        let shift = |count: &mut usize, was: bool, is: bool| *count = *count + usize::from(is) - usize::from(was);
        shift(open, before.is_open, now.is_open);
        shift(live, before.is_live, now.is_live);
        shift(pending, before.is_pending, now.is_pending);
        shift(unsettled, before.is_unsettled, now.is_unsettled);
        if before.paused_at != now.paused_at {
            before.paused_at.map(|since| self.paused.remove(&(since, id)));
            now.paused_at.map(|since| self.paused.insert((since, id)));
        }
        if before.keep_until != now.keep_until {
            before.keep_until.map(|until| self.provisional.remove(&(until, id)));
            now.keep_until.map(|until| self.provisional.insert((until, id)));
        }
        if before.linger_until != now.linger_until {
            before.linger_until.map(|until| self.lingering.remove(&(until, id)));
            now.linger_until.map(|until| self.lingering.insert((until, id)));
        }
    }

    /// The same numbers by looking at every recording: what the index is checked against.
    #[cfg(test)]
    pub(crate) fn counted(&self) -> (Counts, BTreeSet<(Timestamp, RecordingId)>) {
        let (mut counts, mut lingering) = (Counts::default(), BTreeSet::new());
        for (id, entry) in &self.all {
            let traits = Traits::of(&entry.recording);
            counts.open += usize::from(traits.is_open);
            counts.live += usize::from(traits.is_live);
            counts.pending += usize::from(traits.is_pending);
            counts.unsettled += usize::from(traits.is_unsettled);
            lingering.extend(traits.linger_until.map(|until| (until, *id)));
        }
        (counts, lingering)
    }

    /// What the index says.
    #[cfg(test)]
    pub(crate) fn indexed(&self) -> (Counts, BTreeSet<(Timestamp, RecordingId)>) {
        (self.counts, self.lingering.clone())
    }
}
