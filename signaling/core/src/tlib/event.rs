//! What the link tells the session core: calls, agents, recording control, and how far the link itself can be trusted.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::list::List;

/// Something that a CTI source said.
#[derive(Clone, PartialEq)]
#[expect(missing_docs, reason = "the variant says it, its fields carry the words of the glossary")]
pub enum CtiEvent {
    /// The link speaks to a server whose switch is reached.
    LinkUp { link: u16 },
    /// It does not, and why: what happens now is not told, or told later.
    LinkDown { link: u16, reason: String },
    /// Events are missing; what there is now is read again.
    EventsMissed { link: u16, expected: u64, got: u64 },
    /// A call, as told by one DN of it.
    Call(Box<CallEvent>),
    /// Somebody's request for recording control was carried out, or the call says so.
    Control(Box<ControlEvent>),
    /// An agent sits at a DN, or (none) no longer.
    Agent { link: u16, dn: String, agent: Option<String> },
    /// What became of a request of ours.
    Answered { link: u16, reference: u64, outcome: Outcome },
}

/// Who and with whom is none of the log's business.
impl fmt::Debug for CtiEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LinkUp { link } => write!(f, "LinkUp({link})"),
            Self::LinkDown { link, reason } => write!(f, "LinkDown({link}, {reason})"),
            Self::EventsMissed { link, expected, got } => write!(f, "EventsMissed({link}, {expected}..{got})"),
            Self::Call(call) => write!(f, "Call({}, {:?}, {:?})", call.link, call.kind, call.ids.conn_id),
            Self::Control(control) => write!(f, "Control({}, {:?}, {:?})", control.link, control.what, control.ids),
            Self::Agent { link, agent, .. } => write!(f, "Agent({link}, in: {})", agent.is_some()),
            Self::Answered { link, reference, outcome } => write!(f, "Answered({link}, {reference}, {outcome:?})"),
        }
    }
}

/// What joins an event to recordings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallIds {
    /// One for the whole call, over all sites.
    pub call_uuid: Option<String>,
    /// One a site.
    pub conn_id: Option<String>,
    /// The call that went into this one.
    pub previous_conn_id: Option<String>,
    /// The recording id, where somebody named it (`Id` of a request, `GSIP_REC_FN`).
    pub record_id: Option<String>,
}

impl CallIds {
    /// There is nothing to join by.
    pub fn is_empty(&self) -> bool {
        self.call_uuid.is_none() && self.conn_id.is_none() && self.record_id.is_none()
    }
}

/// What one DN says of a call.
#[derive(Clone, Default, PartialEq)]
pub struct CallEvent {
    /// Which link said it.
    pub link: u16,
    /// What happened.
    pub kind: CallKind,
    /// Which call.
    pub ids: CallIds,
    /// The DN that says it.
    pub this_dn: Option<String>,
    /// The other end.
    pub other_dn: Option<String>,
    /// The third, in transfers and conferences.
    pub third_party_dn: Option<String>,
    /// `RoleOrigination`, `RoleDestination`, ...: as it came.
    pub this_role: Option<String>,
    /// The same of the other end.
    pub other_role: Option<String>,
    /// `Inbound`, `Outbound`, `Internal`, `Consult`: as it came.
    pub call_type: Option<String>,
    /// The number of the caller.
    pub ani: Option<String>,
    /// The number called.
    pub dnis: Option<String>,
    /// The agent at the DN.
    pub agent: Option<String>,
    /// When, nanoseconds since 1970, by the clock of the server.
    pub at_ns: Option<u64>,
    /// User data of the call, decoded and flat; none when the event says nothing of it.
    pub user_data: Option<BTreeMap<String, String>>,
    /// The same as it came.
    pub raw_user_data: Option<List>,
    /// Read again after a break, not told when it happened.
    pub is_snapshot: bool,
}

/// What happened to a call at a DN.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CallKind {
    /// The DN is called.
    Ringing,
    /// The DN calls.
    Dialing,
    /// They speak.
    Established,
    /// On hold.
    Held,
    /// Back from hold.
    Retrieved,
    /// The DN left.
    Released,
    /// The caller left before an answer.
    Abandoned,
    /// A party joined.
    PartyAdded,
    /// A party left.
    PartyDeleted,
    /// A party was replaced.
    PartyChanged,
    /// User data changed.
    #[default]
    Attached,
}

/// A word of recording control.
#[derive(Clone, PartialEq, Eq)]
pub struct ControlEvent {
    /// Which link said it.
    pub link: u16,
    /// What.
    pub what: RecordControl,
    /// Which call.
    pub ids: CallIds,
    /// The DN it is about.
    pub dn: Option<String>,
    /// Reasons as given, flat.
    pub reasons: BTreeMap<String, String>,
    /// The call's user data says so (`GSIP_RECORD`), again and again; else it was told once, when it was done.
    pub is_state: bool,
}

/// Recording control of T-Library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordControl {
    /// 3013, `GSIP_RECORD_START`.
    Start,
    /// 3014.
    Stop,
    /// 3015.
    Pause,
    /// 3016.
    Resume,
}

impl RecordControl {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Start, Self::Stop, Self::Pause, Self::Resume];

    /// `PrivateMsgID` of T-Library's `RequestPrivateService`.
    pub const fn number(self) -> u32 {
        match self {
            Self::Start => 3013,
            Self::Stop => 3014,
            Self::Pause => 3015,
            Self::Resume => 3016,
        }
    }

    /// The control of that number.
    pub fn by_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|control| control.number() == number)
    }
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// `EventACK`: accepted. Only SIP and RTP say that it is carried out.
    Accepted,
    /// `EventError`.
    Refused {
        /// `ErrorCode`.
        code: Option<u32>,
    },
    /// No answer in time, or the link was lost.
    Unanswered,
}
