//! The JSON of the API (DESIGN section 5): times in RFC 3339, positions in milliseconds from the start.

use model::{
    Confidence, Contributor, EndCause, Fact, Gap, HistoryLine, MediaObject, Party, Personal, SmallMap, Timestamp,
    ToldSession,
};
use serde::Serialize;
use storage_core::{
    delivery::{DeadLetter, SubscriberView},
    interaction::Happened,
    reason::Reason,
    view::{AttachmentView, MetadataState, RecordingView, SessionView, TrackView, WarningView},
};

/// One recording.
#[derive(Serialize)]
pub(crate) struct Recording<'a> {
    id: String,
    record_id: Option<&'a str>,
    state: &'static str,
    started_at: String,
    ended_at: Option<String>,
    duration_ms: Option<u64>,
    call_uuid: Option<&'a str>,
    conn_id: Option<&'a str>,
    profile: &'a str,
    parties: Vec<PartyShape<'a>>,
    tracks: Vec<Track<'a>>,
    media: Vec<Media<'a>>,
    flags: &'a [String],
    sessions: Vec<Session<'a>>,
    attachments: &'a [AttachmentView],
    end_cause: Option<EndCause>,
    /// The `Reason` of the last session that gave one, as it came.
    end_reason: Option<&'a str>,
    /// Names only; what is known beyond stands in `warning_details`.
    warnings: Vec<&'a str>,
    warning_details: &'a [WarningView],
    correlation: &'a SmallMap<String, String>,
    user_data: &'a SmallMap<String, String>,
    /// What CTI sources told of its call, by time.
    history: Vec<Told<'a>>,
    labels: &'a [String],
    held: bool,
    paused: bool,
    provisional: bool,
}

#[derive(Debug, Serialize)]
struct PartyShape<'a> {
    address: &'a str,
    name: Option<&'a str>,
    role: Option<&'a str>,
    /// Who sat there, as CTI told.
    agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    also: Vec<&'a str>,
    tracks: Vec<u16>,
    /// How sure it is that these are its tracks.
    confidence: Option<Confidence>,
    /// By the clock of the client, as its metadata tells.
    joined_at: Option<String>,
    left_at: Option<String>,
}

/// One line of the history of a call.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    happened: Happened<'a>,
    source: &'a str,
}

/// A recording session; times of the communication session are those of its metadata.
#[derive(Debug, Serialize)]
struct Session<'a> {
    call_id: &'a str,
    peer: &'a str,
    profile: &'a str,
    grouped_at: Option<String>,
    started_at: Option<String>,
    stopped_at: Option<String>,
    /// Each communication session, where it carried several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    communication_sessions: Vec<CommunicationSession<'a>>,
    /// `none`, `partial`, `complete`: what is said of people is incomplete until it is complete.
    metadata: MetadataState,
    end_cause: Option<EndCause>,
    reason: Option<&'a str>,
    reasons: &'a [Reason],
}

#[derive(Debug, Serialize)]
struct CommunicationSession<'a> {
    id: &'a str,
    started_at: Option<String>,
    stopped_at: Option<String>,
}

#[derive(Debug, Serialize)]
struct Track<'a> {
    track: u16,
    label: Option<&'a str>,
    party: Option<&'a str>,
    codec: &'a str,
    srtp: bool,
    /// Nothing more will be kept of it.
    closed: bool,
    /// When its stream was sent, as the metadata tells.
    stream_from: Option<String>,
    stream_to: Option<String>,
    packets: u64,
    lost: u64,
    late: u64,
    duplicate: u64,
    reordered: u64,
    ssrc_changes: u64,
    kernel_drops: u64,
    gaps: Vec<GapShape>,
    contributors: Vec<ContributorShape>,
}

/// A source that a mixer named in the packets of a track (RFC 3550, CSRC).
#[derive(Debug, Serialize)]
struct ContributorShape {
    csrc: u32,
    packets: u64,
    spans: Vec<SpanShape>,
}

/// From the start of the recording.
#[derive(Debug, Serialize)]
struct SpanShape {
    from_ms: u64,
    to_ms: u64,
}

/// A gap, from the start of the recording.
#[derive(Debug, Serialize)]
pub(crate) struct GapShape {
    pub(crate) from_ms: u64,
    pub(crate) to_ms: u64,
    pub(crate) cause: model::GapCause,
}

#[derive(Debug, Serialize)]
struct Media<'a> {
    format: &'a str,
    bytes: u64,
    sha256: &'a str,
}

impl<'a> Recording<'a> {
    pub(crate) fn of(view: &'a RecordingView) -> Self {
        Self {
            id: view.id.to_string(),
            record_id: view.record_id.as_deref(),
            state: view.state.name(),
            started_at: view.started_at.to_string(),
            ended_at: view.ended_at.map(|at| at.to_string()),
            duration_ms: view.duration_ms,
            call_uuid: view.call_uuid.as_deref(),
            conn_id: view.conn_id.as_deref(),
            profile: &view.profile,
            parties: view.parties.iter().map(|party| self::party(view, party)).collect(),
            tracks: view.tracks.iter().map(|track| self::track(track, view.zero())).collect(),
            media: view.media.iter().map(media).collect(),
            flags: &view.flags,
            sessions: view.sessions.iter().map(session).collect(),
            attachments: &view.attachments,
            end_cause: view.end_cause,
            end_reason: view.end_reason(),
            warnings: view.warnings.iter().map(|warning| warning.name.as_str()).collect(),
            warning_details: &view.warnings,
            correlation: &view.correlation,
            user_data: &view.user_data,
            history: view.history.iter().map(history).collect(),
            labels: &view.labels,
            held: view.is_held,
            paused: view.is_paused,
            provisional: view.is_provisional,
        }
    }
}

fn party<'a>(view: &'a RecordingView, party: &'a Party) -> PartyShape<'a> {
    PartyShape {
        address: party.address.reveal(),
        name: Personal::said(&party.name),
        role: party.role.as_deref(),
        agent: view.agent_at(party.address.reveal()),
        also: party.also.iter().map(|address| address.reveal().as_str()).collect(),
        tracks: party.tracks.iter().map(|track| track.0).collect(),
        confidence: party.confidence,
        joined_at: text(party.joined_at),
        left_at: text(party.left_at),
    }
}

fn history(line: &HistoryLine) -> Told<'_> {
    Told { happened: Happened::of(line), source: &line.source }
}

fn session(session: &SessionView) -> Session<'_> {
    Session {
        call_id: &session.call_id,
        peer: &session.peer,
        profile: &session.profile,
        grouped_at: text(session.grouped_at),
        started_at: text(session.started_at),
        stopped_at: text(session.stopped_at),
        communication_sessions: session.communication.iter().map(communication_session).collect(),
        metadata: session.metadata,
        end_cause: session.ended,
        reason: session.reason.as_deref(),
        reasons: &session.reasons,
    }
}

fn communication_session(told: &ToldSession) -> CommunicationSession<'_> {
    CommunicationSession { id: &told.id, started_at: text(told.started_at), stopped_at: text(told.stopped_at) }
}

fn text(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}

fn track(track: &TrackView, zero: Timestamp) -> Track<'_> {
    let counters = track.counters.unwrap_or_default();
    Track {
        track: track.no.0,
        label: track.label.as_deref(),
        party: track.party.as_deref(),
        codec: &track.codec,
        srtp: track.srtp,
        closed: track.chunks.is_some(),
        stream_from: text(track.stream_from),
        stream_to: text(track.stream_to),
        packets: counters.received,
        lost: counters.lost,
        late: counters.late,
        duplicate: counters.duplicate,
        reordered: counters.reordered,
        ssrc_changes: counters.ssrc_changes,
        kernel_drops: counters.kernel_drops,
        gaps: track.gaps.iter().map(|gap| self::gap(gap, zero)).collect(),
        contributors: track.contributors.iter().map(|one| contributor(one, zero)).collect(),
    }
}

fn contributor(contributor: &Contributor, zero: Timestamp) -> ContributorShape {
    let span = |&(from, to): &(Timestamp, Timestamp)| {
        let from_ms = from.millis_since(zero);
        SpanShape { from_ms, to_ms: to.millis_since(zero).max(from_ms) }
    };
    let spans = contributor.spans.iter().map(span).collect();
    ContributorShape { csrc: contributor.csrc, packets: contributor.packets, spans }
}

/// The gap on the recording's own clock.
pub(crate) fn gap(gap: &Gap, zero: Timestamp) -> GapShape {
    let from_ms = gap.from.millis_since(zero);
    GapShape { from_ms, to_ms: gap.to.millis_since(zero).max(from_ms), cause: gap.cause }
}

fn media(object: &MediaObject) -> Media<'_> {
    Media { format: &object.format, bytes: object.bytes, sha256: &object.sha256 }
}

/// One page of something.
#[derive(Debug, Serialize)]
pub(crate) struct PageShape<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next: Option<String>,
}

/// One audit fact.
#[derive(Debug, Serialize)]
pub(crate) struct AuditShape<'a> {
    n: u64,
    at: String,
    actor: ActorShape<'a>,
    action: &'a str,
    recording: Option<String>,
    detail: Option<&'a str>,
    source: Option<&'a str>,
    result: model::AuditResult,
}

#[derive(Debug, Serialize)]
struct ActorShape<'a> {
    id: &'a str,
    role: Option<&'static str>,
}

impl<'a> AuditShape<'a> {
    /// None when the fact is no audit fact.
    pub(crate) fn of(number: u64, fact: &'a Fact) -> Option<Self> {
        let Fact::Audited(audit) = fact else { return None };
        Some(Self {
            n: number,
            at: audit.at.to_string(),
            actor: ActorShape { id: &audit.actor.id, role: audit.actor.role.map(model::Role::name) },
            action: &audit.action,
            recording: audit.recording.map(|id| id.to_string()),
            detail: Personal::said(&audit.detail),
            source: audit.source.as_deref(),
            result: audit.result,
        })
    }
}

/// How a subscriber is doing.
#[derive(Debug, Serialize)]
pub(crate) struct SubscriberShape<'a> {
    name: &'a str,
    disabled_at: Option<String>,
    delivered: u64,
    waiting: u64,
    behind: u64,
    dead: u64,
    oldest: Option<String>,
}

impl<'a> SubscriberShape<'a> {
    pub(crate) fn of(view: &'a SubscriberView) -> Self {
        Self {
            name: &view.name,
            disabled_at: text(view.disabled_at),
            delivered: view.delivered,
            waiting: view.waiting,
            behind: view.behind,
            dead: view.dead,
            oldest: text(view.oldest),
        }
    }
}

/// Something that could not be handed over.
#[derive(Debug, Serialize)]
pub(crate) struct DeadLetterShape<'a> {
    subscriber: &'a str,
    number: u64,
    event: &'static str,
    subject: &'a str,
    revision: u64,
    raised_at: String,
    attempts: u32,
    error: &'a str,
}

impl<'a> DeadLetterShape<'a> {
    pub(crate) fn of(letter: &'a DeadLetter) -> Self {
        Self {
            subscriber: &letter.subscriber,
            number: letter.number,
            event: letter.notice.kind.name(),
            subject: &letter.notice.thing,
            revision: letter.notice.revision,
            raised_at: letter.notice.at.to_string(),
            attempts: letter.attempts,
            error: &letter.error,
        }
    }
}
