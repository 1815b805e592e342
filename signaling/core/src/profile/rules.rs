//! The sections of a profile file, field by field as they stand there.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer};

/// `[detect]`: how profile `auto` finds this one. Not inherited.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Detect {
    /// May be chosen by its fingerprint alone, without a `[[peer]]` rule.
    pub automatic: bool,
    /// The profile reads nothing itself: it chooses among these, in this order, then among whatever else is automatic.
    pub among: Vec<String>,
    /// Any one of them is enough.
    pub fingerprint: Vec<Fingerprint>,
}

/// `[[detect.fingerprint]]`: all of what it says must be so. A `*` at the end of a text stands for any rest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fingerprint {
    /// User-Agent.
    pub user_agent: Option<String>,
    /// A header field of this name is there.
    pub header: Option<String>,
    /// A namespace of the metadata, wherever it is used.
    pub namespace: Option<String>,
    /// The document element of the metadata.
    pub root: Option<String>,
    /// Any element of the metadata, by its local name.
    pub element: Option<String>,
    /// A body part of this type.
    pub part: Option<String>,
    /// A parameter of the Contact, in the header or in its URI.
    pub contact_parameter: Option<String>,
    /// A parameter of the URI in From.
    pub from_parameter: Option<String>,
    /// A parameter of the Request-URI, in its user part or behind the host.
    pub request_parameter: Option<String>,
}

/// `[session]`: what makes an INVITE a recording session.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SessionRule {
    /// What must be there.
    pub evidence: Evidence,
    /// The header of `evidence = "header"`, or the URI parameter of `evidence = "from-parameter"`.
    pub name: Option<String>,
    /// The status of the answer when it is not there.
    pub refusal: u16,
}

impl Default for SessionRule {
    fn default() -> Self {
        Self { evidence: Evidence::Siprec, name: None, refusal: 403 }
    }
}

/// What shows that an INVITE begins a recording session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// `Require: siprec` and the feature tag `+sip.src` (RFC 7866 6.2), as far as `[tolerate]` insists.
    Siprec,
    /// A Request-URI whose user part is `record=ID` (Genesys).
    RequestUri,
    /// The header field `name`.
    Header,
    /// The parameter `name` in the URI of From.
    FromParameter,
}

/// `[tolerate]`: `false` refuses what `true` takes with the warning of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is one line of a file that people read")]
pub struct Tolerate {
    /// `Require: siprec` is absent; else the refusal status.
    pub no_require_siprec: bool,
    /// No feature tag at all; else the refusal status.
    pub no_sip_src: bool,
    /// `;src` instead of `;+sip.src`.
    pub contact_param_src_short: bool,
    /// `+sip.src` inside the angle brackets.
    pub feature_tag_in_uri: bool,
    /// A Contact that had to be repaired; else 400.
    pub contact_repaired: bool,
    /// A multipart body without its closing delimiter; else 400.
    pub unterminated_multipart: bool,
    /// Metadata with a DTD or over a limit; else 400.
    pub metadata_rejected: bool,
}

impl Default for Tolerate {
    fn default() -> Self {
        Self {
            no_require_siprec: true,
            no_sip_src: true,
            contact_param_src_short: true,
            feature_tag_in_uri: true,
            contact_repaired: true,
            unterminated_multipart: true,
            metadata_rejected: true,
        }
    }
}

/// `[metadata]`: where the facts of the call come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetadataRule {
    /// Its place.
    pub source: Source,
    /// A snapshot may be asked for, once, when none came or what came cannot be used (RFC 7866 9.2).
    pub ask_snapshot: bool,
}

impl Default for MetadataRule {
    fn default() -> Self {
        Self { source: Source::Body, ask_snapshot: true }
    }
}

/// The place of the facts of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// An `rs-metadata` document, in whatever dialect.
    Body,
    /// One header field per party, see `[participants]`.
    Headers,
    /// Parameters of the URI in From, one dialog per party, see `[leg]`.
    FromUri,
    /// Parameters of the Request-URI (Genesys).
    RequestUri,
}

/// `[participants]`: a header field names a party and its m-line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ParticipantsRule {
    /// The field; it stands once for each party.
    pub header: String,
    /// Its parameter with the number of the m-line, from 0.
    pub line: String,
}

/// `[leg]`: a dialog carries one end of the call; its other end comes in another dialog.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LegRule {
    /// The parameter that marks the near end.
    pub near: String,
    /// The parameter that marks the far end.
    pub far: String,
    /// The parameter with the number of the near end.
    pub near_address: String,
    /// The parameter with the number of the far end.
    pub far_address: String,
    /// The parameters that are equal in the two dialogs of one call.
    pub join: Vec<String>,
}

/// `[offer]`: our offer in the 200 to an INVITE without one (RFC 3261 13.2.1).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OfferRule {
    /// Audio lines; 0 refuses such an INVITE with 488.
    pub lines: u8,
    /// Encodings in the order of preference, of those that this product knows.
    pub codecs: Vec<String>,
}

impl Default for OfferRule {
    fn default() -> Self {
        Self { lines: 2, codecs: ["PCMU", "PCMA", "G722", "telephone-event"].map(str::to_owned).into() }
    }
}

/// `[times]`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Times {
    /// Of times that name none: `UTC`, `+02:00`.
    pub zone: Zone,
}

/// A fixed distance from UTC, in seconds east.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Zone(pub i32);

impl FromStr for Zone {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if matches!(text, "UTC" | "Z") {
            return Ok(Self(0));
        }
        let sign = if text.starts_with('-') { -1 } else { 1 };
        let (hours, minutes) = text.get(1..).and_then(|rest| rest.split_once(':')).unwrap_or_default();
        let is_number = |text: &str| text.len() == 2 && text.bytes().all(|octet| octet.is_ascii_digit());
        let number = |text: &str, below| text.parse::<i32>().ok().filter(|n| is_number(text) && *n < below);
        match (text.as_bytes().first(), number(hours, 15), number(minutes, 60)) {
            (Some(b'+' | b'-'), Some(hours), Some(minutes)) => Ok(Self(sign * (hours * 3_600 + minutes * 60))),
            _ => Err(format!("{text:?} is no zone: write \"UTC\" or an offset like \"+02:00\"")),
        }
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, seconds) = (if self.0 < 0 { '-' } else { '+' }, self.0.unsigned_abs());
        match seconds {
            0 => f.write_str("UTC"),
            _ => write!(f, "{sign}{:02}:{:02}", seconds / 3_600, seconds / 60 % 60),
        }
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// `[attribution]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Attribution {
    /// When nothing says who sends: the streams, by rising label, are sent by the parties in these roles.
    pub streams_by_role: Vec<String>,
}

/// `[[role]]`: the first rule that fits a participant gives it its role. Exactly one of the conditions is set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RoleRule {
    /// `caller`, `callee`, `agent`, `customer`, ...
    pub role: String,
    /// An element inside the participant ...
    pub flag: Option<String>,
    /// ... that says this.
    pub value: Option<String>,
    /// An element whose attribute `participant_id` points at the participant.
    pub pointer: Option<String>,
    /// An element that holds the number of the participant.
    pub number: Option<String>,
    /// The participant sends the stream with the n-th lowest label, from 1.
    pub label_rank: Option<u16>,
    /// The party of the near or far end of `[leg]`: `near`, `far`.
    pub leg: Option<String>,
}

/// `[[check]]`: an element that should hold the number of the participant in a role; warning `extension_conflict`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Check {
    /// The role.
    pub role: String,
    /// The element.
    pub number: String,
}

/// `[[key]]`: what becomes a correlation key. Added to those of the profile it extends; the first that finds a value
/// counts. Exactly one of `header`, `element`, `attribute` is set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeyRule {
    /// The key that recordings are found by.
    pub name: String,
    /// A header field, or `Request-URI`.
    pub header: Option<String>,
    /// Of the field or its URI, the value of this parameter instead of the whole.
    pub parameter: Option<String>,
    /// Of the field, the URI in angle brackets instead of the whole.
    pub uri: bool,
    /// Only where a parameter says this: `encoding=hex`.
    pub with: Option<String>,
    /// Only where no parameter says this.
    pub without: Option<String>,
    /// Elements of the metadata and its extensions, or `name` of a generic parameter; local names in any case.
    pub element: Vec<String>,
    /// An attribute of an element: `session/session_id`.
    pub attribute: Option<String>,
}

/// `[security]`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Security {
    /// SDES keys over unprotected signaling are taken with a warning, whatever `[media]` says.
    pub sdes_over_clear: bool,
    /// An RTP/AVP line with `a=crypto` is SRTP, offered so that a peer without SRTP may ignore it.
    pub best_effort_srtp: bool,
}

/// `[control.document]`: a document whose attribute says what to do. The state words of Genesys are not public: they are
/// configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlDocument {
    /// Media type of the body.
    pub content_type: String,
    /// Local name of the element, under whatever prefix.
    pub element: String,
    /// Local name of its attribute.
    pub attribute: String,
}

/// `[control]`: how the peer controls its recording by INFO requests: a header, or a document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Control {
    /// The field; empty: none.
    pub header: String,
    /// The document.
    pub document: Option<ControlDocument>,
    /// Values that pause.
    pub pause: Vec<String>,
    /// Values that resume.
    pub resume: Vec<String>,
    /// Values that end the recording.
    pub stop: Vec<String>,
}
