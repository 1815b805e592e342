//! What CTI sources say: joined to the recordings of the call in whatever order both come, and obeyed where it is a word of
//! recording control. Recording never waits for any of it.

mod calls;
mod seen;
mod steer;
mod words;

use std::collections::BTreeMap;

use model::{Actor, CallTold, Fact, HistoryLine, Personal, RecordingId, SmallMap, Timestamp};
use signaling_core::{
    event::Offered,
    tlib::event::{CallEvent, CallIds, CallKind, CtiEvent},
};

use self::calls::{Call, Place, Telling};
pub(crate) use self::calls::{CallNo, Calls};
use crate::{
    Config,
    core::{Core, Step},
    limits,
};

/// The key of a ConnID.
const CONN_ID: &str = "conn_id";

impl Core {
    pub(crate) fn cti(&mut self, event: CtiEvent, step: &mut Step<'_>) {
        match event {
            CtiEvent::Call(call) => self.call_told(*call, step),
            CtiEvent::Control(control) => self.call_controlled(*control, step),
            CtiEvent::Agent { dn, agent: Some(agent), .. } => {
                if self.calls.agents.len() < limits::AGENTS || self.calls.agents.contains_key(&dn) {
                    self.calls.agents.insert(dn, agent);
                }
            }
            CtiEvent::Agent { dn, agent: None, .. } => drop(self.calls.agents.remove(&dn)),
            CtiEvent::LinkUp { link } => {
                step.out.facts.push(Fact::CtiLinkChanged {
                    source: self.config.source(link),
                    is_up: true,
                    reason: None,
                });
            }
            CtiEvent::LinkDown { link, reason } => {
                let reason = Some(reason);
                step.out.facts.push(Fact::CtiLinkChanged { source: self.config.source(link), is_up: false, reason });
            }
            CtiEvent::EventsMissed { link, expected, got } => {
                let reason = Some(format!("events {expected} to {} are missing", got.saturating_sub(1)));
                step.out.facts.push(Fact::CtiLinkChanged { source: self.config.source(link), is_up: true, reason });
            }
            // Accepted is not recording: only SIP and RTP say that. The shell counts the answers.
            CtiEvent::Answered { .. } => {}
        }
    }

    fn call_told(&mut self, event: CallEvent, step: &mut Step<'_>) {
        let Some(no) = self.calls.find_or_make(&event.ids, step.now) else { return };
        self.link_previous(no, &event, step);
        let line = self.line(&event, step.now);
        let Some(call) = self.calls.get_mut(no) else { return };
        note_place(&mut call.at, &event);
        for (name, value) in [("ani", event.ani), ("dnis", event.dnis), ("call_type", event.call_type)] {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                call.about.insert(name, value);
            }
        }
        let telling = Telling { at: event.at_ns.map_or(step.now, Timestamp::from_nanos), link: event.link };
        let changed = call.learn(event.user_data.unwrap_or_default(), telling);
        let told = line.filter(|line| call.tell(line.clone()));
        let has_ended = call.has_ended(event.kind);
        let raw = event.raw_user_data.filter(|_| !changed.is_empty());
        let raw = raw.and_then(|list| serde_json::to_string(&list).ok());
        for recording in call.recordings.clone() {
            self.rule_again(no, recording, step);
            self.tell_identity(no, recording, step);
            if !changed.is_empty() {
                let source = self.config.source(telling.link);
                step.out.facts.push(attached(recording, &changed, raw.clone(), (telling.at, source)));
            }
            if let Some(line) = &told {
                step.out.facts.push(Fact::CallTold(Box::new(CallTold { recording, line: line.clone() })));
            }
        }
        if has_ended {
            self.note_seen(no, event.link, step);
        }
    }

    /// A recording has begun: it is of a call, known or not, and hears all that was told of that so far.
    pub(crate) fn join_call(&mut self, recording: RecordingId, offered: &Offered, step: &mut Step<'_>) {
        self.join_by(recording, &ids_of(offered), step);
    }

    /// The same for a recording that goes on after a crash.
    pub(crate) fn join_by(&mut self, recording: RecordingId, ids: &CallIds, step: &mut Step<'_>) {
        let Some(no) = self.calls.find_or_make(ids, step.now) else { return };
        if !self.calls.join(no, recording) {
            return;
        }
        if let Some(state) = self.recordings.get_mut(&recording) {
            state.call.get_or_insert_with(|| ids.clone());
        }
        if let Some(call) = self.calls.get_mut(no) {
            // The fact of the opening said it: the interaction of a call is its CallUUID unless something says other.
            let said = [("call_uuid", &ids.call_uuid), ("conn_id", &ids.conn_id), ("interaction", &ids.call_uuid)];
            let said = said.into_iter().filter_map(|(name, id)| Some((name.to_owned(), id.clone()?)));
            call.told.insert(recording, said.collect());
        }
        self.tell_identity(no, recording, step);
        self.rule_again(no, recording, step);
        let Some(call) = self.calls.get(no) else { return };
        for (telling, data) in call.data_by_telling() {
            let source = self.config.source(telling.link);
            step.out.facts.push(attached(recording, &data, None, (telling.at, source)));
        }
        for line in &call.history {
            step.out.facts.push(Fact::CallTold(Box::new(CallTold { recording, line: line.clone() })));
        }
        let (is_paused, is_wanted) = (call.is_paused, call.is_wanted);
        if is_paused {
            self.pause_as(recording, self.config.cti_actor(None), None, step);
        }
        if is_wanted {
            self.keep_as_asked(recording, self.config.cti_actor(None), step);
        }
    }

    /// Which call and interaction it is of, as far as the recording was not told yet.
    fn tell_identity(&mut self, no: CallNo, recording: RecordingId, step: &mut Step<'_>) {
        let Some(call) = self.calls.get_mut(no) else { return };
        let mut keys: BTreeMap<String, String> =
            call.about.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        keys.extend(call.call_uuid().map(|uuid| ("call_uuid".to_owned(), uuid)));
        keys.extend(call.interaction.clone().map(|id| ("interaction".to_owned(), id)));
        keys.extend(conn_ids(call, recording));
        let told = call.told.or_default(recording);
        keys.retain(|name, value| told.get(name) != Some(value));
        if keys.is_empty() {
            return;
        }
        told.extend(keys.clone());
        let keys = keys.into_iter().map(|(name, value)| (name, Personal::new(value))).collect();
        step.out.facts.push(Fact::CorrelationLearned { recording, keys });
    }

    /// A call that went into this one by transfer or conference is of the same interaction, and so are its recordings.
    fn link_previous(&mut self, no: CallNo, event: &CallEvent, step: &mut Step<'_>) {
        let Some(previous) = &event.ids.previous_conn_id else { return };
        let ids = CallIds { conn_id: Some(previous.clone()), ..CallIds::default() };
        let Some(other) = self.calls.find_or_make(&ids, step.now).filter(|other| *other != no) else { return };
        let Some(call) = self.calls.get_mut(no) else { return };
        if call.went_in.len() < limits::RECORDINGS_PER_CALL {
            call.went_in.insert(other);
        }
        let interaction = call.interaction.clone();
        // What had gone into the other call before comes along.
        let mut open = vec![other];
        while let Some(at) = open.pop() {
            let Some(call) = self.calls.get_mut(at).filter(|call| call.interaction != interaction) else { continue };
            call.interaction.clone_from(&interaction);
            open.extend(call.went_in.iter().copied());
            for recording in call.recordings.clone() {
                self.tell_identity(at, recording, step);
            }
        }
    }

    /// The event as a line of history; user data is none.
    fn line(&self, event: &CallEvent, now: Timestamp) -> Option<HistoryLine> {
        let personal = |text: &Option<String>| text.clone().filter(|text| !text.is_empty()).map(Personal::new);
        let agent = event.this_dn.as_ref().and_then(|dn| self.calls.agents.get(dn)).cloned();
        Some(HistoryLine {
            at: event.at_ns.map_or(now, Timestamp::from_nanos),
            event: word(event.kind)?.to_owned(),
            dn: personal(&event.this_dn),
            other: personal(&event.other_dn),
            third: personal(&event.third_party_dn),
            agent: personal(&event.agent.clone().or(agent)),
            role: event.this_role.clone(),
            source: self.config.source(event.link),
        })
    }
}

/// The names that an offer gives its call.
pub(crate) fn ids_of(offered: &Offered) -> CallIds {
    let keys = &offered.correlation;
    let genesys = offered.genesys.as_ref();
    CallIds {
        call_uuid: genesys.and_then(|call| call.call_uuid.clone()).or_else(|| keys.get("genesys_uuid").cloned()),
        conn_id: genesys.and_then(|call| call.conn_id.clone()).or_else(|| keys.get("conn_id").cloned()),
        previous_conn_id: None,
        record_id: genesys.map(|call| call.record_id.clone()),
    }
}

/// Where requests about the call can go: to the link that told it, in the name of a DN that is on it.
fn note_place(at: &mut SmallMap<String, Place>, event: &CallEvent) {
    let Some(dn) = &event.this_dn else { return };
    if matches!(event.kind, CallKind::Released | CallKind::Abandoned) {
        at.remove(dn);
    } else if at.len() < limits::DNS_PER_CALL {
        at.insert(dn.clone(), Place { link: event.link, conn_id: event.ids.conn_id.clone() });
    }
}

/// The ConnIDs of a call that the recording was not told yet: the first it hears of is `conn_id`, further ones, as a call
/// gets them on its way, are `conn_id#2` and so on.
fn conn_ids(call: &Call, recording: RecordingId) -> Vec<(String, String)> {
    let none = SmallMap::new();
    let told = call.told.get(&recording).unwrap_or(&none);
    let of_it = told.iter().filter(|(name, _)| name.starts_with(CONN_ID)).map(|(_, id)| id);
    let known: Vec<&String> = of_it.collect();
    let new = call.conn_ids.iter().filter(|id| !known.iter().any(|known| known.eq_ignore_ascii_case(id)));
    let name = |number: usize| if number == 1 { CONN_ID.to_owned() } else { format!("{CONN_ID}#{number}") };
    new.enumerate().map(|(at, id)| (name(known.len() + at + 1), id.clone())).collect()
}

fn attached(
    recording: RecordingId,
    data: &BTreeMap<String, String>,
    raw: Option<String>,
    (at, source): (Timestamp, String),
) -> Fact {
    let data = data.iter().map(|(key, value)| (key.clone(), Personal::new(value.clone()))).collect();
    Fact::UserDataAttached { recording, data, raw: raw.map(Personal::new), at: Some(at), source: Some(source) }
}

impl Config {
    /// How facts call a link: by its name, which says of which kind it is.
    pub(crate) fn source(&self, link: u16) -> String {
        self.links.get(usize::from(link)).cloned().unwrap_or_else(|| format!("tlib:{link}"))
    }

    /// A CTI source that acts.
    pub(crate) fn cti_actor(&self, link: Option<u16>) -> Actor {
        Actor { id: link.map_or_else(|| "tlib".to_owned(), |link| self.source(link)), role: None }
    }
}

const fn word(kind: CallKind) -> Option<&'static str> {
    Some(match kind {
        CallKind::Ringing => "ringing",
        CallKind::Dialing => "dialing",
        CallKind::Established => "established",
        CallKind::Held => "held",
        CallKind::Retrieved => "retrieved",
        CallKind::Released => "released",
        CallKind::Abandoned => "abandoned",
        CallKind::PartyAdded => "party_added",
        CallKind::PartyDeleted => "party_deleted",
        CallKind::PartyChanged => "party_changed",
        CallKind::Attached => return None,
    })
}
