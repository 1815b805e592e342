//! Facts: what happened, past tense, appended to the ledger and never edited. Everything searchable is folded from them.

use std::collections::BTreeMap;

use base64::Engine as _;
use serde::{Deserialize, Serialize};

use crate::{
    Actor, Audit, CallSeen, CallTold, CdrBatch, CdrImported, CodecKind, Contributor, DayReported, Gap, GapCause,
    IncidentNote, Personal, RecordingId, RsId, Ruling, Timestamp, TrackCounters, TrackNo, UnrecordedCall,
};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the variant says it, its fields carry the words of the glossary")]
pub enum Fact {
    /// This process began; `interrupted` are the recordings that were live when the last one ended.
    NodeStarted { node: String, version: String, interrupted: Vec<RecordingId> },
    /// This process ended in order.
    NodeStopped { node: String },
    /// A recording session was offered and turned away.
    SessionRefused(Refused),
    /// A recording began.
    RecordingOpened(RecordingOpened),
    /// A recording session (SIP dialog) now feeds the recording.
    SessionJoined { recording: RecordingId, session: RsId, call_id: String, peer: String, profile: String },
    /// A track began, or (same track again) its payload types, label or protection changed.
    TrackOpened(TrackOpened),
    /// Who takes part, as far as known now; replaces what was known of parties before.
    PartiesNamed { recording: RecordingId, parties: Vec<Party> },
    /// Keys that tie the recording to other systems; added to what was known before.
    CorrelationLearned { recording: RecordingId, keys: BTreeMap<String, Personal<String>> },
    /// User data; added to what was known before.
    UserDataAttached {
        recording: RecordingId,
        data: BTreeMap<String, Personal<String>>,
        /// The list as the CTI source has it, JSON of the T-Library link: order, octets and inner lists.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        raw: Option<Personal<String>>,
        /// When, by the clock of whoever told it, or when we heard of it; none in an older ledger.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<Timestamp>,
        /// Who told it: `tlib:0`, `gws:desk`, or `sip`, the client of the recording; none in an older ledger.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<String>,
    },
    /// What a CTI source told of the call of the recording.
    CallTold(Box<CallTold>),
    /// A CTI source is reached, or not, or events of it are missing.
    CtiLinkChanged { source: String, is_up: bool, reason: Option<String> },
    /// Metadata as it came on the wire, octets in base64.
    MetadataReceived {
        recording: RecordingId,
        /// The session that it came in; none in an older ledger.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<RsId>,
        /// It is a snapshot of all there is, and could be read.
        #[serde(default)]
        complete: bool,
        content_type: String,
        raw_base64: Personal<String>,
    },
    /// A part of a message body that is kept without being understood, octets in base64.
    AttachmentReceived {
        recording: RecordingId,
        session: RsId,
        content_type: String,
        disposition: Option<String>,
        raw_base64: Personal<String>,
    },
    /// What the metadata of a session says of times; replaces what that session said before.
    TimesTold { recording: RecordingId, session: RsId, times: ToldTimes },
    /// The recorder had to be kind, or something was odd: a named warning, once per name.
    WarningRaised { recording: RecordingId, name: String, detail: Option<String> },
    /// From here nothing is kept.
    RecordingPaused { recording: RecordingId, at: Timestamp, cause: GapCause, actor: Actor, reason: Option<String> },
    /// From here it is kept again.
    RecordingResumed { recording: RecordingId, at: Timestamp, actor: Actor, reason: Option<String> },
    /// The policy decided about the recording, at its beginning or when more was known.
    RecordingRuled { recording: RecordingId, ruling: Ruling },
    /// A provisional recording is to be kept.
    RecordingKept { recording: RecordingId, actor: Actor },
    /// A track ended and all it kept is durable in the spool.
    TrackClosed(TrackClosed),
    /// Rendering counted the track exactly: `gaps` are the loss gaps, in addition to those of `TrackClosed`.
    TrackSurveyed {
        recording: RecordingId,
        track: TrackNo,
        packets: u64,
        lost: u64,
        gaps: Vec<Gap>,
        /// The sources that a mixer named in its packets.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        contributors: Vec<Contributor>,
    },
    /// A recording session ended. `reason` is the `Reason` header of the BYE as it came (RFC 3326).
    SessionEnded { recording: RecordingId, session: RsId, cause: EndCause, reason: Option<String> },
    /// The recording ended; what was kept awaits the archive.
    RecordingEnded { recording: RecordingId, ended_at: Timestamp, duration_ms: u64, cause: EndCause },
    /// The archive holds the recording; it was read back and its digests compared.
    /// Its sound begins at `audio_from`: position 0 of the rendering.
    RecordingArchived {
        recording: RecordingId,
        objects: Vec<MediaObject>,
        duration_ms: u64,
        flags: Vec<String>,
        #[serde(default)]
        audio_from: Option<Timestamp>,
    },
    /// The recording could not be finished; what there is stays in the spool.
    RecordingFailed { recording: RecordingId, cause: String },
    /// A legal hold was set.
    RecordingHeld { recording: RecordingId, actor: Actor, reason: Option<String> },
    /// A legal hold was lifted.
    HoldReleased { recording: RecordingId, actor: Actor, reason: Option<String> },
    /// The recording was destroyed: its wrapped keys are gone everywhere.
    RecordingDeleted { recording: RecordingId, actor: Actor, reason: Option<String> },
    /// Somebody asked or did something; written before the answer leaves.
    Audited(Audit),
    /// A call ended, as a CTI source knows it: what recording assurance holds the recordings against.
    CallSeen(Box<CallSeen>),
    /// Lines of an imported file of call detail records.
    CdrsRead(Box<CdrBatch>),
    /// Such a file was read to its end.
    CdrImported(Box<CdrImported>),
    /// A call that should have been recorded was not.
    UnrecordedCallFound(Box<UnrecordedCall>),
    /// Somebody said what was behind an incident.
    IncidentAnnotated(Box<IncidentNote>),
    /// The signed report of a day is in the archive.
    DayReported(Box<DayReported>),
}

impl Fact {
    /// Metadata as it came, octets in base64 so that nothing is lost of what is not UTF-8.
    pub fn metadata(id: (RecordingId, RsId), complete: bool, content_type: String, raw: &[u8]) -> Self {
        let raw_base64 = Personal::new(base64::engine::general_purpose::STANDARD.encode(raw));
        let (recording, session) = id;
        Self::MetadataReceived { recording, session: Some(session), complete, content_type, raw_base64 }
    }

    /// A part as it came, octets in base64.
    pub fn attachment(
        id: (RecordingId, RsId),
        content_type: String,
        disposition: Option<String>,
        octets: &[u8],
    ) -> Self {
        let raw_base64 = Personal::new(base64::engine::general_purpose::STANDARD.encode(octets));
        let (recording, session) = id;
        Self::AttachmentReceived { recording, session, content_type, disposition, raw_base64 }
    }

    /// The recording the fact is about, if it is about one.
    pub fn recording(&self) -> Option<RecordingId> {
        match self {
            Self::NodeStarted { .. }
            | Self::NodeStopped { .. }
            | Self::SessionRefused(_)
            | Self::CtiLinkChanged { .. }
            | Self::CallSeen(_)
            | Self::CdrsRead(_)
            | Self::CdrImported(_)
            | Self::UnrecordedCallFound(_)
            | Self::IncidentAnnotated(_)
            | Self::DayReported(_) => None,
            Self::CallTold(told) => Some(told.recording),
            Self::Audited(audit) => audit.recording,
            Self::RecordingOpened(opened) => Some(opened.recording),
            Self::TrackOpened(opened) => Some(opened.recording),
            Self::TrackClosed(closed) => Some(closed.recording),
            Self::SessionJoined { recording, .. }
            | Self::PartiesNamed { recording, .. }
            | Self::CorrelationLearned { recording, .. }
            | Self::UserDataAttached { recording, .. }
            | Self::MetadataReceived { recording, .. }
            | Self::AttachmentReceived { recording, .. }
            | Self::TimesTold { recording, .. }
            | Self::WarningRaised { recording, .. }
            | Self::RecordingPaused { recording, .. }
            | Self::RecordingResumed { recording, .. }
            | Self::RecordingRuled { recording, .. }
            | Self::RecordingKept { recording, .. }
            | Self::TrackSurveyed { recording, .. }
            | Self::SessionEnded { recording, .. }
            | Self::RecordingEnded { recording, .. }
            | Self::RecordingArchived { recording, .. }
            | Self::RecordingFailed { recording, .. }
            | Self::RecordingHeld { recording, .. }
            | Self::HoldReleased { recording, .. }
            | Self::RecordingDeleted { recording, .. } => Some(*recording),
        }
    }
}

/// A recording session that was offered and turned away: the attempt row of compliance A1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refused {
    /// Call-ID of the offered dialog.
    pub call_id: String,
    /// Where it came from, `transport:address:port`.
    pub peer: String,
    /// The SIP status it was answered with.
    pub status: u16,
    /// The rule or limit that turned it away.
    pub cause: String,
}

/// A recording began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordingOpened {
    /// Its identity here.
    pub recording: RecordingId,
    /// Its identity at the client: the Genesys `record=` id, or the SIPREC session id.
    pub record_id: Option<String>,
    /// Genesys CallUUID (or another key of the interaction).
    pub call_uuid: Option<String>,
    /// Genesys ConnID, 16 hex digits.
    pub conn_id: Option<String>,
    /// The peer profile that accepted it.
    pub profile: String,
    /// When.
    pub at: Timestamp,
}

/// A track began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrackOpened {
    /// The recording.
    pub recording: RecordingId,
    /// The track's number there.
    pub track: TrackNo,
    /// The recording session that feeds it.
    pub session: RsId,
    /// The SDP label as offered, byte for byte, if there was one.
    pub label: Option<String>,
    /// Position of its m-line in the session, from 0.
    pub line: u16,
    /// Which channel of the rendering it belongs to, from 0; continuations and re-opened lines share their channel.
    pub channel: u8,
    /// Our RTP port.
    pub port: u16,
    /// The preferred codec of the line.
    pub codec: CodecKind,
    /// Payload type to codec and clock, as negotiated: `(payload type, encoding name, clock rate Hz, channels)`.
    pub payloads: Vec<(u8, String, u32, u8)>,
    /// Whether the line is SRTP.
    pub srtp: bool,
    /// When.
    pub at: Timestamp,
}

/// One who takes part in the communication session.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Party {
    /// Address of record, DN or number as it came.
    pub address: Personal<String>,
    /// Display name, if any.
    pub name: Option<Personal<String>>,
    /// `caller`, `agent`, ...; none when nobody said so.
    pub role: Option<String>,
    /// Further addresses of the same party.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Personal<String>>,
    /// The tracks whose sound this party contributes.
    pub tracks: Vec<TrackNo>,
    /// How sure it is that these are its tracks; none when it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<Confidence>,
    /// When it joined the communication session, as the metadata tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joined_at: Option<Timestamp>,
    /// When it left; none while it takes part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_at: Option<Timestamp>,
}

/// How sure it is who speaks on a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// A guess by the order of things.
    Low,
    /// Said, but something had to be filled in or repaired.
    Medium,
    /// Said by the client, and nothing contradicts it.
    High,
}

/// Times of the communication session as its metadata tells them, by the clock of the client.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldTimes {
    /// When the group of communication sessions began.
    pub grouped_at: Option<Timestamp>,
    /// When the first communication session began.
    pub started_at: Option<Timestamp>,
    /// When the last one stopped; none while one goes on.
    pub stopped_at: Option<Timestamp>,
    /// Streams, by the track that keeps them.
    pub tracks: Vec<TrackTimes>,
    /// Each communication session, where one recording session carries several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<ToldSession>,
}

/// One of several communication sessions that share a recording session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldSession {
    /// Its id in the metadata.
    pub id: String,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it stopped.
    pub stopped_at: Option<Timestamp>,
}

/// When the stream that a track keeps was sent, as the metadata tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackTimes {
    /// The track.
    pub track: TrackNo,
    /// Since when somebody sends it.
    pub from: Option<Timestamp>,
    /// When it was closed: everybody who sent it left or ceased, or the session stopped.
    pub to: Option<Timestamp>,
}

/// A track ended and all it kept is durable in the spool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrackClosed {
    /// The recording.
    pub recording: RecordingId,
    /// The track.
    pub track: TrackNo,
    /// What happened to its packets.
    pub counters: TrackCounters,
    /// Gaps that capture knew of: paused, hold, overload, crash. Loss gaps are found on rendering.
    pub gaps: Vec<Gap>,
    /// Sealed chunks in the spool; their numbers are `0..chunks`.
    pub chunks: u32,
}

/// Why a session or a recording ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndCause {
    /// The peer sent BYE.
    Bye,
    /// The peer's session timer ran out.
    SessionTimer,
    /// No media and no signaling for longer than allowed.
    Silence,
    /// A stop command.
    Stopped,
    /// The INVITE was cancelled or never acknowledged.
    NotEstablished,
    /// This node was drained.
    Drained,
    /// This process ended without closing it.
    Crash,
}

/// One object of a recording in the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaObject {
    /// `wav`, `mp3`, `peaks`, `tracks` (the packets as received) or `manifest`.
    pub format: String,
    /// Object name in the archive, relative to its root.
    pub name: String,
    /// Octets before sealing.
    pub bytes: u64,
    /// SHA-256 before sealing, lower-case hex.
    pub sha256: String,
    /// Octets of the sealed object.
    pub sealed_bytes: u64,
    /// SHA-256 of the sealed object, lower-case hex: what `verify` compares without any key.
    pub sealed_sha256: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attachment_prints_no_content() {
        let id = (RecordingId::from_bytes([1; 16]), RsId(1));
        let fact = Fact::attachment(id, "application/gtd".into(), None, b"CPN,04,,1,12025550122");
        assert!(!format!("{fact:?}").contains("Q1BO"), "{fact:?}");
        assert_eq!(fact.recording(), Some(id.0));
    }
}
