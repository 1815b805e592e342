//! One reader for every dialect: aliases of attributes, associations beside or inside participants, any order.

use std::collections::BTreeSet;

use super::association::Associations;
use crate::{
    event::{CommunicationSession, Confidence, Metadata, MetadataStream, Participant, Warning},
    profile::{Carrier, Hints, Profile, Zone, cast},
    siprec::{attribution, correlation, limits, time, xml::Element},
};

/// Elements of the vocabulary that say nothing this product keeps.
const SILENT: [&str; 5] = ["datamode", "dataMode", "sessionrecordingassoc", "associate-time", "name"];

/// Times of the vocabulary, wherever they stand.
const TIMES: [&str; 4] = ["associate-time", "disassociate-time", "start-time", "stop-time"];

pub(super) fn document(root: &Element, profile: &Profile, metadata: &mut Metadata, warnings: &mut Vec<Warning>) {
    let mut reader = Reader {
        profile,
        metadata,
        hints: Hints::default(),
        associations: Associations::new(profile.times.zone),
        seen: BTreeSet::new(),
        notes: BTreeSet::new(),
    };
    if profile.has_attribute_keys() {
        reader.attribute_keys(root);
    }
    for child in &root.children {
        if child.namespace == root.namespace {
            reader.element(child);
        } else {
            reader.extension(child, None);
        }
    }
    reader.conclude();
    let Reader { hints, notes, .. } = reader;
    warnings.extend(notes.into_iter().map(|name| note(name, profile)));
    cast(profile, &hints, metadata, warnings);
}

/// Which zone was taken for times without one is worth saying.
fn note(name: &'static str, profile: &Profile) -> Warning {
    let detail = (name == "time_without_zone").then(|| format!("read as {}", profile.times.zone));
    Warning { name, detail }
}

pub(super) struct Reader<'a> {
    pub(super) profile: &'a Profile,
    pub(super) metadata: &'a mut Metadata,
    /// What stands outside the vocabulary and bears on roles.
    pub(super) hints: Hints,
    associations: Associations,
    /// Ids met so far: one id for two elements is an error (RFC 7865 6.10).
    seen: BTreeSet<String>,
    notes: BTreeSet<&'static str>,
}

impl Reader<'_> {
    fn element(&mut self, element: &Element) {
        self.times(element);
        match element.name.as_str() {
            name if name.eq_ignore_ascii_case("datamode") => {
                let mode = element.text();
                self.metadata.complete = !mode.eq_ignore_ascii_case("partial");
                if self.metadata.complete && !mode.is_empty() && !mode.eq_ignore_ascii_case("complete") {
                    self.notes.insert("datamode_unknown");
                }
            }
            "group" => {
                if let Some(id) = self.id(element, &["group_id", "id", "group"]) {
                    push(&mut self.metadata.groups, id, &mut self.notes);
                }
                self.metadata.grouped_ns = self.metadata.grouped_ns.or(self.instant(element, "associate-time"));
                self.extensions(element, &["initiator"], None);
            }
            "session" => self.session(element),
            "participant" => self.participant(element),
            "stream" => self.stream(element),
            "participantsessionassoc" => self.session_association(element),
            "participantstreamassoc" => self.stream_association(element),
            name if SILENT.contains(&name) => {}
            // Metaswitch and BroadWorks nest a `recording`; `extensiondata` and the unknown are extensions as well.
            _ => self.extension(element, None),
        }
    }

    fn session(&mut self, element: &Element) {
        let id = self.id(element, &["session_id", "id", "session"]);
        // The drafts before RFC 7865 gave a session the times of an association.
        let told = CommunicationSession {
            id: id.clone().unwrap_or_default(),
            started_ns: self.instant(element, "start-time").or_else(|| self.instant(element, "associate-time")),
            stopped_ns: self.instant(element, "stop-time").or_else(|| self.instant(element, "disassociate-time")),
        };
        push(&mut self.metadata.sessions, told, &mut self.notes);
        self.metadata.session_id = self.metadata.session_id.take().or(id);
        for child in element.all("sipSessionID") {
            correlation::sip_session_id(&mut self.metadata.correlation, child.text());
            push(&mut self.metadata.sip_session_ids, cut(child.text()), &mut self.notes);
        }
        self.extensions(element, &["sipSessionID", "group-ref", "reason"], None);
    }

    fn participant(&mut self, element: &Element) {
        let Some(id) = self.id(element, &["participant_id", "id", "participant"]) else { return };
        let mut names = element.all("nameID").peekable();
        let mut aors: Vec<String> = Vec::new();
        let mut name = None;
        if names.peek().is_none() {
            aors.extend(element.all("aor").map(|aor| cut(aor.text())));
            name = element.first("name").map(|name| cut(name.text())).filter(|name| !name.is_empty());
        }
        for name_id in names {
            let aor = name_id.attribute(&["aor"]).or_else(|| name_id.first("aor").map(Element::text));
            aors.extend(aor.map(cut));
            name = name.or_else(|| name_id.first("name").map(|name| cut(name.text())).filter(|name| !name.is_empty()));
        }
        aors.retain(|aor| !aor.is_empty());
        aors.truncate(limits::ITEMS);
        let (joined_ns, left_ns) =
            (self.instant(element, "associate-time"), self.instant(element, "disassociate-time"));
        let has_left = element.first("disassociate-time").is_some();
        let (sends, receives) = (references(element, "send"), references(element, "recv"));
        if let Some(known) = self.participant_mut(&id) {
            // Two elements of one id may be two people (RFC 7865 6.10): each is to be found, and who speaks is open.
            let is_again = !known.aors.is_empty() || known.name.is_some();
            aors.retain(|aor| !known.aors.contains(aor));
            known.aors.extend(aors);
            known.aors.truncate(limits::ITEMS);
            known.name = known.name.take().or(name);
            known.has_left |= has_left;
            known.has_joined |= !has_left && element.first("associate-time").is_some();
            known.joined_ns = known.joined_ns.or(joined_ns);
            known.left_ns = known.left_ns.or(left_ns);
            // Oracle and AudioCodes name the streams inside the participant (Q-NOASSOC).
            if !sends.is_empty() || !receives.is_empty() {
                known.sends.get_or_insert_default().extend(sends);
                known.receives.get_or_insert_default().extend(receives);
            }
            if is_again {
                self.metadata.trust = Confidence::Low;
            }
        }
        self.extensions(element, &["nameID", "aor", "name", "send", "recv"], Some(&id));
    }

    fn stream(&mut self, element: &Element) {
        // An empty id is legal here: a stream that is declared before it exists (Q-PLACE).
        let id = self.id(element, &["stream_id", "id", "stream"]).unwrap_or_default();
        let stream = MetadataStream {
            id,
            label: element.first("label").map(|label| cut(label.text())).filter(|label| !label.is_empty()),
            session_id: element.attribute(&["session_id", "session"]).map(cut).filter(|id| !id.is_empty()),
            ..MetadataStream::default()
        };
        if !stream.id.is_empty() && self.metadata.streams.iter().any(|known| known.id == stream.id) {
            self.metadata.trust = Confidence::Low;
        }
        if let Some(mode) = element.first("mode").map(Element::text).filter(|mode| !mode.is_empty()) {
            self.metadata.user_data.entry("stream_mode".to_owned()).or_insert_with(|| cut(mode));
        }
        push(&mut self.metadata.streams, stream, &mut self.notes);
        self.extensions(element, &["label", "mode", "content-type"], None);
    }

    fn session_association(&mut self, element: &Element) {
        let Some(id) = reference(element) else { return };
        if self.participant_mut(&id).is_some() {
            self.associations.of_session(id, element);
        }
        self.extensions(element, &["param"], None);
    }

    fn stream_association(&mut self, element: &Element) {
        let Some(id) = reference(element) else { return };
        let is_over = element.first("disassociate-time").is_some();
        for stream in references(element, "send") {
            if !self.associations.of_stream(stream, element) {
                self.notes.insert("metadata_truncated");
            }
        }
        let (mut sends, mut receives) = (references(element, "send"), references(element, "recv"));
        if is_over {
            (sends, receives) = (Vec::new(), Vec::new());
        }
        if let Some(participant) = self.participant_mut(&id) {
            // Present but empty is legal and means neither direction (RFC 7865 6.8.1).
            participant.sends.get_or_insert_default().extend(sends);
            participant.receives.get_or_insert_default().extend(receives);
        }
        self.extensions(element, &["send", "recv"], None);
    }

    /// The participant of that id, made when an association comes first or the document is partial.
    fn participant_mut(&mut self, id: &str) -> Option<&mut Participant> {
        let participants = &mut self.metadata.participants;
        if let Some(at) = participants.iter().position(|known| known.id == id) {
            return participants.get_mut(at);
        }
        if participants.len() >= limits::ITEMS {
            self.notes.insert("metadata_truncated");
            return None;
        }
        participants.push(Participant { id: id.to_owned(), ..Participant::default() });
        participants.last_mut()
    }

    /// The id of an element under its proper name or an alias; an empty one is none.
    fn id(&mut self, element: &Element, names: &[&str; 3]) -> Option<String> {
        let id = cut(element.attribute(names)?);
        if element.attribute(&names[..1]).is_none() {
            self.notes.insert("metadata_legacy_ids");
        }
        if id.is_empty() {
            return None;
        }
        if !self.seen.insert(id.clone()) {
            self.notes.insert("duplicate_id");
        }
        Some(id)
    }

    /// Children of an element of the vocabulary that it does not define.
    fn extensions(&mut self, element: &Element, known: &[&str], inside: Option<&str>) {
        for child in &element.children {
            let is_known = child.namespace == element.namespace
                && (known.contains(&child.name.as_str()) || TIMES.contains(&child.name.as_str()));
            if !is_known {
                self.extension(child, inside);
            }
        }
    }

    /// Keys that a profile reads from attributes, wherever the element stands.
    fn attribute_keys(&mut self, element: &Element) {
        for (name, value) in &element.attributes {
            let carrier = Carrier::Attribute(&element.name, name);
            self.profile.correlate(carrier, value.trim(), &mut self.metadata.correlation);
        }
        // The tree is no deeper than `limits::DEPTH`.
        element.children.iter().for_each(|child| self.attribute_keys(child));
    }

    fn instant(&self, element: &Element, name: &str) -> Option<u64> {
        instant(element, name, self.profile.times.zone)
    }

    fn times(&mut self, element: &Element) {
        let times = element.children.iter().filter(|child| TIMES.contains(&child.name.as_str())).map(Element::text);
        for text in times.filter(|text| !text.is_empty()) {
            let note = match time::read(text) {
                None => "bad_time",
                Some(told) if told.is_unset() => "time_unset",
                Some(told) if !told.has_zone => "time_without_zone",
                Some(_) => continue,
            };
            self.notes.insert(note);
        }
    }

    fn conclude(&mut self) {
        self.metadata.stream_times = self.associations.stream_times();
        attribution::apply_times(&mut self.metadata.streams, &self.metadata.stream_times);
        for participant in &mut self.metadata.participants {
            self.associations.tell(participant);
            for ids in [&mut participant.sends, &mut participant.receives].into_iter().flatten() {
                ids.truncate(limits::ITEMS);
            }
        }
        self.hide_placeholders();
    }

    /// Avaya announces a stream without id and a nameless party with a dummy address that neither sends nor receives
    /// until the far end answers: never show that address as a person (Q-PLACE).
    fn hide_placeholders(&mut self) {
        if !self.metadata.streams.iter().any(|stream| stream.id.is_empty()) {
            return;
        }
        let is_silent = |ids: &Option<Vec<String>>| ids.as_ref().is_some_and(Vec::is_empty);
        for participant in &mut self.metadata.participants {
            if participant.name.is_none() && is_silent(&participant.sends) && is_silent(&participant.receives) {
                participant.aors.clear();
            }
        }
    }
}

fn reference(element: &Element) -> Option<String> {
    element.attribute(&["participant_id", "participant", "id"]).map(cut).filter(|id| !id.is_empty())
}

/// Stream ids of `send` or `recv` children; BroadWorks wraps them in `id`.
fn references(element: &Element, name: &str) -> Vec<String> {
    let id = |reference: &Element| match reference.first("id") {
        Some(wrapped) => cut(wrapped.text()),
        None => cut(reference.text()),
    };
    element.all(name).map(id).filter(|id| !id.is_empty()).take(limits::ITEMS).collect()
}

fn push<T>(items: &mut Vec<T>, item: T, notes: &mut BTreeSet<&'static str>) {
    if items.len() < limits::ITEMS {
        items.push(item);
    } else {
        notes.insert("metadata_truncated");
    }
}

fn cut(text: &str) -> String {
    text.trim().chars().take(limits::TEXT_CHARS).collect()
}

/// The instant that a child of that name tells, in `zone` where it names none; none when it is no time, or that of a
/// clock that was never set.
pub(super) fn instant(element: &Element, name: &str, zone: Zone) -> Option<u64> {
    let told = time::read(element.first(name)?.text())?;
    (!told.is_unset()).then(|| told.in_zone(zone))
}
