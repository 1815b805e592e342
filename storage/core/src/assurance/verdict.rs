//! The verdict on one call, and why.
//!
//! | known to a source | policy | recording | verdict |
//! |---|---|---|---|
//! | yes | record | whole | compliant |
//! | yes | record, provisional | none, or no sound in it | not recorded (critical) |
//! | yes | record | part of the talk is missing | partial (major) |
//! | yes | never | any | recorded in error (major) |
//! | yes | never, or provisional and not kept | none | intentionally not recorded |
//! | yes | out of scope, never answered, too short | | excluded |
//! | no | | any | recorded without CDR (minor) |
//! | a source is behind, the recording is not finished, or it is too early to say | | | pending |

use model::{CallDirection, Expectation, RecordingId, Timestamp};
use serde::Serialize;

use super::{
    key::Key,
    recorded::Recorded,
    settings::Settings,
    sources::{Coverage, Sources},
    told::Told,
    users::Users,
};
use crate::view::State;

/// How a call was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As expected.
    Compliant,
    /// It should have been recorded and was not.
    NotRecorded,
    /// There is a recording, and no source knows the call.
    RecordedWithoutCdr,
    /// It should not have been recorded.
    RecordedInError,
    /// Some of it is missing.
    Partial,
    /// It was not recorded, and was not to be.
    IntentionallyNotRecorded,
    /// It does not count.
    Excluded,
    /// It cannot be said yet.
    Pending,
}

impl Verdict {
    /// Every verdict, in the order of the manual.
    pub const ALL: [Self; 8] = [
        Self::Compliant,
        Self::NotRecorded,
        Self::RecordedWithoutCdr,
        Self::RecordedInError,
        Self::Partial,
        Self::IntentionallyNotRecorded,
        Self::Excluded,
        Self::Pending,
    ];

    /// The word in API, metrics and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Compliant => "compliant",
            Self::NotRecorded => "not_recorded",
            Self::RecordedWithoutCdr => "recorded_without_cdr",
            Self::RecordedInError => "recorded_in_error",
            Self::Partial => "partial",
            Self::IntentionallyNotRecorded => "intentionally_not_recorded",
            Self::Excluded => "excluded",
            Self::Pending => "pending",
        }
    }

    /// The verdict of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.name() == name)
    }

    /// How bad it is.
    pub const fn severity(self) -> Severity {
        match self {
            Self::NotRecorded => Severity::Critical,
            Self::RecordedInError | Self::Partial => Severity::Major,
            Self::RecordedWithoutCdr => Severity::Minor,
            Self::Compliant | Self::IntentionallyNotRecorded | Self::Excluded | Self::Pending => Severity::None,
        }
    }

    /// Whether somebody has to look at it.
    pub fn is_incident(self) -> bool {
        self.severity() > Severity::None
    }
}

/// How bad a verdict is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing is wrong.
    None,
    /// A record of the call is missing somewhere else.
    Minor,
    /// Part of a call is lost, or somebody was recorded who should not have been.
    Major,
    /// A call is lost.
    Critical,
}

/// Why a verdict is what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the name is what is shown")]
pub enum Why {
    Recorded,
    DestroyedSince,
    NoRecording,
    NoAudio,
    NoCallKnown,
    PolicyNever,
    RecordingShort,
    Gaps,
    OneWay,
    RecordingFailed,
    NotKept,
    NeverAnswered,
    OutOfScope,
    TooShort,
    CallGoesOn,
    WithinGrace,
    RecordingUnfinished,
    CdrBehind,
    CtiDown,
    NoSource,
}

impl Why {
    /// The word in API and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::DestroyedSince => "destroyed_since",
            Self::NoRecording => "no_recording",
            Self::NoAudio => "no_audio",
            Self::NoCallKnown => "no_call_known",
            Self::PolicyNever => "policy_never",
            Self::RecordingShort => "recording_short",
            Self::Gaps => "gaps",
            Self::OneWay => "one_way",
            Self::RecordingFailed => "recording_failed",
            Self::NotKept => "not_kept",
            Self::NeverAnswered => "never_answered",
            Self::OutOfScope => "out_of_scope",
            Self::TooShort => "too_short",
            Self::CallGoesOn => "call_goes_on",
            Self::WithinGrace => "within_grace",
            Self::RecordingUnfinished => "recording_unfinished",
            Self::CdrBehind => "cdr_behind",
            Self::CtiDown => "cti_down",
            Self::NoSource => "no_source",
        }
    }
}

/// One call with its verdict. `incident` names it among the incidents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JudgedCall {
    /// What names it: the same however much becomes known, unless it is given a CallUUID later.
    pub incident: Key,
    /// How it was recorded.
    pub verdict: Verdict,
    /// Why.
    pub why: Why,
    /// How bad that is.
    pub severity: Severity,
    /// CallUUID.
    pub call_uuid: Option<String>,
    /// ConnID.
    pub conn_id: Option<String>,
    /// When it began, RFC 3339.
    pub started_at: String,
    /// When it ended, RFC 3339; none while it goes on.
    pub ended_at: Option<String>,
    /// Which way it went.
    pub direction: Option<CallDirection>,
    /// DNs of the house.
    pub dns: Vec<String>,
    /// Agents.
    pub agents: Vec<String>,
    /// What the policy wanted.
    pub expectation: Expectation,
    /// The rule that said so.
    pub rule: Option<String>,
    /// Its recordings.
    pub recordings: Vec<RecordingId>,
    /// Who told of it.
    pub sources: Vec<String>,
    /// The node that recorded it, or should have.
    pub node: String,
    /// What a person said was behind it.
    pub cause: Option<&'static str>,
    /// In their words.
    pub note: Option<String>,
}

/// One call as it was joined: what was told of it and what was recorded of it.
pub(super) struct Joined<'a> {
    pub(super) told: Vec<&'a Told>,
    pub(super) recorded: Vec<&'a Recorded>,
}

/// What a judgement looks at beside the call.
pub(super) struct Court<'a> {
    pub(super) settings: &'a Settings,
    pub(super) sources: &'a Sources,
    pub(super) users: &'a Users,
    pub(super) now: u64,
}

impl Joined<'_> {
    /// When the call began, in milliseconds.
    pub(super) fn start(&self) -> u64 {
        let told = self.told.iter().map(|told| told.start).min();
        told.or_else(|| self.recorded.iter().map(|recorded| recorded.start).min()).unwrap_or(0)
    }

    /// When it ended for everybody, in milliseconds.
    pub(super) fn end(&self) -> Option<u64> {
        match self.told.is_empty() {
            // Where one source knows the end, the call is over for all.
            false => self.told.iter().filter_map(|told| told.end).max(),
            true => {
                let is_over = self.recorded.iter().all(|recorded| recorded.end.is_some());
                self.recorded.iter().filter_map(|recorded| recorded.end).max().filter(|_| is_over)
            }
        }
    }

    pub(super) fn expectation(&self) -> Expectation {
        self.told.iter().map(|told| told.expectation).max().unwrap_or_default()
    }

    /// When somebody answered, in milliseconds.
    fn answered(&self) -> Option<u64> {
        self.told.iter().filter_map(|told| told.answered).min()
    }

    /// The verdict as of `now`.
    pub(super) fn judge(&self, court: &Court<'_>) -> (Verdict, Why) {
        if self.told.is_empty() {
            return self.unknown(court);
        }
        let kept: Vec<&Recorded> = self.recorded.iter().filter(|recorded| !recorded.is_discarded).copied().collect();
        match self.expectation() {
            Expectation::Never if kept.is_empty() => (Verdict::IntentionallyNotRecorded, Why::PolicyNever),
            Expectation::Never => (Verdict::RecordedInError, Why::PolicyNever),
            Expectation::Unknown if !self.told.iter().any(|told| told.is_wanted) => {
                (Verdict::Excluded, Why::OutOfScope)
            }
            _ if kept.is_empty() => self.missing(court),
            _ => self.present(&kept, court),
        }
    }

    /// A recording of a call that no source knows.
    fn unknown(&self, court: &Court<'_>) -> (Verdict, Why) {
        if self.recorded.iter().all(|recorded| recorded.is_discarded) {
            return (Verdict::IntentionallyNotRecorded, Why::NotKept);
        }
        let Some(end) = self.end() else { return (Verdict::Pending, Why::CallGoesOn) };
        if court.now < end + court.settings.grace_ms {
            return (Verdict::Pending, Why::WithinGrace);
        }
        let mut numbers = self.recorded.iter().flat_map(|recorded| &recorded.numbers);
        let knows_cti = numbers.any(|number| court.users.is_of_cti(*number));
        match court.sources.cover((self.start(), end), knows_cti, court.settings.expects_cdrs) {
            Coverage::Told => (Verdict::RecordedWithoutCdr, Why::NoCallKnown),
            Coverage::CdrBehind => (Verdict::Pending, Why::CdrBehind),
            Coverage::CtiDown => (Verdict::Pending, Why::CtiDown),
            Coverage::Nobody => (Verdict::Pending, Why::NoSource),
        }
    }

    /// A call that was to be recorded, and of which nothing is kept.
    fn missing(&self, court: &Court<'_>) -> (Verdict, Why) {
        let Some(end) = self.end() else { return (Verdict::Pending, Why::CallGoesOn) };
        let Some(answered) = self.answered() else { return (Verdict::Excluded, Why::NeverAnswered) };
        if end.saturating_sub(answered) < court.settings.min_ms {
            return (Verdict::Excluded, Why::TooShort);
        }
        if !self.recorded.is_empty() {
            // All were discarded, which the policy allows for provisional ones alone.
            return (Verdict::IntentionallyNotRecorded, Why::NotKept);
        }
        if court.now < end + court.settings.grace_ms {
            return (Verdict::Pending, Why::WithinGrace);
        }
        (Verdict::NotRecorded, Why::NoRecording)
    }

    /// A call that was to be recorded, and of which something is kept.
    fn present(&self, kept: &[&Recorded], court: &Court<'_>) -> (Verdict, Why) {
        if kept.iter().all(|recorded| recorded.state == State::Deleted) {
            return (Verdict::Compliant, Why::DestroyedSince);
        }
        if kept.iter().any(|recorded| matches!(recorded.state, State::Live | State::Finalizing)) {
            return (Verdict::Pending, Why::RecordingUnfinished);
        }
        let Some(end) = self.end() else { return (Verdict::Pending, Why::CallGoesOn) };
        let Some(answered) = self.answered() else { return (Verdict::Excluded, Why::NeverAnswered) };
        if kept.iter().all(|recorded| recorded.state == State::Failed) {
            return (Verdict::Partial, Why::RecordingFailed);
        }
        let is_interrupted = kept.iter().any(|recorded| recorded.is_interrupted);
        let talk = end.saturating_sub(answered);
        let bound = court.settings.partial_ms;
        if kept.iter().all(|recorded| recorded.is_silent) && !is_interrupted && talk > bound {
            return (Verdict::NotRecorded, Why::NoAudio);
        }
        if talk.saturating_sub(covered(kept, (answered, end))) > bound {
            return (Verdict::Partial, Why::RecordingShort);
        }
        if kept.iter().map(|recorded| recorded.missing()).min().unwrap_or(0) > bound {
            return (Verdict::Partial, Why::Gaps);
        }
        if kept.iter().all(|recorded| recorded.is_one_way) && !is_interrupted && talk > bound {
            return (Verdict::Partial, Why::OneWay);
        }
        (Verdict::Compliant, Why::Recorded)
    }
}

/// How much of a span lies in at least one of the recordings, in milliseconds.
fn covered(kept: &[&Recorded], (from, to): (u64, u64)) -> u64 {
    let mut spans: Vec<(u64, u64)> =
        kept.iter().map(|recorded| (recorded.start.max(from), recorded.end.unwrap_or(to).min(to))).collect();
    spans.sort_unstable();
    let (mut reached, mut total) = (from, 0);
    for (start, end) in spans {
        let start = start.max(reached);
        if end > start {
            total += end - start;
            reached = end;
        }
    }
    total
}

/// A time in milliseconds as it is shown.
pub(super) fn shown(ms: u64) -> String {
    Timestamp::from_millis(ms).to_string()
}
