//! Folds facts, in ledger order, into the recording as it is searched and shown.

mod sessions;

use std::collections::BTreeMap;

use model::{
    Contributor, EndCause, Fact, Gap, GapCause, HistoryLine, Personal, RecordingOpened, Ruling, SmallMap, Timestamp,
    TrackClosed, TrackNo, TrackOpened, Treatment,
};

use crate::{
    limits::{GAPS_PER_TRACK, HISTORY_PER_RECORDING, USER_DATA_TOLD, WARNINGS_PER_RECORDING},
    view::{RecordingView, State, ToldValue, TrackView, WarningView},
};

/// Applies one fact about the recording in `view`. Only `RecordingOpened` makes a view out of nothing; a fact about a
/// recording whose beginning is unknown leaves nothing. `NodeStarted` marks nothing by itself: what it interrupted is
/// told by the facts that close it. A recording whose only INVITE was cancelled before any sound came is none: it
/// leaves its facts, and no view.
pub fn apply(view: &mut Option<RecordingView>, fact: &Fact) {
    match view {
        None => *view = begin(fact),
        Some(known) => {
            if !go_on(known, fact) {
                *view = None;
            }
        }
    }
}

/// The view of the recording that the fact begins, if it begins one.
pub fn begin(fact: &Fact) -> Option<RecordingView> {
    if let Fact::RecordingOpened(opened) = fact { Some(open(opened)) } else { None }
}

/// Applies one fact to the view where it stands; false when it leaves none.
pub fn go_on(view: &mut RecordingView, fact: &Fact) -> bool {
    match fact {
        Fact::RecordingEnded { recording, cause: EndCause::NotEstablished, .. }
            if *recording == view.id && view.tracks.iter().all(|track| track.chunks == Some(0)) =>
        {
            return false;
        }
        fact if fact.recording() == Some(view.id) => change(view, fact),
        _ => {}
    }
    true
}

fn open(opened: &RecordingOpened) -> RecordingView {
    RecordingView {
        id: opened.recording,
        record_id: opened.record_id.clone(),
        call_uuid: opened.call_uuid.clone(),
        conn_id: opened.conn_id.clone(),
        profile: opened.profile.clone(),
        state: State::Live,
        started_at: opened.at,
        ended_at: None,
        duration_ms: None,
        parties: Vec::new(),
        tracks: Vec::new(),
        sessions: Vec::new(),
        attachments: Vec::new(),
        end_cause: None,
        media: Vec::new(),
        flags: Vec::new(),
        warnings: Vec::new(),
        correlation: SmallMap::new(),
        user_data: SmallMap::new(),
        user_data_told: Vec::new(),
        history: Vec::new(),
        labels: Vec::new(),
        is_held: false,
        audio_from: None,
        is_paused: false,
        is_provisional: false,
    }
}

fn change(view: &mut RecordingView, fact: &Fact) {
    // What was destroyed stays destroyed: a late fact must not bring people back.
    if view.state == State::Deleted {
        return;
    }
    match fact {
        Fact::TrackOpened(opened) => track_opened(view, opened),
        Fact::TrackClosed(closed) => track_closed(view, closed),
        Fact::TrackSurveyed { track, packets, lost, gaps, contributors, .. } => {
            track_surveyed(view, *track, (*packets, *lost), gaps);
            name_contributors(view, *track, contributors);
        }
        Fact::PartiesNamed { parties, .. } => {
            // A new list: in the place of an empty one it would have room for four.
            view.parties = parties.clone();
            name_tracks(view);
        }
        Fact::CorrelationLearned { keys, .. } => learn(view, keys),
        Fact::UserDataAttached { data, at, source, .. } => attach(view, data, at.zip(source.as_deref())),
        Fact::CallTold(told) => hear(view, &told.line),
        Fact::WarningRaised { name, detail, .. } => warn(view, name, detail.as_deref()),
        Fact::RecordingPaused { cause, .. } => {
            view.is_paused = true;
            flag_gap(view, *cause);
        }
        Fact::RecordingResumed { .. } => view.is_paused = false,
        Fact::RecordingRuled { ruling, .. } => ruled(view, ruling),
        Fact::RecordingKept { .. } => view.is_provisional = false,
        Fact::RecordingEnded { ended_at, duration_ms, cause, .. } => ended(view, *ended_at, *duration_ms, *cause),
        Fact::RecordingArchived { objects, duration_ms, flags, audio_from, .. } => {
            view.audio_from = *audio_from;
            view.media.clone_from(objects);
            view.duration_ms = Some(*duration_ms);
            flags.iter().for_each(|name| flag(view, name));
            view.state = State::Archived;
        }
        Fact::RecordingFailed { cause, .. } => {
            view.state = State::Failed;
            warn(view, "finish_failed", Some(cause));
        }
        Fact::RecordingHeld { .. } => view.is_held = true,
        Fact::HoldReleased { .. } => view.is_held = false,
        Fact::RecordingDeleted { .. } => forget(view),
        Fact::SessionJoined { .. }
        | Fact::MetadataReceived { .. }
        | Fact::TimesTold { .. }
        | Fact::AttachmentReceived { .. }
        | Fact::SessionEnded { .. } => sessions::apply(view, fact),
        // Facts of the node and audit facts say nothing that a recording shows.
        Fact::NodeStarted { .. }
        | Fact::NodeStopped { .. }
        | Fact::SessionRefused(_)
        | Fact::RecordingOpened(_)
        | Fact::CtiLinkChanged { .. }
        | Fact::Audited(_)
        | Fact::CallSeen(_)
        | Fact::CdrsRead(_)
        | Fact::CdrImported(_)
        | Fact::UnrecordedCallFound(_)
        | Fact::IncidentAnnotated(_)
        | Fact::DayReported(_) => {}
    }
}

fn ended(view: &mut RecordingView, at: Timestamp, duration_ms: u64, cause: EndCause) {
    view.ended_at = Some(at);
    view.duration_ms = Some(duration_ms);
    view.is_paused = false;
    view.end_cause = Some(cause);
    // What was open then ended with it.
    view.sessions.iter_mut().for_each(|session| session.ended = session.ended.or(Some(cause)));
    if view.state == State::Live {
        view.state = State::Finalizing;
    }
    if cause == EndCause::Crash {
        flag(view, "crash");
    }
}

/// The same track again is a renegotiation: its label, codec and protection change, payload types are added to those
/// before (the packets already kept still need them), and what was counted stays.
fn track_opened(view: &mut RecordingView, opened: &TrackOpened) {
    if let Some(track) = view.tracks.iter_mut().find(|track| track.no == opened.track) {
        track.payloads.retain(|(known, ..)| !opened.payloads.iter().any(|(payload_type, ..)| payload_type == known));
        track.payloads.extend(opened.payloads.iter().cloned());
        track.label.clone_from(&opened.label);
        track.channel = opened.channel;
        track.srtp = opened.srtp;
        opened.codec.name().clone_into(&mut track.codec);
        return;
    }
    // Thousands of views of one or two tracks are held: no room for more than there are.
    view.tracks.reserve_exact(1);
    view.tracks.push(TrackView {
        no: opened.track,
        label: opened.label.clone(),
        channel: opened.channel,
        party: None,
        codec: opened.codec.name().to_owned(),
        payloads: opened.payloads.clone(),
        srtp: opened.srtp,
        opened_at: opened.at,
        port: opened.port,
        stream_from: None,
        stream_to: None,
        counters: None,
        gaps: Vec::new(),
        contributors: Vec::new(),
        chunks: None,
    });
    view.tracks.sort_by_key(|track| track.no);
    name_tracks(view);
}

fn track_closed(view: &mut RecordingView, closed: &TrackClosed) {
    let Some(track) = view.tracks.iter_mut().find(|track| track.no == closed.track) else { return };
    track.counters = Some(closed.counters);
    track.chunks = Some(closed.chunks);
    track.gaps = bounded(&closed.gaps);
    closed.gaps.iter().for_each(|gap| flag_gap(view, gap.cause));
}

/// Rendering may be tried more than once: its loss gaps replace those of the attempt before.
fn track_surveyed(view: &mut RecordingView, no: TrackNo, found: (u64, u64), losses: &[Gap]) {
    let Some(track) = view.tracks.iter_mut().find(|track| track.no == no) else { return };
    let counters = track.counters.get_or_insert_default();
    (counters.received, counters.lost) = found;
    let mut gaps: Vec<Gap> = track.gaps.iter().filter(|gap| gap.cause != GapCause::Loss).copied().collect();
    gaps.extend_from_slice(losses);
    gaps.sort_by_key(|gap| (gap.from, gap.to));
    track.gaps = bounded(&gaps);
}

/// A rendering that is made again names them anew.
fn name_contributors(view: &mut RecordingView, no: TrackNo, contributors: &[Contributor]) {
    let named = view.tracks.iter_mut().find(|track| track.no == no);
    named.into_iter().for_each(|track| track.contributors = contributors.to_vec());
}

fn bounded(gaps: &[Gap]) -> Vec<Gap> {
    let mut kept = gaps[..gaps.len().min(GAPS_PER_TRACK)].to_vec();
    if let (Some(last), Some(end)) = (kept.last_mut(), gaps.last()) {
        last.to = end.to.max(last.to);
    }
    kept
}

/// A track is called after whoever is on it now, else after whoever was last. Two at a time are mixed: no rendering can
/// tell them apart.
fn name_tracks(view: &mut RecordingView) {
    let mut is_mixed = false;
    for track in &mut view.tracks {
        let on_it = || view.parties.iter().filter(|party| party.tracks.contains(&track.no));
        let mut present = on_it().filter(|party| party.left_at.is_none());
        let party = present.next().or_else(|| on_it().max_by_key(|party| party.left_at));
        is_mixed |= present.next().is_some();
        track.party = party.map(|party| party.address.reveal().clone());
    }
    if is_mixed {
        flag(view, "mixed");
    }
}

/// By time, whenever it was told.
fn hear(view: &mut RecordingView, line: &HistoryLine) {
    if view.history.len() < HISTORY_PER_RECORDING {
        let place = view.history.partition_point(|known| known.at <= line.at);
        view.history.insert(place, line.clone());
    }
}

/// The values that count now, and each with its time and source, in the order of their times. When there is no room the older
/// values of a key go first: the one that counts keeps its time.
fn attach(view: &mut RecordingView, data: &BTreeMap<String, Personal<String>>, told: Option<(Timestamp, &str)>) {
    view.user_data.extend(revealed(data));
    let Some((at, source)) = told else { return };
    for (key, value) in data {
        let told = &mut view.user_data_told;
        if told.len() >= USER_DATA_TOLD {
            let Some(older) = told.iter().position(|known| known.key == *key && known.at <= at) else { continue };
            told.remove(older);
        }
        let one = ToldValue { at, key: key.clone(), value: value.clone(), source: source.to_owned() };
        let place = told.partition_point(|known| *known <= one);
        if place.checked_sub(1).is_none_or(|before| told[before] != one) {
            told.insert(place, one);
        }
    }
}

/// The three identities of a call are columns of their own; whoever learns one later fills the column if it is empty.
fn learn(view: &mut RecordingView, keys: &BTreeMap<String, Personal<String>>) {
    for (name, value) in revealed(keys) {
        let column = match name.as_str() {
            "record_id" => Some(&mut view.record_id),
            "call_uuid" => Some(&mut view.call_uuid),
            "conn_id" => Some(&mut view.conn_id),
            _ => None,
        };
        if let Some(column) = column {
            column.get_or_insert_with(|| value.clone());
        }
        view.correlation.insert(name, value);
    }
}

/// The class and the partition are keys that a search finds; which rule gave them is told beside.
fn ruled(view: &mut RecordingView, ruling: &Ruling) {
    view.is_provisional = ruling.treatment == Treatment::Provisional;
    let said = [("policy_rule", &ruling.rule), ("retention", &ruling.retention), ("partition", &ruling.partition)];
    for (name, value) in said {
        if let Some(value) = value {
            view.correlation.insert(name.to_owned(), value.clone());
        }
    }
}

fn revealed(map: &BTreeMap<String, Personal<String>>) -> impl Iterator<Item = (String, String)> + '_ {
    map.iter().map(|(name, value)| (name.clone(), value.reveal().clone()))
}

fn warn(view: &mut RecordingView, name: &str, detail: Option<&str>) {
    if view.warnings.len() < WARNINGS_PER_RECORDING && !view.warnings.iter().any(|warning| warning.name == name) {
        view.warnings.reserve_exact(1);
        view.warnings.push(WarningView { name: name.to_owned(), detail: detail.map(str::to_owned) });
    }
}

fn flag_gap(view: &mut RecordingView, cause: GapCause) {
    match cause {
        // Every network loses a packet now and then: the counters say how many, a flag would say nothing.
        GapCause::Loss => {}
        GapCause::Paused => flag(view, "paused"),
        GapCause::Hold => flag(view, "hold"),
        GapCause::Failover => flag(view, "failover"),
        GapCause::Overload => flag(view, "overload"),
        GapCause::Crash => flag(view, "crash"),
    }
}

fn flag(view: &mut RecordingView, name: &str) {
    if !view.flags.iter().any(|known| known == name) {
        view.flags.push(name.to_owned());
    }
}

/// What is left of a destroyed recording is that it existed: identity, times and state, and nothing about people.
fn forget(view: &mut RecordingView) {
    view.state = State::Deleted;
    view.is_paused = false;
    view.parties.clear();
    view.media.clear();
    view.sessions.clear();
    view.attachments.clear();
    view.correlation.clear();
    view.user_data.clear();
    view.user_data_told.clear();
    view.history.clear();
    view.tracks.iter_mut().for_each(|track| track.party = None);
}

#[cfg(test)]
mod tests {
    use model::{Actor, CodecKind, MediaObject, Party, RecordingId, RsId, TrackCounters};

    use super::*;

    fn id() -> RecordingId {
        RecordingId::from_bytes([1; 16])
    }

    fn opened() -> Fact {
        Fact::RecordingOpened(RecordingOpened {
            recording: id(),
            record_id: Some("rec-1".into()),
            call_uuid: None,
            conn_id: None,
            profile: "genesys-msr".into(),
            at: Timestamp::from_millis(1_000),
        })
    }

    fn track(no: u16) -> Fact {
        Fact::TrackOpened(TrackOpened {
            recording: id(),
            track: TrackNo(no),
            session: RsId(1),
            label: Some(no.to_string()),
            line: no,
            channel: no as u8,
            port: 20_000,
            codec: CodecKind::Pcmu,
            payloads: vec![(0, "PCMU".into(), 8_000, 1)],
            srtp: false,
            at: Timestamp::from_millis(1_000),
        })
    }

    fn folded(facts: &[Fact]) -> Option<RecordingView> {
        let mut view = None;
        facts.iter().for_each(|fact| apply(&mut view, fact));
        view
    }

    fn party(address: &str, track: u16) -> Party {
        Party { address: address.to_owned().into(), tracks: vec![TrackNo(track)], ..Party::default() }
    }

    #[test]
    fn parties_name_tracks_whichever_comes_first() {
        let named = Fact::PartiesNamed { recording: id(), parties: vec![party("7001", 0), party("7002", 1)] };
        let before = folded(&[opened(), named.clone(), track(1), track(0)]).expect("opened");
        let after = folded(&[opened(), track(0), track(1), named]).expect("opened");
        assert_eq!(before, after);
        assert_eq!(after.tracks[1].party.as_deref(), Some("7002"));
    }

    #[test]
    fn a_life_goes_from_live_to_archived_and_keeps_its_flags() {
        let gap = Gap { from: Timestamp::from_millis(1_500), to: Timestamp::from_millis(2_000), cause: GapCause::Hold };
        let object = MediaObject {
            format: "wav".into(),
            name: "n".into(),
            bytes: 1,
            sha256: "a".into(),
            sealed_bytes: 2,
            sealed_sha256: "b".into(),
        };
        let mut facts = vec![opened(), track(0)];
        facts.push(Fact::TrackClosed(TrackClosed {
            recording: id(),
            track: TrackNo(0),
            counters: TrackCounters { received: 50, ..Default::default() },
            gaps: vec![gap],
            chunks: 3,
        }));
        facts.push(Fact::RecordingEnded {
            recording: id(),
            ended_at: Timestamp::from_millis(3_000),
            duration_ms: 2_000,
            cause: EndCause::Crash,
        });
        assert_eq!(folded(&facts).map(|view| view.state), Some(State::Finalizing));
        facts.push(Fact::RecordingArchived {
            recording: id(),
            objects: vec![object.clone()],
            duration_ms: 1_980,
            flags: vec!["one_way".into(), "hold".into()],
            audio_from: None,
        });
        let view = folded(&facts).expect("opened");
        assert_eq!((view.state, view.duration_ms), (State::Archived, Some(1_980)));
        assert_eq!(view.flags, ["hold", "crash", "one_way"]);
        assert_eq!(view.media, [object]);
        assert_eq!(view.tracks[0].counters.map(|counters| counters.received), Some(50));
    }

    #[test]
    fn a_renegotiated_track_keeps_its_history_and_a_second_survey_replaces_the_first() {
        let lost = |second: u64| {
            let (from, to) = (Timestamp::from_millis(second * 1_000), Timestamp::from_millis(second * 1_000 + 20));
            Fact::TrackSurveyed {
                recording: id(),
                track: TrackNo(0),
                packets: 99,
                lost: 1,
                gaps: vec![Gap { from, to, cause: GapCause::Loss }],
                contributors: vec![Contributor { csrc: second as u32, packets: 9, spans: vec![(from, to)] }],
            }
        };
        let Fact::TrackOpened(again) = track(0) else { unreachable!("built as one") };
        let again = TrackOpened {
            payloads: vec![(8, "PCMA".into(), 8_000, 1)],
            codec: CodecKind::Pcma,
            at: Timestamp::from_millis(9_000),
            srtp: true,
            ..again
        };
        let view = folded(&[opened(), track(0), lost(2), lost(3), Fact::TrackOpened(again)]).expect("opened");
        let track = &view.tracks[0];
        assert_eq!((track.payloads.len(), track.codec.as_str(), track.srtp), (2, "PCMA", true));
        assert_eq!(track.opened_at, Timestamp::from_millis(1_000));
        assert_eq!((track.gaps.len(), track.gaps[0].from), (1, Timestamp::from_millis(3_000)));
        assert_eq!((track.contributors.len(), track.contributors[0].csrc), (1, 3));
        assert_eq!(track.counters.map(|counters| (counters.received, counters.lost)), Some((99, 1)));
        assert!(view.flags.is_empty(), "loss is no flag");
    }

    #[test]
    fn a_warning_is_kept_once_per_name_and_keys_fill_empty_columns() {
        let warning = |detail: &str| Fact::WarningRaised {
            recording: id(),
            name: "no_sip_src".into(),
            detail: Some(detail.into()),
        };
        let keys = |value: &str| Fact::CorrelationLearned {
            recording: id(),
            keys: BTreeMap::from([("call_uuid".to_owned(), value.to_owned().into())]),
        };
        let view = folded(&[opened(), warning("a"), warning("b"), keys("U1"), keys("U2")]).expect("opened");
        assert_eq!(view.warnings.len(), 1);
        assert_eq!(view.call_uuid.as_deref(), Some("U1"));
        assert_eq!(view.correlation.get("call_uuid").map(String::as_str), Some("U2"));
    }

    #[test]
    fn facts_about_an_unknown_or_other_recording_leave_nothing() {
        assert_eq!(folded(&[track(0)]), None);
        let other =
            Fact::RecordingHeld { recording: RecordingId::from_bytes([2; 16]), actor: Actor::system(), reason: None };
        assert!(!folded(&[opened(), other]).expect("opened").is_held);
    }

    #[test]
    fn a_deleted_recording_forgets_people_and_stays_deleted() {
        let deleted = Fact::RecordingDeleted { recording: id(), actor: Actor::system(), reason: None };
        let late = Fact::RecordingArchived {
            recording: id(),
            objects: vec![],
            duration_ms: 1,
            flags: vec![],
            audio_from: None,
        };
        let named = Fact::PartiesNamed { recording: id(), parties: vec![party("7001", 0)] };
        let view = folded(&[opened(), track(0), named, deleted, late]).expect("opened");
        assert_eq!(view.state, State::Deleted);
        assert!(view.parties.is_empty() && view.tracks[0].party.is_none());
    }
}
