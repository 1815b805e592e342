//! Joins what was told and what was recorded into calls.
//!
//! By keys first, in the order CallUUID, ConnID, Call-ID and identity of the recording; what has none in common, by two
//! numbers and a beginning of the recording within the tolerance of that of the call, or in the call. Without keys nothing is used twice: of several candidates the nearest is
//! taken, each for one call only.

use std::collections::HashMap;

use super::{
    key::{Key, Number},
    recorded::Recorded,
    told::Told,
    verdict::Joined,
};

/// What has been joined so far.
pub(super) struct Joiner<'a> {
    calls: Vec<Call<'a>>,
    by_key: HashMap<Key, usize>,
    tolerance: u64,
}

struct Call<'a> {
    joined: Joined<'a>,
    uuid: Option<Key>,
}

/// What two sides are compared by when they share no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Mark {
    /// Two numbers in order.
    Two(Number, Number),
    /// The only number that a call, or a recording, has.
    Alone(Side, Number),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Side {
    Told,
    Recorded,
}

/// Two that begin so far apart, and their places.
type Candidate = (u64, usize, usize);

impl<'a> Joiner<'a> {
    /// Joins rows and recordings. Both are taken in the order of their beginning.
    pub(super) fn join(mut told: Vec<&'a Told>, mut recorded: Vec<&'a Recorded>, tolerance: u64) -> Vec<Joined<'a>> {
        told.sort_by_key(|told| (told.start, told.own));
        recorded.sort_by_key(|recorded| (recorded.start, recorded.id));
        let mut joiner = Self { calls: Vec::with_capacity(told.len()), by_key: HashMap::new(), tolerance };
        // Those with a CallUUID found the calls that the others are looked up in.
        let (sure, rest): (Vec<&Told>, Vec<&Told>) = told.into_iter().partition(|told| told.uuid.is_some());
        sure.into_iter().chain(rest).for_each(|told| joiner.tell(told));
        joiner.merge();
        let left = recorded.into_iter().filter(|recorded| !joiner.attach(recorded)).collect();
        let left = joiner.guess(left);
        let mut calls: Vec<Joined<'a>> = joiner.calls.into_iter().map(|call| call.joined).collect();
        calls.retain(|call| !call.told.is_empty());
        calls.extend(left.into_iter().map(|recorded| Joined { told: Vec::new(), recorded: vec![recorded] }));
        calls
    }

    fn tell(&mut self, told: &'a Told) {
        let at = self.find(told.uuid, told_keys(told)).unwrap_or_else(|| {
            self.calls.push(Call { joined: Joined { told: Vec::new(), recorded: Vec::new() }, uuid: told.uuid });
            self.calls.len() - 1
        });
        self.calls[at].joined.told.push(told);
        for key in told_keys(told) {
            self.by_key.entry(key).or_insert(at);
        }
    }

    /// The call of the first key that leads to one with no other CallUUID: a ConnID may be used again, a CallUUID is not.
    fn find(&self, uuid: Option<Key>, keys: impl Iterator<Item = Key>) -> Option<usize> {
        keys.filter_map(|key| self.by_key.get(&key).copied()).find(|at| match (self.calls[*at].uuid, uuid) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => true,
        })
    }

    /// The same call told by two sources that share no key.
    fn merge(&mut self) {
        let mut index: HashMap<Mark, Vec<usize>> = HashMap::new();
        for (at, call) in self.calls.iter().enumerate() {
            let marks = call.joined.told.iter().flat_map(|told| own_marks(&told.numbers, Side::Told));
            marks.for_each(|mark| index.entry(mark).or_default().push(at));
        }
        let mut candidates: Vec<Candidate> = Vec::new();
        for places in index.values_mut().filter(|places| places.len() > 1) {
            places.sort_unstable_by_key(|at| (self.calls[*at].joined.start(), *at));
            places.dedup();
            self.near(places, &mut candidates);
        }
        candidates.sort_unstable();
        candidates.dedup();
        let mut is_taken = vec![false; self.calls.len()];
        for (_, one, other) in candidates {
            if !is_taken[one] && !is_taken[other] {
                (is_taken[one], is_taken[other]) = (true, true);
                // The one with the CallUUID stays.
                let (to, from) = if self.calls[one].uuid.is_some() { (one, other) } else { (other, one) };
                let moved = std::mem::take(&mut self.calls[from].joined.told);
                for key in moved.iter().flat_map(|told| told_keys(told)) {
                    self.by_key.insert(key, to);
                }
                self.calls[to].joined.told.extend(moved);
            }
        }
    }

    /// Calls of one pair of numbers, by beginning: those within the tolerance that different sources told of.
    fn near(&self, places: &[usize], candidates: &mut Vec<Candidate>) {
        for (index, &one) in places.iter().enumerate() {
            let call = &self.calls[one];
            for &other in &places[index + 1..] {
                let apart = self.calls[other].joined.start() - call.joined.start();
                if apart > self.tolerance {
                    break;
                }
                let is_told_twice = call
                    .joined
                    .told
                    .iter()
                    .any(|told| self.calls[other].joined.told.iter().any(|further| further.source == told.source));
                if !is_told_twice && (call.uuid.is_none() || self.calls[other].uuid.is_none()) {
                    candidates.push((apart, one.min(other), one.max(other)));
                }
            }
        }
    }

    /// Puts a recording to its call by a key; false when none leads to one.
    fn attach(&mut self, recorded: &'a Recorded) -> bool {
        let own = Some(Key::recording(recorded.id)).into_iter().chain(recorded.uuid).chain(recorded.conn);
        let keys = own.chain(recorded.record).chain(recorded.call_ids.iter().copied());
        let Some(at) = self.find(recorded.uuid, keys) else { return false };
        self.calls[at].joined.recorded.push(recorded);
        true
    }

    /// Puts recordings to calls that have none, by numbers and time; what is left over belongs to no call.
    fn guess(&mut self, recorded: Vec<&'a Recorded>) -> Vec<&'a Recorded> {
        let mut index: HashMap<Mark, Vec<(u64, usize)>> = HashMap::new();
        for (at, recorded) in recorded.iter().enumerate() {
            let marks = own_marks(&recorded.numbers, Side::Recorded).chain(others(&recorded.numbers, Side::Told));
            marks.for_each(|mark| index.entry(mark).or_default().push((recorded.start, at)));
        }
        let mut candidates: Vec<Candidate> = Vec::new();
        for (at, call) in self.calls.iter().enumerate().filter(|(_, call)| call.joined.recorded.is_empty()) {
            for told in &call.joined.told {
                // It may begin late, in the middle of the call: then nothing is nearer than the call it is in.
                let last = told.end.unwrap_or(0).max(told.answered.unwrap_or(told.start) + self.tolerance);
                for begin in std::iter::once(told.start).chain(told.answered) {
                    let marks = own_marks(&told.numbers, Side::Told).chain(others(&told.numbers, Side::Recorded));
                    for mark in marks {
                        let known = index.get(&mark).map_or(&[][..], Vec::as_slice);
                        let first = known.partition_point(|(start, _)| start + self.tolerance < begin);
                        let near = known[first..].iter().take_while(|(start, _)| *start <= last);
                        candidates.extend(near.map(|(start, found)| (start.abs_diff(begin), at, *found)));
                    }
                }
            }
        }
        candidates.sort_unstable();
        let mut is_used = vec![false; recorded.len()];
        for (_, at, found) in candidates {
            let call = &mut self.calls[at];
            let differs = matches!((call.uuid, recorded[found].uuid), (Some(ours), Some(theirs)) if ours != theirs);
            if call.joined.recorded.is_empty() && !is_used[found] && !differs {
                is_used[found] = true;
                call.joined.recorded.push(recorded[found]);
            }
        }
        recorded.into_iter().zip(is_used).filter(|(_, is_used)| !is_used).map(|(recorded, _)| recorded).collect()
    }
}

/// The keys of a row, the surest first.
fn told_keys(told: &Told) -> impl Iterator<Item = Key> {
    let recordings = told.recordings.iter().map(|id| Key::recording(*id));
    told.uuid.into_iter().chain(recordings).chain(told.conn).chain(told.call_id).chain(told.record)
}

/// Every two of some numbers; the only one, where there is no second.
fn own_marks(numbers: &[Number], side: Side) -> impl Iterator<Item = Mark> {
    let alone = numbers.first().filter(|_| numbers.len() == 1).map(|number| Mark::Alone(side, *number));
    let both = numbers
        .iter()
        .enumerate()
        .flat_map(|(at, one)| numbers[at + 1..].iter().map(|other| Mark::Two(*one.min(other), *one.max(other))));
    alone.into_iter().chain(both)
}

/// What the other side is found by when it has one of these numbers alone.
fn others(numbers: &[Number], side: Side) -> impl Iterator<Item = Mark> {
    numbers.iter().map(move |number| Mark::Alone(side, *number))
}
