//! Who takes part and which track carries whom: from the Genesys Request-URI or the SIPREC metadata to parties,
//! correlation keys, user data and warnings.

use std::collections::BTreeMap;

use model::{Confidence, Fact, Party, Personal, RecordingId, RsId, Timestamp, TrackNo};
use signaling_core::{
    event::{Attachment, Confidence as Sure, GenesysCall, Metadata, Offered, Participant, Warning},
    siprec::attribution::{self, Place},
};

use crate::{
    core::{Core, Step},
    limits,
    state::{Session, Slot},
};

/// The source of what the client of a recording says.
const SIP: &str = "sip";

impl Core {
    /// The first words of a session, after its tracks were written down.
    pub(crate) fn introduce(&mut self, id: RsId, offered: Offered, step: &mut Step<'_>) {
        let Some(recording) = self.sessions.get(&id).map(|session| session.recording) else { return };
        let mut keys = offered.correlation;
        let mut data = offered.headers;
        if let (Some(join), Some(state)) = (offered.join, self.recordings.get_mut(&recording)) {
            state.dns.extend(join.legs);
        }
        if let Some(call) = &offered.genesys {
            keys.extend(call.call_uuid.clone().map(|uuid| ("genesys_uuid".to_owned(), uuid)));
            data.extend(user_data(call));
        }
        push_pairs(recording, keys, data, step);
        self.want_snapshot(id, offered.wants_snapshot, offered.metadata.is_some(), step);
        self.learn(id, offered.metadata, offered.warnings, step);
        self.attribute(id, step);
        self.attach(id, offered.attachments, step);
    }

    /// Keeps parts that nobody understands with the recording.
    pub(crate) fn attach(&mut self, id: RsId, attachments: Vec<Attachment>, step: &mut Step<'_>) {
        let Some(recording) = self.sessions.get(&id).map(|session| session.recording) else { return };
        for Attachment { content_type, disposition, octets } in attachments {
            let Some(state) = self.recordings.get_mut(&recording) else { return };
            state.attachments += 1;
            if state.attachments > limits::ATTACHMENTS_PER_RECORDING {
                return self.warn(recording, &Warning::new("too_many_attachments"), step);
            }
            step.out.facts.push(Fact::attachment((recording, id), content_type, disposition, &octets));
        }
    }

    /// Metadata and warnings of a message: kept raw, merged, and attributed anew.
    pub(crate) fn learn(&mut self, id: RsId, metadata: Option<Metadata>, warnings: Vec<Warning>, step: &mut Step<'_>) {
        let Some(recording) = self.sessions.get(&id).map(|session| session.recording) else { return };
        for warning in &warnings {
            self.warn(recording, warning, step);
        }
        let Some(mut metadata) = metadata else { return };
        // The fact has it from here on; a live session of 10,000 must not hold it as well.
        let raw = std::mem::take(&mut metadata.raw);
        let kept = &raw[..raw.len().min(limits::RAW_METADATA_OCTETS)];
        step.out.facts.push(Fact::metadata((recording, id), metadata.complete, metadata.content_type.clone(), kept));
        push_pairs(recording, metadata.correlation.clone(), metadata.user_data.clone(), step);
        // One id for two elements leaves open who is meant (RFC 7865 6.10): a whole document may say it better.
        let is_doubtful = warnings.iter().any(|warning| warning.name == "duplicate_id");
        self.note_snapshot(id, (&metadata, is_doubtful), step);
        self.note_communication(recording, &metadata, step);
        self.remember(id);
        self.merge(id, metadata, step.now);
        self.attribute(id, step);
        self.tell_times(id, step);
    }

    /// Who is not in a complete document any more has left, and who is new in it has come: now, unless the document says
    /// when.
    fn merge(&mut self, id: RsId, update: Metadata, now: Timestamp) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(base) = &mut session.metadata else {
            session.metadata = Some(Box::new(update));
            return;
        };
        let primary = |participant: &Participant| participant.aors.first().cloned().unwrap_or_default();
        let before: Vec<String> = base.participants.iter().map(primary).filter(|aor| !aor.is_empty()).collect();
        let is_snapshot = update.complete && !update.participants.is_empty();
        attribution::merge(base, update);
        if !is_snapshot || before.is_empty() {
            return;
        }
        let after: Vec<String> = base.participants.iter().map(primary).collect();
        for new in base.participants.iter_mut().filter(|one| !before.contains(&primary(one))) {
            new.joined_ns = new.joined_ns.or(Some(now.nanos()));
        }
        let Some(recording) = self.recordings.get_mut(&session.recording) else { return };
        for past in &mut recording.past_parties {
            let address = past.address.reveal();
            if before.contains(address) && !after.contains(address) {
                past.left_at = past.left_at.or(Some(now));
            }
        }
    }

    /// What a session said of its parties stays true when it ends or its metadata is replaced.
    pub(crate) fn remember(&mut self, id: RsId) {
        let Some(session) = self.sessions.get(&id) else { return };
        let parties = parties_of(session, self.config.genesys_first_line_is_dn, &mut Vec::new());
        let Some(recording) = self.recordings.get_mut(&session.recording) else { return };
        for party in parties.into_iter().filter(|party| !party.address.reveal().is_empty()) {
            join_party(&mut recording.past_parties, party);
        }
    }

    /// Names the parties of the recording anew, and says so when that changes anything.
    pub(crate) fn attribute(&mut self, id: RsId, step: &mut Step<'_>) {
        let Some(recording) = self.sessions.get(&id).map(|session| session.recording) else { return };
        let Some(state) = self.recordings.get(&recording) else { return };
        let mut warnings = Vec::new();
        let mut parties = state.past_parties.clone();
        for session in state.sessions.iter().filter_map(|id| self.sessions.get(id)) {
            for party in parties_of(session, self.config.genesys_first_line_is_dn, &mut warnings) {
                join_party(&mut parties, party);
            }
        }
        parties.sort_by_key(|party| party.tracks.first().copied().unwrap_or(TrackNo(u16::MAX)));
        for warning in &warnings {
            self.warn(recording, warning, step);
        }
        let Some(state) = self.recordings.get_mut(&recording) else { return };
        if !parties.is_empty() && state.parties != parties {
            // A new list: in the place of an empty one it would have room for four.
            state.parties = parties.clone();
            step.out.facts.push(Fact::PartiesNamed { recording, parties });
        }
    }
}

fn push_pairs(
    recording: RecordingId,
    keys: BTreeMap<String, String>,
    data: BTreeMap<String, String>,
    step: &mut Step<'_>,
) {
    let personal = |map: BTreeMap<String, String>| map.into_iter().map(|(key, value)| (key, Personal::new(value)));
    if !keys.is_empty() {
        step.out.facts.push(Fact::CorrelationLearned { recording, keys: personal(keys).collect() });
    }
    if !data.is_empty() {
        let (data, at, source) = (personal(data).collect(), Some(step.now), Some(SIP.to_owned()));
        step.out.facts.push(Fact::UserDataAttached { recording, data, raw: None, at, source });
    }
}

/// Parameters of the Request-URI that are not identities of their own; unknown ones are kept (DESIGN section 4).
fn user_data(call: &GenesysCall) -> BTreeMap<String, String> {
    let mut data = call.other.clone();
    data.extend(call.record_dn.clone().map(|dn| ("recordDN".to_owned(), dn)));
    data
}

fn join_party(parties: &mut Vec<Party>, party: Party) {
    let same = |known: &&mut Party| known.address == party.address && !party.address.reveal().is_empty();
    let Some(known) = parties.iter_mut().find(same) else {
        return parties.push(party);
    };
    known.tracks.extend(party.tracks);
    known.tracks.sort_unstable();
    known.tracks.dedup();
    known.name = party.name.or(known.name.take());
    known.role = party.role.or(known.role.take());
    known.confidence = party.confidence.or(known.confidence);
    // Who joins again after leaving has not left; who was said to have left stays gone until then.
    let is_back = party.joined_at.is_some_and(|joined| known.left_at.is_some_and(|left| joined >= left));
    known.left_at = party.left_at.or(known.left_at.filter(|_| !is_back));
    known.joined_at = known.joined_at.or(party.joined_at);
}

fn parties_of(session: &Session, first_line_is_dn: bool, warnings: &mut Vec<Warning>) -> Vec<Party> {
    match (&session.genesys, &session.metadata) {
        (Some(call), _) => genesys_parties(call, &session.lines, first_line_is_dn),
        (None, Some(metadata)) => siprec_parties(metadata, &session.lines, warnings),
        (None, None) => Vec::new(),
    }
}

/// Per party, every line is the party's (two lines are its audio and video). In a single session the lines are the two
/// parties, in the configured order.
fn genesys_parties(call: &GenesysCall, lines: &[Slot], first_line_is_dn: bool) -> Vec<Party> {
    let mut named: Vec<&String> = call.dn.iter().chain(&call.other_dn).collect();
    if !first_line_is_dn {
        named.reverse();
    }
    let is_single = named.len() > 1;
    let tracks_of = |party: usize| {
        let of_party = move |(line, _): &(usize, &Slot)| !is_single || *line == party;
        lines.iter().enumerate().filter(of_party).filter_map(|(_, slot)| slot.track.as_ref().map(|t| t.no)).collect()
    };
    // Which m-line of a single session is whom is a rule of this installation, not a word of the client.
    let sure = if is_single { Confidence::Medium } else { Confidence::High };
    let party = |(index, dn): (usize, &&String)| {
        let tracks: Vec<TrackNo> = tracks_of(index);
        let confidence = (!tracks.is_empty()).then_some(sure);
        Party { address: Personal::new((*dn).clone()), tracks, confidence, ..Party::default() }
    };
    named.iter().enumerate().map(party).collect()
}

fn siprec_parties(metadata: &Metadata, lines: &[Slot], warnings: &mut Vec<Warning>) -> Vec<Party> {
    let place = |slot: &Slot| Place { label: slot.label.clone(), is_kept: slot.track_no().is_some() };
    let places: Vec<Place> = lines.iter().map(place).collect();
    let said = attribution::attribute(metadata, &places, warnings);
    let tracks_of = |participant: usize| {
        let carries = |(line, _): &(usize, &Slot)| said.lines.get(*line).is_some_and(|who| who.contains(&participant));
        let track = |(line, slot): (usize, &Slot)| Some((slot.track.as_ref()?.no, said.confidence.get(line).copied()));
        lines.iter().enumerate().filter(carries).filter_map(track).unzip()
    };
    let real = |(_, participant): &(usize, &Participant)| !is_placeholder(participant);
    metadata
        .participants
        .iter()
        .enumerate()
        .filter(real)
        .map(|(index, participant)| siprec_party(participant, tracks_of(index)))
        .collect()
}

/// A participant that stands for nobody yet is never shown as a person (Q-PLACE).
fn is_placeholder(participant: &Participant) -> bool {
    participant.aors.iter().all(|aor| aor.trim().is_empty()) && participant.name.is_none()
}

fn siprec_party(participant: &Participant, (tracks, sure): (Vec<TrackNo>, Vec<Option<Sure>>)) -> Party {
    let mut aors = participant.aors.iter();
    let address = aors.next().cloned().unwrap_or_default();
    let number = user_part(&address).filter(|user| *user != address).map(str::to_owned);
    Party {
        name: participant.name.clone().map(Personal::new),
        role: participant.role.clone(),
        confidence: sure.into_iter().flatten().min().map(confidence),
        also: aors.cloned().chain(number).map(Personal::new).collect(),
        tracks,
        address: Personal::new(address),
        joined_at: participant.joined_ns.map(Timestamp::from_nanos),
        left_at: participant.left_ns.filter(|_| participant.has_left).map(Timestamp::from_nanos),
    }
}

const fn confidence(sure: Sure) -> Confidence {
    match sure {
        Sure::Low => Confidence::Low,
        Sure::Medium => Confidence::Medium,
        Sure::High => Confidence::High,
    }
}

/// The user part of an address of record: what people type when they search.
fn user_part(aor: &str) -> Option<&str> {
    let rest = aor.split_once(':').map_or(aor, |(scheme, rest)| {
        if matches!(scheme.to_ascii_lowercase().as_str(), "sip" | "sips" | "tel") { rest } else { aor }
    });
    let user = rest.split(['@', ';', '?']).next()?;
    (!user.is_empty()).then_some(user)
}
