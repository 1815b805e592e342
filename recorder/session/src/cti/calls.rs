//! Calls that CTI sources or recordings have named, each under all its names: record ids, CallUUID, ConnIDs. An event may
//! come before, during or after the recording, twice or out of order: it finds its call here either way.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::{HistoryLine, RecordingId, SmallMap, Timestamp};
use signaling_core::tlib::event::CallIds;

use crate::limits;

/// A call in the table; never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CallNo(u64);

/// What is known of one call.
#[derive(Debug, Default)]
pub(crate) struct Call {
    /// Each as it was spelled first: whoever is asked about the call may know it by no other spelling.
    names: SmallMap<Name, String>,
    /// Its ConnIDs in the order in which they were heard of.
    pub(crate) conn_ids: Vec<String>,
    /// The first CallUUID that it had, or else ConnID: what the recordings of one interaction share.
    pub(crate) interaction: Option<String>,
    pub(crate) recordings: Vec<RecordingId>,
    pub(crate) history: Vec<HistoryLine>,
    pub(crate) user_data: SmallMap<String, Datum>,
    /// `ani`, `dnis`, `call_type`.
    pub(crate) about: SmallMap<&'static str, String>,
    /// DNs that are on it now, for requests: who spoke last and has not left.
    pub(crate) at: SmallMap<String, Place>,
    /// Calls that went into this one by transfer or conference.
    pub(crate) went_in: BTreeSet<CallNo>,
    /// A CTI source said that nothing of it may be kept now.
    pub(crate) is_paused: bool,
    /// Somebody asked for it to be kept, whatever begins to be recorded of it.
    pub(crate) is_wanted: bool,
    /// What each recording was told of its call.
    pub(crate) told: SmallMap<RecordingId, SmallMap<String, String>>,
    last_at: Timestamp,
}

/// A value of user data, and where it is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Datum {
    pub(crate) value: String,
    pub(crate) told: Telling,
}

/// Which link told something, and when it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Telling {
    pub(crate) at: Timestamp,
    pub(crate) link: u16,
}

/// How a DN knows its call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The link that watches it.
    pub(crate) link: u16,
    /// The ConnID there; a call that goes to another site has another one.
    pub(crate) conn_id: Option<String>,
}

/// One name of a call. Case says nothing in any of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Name {
    Record(String),
    Uuid(String),
    Conn(String),
}

/// All calls of the last day, bounded: the one that was longest silent makes room.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    // By pointer: numbers only grow, and the nodes of a tree that grows at its end stay half empty.
    all: BTreeMap<CallNo, Box<Call>>,
    by_name: HashMap<Name, CallNo>,
    of_recording: HashMap<RecordingId, CallNo>,
    by_age: BTreeSet<(Timestamp, CallNo)>,
    next: u64,
    /// Who sits where.
    pub(crate) agents: BTreeMap<String, String>,
}

impl Call {
    fn first(&self, is_it: impl Fn(&Name) -> bool) -> Option<String> {
        self.names.iter().find(|(name, _)| is_it(name)).map(|(_, spelled)| spelled.clone())
    }

    /// A CallUUID of it.
    pub(crate) fn call_uuid(&self) -> Option<String> {
        self.first(|name| matches!(name, Name::Uuid(_)))
    }

    /// The first ConnID that it had.
    pub(crate) fn conn_id(&self) -> Option<String> {
        self.conn_ids.first().cloned()
    }

    /// A ConnID of it as it was spelled first.
    pub(crate) fn spelled(&self, conn_id: &str) -> Option<String> {
        self.conn_ids.iter().find(|known| known.eq_ignore_ascii_case(conn_id)).cloned()
    }

    /// Adds a line in the order of its time. False: it is there already, or there is no room.
    pub(crate) fn tell(&mut self, line: HistoryLine) -> bool {
        let same = |known: &HistoryLine| {
            (&known.event, &known.dn, &known.other, &known.third) == (&line.event, &line.dn, &line.other, &line.third)
                && known.at == line.at
        };
        if self.history.len() >= limits::HISTORY_PER_CALL || self.history.iter().any(same) {
            return false;
        }
        let place = self.history.partition_point(|known| known.at <= line.at);
        self.history.insert(place, line);
        true
    }

    /// User data that is new or different.
    pub(crate) fn learn(&mut self, data: BTreeMap<String, String>, told: Telling) -> BTreeMap<String, String> {
        let mut changed = BTreeMap::new();
        for (key, value) in data {
            let is_full = self.user_data.len() >= limits::USER_DATA_PER_CALL && !self.user_data.contains_key(&key);
            if !is_full && self.user_data.get(&key).is_none_or(|known| known.value != value) {
                self.user_data.insert(key.clone(), Datum { value: value.clone(), told });
                changed.insert(key, value);
            }
        }
        changed
    }

    /// User data as it is now, by who told it when.
    pub(crate) fn data_by_telling(&self) -> BTreeMap<Telling, BTreeMap<String, String>> {
        let mut by_telling = BTreeMap::<Telling, BTreeMap<String, String>>::new();
        for (key, Datum { value, told }) in self.user_data.iter() {
            by_telling.entry(*told).or_default().insert(key.clone(), value.clone());
        }
        by_telling
    }

    fn absorb(&mut self, other: Self) {
        self.names.extend(other.names);
        self.conn_ids.extend(other.conn_ids);
        self.went_in.extend(other.went_in);
        self.recordings.extend(other.recordings);
        for line in other.history {
            self.tell(line);
        }
        // What both know, this one knows better.
        self.user_data = other.user_data.into_iter().chain(std::mem::take(&mut self.user_data)).collect();
        self.about = other.about.into_iter().chain(std::mem::take(&mut self.about)).collect();
        self.at.extend(other.at);
        self.is_paused |= other.is_paused;
        self.is_wanted |= other.is_wanted;
        self.told.extend(other.told);
    }
}

impl Calls {
    /// The call that somebody names by any of its ids.
    pub(crate) fn named(&self, text: &str) -> Option<CallNo> {
        let text = text.to_ascii_uppercase();
        let forms = [Name::Record(text.clone()), Name::Uuid(text.clone()), Name::Conn(text)];
        forms.iter().find_map(|name| self.by_name.get(name)).copied()
    }

    pub(crate) fn get(&self, no: CallNo) -> Option<&Call> {
        self.all.get(&no).map(Box::as_ref)
    }

    pub(crate) fn get_mut(&mut self, no: CallNo) -> Option<&mut Call> {
        self.all.get_mut(&no).map(Box::as_mut)
    }

    /// How many there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// The call of these ids, made when it is new: by recording id, then CallUUID, then ConnID. Names that were held for two
    /// calls so far make them one. `None` when there is no id.
    pub(crate) fn find_or_make(&mut self, ids: &CallIds, now: Timestamp) -> Option<CallNo> {
        let names = names(ids);
        if names.is_empty() {
            return None;
        }
        let known: Vec<CallNo> = names.iter().filter_map(|(name, _)| self.by_name.get(name)).copied().collect();
        let no = known.first().copied().unwrap_or_else(|| self.make(now));
        for other in known.into_iter().filter(|other| *other != no).collect::<BTreeSet<_>>() {
            self.unite(no, other);
        }
        let call = self.all.get_mut(&no)?;
        for (name, spelled) in names {
            if call.names.len() < limits::NAMES_PER_CALL && !call.names.contains_key(&name) {
                self.by_name.insert(name.clone(), no);
                if matches!(name, Name::Conn(_)) {
                    // Most calls have one, and thousands live: no room for four.
                    call.conn_ids.reserve_exact(1);
                    call.conn_ids.push(spelled.clone());
                }
                call.names.insert(name, spelled);
            }
        }
        call.interaction = call.interaction.take().or_else(|| call.call_uuid()).or_else(|| call.conn_id());
        self.by_age.remove(&(call.last_at, no));
        call.last_at = now;
        self.by_age.insert((now, no));
        Some(no)
    }

    fn make(&mut self, now: Timestamp) -> CallNo {
        while self.all.len() >= limits::CALLS {
            let Some((_, oldest)) = self.by_age.first().copied() else { break };
            self.forget(oldest);
        }
        let no = CallNo(self.next);
        self.next += 1;
        self.all.insert(no, Box::new(Call { last_at: now, ..Call::default() }));
        self.by_age.insert((now, no));
        no
    }

    /// What two names told apart was one call.
    fn unite(&mut self, no: CallNo, other: CallNo) {
        let Some(gone) = self.all.remove(&other) else { return };
        self.by_age.remove(&(gone.last_at, other));
        for name in gone.names.keys() {
            self.by_name.insert(name.clone(), no);
        }
        for recording in &gone.recordings {
            self.of_recording.insert(*recording, no);
        }
        if let Some(call) = self.all.get_mut(&no) {
            call.absorb(*gone);
        }
    }

    /// From now on the recording is one of the call. False when it was.
    pub(crate) fn join(&mut self, no: CallNo, recording: RecordingId) -> bool {
        let Some(call) = self.all.get_mut(&no) else { return false };
        if call.recordings.contains(&recording) || call.recordings.len() >= limits::RECORDINGS_PER_CALL {
            return false;
        }
        call.recordings.reserve_exact(1);
        call.recordings.push(recording);
        self.of_recording.insert(recording, no);
        true
    }

    /// The call of these ids, when there is one.
    pub(crate) fn find(&self, ids: &CallIds) -> Option<CallNo> {
        names(ids).iter().find_map(|(name, _)| self.by_name.get(name)).copied()
    }

    /// The call of a recording.
    pub(crate) fn of(&self, recording: RecordingId) -> Option<CallNo> {
        self.of_recording.get(&recording).copied()
    }

    /// Nothing is to be told of the recording any more; its call goes on.
    pub(crate) fn part(&mut self, recording: RecordingId) {
        let Some(no) = self.of_recording.remove(&recording) else { return };
        let Some(call) = self.all.get_mut(&no) else { return };
        call.recordings.retain(|known| *known != recording);
        call.told.remove(&recording);
    }

    /// A recording is finished, and nobody will speak of its call any more.
    pub(crate) fn leave(&mut self, recording: RecordingId) {
        let no = self.of(recording);
        self.part(recording);
        if let Some(no) = no.filter(|no| self.get(*no).is_some_and(|call| call.recordings.is_empty())) {
            self.forget(no);
        }
    }

    /// Calls of which nobody has spoken for a day.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        while let Some((at, no)) = self.by_age.first().copied() {
            if now.millis_since(at) < limits::CALL_MEMORY_MS {
                return;
            }
            self.forget(no);
        }
    }

    fn forget(&mut self, no: CallNo) {
        let Some(call) = self.all.remove(&no) else { return };
        self.by_age.remove(&(call.last_at, no));
        for name in call.names.keys() {
            self.by_name.remove(name);
        }
        for recording in &call.recordings {
            self.of_recording.remove(recording);
        }
    }
}

/// The names in the order in which they are believed, each with its spelling.
fn names(ids: &CallIds) -> Vec<(Name, String)> {
    let name = |make: fn(String) -> Name, id: &Option<String>| -> Option<(Name, String)> {
        id.as_ref().map(|id| (make(id.to_ascii_uppercase()), id.clone()))
    };
    let all = [name(Name::Record, &ids.record_id), name(Name::Uuid, &ids.call_uuid), name(Name::Conn, &ids.conn_id)];
    all.into_iter().flatten().collect()
}
