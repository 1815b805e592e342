//! Orders to shells, the reports that come back from capture, and the receipts of the spool.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::{Actor, Gap, GapCause, Personal, RecordingId, RsId, Secret, Timestamp, TrackCounters, TrackId};

/// Something that must now happen. Orders are carried out in the order given, after the facts beside them are durable.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variant says it, its fields carry the words of the glossary")]
pub enum Order {
    /// Bind the port and keep what arrives (answered by [`Report::TrackOpened`] or [`Report::TrackRefused`]).
    OpenTrack(Box<OpenTrack>),
    /// The session was renegotiated: new source, keys or payload types from now on.
    RetuneTrack(Box<RetuneTrack>),
    /// Drop what arrives before it reaches a chunk, and note a gap.
    PauseTrack { track: TrackId, cause: GapCause },
    /// Keep again.
    ResumeTrack { track: TrackId },
    /// Flush and close (answered by [`Report::TrackClosed`], then [`Receipt`]).
    CloseTrack { track: TrackId },
    /// Answer the open offer of the session with 200; one grant per m-line, in order.
    Answer { session: RsId, lines: Vec<LineGrant> },
    /// Turn the open offer down; an established session continues unchanged.
    Refuse { session: RsId, status: u16, retry_after_s: Option<u32>, warning: Option<String> },
    /// Send BYE.
    HangUp { session: RsId },
    /// Ask the peer for a metadata snapshot (RFC 7866 9.2).
    RequestSnapshot { session: RsId },
    /// Nothing comes on any line of the session: ask its peer whether it is still there.
    CheckPeer { session: RsId },
    /// Render, seal, archive, read back (answered by the finisher).
    FinishRecording { recording: RecordingId },
    /// Forget everything of a recording that was never established: spool file and key.
    DropRecording { recording: RecordingId },
    /// The archive has it: free its spool (invariant 6).
    FreeSpool { recording: RecordingId },
    /// Ask the CTI source of a call for recording control (T-Library `RequestPrivateService`).
    AskRecording(Box<AskRecording>),
    /// Something changed that no fact tells and a crash must not lose: write the state of the recording anew.
    KeepState { recording: RecordingId },
}

/// A request to a CTI source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskRecording {
    /// The link that told of the call.
    pub link: u16,
    /// `PrivateMsgID`: 3013 start, 3014 stop, 3015 pause, 3016 resume.
    pub message: u32,
    /// In the name of this DN.
    pub dn: Personal<String>,
    /// The call.
    pub conn_id: String,
    /// The recording id that a start is to have.
    pub record_id: Option<String>,
    /// Who wants it.
    pub actor: Actor,
    /// Why, in the actor's words.
    pub reason: Option<String>,
}

/// What the answer says about one m-line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variant says it, its fields carry the words of the glossary")]
pub enum LineGrant {
    /// Port 0.
    Reject,
    /// Our RTP port, and our own key where the line is SRTP.
    Accept { port: u16, srtp: Option<SrtpKeys> },
}

/// One direction of an SDES key exchange (RFC 4568).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SrtpKeys {
    /// Suite name as on the wire, e.g. `AES_CM_128_HMAC_SHA1_80`.
    pub suite: String,
    /// Master key || master salt, of the length the suite asks for.
    pub key_salt: Secret,
    /// Master key identifier on the wire, when the peer uses one: value and its length in octets.
    pub mki: Option<(Vec<u8>, u8)>,
}

/// What signaling agreed on for the DTLS handshake of a line (RFC 5763).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DtlsTerms {
    /// We begin it.
    pub is_client: bool,
    /// Digests of the peer's certificate, SHA-256, SHA-384 or SHA-512 by their length: one has to match.
    pub fingerprints: Vec<Vec<u8>>,
}

/// Where media of a line is expected from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaSource {
    /// The offered address; `None` when it was unusable (loopback, `0.0.0.0`, a name), so that latching decides.
    pub address: Option<IpAddr>,
    /// The offered RTP port. Informational: it may be a placeholder and is never used to filter.
    pub port: u16,
    /// Where receiver reports go when nothing was heard on RTCP yet.
    pub rtcp: Option<SocketAddr>,
}

/// Codecs the recorder knows by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CodecKind {
    /// G.711 mu-law.
    #[serde(rename = "PCMU")]
    Pcmu,
    /// G.711 A-law.
    #[serde(rename = "PCMA")]
    Pcma,
    /// G.722 at 64 kbit/s (RTP clock 8000, sound 16 kHz: RFC 3551 4.5.2).
    #[serde(rename = "G722")]
    G722,
    /// Telephone events (RFC 4733).
    #[serde(rename = "telephone-event")]
    TelephoneEvent,
    /// Comfort noise (RFC 3389).
    #[serde(rename = "CN")]
    ComfortNoise,
    /// Kept as packets, not rendered.
    #[serde(rename = "other")]
    Other,
}

impl CodecKind {
    /// The codec of an rtpmap encoding name (compared without case, RFC 8866 6.6).
    pub fn by_name(name: &str) -> Self {
        match name.to_ascii_uppercase().as_str() {
            "PCMU" => Self::Pcmu,
            "PCMA" => Self::Pcma,
            "G722" => Self::G722,
            "TELEPHONE-EVENT" => Self::TelephoneEvent,
            "CN" => Self::ComfortNoise,
            _ => Self::Other,
        }
    }

    /// The name in the API: the rtpmap spelling.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::G722 => "G722",
            Self::TelephoneEvent => "telephone-event",
            Self::ComfortNoise => "CN",
            Self::Other => "other",
        }
    }
}

/// One payload type of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Codec {
    /// RTP payload type.
    pub payload_type: u8,
    /// What it means.
    pub kind: CodecKind,
    /// RTP clock rate in Hz.
    pub clock_hz: u32,
}

/// Everything capture needs to keep one track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenTrack {
    /// The track.
    pub track: TrackId,
    /// The RTP port to bind; RTCP is `port + 1` unless multiplexed.
    pub port: u16,
    /// Where media is expected from.
    pub source: MediaSource,
    /// RTCP on the RTP port (RFC 5761).
    pub rtcp_mux: bool,
    /// The peer's key: what it encrypts with. `None` for plain RTP.
    pub srtp_remote: Option<SrtpKeys>,
    /// Our key: for the RTCP we send.
    pub srtp_local: Option<SrtpKeys>,
    /// The keys come of a handshake: until then nothing is kept.
    pub dtls: Option<DtlsTerms>,
    /// The negotiated payload types.
    pub codecs: Vec<Codec>,
    /// `Some` when the line starts out held or paused.
    pub paused: Option<GapCause>,
    /// The peer sends already, under keys that were in use before this process began: its roll-over counter has to be
    /// found, and our RTCP indices must not begin at 0.
    pub joins_late: bool,
}

/// A renegotiated line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetuneTrack {
    /// The track.
    pub track: TrackId,
    /// Where media is expected from now on; a changed source may latch anew.
    pub source: MediaSource,
    /// New keys of the peer, when they changed.
    pub srtp_remote: Option<SrtpKeys>,
    /// A new key of ours, when it changed.
    pub srtp_local: Option<SrtpKeys>,
    /// A new handshake has to come, and its keys replace those so far.
    pub dtls: Option<DtlsTerms>,
    /// The payload types from now on.
    pub codecs: Vec<Codec>,
}

/// What capture saw or did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variant says it, its fields carry the words of the glossary")]
pub enum Report {
    /// The port is bound and read.
    TrackOpened { track: TrackId },
    /// The port could not be bound, or there is no room.
    TrackRefused { track: TrackId, cause: String },
    /// A packet was accepted: the first one, or the first one after a silence.
    MediaStarted { track: TrackId, at: Timestamp },
    /// No packet for the configured time while the line was active; told again after as long.
    MediaSilent { track: TrackId, since: Timestamp },
    /// The DTLS handshake gave keys: the peer's and ours.
    TrackKeyed(Box<TrackKeys>),
    /// The peer's certificate is not the one that signaling named: nothing of the track is kept any more.
    TrackSevered { track: TrackId },
    /// No DTLS handshake came about; a later one still may.
    HandshakeFailed { track: TrackId, cause: &'static str },
    /// The last chunk was handed to the spool.
    TrackClosed(Box<TrackTotals>),
}

/// The keys that a handshake gave a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackKeys {
    /// The track.
    pub track: TrackId,
    /// What the peer encrypts with.
    pub remote: SrtpKeys,
    /// What we encrypt with.
    pub local: SrtpKeys,
}

/// The sum of one track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackTotals {
    /// The track.
    pub track: TrackId,
    /// What happened to its packets.
    pub counters: TrackCounters,
    /// Gaps capture caused or knew of.
    pub gaps: Vec<Gap>,
    /// Chunks handed to the spool.
    pub chunks: u32,
}

/// Proof from the spool: every chunk of the track is on stable storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The track.
    pub track: TrackId,
    /// How many chunks are there, numbers `0..chunks`.
    pub chunks: u32,
    /// Their octets on disk.
    pub octets: u64,
    /// False when a write failed and a chunk is missing: the track gets an `overload` gap.
    pub complete: bool,
}
