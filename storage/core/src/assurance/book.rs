//! The book of calls: what sources told and what was recorded, of the last days, and the verdicts on it.
//!
//! Call [`Book::apply`] with every fact in ledger order, [`Book::let_go`] once a day, and [`Book::judge`] as often as
//! wanted. [`Book::take_changed`] says of which days something has changed since it was last asked.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use model::{CallSeen, Cdr, Fact, IncidentNote, RecordingId, Timestamp};

use super::{
    day::Day,
    key::Key,
    recorded::Recorded,
    settings::Settings,
    sources::Sources,
    told::{Maker, Told, cdr_key},
    users::{NameNo, Names, Users},
};
use crate::limits::{ASSURED_ROWS, INCIDENT_NOTES};

/// Everything that assurance knows.
#[derive(Debug)]
pub struct Book {
    pub(super) settings: Settings,
    pub(super) names: Names,
    pub(super) users: Users,
    pub(super) sources: Sources,
    pub(super) node: NameNo,
    pub(super) told: BTreeMap<Day, Vec<Told>>,
    places: HashMap<Key, (Day, usize)>,
    pub(super) recorded: HashMap<RecordingId, Recorded>,
    pub(super) days: BTreeMap<Day, Vec<RecordingId>>,
    pub(super) notes: HashMap<Key, (u64, IncidentNote)>,
    pub(super) alerted: HashSet<Key>,
    reported: BTreeMap<Day, (u32, String)>,
    changed: BTreeSet<Day>,
    /// What is older is not taken in.
    floor: Day,
    heard: u64,
    stats: Stats,
}

/// How full it is, and what was turned away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Rows that sources told, held now.
    pub told: u64,
    /// Recordings, held now.
    pub recordings: u64,
    /// Rows and recordings of days that are not held any more.
    pub too_old: u64,
    /// Rows of sources for which there was no room.
    pub unheard: u64,
    /// Days let go before their time, because there was no room.
    pub days_dropped: u64,
    /// Names for which there was no room.
    pub names_refused: u64,
}

impl Book {
    /// An empty book.
    pub fn new(settings: Settings) -> Self {
        let (mut names, mut users) = (Names::default(), Users::default());
        let node = names.name("recorder").expect("room for the first name");
        settings.users.iter().for_each(|user| users.watch(user, &mut names));
        Self {
            settings,
            names,
            users,
            sources: Sources::default(),
            node,
            told: BTreeMap::new(),
            places: HashMap::new(),
            recorded: HashMap::new(),
            days: BTreeMap::new(),
            notes: HashMap::new(),
            alerted: HashSet::new(),
            reported: BTreeMap::new(),
            changed: BTreeSet::new(),
            floor: Day::of(Timestamp::default()),
            heard: 0,
            stats: Stats::default(),
        }
    }

    /// Takes a fact of the ledger in; `at` is when it was written.
    pub fn apply(&mut self, at: Timestamp, fact: &Fact) {
        match fact {
            Fact::CallSeen(call) => self.seen(call),
            Fact::CdrsRead(batch) => batch.cdrs.iter().for_each(|cdr| self.read(cdr)),
            Fact::CtiLinkChanged { source, is_up, .. } => self.sources.link(source, *is_up, at.millis()),
            Fact::NodeStarted { node, .. } => {
                self.node = self.names.name(node).unwrap_or(self.node);
                self.sources.all_down(self.heard);
            }
            Fact::NodeStopped { .. } => self.sources.all_down(at.millis()),
            Fact::IncidentAnnotated(note) => self.annotate(note),
            Fact::UnrecordedCallFound(call) => self.alerted.extend(call.incident.parse::<Key>()),
            Fact::DayReported(report) => {
                if let Ok(day) = report.day.parse::<Day>() {
                    self.reported.insert(day, (report.revision, report.content.clone()));
                }
            }
            fact => self.record(fact),
        }
        self.heard = at.millis();
    }

    /// Forgets the days before `first`.
    pub fn let_go(&mut self, first: Day) {
        self.floor = self.floor.max(first);
        let kept = self.told.split_off(&first);
        for told in std::mem::replace(&mut self.told, kept).into_values().flatten() {
            self.places.remove(&told.own);
        }
        let kept = self.days.split_off(&first);
        for id in std::mem::replace(&mut self.days, kept).into_values().flatten() {
            self.recorded.remove(&id);
        }
        self.reported = self.reported.split_off(&first);
        self.changed = self.changed.split_off(&first);
        if self.told.is_empty() {
            self.alerted.clear();
        }
    }

    /// The days of which something is held.
    pub fn held(&self) -> Vec<Day> {
        self.told.keys().chain(self.days.keys()).copied().collect::<BTreeSet<Day>>().into_iter().collect()
    }

    /// Days of which something changed since this was last asked.
    pub fn take_changed(&mut self) -> BTreeSet<Day> {
        std::mem::take(&mut self.changed)
    }

    /// Whether a line of a file is known already.
    pub fn is_known(&self, cdr: &Cdr) -> bool {
        self.places.contains_key(&cdr_key(cdr))
    }

    /// The last report of a day: its revision, and the digest of what it says.
    pub fn reported(&self, day: Day) -> Option<(u32, &str)> {
        self.reported.get(&day).map(|(revision, content)| (*revision, content.as_str()))
    }

    /// Whether a call or a recording of that name is held.
    pub fn knows(&self, incident: Key) -> bool {
        let names = |told: &Told| [told.uuid, told.conn, Some(told.own)].contains(&Some(incident));
        self.told.values().flatten().any(names)
            || self.recorded.keys().any(|recording| Key::recording(*recording) == incident)
    }

    /// The first day that is taken in.
    pub fn first(&self) -> Day {
        self.floor
    }

    /// How many of the days around now are held.
    pub fn days(&self) -> u32 {
        self.settings.days
    }

    /// How full it is.
    pub fn stats(&self) -> Stats {
        Stats {
            told: self.places.len() as u64,
            recordings: self.recorded.len() as u64,
            names_refused: self.names.refused,
            ..self.stats
        }
    }

    fn seen(&mut self, call: &CallSeen) {
        let Some(source) = self.source(&call.source) else { return };
        let maker = Maker { settings: &self.settings, names: &mut self.names, source, node: self.node };
        let told = Told::of_call(call, maker);
        self.take(told);
    }

    fn read(&mut self, cdr: &Cdr) {
        if self.is_known(cdr) {
            return;
        }
        let Some(source) = self.source(&cdr.call.source) else { return };
        let maker = Maker { settings: &self.settings, names: &mut self.names, source, node: self.node };
        let told = Told::of_cdr(cdr, maker);
        self.take(told);
    }

    fn source(&mut self, name: &str) -> Option<u16> {
        let source = self.sources.number(name);
        self.stats.unheard += u64::from(source.is_none());
        source
    }

    fn take(&mut self, told: Told) {
        self.sources.told(told.source, told.start, told.end.unwrap_or(told.start));
        let is_wanted = match told.expectation {
            model::Expectation::Record => true,
            model::Expectation::Unknown => told.is_wanted,
            model::Expectation::Provisional | model::Expectation::Never => false,
        };
        let is_cti = self.sources.is_cti(told.source);
        for name in told.dns.iter().chain(&told.agents) {
            self.users.called(*name, &self.names, told.start, (is_wanted, is_cti));
        }
        let day = Day::of_ms(told.start);
        if day < self.floor {
            self.stats.too_old += 1;
            return;
        }
        self.touch(told.start);
        if let Some((known, at)) = self.places.get(&told.own).copied() {
            // Where it began on another day than it said first, it stays where it was: both are judged together.
            self.told.get_mut(&known).expect("a place leads to its row")[at] = told;
            return;
        }
        self.make_room();
        let rows = self.told.entry(day).or_default();
        self.places.insert(told.own, (day, rows.len()));
        rows.push(told);
    }

    fn record(&mut self, fact: &Fact) {
        if let Fact::RecordingOpened(opened) = fact {
            let recorded = Recorded::new(opened, self.node);
            let day = Day::of_ms(recorded.start);
            if day < self.floor {
                self.stats.too_old += 1;
                return;
            }
            self.make_room();
            self.touch(recorded.start);
            if self.recorded.insert(recorded.id, recorded).is_none() {
                self.days.entry(day).or_default().push(opened.recording);
            }
            return;
        }
        let Some(id) = fact.recording() else { return };
        let Some(recorded) = self.recorded.get_mut(&id) else { return };
        let start = recorded.start;
        if recorded.apply(fact) {
            if recorded.end.is_some() {
                recorded.numbers.iter().for_each(|number| self.users.recorded(*number, start));
            }
        } else {
            self.recorded.remove(&id);
        }
        self.touch(start);
    }

    /// A day changed; near midnight, its neighbour may have as well.
    fn touch(&mut self, ms: u64) {
        let near = self.settings.tolerance_ms;
        for at in [ms.saturating_sub(near), ms, ms + near] {
            self.changed.insert(Day::of_ms(at));
        }
    }

    fn make_room(&mut self) {
        if self.places.len() < ASSURED_ROWS && self.recorded.len() < ASSURED_ROWS {
            return;
        }
        let oldest = self.told.keys().chain(self.days.keys()).min().copied();
        if let Some(oldest) = oldest {
            self.stats.days_dropped += 1;
            self.let_go(oldest.plus(1));
        }
    }

    fn annotate(&mut self, note: &IncidentNote) {
        let Ok(key) = note.incident.parse::<Key>() else { return };
        if self.notes.len() >= INCIDENT_NOTES && !self.notes.contains_key(&key) {
            let oldest = self.notes.iter().min_by_key(|(_, (number, _))| *number).map(|(key, _)| *key);
            oldest.and_then(|oldest| self.notes.remove(&oldest));
        }
        let number = self.notes.len() as u64;
        self.notes.insert(key, (note.at.nanos().max(number), note.clone()));
        self.changed.extend(self.held());
    }
}
