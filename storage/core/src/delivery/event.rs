//! What subscribers are told: kinds of events, their ids, and the CloudEvents envelope around them.

use std::fmt;

use crypto::digest::sha256_hex;
use model::Timestamp;
use serde::Serialize;

use crate::{
    interaction::{self, RecordingShape, SCHEMA_ID},
    view::RecordingView,
};

/// A kind of event, by the word of the configuration and of `type` in CloudEvents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// An interaction is complete, or was told anew.
    Interaction,
    /// A recording is in the archive.
    Archived,
    /// A recording could not be finished.
    Failed,
    /// A recording was destroyed.
    Deleted,
    /// The sound of a recording: octets, not words.
    Audio,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Interaction, Self::Archived, Self::Failed, Self::Deleted, Self::Audio];

    /// The word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Interaction => "interaction.consolidated",
            Self::Archived => "recording.archived",
            Self::Failed => "recording.failed",
            Self::Deleted => "recording.deleted",
            Self::Audio => "recording.audio",
        }
    }

    /// The kind of that word.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// That something is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What kind of thing.
    pub kind: Kind,
    /// The interaction it belongs to: what is of one interaction is handed over in order.
    pub subject: String,
    /// The interaction, or the recording.
    pub thing: String,
    /// Which revision of the document; 0 for what has none.
    pub revision: u64,
    /// The fact of the ledger that raised it.
    pub fact: u64,
    /// When.
    pub at: Timestamp,
}

impl Notice {
    /// Its id over the wire, the same at every attempt: who gets it twice knows it by that.
    pub fn id(&self, node: &str) -> String {
        let text = format!("{node}\n{}\n{}\n{}\n{}", self.kind, self.thing, self.revision, self.fact);
        format!("msg_{}", &sha256_hex(text.as_bytes())[..32])
    }
}

/// CloudEvents 1.0, structured mode.
#[derive(Serialize)]
struct Envelope<'a, T> {
    specversion: &'static str,
    id: &'a str,
    source: &'a str,
    r#type: &'static str,
    subject: &'a str,
    time: String,
    datacontenttype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dataschema: Option<&'static str>,
    data: &'a T,
}

/// The octets of an event around its data.
pub fn envelope(notice: &Notice, id: &str, source: &str, data: &impl Serialize) -> Vec<u8> {
    let envelope = Envelope {
        specversion: "1.0",
        id,
        source,
        r#type: notice.kind.name(),
        subject: &notice.thing,
        time: notice.at.to_string(),
        datacontenttype: "application/json",
        dataschema: (notice.kind == Kind::Interaction).then_some(SCHEMA_ID),
        data,
    };
    serde_json::to_vec(&envelope).expect("strings, numbers and lists have a JSON form")
}

/// The data of an event about one recording: as in the document, and of which interaction it is.
#[derive(Serialize)]
pub struct RecordingEvent<'a> {
    interaction: String,
    #[serde(flatten)]
    recording: RecordingShape<'a>,
}

impl<'a> RecordingEvent<'a> {
    /// The data about that recording.
    pub fn of(view: &'a RecordingView) -> Self {
        Self { interaction: interaction::key(view), recording: RecordingShape::among(view, &[]) }
    }
}
