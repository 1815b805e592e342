//! `[[step]]` of a scenario: what happens, with which words.

use serde::Deserialize;
use signaling_core::tlib::{event::RecordControl, list::List};

use super::{Time, lists::list};
use crate::call::legs::Side;

/// `[[step]]`: which keys it needs is said by [`Do::needs`].
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[expect(missing_docs, reason = "the page beside says what each key is in each step")]
pub struct Step {
    pub at: Time,
    #[serde(rename = "do")]
    pub act: Do,
    pub call: Option<String>,
    pub from: Option<String>,
    pub dn: Option<String>,
    pub other: Option<String>,
    pub to: Option<String>,
    pub agent: Option<String>,
    pub late: Option<Time>,
    #[serde(default, deserialize_with = "list")]
    pub data: List,
    pub what: Option<What>,
    pub leg: Option<Leg>,
    pub id: Option<String>,
    pub digits: Option<String>,
    pub by: Option<By>,
    pub side: Option<Party>,
    pub line: Option<String>,
    pub count: Option<u64>,
    #[serde(rename = "for")]
    pub length: Option<Time>,
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the page beside says what each does")]
pub enum Do {
    Ring,
    Dial,
    Answer,
    Hold,
    Retrieve,
    Release,
    Abandon,
    Transfer,
    Conference,
    Leave,
    Attach,
    Login,
    Logout,
    Private,
    Keep,
    Flood,
    Record,
    RecordStop,
    RecordPause,
    RecordResume,
    Digits,
    Drop,
    Vanish,
    Silence,
    Gap,
    Rubbish,
    Oversize,
    Endless,
    Switch,
    SwitchLost,
    SwitchBack,
}

/// A control, by its word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the word says it")]
pub enum What {
    Start,
    Stop,
    Pause,
    Resume,
}

/// How a pause shows on the recorder's leg.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leg {
    /// Nothing is sent, and SDP says `inactive`.
    #[default]
    Inactive,
    /// SDP says `inactive`, sound goes on all the same.
    InactiveWithSound,
    /// Nothing is sent, and nothing said.
    Silent,
    /// MSML in an INFO says it, sound goes on all the same.
    Msml,
    /// Nothing at all.
    Nothing,
}

/// How digits are pressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// Telephone-event (RFC 4733).
    #[default]
    Event,
    /// Tones in the sound.
    Tone,
    /// SIP INFO.
    Info,
}

/// Who presses them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the word says it")]
pub enum Party {
    #[default]
    Caller,
    Agent,
}
impl What {
    /// The control of T-Library.
    pub const fn control(self) -> RecordControl {
        match self {
            Self::Start => RecordControl::Start,
            Self::Stop => RecordControl::Stop,
            Self::Pause => RecordControl::Pause,
            Self::Resume => RecordControl::Resume,
        }
    }
}

impl Party {
    /// The side of the recording.
    pub const fn side(self) -> Side {
        match self {
            Self::Caller => Side::Left,
            Self::Agent => Side::Right,
        }
    }
}

impl Do {
    /// The keys without which it makes no sense.
    const fn needs(self) -> &'static [&'static str] {
        match self {
            Self::Ring | Self::Dial | Self::Hold | Self::Retrieve | Self::Leave => &["call", "dn"],
            Self::Answer | Self::Release | Self::Abandon | Self::Attach | Self::Keep | Self::Flood => &["call"],
            Self::Transfer | Self::Conference => &["call", "dn", "to"],
            Self::Login => &["dn", "agent"],
            Self::Logout => &["dn"],
            Self::Private => &["call", "what"],
            Self::Record | Self::RecordStop | Self::RecordPause | Self::RecordResume => &["call"],
            Self::Digits => &["call", "digits"],
            Self::Vanish | Self::Silence => &["for"],
            Self::Drop
            | Self::Gap
            | Self::Rubbish
            | Self::Oversize
            | Self::Endless
            | Self::Switch
            | Self::SwitchLost
            | Self::SwitchBack => &[],
        }
    }
}

impl Step {
    pub(super) fn missing(&self) -> Option<&'static str> {
        let has = |key: &str| match key {
            "call" => self.call.is_some(),
            "dn" => self.dn.is_some(),
            "to" => self.to.is_some(),
            "agent" => self.agent.is_some(),
            "what" => self.what.is_some(),
            "digits" => self.digits.is_some(),
            _ => self.length.is_some(),
        };
        self.act.needs().iter().copied().find(|key| !has(key))
    }
}
