//! What assurance knows of one recording: when, of whom, by which keys, and how much of it is missing.

use model::{CallTold, EndCause, Fact, Gap, GapCause, Party, Personal, RecordingId, RecordingOpened, TrackNo};

use super::{
    key::{Key, Number},
    users::NameNo,
};
use crate::{limits::CALL_NUMBERS, view::State};

/// One recording.
#[derive(Debug, Clone)]
pub(super) struct Recorded {
    pub(super) id: RecordingId,
    pub(super) node: NameNo,
    pub(super) start: u64,
    pub(super) end: Option<u64>,
    pub(super) uuid: Option<Key>,
    pub(super) conn: Option<Key>,
    pub(super) record: Option<Key>,
    /// SIP Call-IDs of its sessions and keys of other systems.
    pub(super) call_ids: Vec<Key>,
    pub(super) numbers: Vec<Number>,
    pub(super) state: State,
    pub(super) is_discarded: bool,
    pub(super) is_silent: bool,
    pub(super) is_one_way: bool,
    /// Somebody stopped the sound on purpose: pause or hold.
    pub(super) is_interrupted: bool,
    has_chunks: bool,
    tracks: Vec<Missing>,
}

/// What a track does not have and nobody asked to leave out, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Missing {
    no: TrackNo,
    by_capture: u64,
    by_network: u64,
}

impl Recorded {
    pub(super) fn new(opened: &RecordingOpened, node: NameNo) -> Self {
        Self {
            id: opened.recording,
            node,
            start: opened.at.millis(),
            end: None,
            uuid: opened.call_uuid.as_deref().map(Key::call_uuid),
            conn: opened.conn_id.as_deref().map(Key::conn_id),
            record: opened.record_id.as_deref().map(Key::record_id),
            call_ids: Vec::new(),
            numbers: Vec::new(),
            state: State::Live,
            is_discarded: false,
            is_silent: false,
            is_one_way: false,
            is_interrupted: false,
            has_chunks: false,
            tracks: Vec::new(),
        }
    }

    /// Applies a fact about it; false when it turns out to be none: its only INVITE was cancelled before any sound.
    pub(super) fn apply(&mut self, fact: &Fact) -> bool {
        match fact {
            Fact::SessionJoined { call_id, .. } => self.key(Key::call_id(call_id)),
            Fact::PartiesNamed { parties, .. } => parties.iter().for_each(|party| self.party(party)),
            Fact::CorrelationLearned { keys, .. } => keys.iter().for_each(|(name, value)| self.learn(name, value)),
            Fact::CallTold(told) => self.hear(told),
            Fact::TrackClosed(closed) => {
                self.has_chunks |= closed.chunks > 0;
                self.is_interrupted |= closed.gaps.iter().any(|gap| !is_fault(gap));
                self.track(closed.track).by_capture = missing(&closed.gaps);
            }
            Fact::TrackSurveyed { track, gaps, .. } => self.track(*track).by_network = missing(gaps),
            Fact::RecordingPaused { .. } => self.is_interrupted = true,
            Fact::RecordingEnded { cause: EndCause::NotEstablished, .. } if !self.has_chunks => return false,
            Fact::RecordingEnded { ended_at, .. } => {
                self.end = Some(ended_at.millis());
                self.state = if self.state == State::Live { State::Finalizing } else { self.state };
            }
            Fact::RecordingArchived { flags, .. } => {
                self.is_silent = flags.iter().any(|flag| flag == "no_audio");
                self.is_one_way = flags.iter().any(|flag| flag == "one_way");
                self.state = State::Archived;
            }
            Fact::RecordingFailed { .. } => self.state = State::Failed,
            Fact::RecordingDeleted { .. } => {
                self.is_discarded = !matches!(self.state, State::Archived | State::Failed);
                self.state = State::Deleted;
            }
            _ => {}
        }
        true
    }

    /// The most that one of its tracks lacks, in milliseconds.
    pub(super) fn missing(&self) -> u64 {
        self.tracks.iter().map(|track| track.by_capture + track.by_network).max().unwrap_or(0)
    }

    fn track(&mut self, no: TrackNo) -> &mut Missing {
        let at = self.tracks.iter().position(|track| track.no == no).unwrap_or_else(|| {
            self.tracks.push(Missing { no, by_capture: 0, by_network: 0 });
            self.tracks.len() - 1
        });
        &mut self.tracks[at]
    }

    fn key(&mut self, key: Key) {
        if self.call_ids.len() < CALL_NUMBERS && !self.call_ids.contains(&key) {
            self.call_ids.push(key);
        }
    }

    fn number(&mut self, address: &Personal<String>) {
        let number = Number::of_personal(address).filter(|number| !self.numbers.contains(number));
        if let Some(number) = number.filter(|_| self.numbers.len() < CALL_NUMBERS) {
            self.numbers.push(number);
        }
    }

    fn party(&mut self, party: &Party) {
        std::iter::once(&party.address).chain(&party.also).for_each(|address| self.number(address));
    }

    fn hear(&mut self, told: &CallTold) {
        let line = &told.line;
        [&line.dn, &line.other, &line.third].into_iter().flatten().for_each(|dn| self.number(dn));
    }

    /// Keys are named in many ways; what is a number is compared as one.
    fn learn(&mut self, name: &str, value: &Personal<String>) {
        let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
        let text = value.reveal();
        match name.as_str() {
            "calluuid" | "genesysuuid" => _ = self.uuid.get_or_insert_with(|| Key::call_uuid(text)),
            "connid" => _ = self.conn.get_or_insert_with(|| Key::conn_id(text)),
            "recordid" => _ = self.record.get_or_insert_with(|| Key::record_id(text)),
            "dn" | "recorddn" | "otherdn" | "thisdn" | "ani" | "dnis" => self.number(value),
            _ => self.key(Key::call_id(text)),
        }
    }
}

fn is_fault(gap: &Gap) -> bool {
    match gap.cause {
        GapCause::Loss | GapCause::Failover | GapCause::Overload | GapCause::Crash => true,
        GapCause::Paused | GapCause::Hold => false,
    }
}

fn missing(gaps: &[Gap]) -> u64 {
    gaps.iter().filter(|gap| is_fault(gap)).map(|gap| gap.to.millis_since(gap.from)).sum()
}
