//! The consolidated document: everything known of an interaction in one place. The same views give the same octets.

use std::collections::{BTreeMap, BTreeSet};

use model::{EndCause, GapCause, MediaObject, RecordingId, Timestamp};
use serde::Serialize;

use super::{Gathered, attached, history, people};
use crate::{
    limits::{PAUSES_PER_INTERACTION, USER_DATA_PER_INTERACTION},
    view::{self, RecordingView, TrackView},
};

/// Which issue of the document this is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Revision {
    /// Counts from 1; 0 before the first was handed over.
    pub number: u64,
    /// Nothing was told of it since.
    pub is_settled: bool,
}

/// Where an interaction is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// A recording of it is not finished, or something was told a moment ago.
    Open,
    /// Every recording of it is finished, and it was quiet for the settling time.
    Complete,
    /// Its recordings belong to another interaction, as was learned later.
    Merged,
}

/// The document. It has no `Debug`: it is about people.
#[derive(Serialize)]
pub struct Document<'a> {
    schema: &'static str,
    interaction: &'a str,
    revision: u64,
    supersedes: Option<u64>,
    state: State,
    merged_into: Option<&'a str>,
    started_at: Option<String>,
    ended_at: Option<String>,
    /// From the first beginning to the last end.
    duration_ms: Option<u64>,
    ani: Option<&'a str>,
    dnis: Option<&'a str>,
    call_type: Option<&'a str>,
    call_uuids: BTreeSet<&'a str>,
    conn_ids: BTreeSet<&'a str>,
    record_ids: BTreeSet<&'a str>,
    sip_call_ids: BTreeSet<&'a str>,
    partitions: BTreeSet<&'a str>,
    retention: BTreeSet<&'a str>,
    parties: Vec<people::Person<'a>>,
    user_data: BTreeMap<&'a str, &'a str>,
    user_data_told: Vec<attached::Attached<'a>>,
    correlation: BTreeMap<&'a str, &'a str>,
    recordings: Vec<RecordingShape<'a>>,
    pauses: Vec<Pause>,
    history: Vec<history::Line<'a>>,
    left_out: LeftOut,
}

/// What a bound of ours kept out of the document; the recordings themselves have it.
#[derive(Default, Serialize)]
struct LeftOut {
    /// There are more recordings than are listed.
    recordings: bool,
    parties: usize,
    user_data: usize,
    user_data_told: usize,
    pauses: usize,
    history: usize,
}

/// One recording of an interaction.
#[derive(Serialize)]
pub struct RecordingShape<'a> {
    id: RecordingId,
    record_id: Option<&'a str>,
    call_uuid: Option<&'a str>,
    conn_id: Option<&'a str>,
    state: &'static str,
    started_at: String,
    ended_at: Option<String>,
    duration_ms: Option<u64>,
    /// Position 0 of its sound.
    audio_from: Option<String>,
    end_cause: Option<EndCause>,
    end_reason: Option<&'a str>,
    /// The recording of the same interaction that ended before this one began, and the one that began after it ended.
    previous: Option<RecordingId>,
    next: Option<RecordingId>,
    tracks: Vec<TrackShape<'a>>,
    gaps: Vec<Gaps>,
    media: &'a [MediaObject],
    flags: &'a [String],
    warnings: Vec<&'a str>,
    labels: &'a [String],
}

#[derive(Serialize)]
struct TrackShape<'a> {
    track: u16,
    label: Option<&'a str>,
    channel: u8,
    party: Option<&'a str>,
    codec: &'a str,
    packets: u64,
    lost: u64,
}

/// All gaps of one cause, over all tracks of a recording.
#[derive(Serialize)]
struct Gaps {
    cause: GapCause,
    count: usize,
    total_ms: u64,
}

/// A span of which nothing was kept by order.
#[derive(Serialize)]
struct Pause {
    recording: RecordingId,
    from: String,
    to: String,
    duration_ms: u64,
}

impl<'a> Document<'a> {
    /// The document of these recordings.
    pub fn of(id: &'a str, gathered: &'a Gathered, revision: Revision, merged_into: Option<&'a str>) -> Self {
        let views = gathered.views.as_slice();
        let (parties, parties_left) = people::merge(views);
        let (history, history_left) = history::merge(views);
        let (user_data, user_data_left) = user_data(views);
        let (user_data_told, told_left) = attached::merge(views);
        let (pauses, pauses_left) = pauses(views);
        let merged_into = merged_into.filter(|_| views.is_empty());
        let started = views.iter().map(|view| view.started_at).min();
        let ended: Option<Vec<Timestamp>> = views.iter().map(|view| view.ended_at).collect();
        let ended = ended.and_then(|ended| ended.into_iter().max());
        Self {
            schema: super::SCHEMA_ID,
            interaction: id,
            revision: revision.number,
            supersedes: revision.number.checked_sub(1).filter(|before| *before > 0),
            state: state(views, revision, merged_into),
            merged_into,
            started_at: started.map(|at| at.to_string()),
            ended_at: ended.map(|at| at.to_string()),
            duration_ms: started.zip(ended).map(|(from, to)| to.millis_since(from)),
            ani: people::number(views, "ani", &["caller"]),
            dnis: people::number(views, "dnis", &["callee", "called"]),
            call_type: views.iter().find_map(|view| view.correlation.get("call_type")).map(String::as_str),
            call_uuids: ids(views, |view| view.call_uuid.as_deref()),
            conn_ids: views.iter().flat_map(RecordingView::conn_ids).collect(),
            record_ids: ids(views, |view| view.record_id.as_deref()),
            sip_call_ids: views
                .iter()
                .flat_map(|view| &view.sessions)
                .map(|session| session.call_id.as_str())
                .collect(),
            partitions: views.iter().flat_map(partitions).collect(),
            retention: ids(views, |view| view.correlation.get("retention").map(String::as_str)),
            parties,
            user_data,
            user_data_told,
            correlation: pairs(views, |view| &view.correlation),
            recordings: views.iter().map(|view| RecordingShape::among(view, views)).collect(),
            pauses,
            history,
            left_out: LeftOut {
                recordings: gathered.has_more,
                parties: parties_left,
                user_data: user_data_left,
                user_data_told: told_left,
                pauses: pauses_left,
                history: history_left,
            },
        }
    }

    /// Its octets.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings, numbers and lists have a JSON form")
    }
}

impl<'a> RecordingShape<'a> {
    /// The recording, beside the others of its interaction.
    pub fn among(view: &'a RecordingView, others: &[RecordingView]) -> Self {
        let before = others.iter().filter(|other| other.ended_at.is_some_and(|end| end <= view.started_at));
        let after = others.iter().filter(|other| view.ended_at.is_some_and(|end| end <= other.started_at));
        let is_other = |other: &&RecordingView| other.id != view.id;
        Self {
            id: view.id,
            record_id: view.record_id.as_deref(),
            call_uuid: view.call_uuid.as_deref(),
            conn_id: view.conn_id.as_deref(),
            state: view.state.name(),
            started_at: view.started_at.to_string(),
            ended_at: view.ended_at.map(|at| at.to_string()),
            duration_ms: view.duration_ms,
            audio_from: view.audio_from.map(|at| at.to_string()),
            end_cause: view.end_cause,
            end_reason: view.end_reason(),
            previous: before.filter(is_other).max_by_key(|other| (other.ended_at, other.id)).map(|other| other.id),
            next: after.filter(is_other).min_by_key(|other| (other.started_at, other.id)).map(|other| other.id),
            tracks: view.tracks.iter().map(track).collect(),
            gaps: gaps(&view.tracks),
            media: &view.media,
            flags: &view.flags,
            warnings: view.warnings.iter().map(|warning| warning.name.as_str()).collect(),
            labels: &view.labels,
        }
    }
}

/// Who may see it, as the switch or a rule said: `partition`, or `GRECORD_PARTITIONS` with several between commas.
pub(super) fn partitions(view: &RecordingView) -> impl Iterator<Item = &str> {
    let said = ["partition", "GRECORD_PARTITIONS"];
    let values = said.into_iter().flat_map(|name| [view.correlation.get(name), view.user_data.get(name)]);
    values.flatten().flat_map(|value| value.split(',')).map(str::trim).filter(|name| !name.is_empty())
}

fn state(views: &[RecordingView], revision: Revision, merged_into: Option<&str>) -> State {
    let is_open = |view: &RecordingView| matches!(view.state, view::State::Live | view::State::Finalizing);
    match merged_into {
        Some(_) => State::Merged,
        _ if revision.is_settled && !views.iter().any(is_open) => State::Complete,
        _ => State::Open,
    }
}

fn ids<'a>(views: &'a [RecordingView], pick: impl Fn(&'a RecordingView) -> Option<&'a str>) -> BTreeSet<&'a str> {
    views.iter().filter_map(pick).collect()
}

type Pairs<'a> = BTreeMap<&'a str, &'a str>;

/// What was said last counts: views come in the order of their beginning.
fn pairs<'a>(
    views: &'a [RecordingView],
    pick: impl Fn(&'a RecordingView) -> &'a model::SmallMap<String, String>,
) -> Pairs<'a> {
    let all = views.iter().flat_map(|view| pick(view).iter());
    all.map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn user_data(views: &[RecordingView]) -> (Pairs<'_>, usize) {
    let mut all = pairs(views, |view| &view.user_data);
    let left_out = all.len().saturating_sub(USER_DATA_PER_INTERACTION);
    for _ in 0..left_out {
        all.pop_last();
    }
    (all, left_out)
}

fn track(track: &TrackView) -> TrackShape<'_> {
    let counters = track.counters.unwrap_or_default();
    TrackShape {
        track: track.no.0,
        label: track.label.as_deref(),
        channel: track.channel,
        party: track.party.as_deref(),
        codec: &track.codec,
        packets: counters.received,
        lost: counters.lost,
    }
}

fn gaps(tracks: &[TrackView]) -> Vec<Gaps> {
    let mut by_cause: BTreeMap<GapCause, (usize, u64)> = BTreeMap::new();
    for gap in tracks.iter().flat_map(|track| &track.gaps) {
        let (count, total_ms) = by_cause.entry(gap.cause).or_default();
        *count += 1;
        *total_ms += gap.to.millis_since(gap.from);
    }
    by_cause.into_iter().map(|(cause, (count, total_ms))| Gaps { cause, count, total_ms }).collect()
}

/// Every track of a recording has the gap of a pause: one span of all that touch each other.
fn pauses(views: &[RecordingView]) -> (Vec<Pause>, usize) {
    let mut pauses = Vec::new();
    for view in views {
        let paused = view.tracks.iter().flat_map(|track| &track.gaps).filter(|gap| gap.cause == GapCause::Paused);
        let mut spans: Vec<(Timestamp, Timestamp)> = paused.map(|gap| (gap.from, gap.to)).collect();
        spans.sort_unstable();
        let mut merged = Vec::<(Timestamp, Timestamp)>::new();
        for (from, to) in spans {
            match merged.last_mut() {
                Some((_, end)) if from <= *end => *end = to.max(*end),
                _ => merged.push((from, to)),
            }
        }
        pauses.extend(merged.into_iter().map(|(from, to)| Pause {
            recording: view.id,
            from: from.to_string(),
            to: to.to_string(),
            duration_ms: to.millis_since(from),
        }));
    }
    let left_out = pauses.len().saturating_sub(PAUSES_PER_INTERACTION);
    pauses.truncate(PAUSES_PER_INTERACTION);
    (pauses, left_out)
}
