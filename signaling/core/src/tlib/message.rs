//! Messages of the link: T-Library names and attributes as one JSON object a line.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{limits, list::List};

/// The version of the protocol that this product speaks; a server that speaks another is not used.
pub const VERSION: u32 = 1;

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident)*) => {
        /// What a message is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Name { $($(#[$doc])* $name),* }

        impl Name {
            /// Every name, in the order of the page.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// As on the wire.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }
        }
    };
}

names! {
    /// Server, first: who it is, its role, version, charset, heart-beat.
    EventServerInfo
    /// Server: its switch can be reached.
    EventLinkConnected
    /// Server: it cannot.
    EventLinkDisconnected
    /// Either side: it lives.
    Heartbeat
    /// Either side: the last message, or the link, is refused, and why.
    Refused
    /// Client: tell me of this DN.
    RequestRegisterAddress
    /// Client: no longer.
    RequestUnregisterAddress
    /// Client: recording control (`PrivateMsgID` 3013 to 3016).
    RequestPrivateService
    /// Server: the DN is watched; `Calls` are those on it now.
    EventRegistered
    /// Server: the DN is not watched any more.
    EventUnregistered
    /// Server: a request is refused.
    EventError
    /// Server: a request is accepted; what it asks for has not happened yet.
    EventACK
    /// The DN is called.
    EventRinging
    /// The DN calls.
    EventDialing
    /// The call is answered.
    EventEstablished
    /// The DN put the call on hold.
    EventHeld
    /// It took it back.
    EventRetrieved
    /// The DN left the call.
    EventReleased
    /// The caller left before an answer.
    EventAbandoned
    /// A party joined.
    EventPartyAdded
    /// A party left.
    EventPartyDeleted
    /// A party was replaced: a transfer. `PreviousConnID` is the call that went into this one.
    EventPartyChanged
    /// User data of the call changed.
    EventAttachedDataChanged
    /// What somebody asked with `RequestPrivateService` was carried out.
    EventPrivateInfo
    /// An agent is at the DN.
    EventAgentLogin
    /// No longer.
    EventAgentLogout
}

/// One message. What it has not is left out on the wire; what we do not know is skipped.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// What it is.
    pub message: Name,
    /// What it says.
    #[serde(flatten)]
    pub attributes: Box<Attributes>,
}

/// A message says what it is; who and why is none of the log's business.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Attributes { reference_id, conn_id, call_uuid, .. } = &*self.attributes;
        write!(f, "{}(ReferenceID {reference_id:?}, ConnID {conn_id:?}, CallUUID {call_uuid:?})", self.message.text())
    }
}

/// T-Library attributes under their names, and a few of the link's own.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[expect(missing_docs, reason = "the names are those of T-Library; the page beside says what each is")]
pub struct Attributes {
    /// Joins an answer to its request.
    #[serde(rename = "ReferenceID", skip_serializing_if = "Option::is_none")]
    pub reference_id: Option<u64>,
    /// Counts the events of a server, from 1, without a gap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_sequence_number: Option<u64>,
    #[serde(rename = "time", skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
    #[serde(rename = "ThisDN", skip_serializing_if = "Option::is_none")]
    pub this_dn: Option<String>,
    #[serde(rename = "OtherDN", skip_serializing_if = "Option::is_none")]
    pub other_dn: Option<String>,
    #[serde(rename = "ThirdPartyDN", skip_serializing_if = "Option::is_none")]
    pub third_party_dn: Option<String>,
    #[serde(rename = "ThisDNRole", skip_serializing_if = "Option::is_none")]
    pub this_dn_role: Option<String>,
    #[serde(rename = "OtherDNRole", skip_serializing_if = "Option::is_none")]
    pub other_dn_role: Option<String>,
    #[serde(rename = "ConnID", skip_serializing_if = "Option::is_none")]
    pub conn_id: Option<String>,
    #[serde(rename = "PreviousConnID", skip_serializing_if = "Option::is_none")]
    pub previous_conn_id: Option<String>,
    #[serde(rename = "CallUUID", skip_serializing_if = "Option::is_none")]
    pub call_uuid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_type: Option<String>,
    #[serde(rename = "CallID", skip_serializing_if = "Option::is_none")]
    pub call_id: Option<u64>,
    #[serde(rename = "ANI", skip_serializing_if = "Option::is_none")]
    pub ani: Option<String>,
    #[serde(rename = "DNIS", skip_serializing_if = "Option::is_none")]
    pub dnis: Option<String>,
    #[serde(rename = "AgentID", skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_data: Option<List>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasons: Option<List>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extensions: Option<List>,
    #[serde(rename = "PrivateMsgID", skip_serializing_if = "Option::is_none")]
    pub private_msg_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// `EventRegistered`: the calls on the DN now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<Attributes>,
    /// `Calls`: how far the call is, by the name of the event that says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<Name>,
    /// `EventServerInfo`: the version of this protocol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// `EventServerInfo`: its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// `EventServerInfo`: whether it is the one to be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// `EventServerInfo`: of texts that are given as octets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charset: Option<String>,
    /// `EventServerInfo`: milliseconds between heart-beats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<u64>,
    /// `Refused`: the rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A point in time as T-Library has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Time {
    /// Seconds since 1970, UTC.
    pub sec: u64,
    /// Microseconds of that second.
    #[serde(default)]
    pub usec: u32,
}

impl Time {
    /// Nanoseconds since 1970; none when it is none.
    pub fn nanos(self) -> Option<u64> {
        let nanos = u64::from(self.usec).checked_mul(1_000).filter(|_| self.usec < 1_000_000)?;
        self.sec.checked_mul(1_000_000_000)?.checked_add(nanos)
    }

    /// The other way, to the microsecond.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self { sec: nanos / 1_000_000_000, usec: (nanos % 1_000_000_000 / 1_000) as u32 }
    }
}

/// Which server of a pair it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It sends events and takes requests.
    Primary,
    /// It waits to become the other.
    Backup,
}

/// Why a line is no message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broken {
    /// Not even JSON with a `message`: whoever sends it speaks something else.
    Rubbish,
    /// A message that a later version may know: to be skipped.
    Unknown,
    /// A message of this name with an attribute that breaks a rule.
    Refused {
        /// Which message.
        message: Name,
        /// The rule.
        reason: String,
    },
}

/// Enough of a line to know what it is.
#[derive(Deserialize)]
struct Label {
    message: String,
}

impl Message {
    /// A message without attributes.
    pub fn new(message: Name) -> Self {
        Self { message, attributes: Box::default() }
    }

    /// The same with attributes.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Attributes)) -> Self {
        change(&mut self.attributes);
        self
    }

    /// Reads a line, without its end.
    ///
    /// # Errors
    /// See [`Broken`].
    pub fn parse(line: &[u8]) -> Result<Self, Broken> {
        let label: Label = serde_json::from_slice(line).map_err(|_| Broken::Rubbish)?;
        let name = Name::ALL.iter().copied().find(|name| name.text() == label.message).ok_or(Broken::Unknown)?;
        let refused = |reason: String| Broken::Refused { message: name, reason };
        let read: Self = serde_json::from_slice(line).map_err(|error| refused(place(&error)))?;
        match read.attributes.fault(0) {
            None => Ok(read),
            Some(reason) => Err(refused(reason.to_owned())),
        }
    }

    /// The line, with its end.
    pub fn line(&self) -> String {
        let mut line = serde_json::to_string(self).expect("strings, numbers and lists can always be written");
        line.push('\n');
        line
    }
}

/// Where a message is broken, without what stands there.
fn place(error: &serde_json::Error) -> String {
    format!("malformed attribute at column {}", error.column())
}

impl Attributes {
    fn fault(&self, depth: u8) -> Option<&'static str> {
        let texts = [
            &self.this_dn,
            &self.other_dn,
            &self.third_party_dn,
            &self.this_dn_role,
            &self.other_dn_role,
            &self.conn_id,
            &self.previous_conn_id,
            &self.call_uuid,
            &self.call_type,
            &self.ani,
            &self.dnis,
            &self.agent_id,
            &self.error_message,
            &self.server,
            &self.charset,
            &self.reason,
        ];
        if texts.into_iter().flatten().any(|text| text.len() > limits::ATTRIBUTE_OCTETS) {
            return Some("attribute_too_long");
        }
        if self.calls.len() > limits::CALLS_PER_DN {
            return Some("too_many_calls");
        }
        if depth > 0 && !self.calls.is_empty() {
            return Some("calls_in_calls");
        }
        let lists = [&self.user_data, &self.reasons, &self.extensions];
        let fault = lists.into_iter().flatten().find_map(List::fault);
        fault.or_else(|| self.calls.iter().find_map(|call| call.fault(depth + 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_reads_back_under_the_names_of_t_library() {
        let line = r#"{"message":"EventRinging","ReferenceID":7,"EventSequenceNumber":3,"time":{"sec":1700000000,"usec":5},"ThisDN":"7001","OtherDN":"+49","ConnID":"0071023821AEC000","CallUUID":"00AB","CallType":"Inbound","CallID":9,"ANI":"+49","DNIS":"800","AgentID":"a1","UserData":[{"key":"k","value":"v"}]}"#;
        let message = Message::parse(line.as_bytes()).expect("a message");
        assert_eq!(message.attributes.time.and_then(Time::nanos), Some(1_700_000_000_000_005_000));
        assert_eq!(message.line().trim_end(), line);
        let shown = format!("{message:?}");
        assert!(!shown.contains("7001") && !shown.contains("+49"), "{shown}");
    }

    #[test]
    fn what_a_later_version_adds_is_skipped() {
        let line = br#"{"message":"EventHeld","ThisDN":"1","Mood":{"good":true}}"#;
        assert_eq!(Message::parse(line).expect("a message").attributes.this_dn.as_deref(), Some("1"));
        assert_eq!(Message::parse(br#"{"message":"EventTomorrow"}"#), Err(Broken::Unknown));
    }

    #[test]
    fn rubbish_and_broken_attributes_are_told_apart_and_say_no_content() {
        for line in [&b"GET / HTTP/1.1"[..], b"{}", b"[]", b"\xFF", b"{\"message\":3}", b""] {
            assert_eq!(Message::parse(line), Err(Broken::Rubbish), "{line:?}");
        }
        let Err(Broken::Refused { message, reason }) =
            Message::parse(br#"{"message":"EventHeld","ThisDN":"secret","ConnID":["secret"]}"#)
        else {
            panic!("an attribute of the wrong type")
        };
        assert_eq!(message, Name::EventHeld);
        assert!(!reason.contains("secret"), "{reason}");
    }

    #[test]
    fn bounds_are_named() {
        let long = Message::new(Name::EventHeld).with(|a| a.ani = Some("1".repeat(limits::ATTRIBUTE_OCTETS + 1)));
        let many = Message::new(Name::EventRegistered)
            .with(|a| a.calls = vec![Attributes::default(); limits::CALLS_PER_DN + 1]);
        let inner = Attributes { calls: vec![Attributes::default()], ..Attributes::default() };
        let nested = Message::new(Name::EventRegistered).with(|a| a.calls = vec![inner]);
        for (message, rule) in [(long, "attribute_too_long"), (many, "too_many_calls"), (nested, "calls_in_calls")] {
            let Err(Broken::Refused { reason, .. }) = Message::parse(message.line().as_bytes()) else {
                panic!("{rule}")
            };
            assert_eq!(reason, rule);
        }
    }

    #[test]
    fn a_time_that_is_none_is_none() {
        assert_eq!(Time { sec: u64::MAX, usec: 0 }.nanos(), None);
        assert_eq!(Time { sec: 1, usec: 1_000_000 }.nanos(), None);
        assert_eq!(Time::from_nanos(1_500_000_999), Time { sec: 1, usec: 500_000 });
    }

    #[test]
    fn the_schema_knows_every_message_and_every_attribute() {
        let schema: serde_json::Value = serde_json::from_str(include_str!("schema.json")).expect("JSON");
        let names: Vec<&str> = Name::ALL.iter().map(|name| name.text()).collect();
        assert_eq!(schema["properties"]["message"]["enum"], serde_json::json!(names));
        let text = || Some("x".to_owned());
        let full = Attributes {
            reference_id: Some(1),
            event_sequence_number: Some(1),
            time: Some(Time { sec: 1, usec: 0 }),
            this_dn: text(),
            other_dn: text(),
            third_party_dn: text(),
            this_dn_role: text(),
            other_dn_role: text(),
            conn_id: text(),
            previous_conn_id: text(),
            call_uuid: text(),
            call_type: text(),
            call_id: Some(1),
            ani: text(),
            dnis: text(),
            agent_id: text(),
            user_data: Some(List::default()),
            reasons: Some(List::default()),
            extensions: Some(List::default()),
            private_msg_id: Some(3013),
            error_code: Some(1),
            error_message: text(),
            calls: vec![Attributes::default()],
            state: Some(Name::EventHeld),
            version: Some(VERSION),
            server: text(),
            role: Some(Role::Primary),
            charset: text(),
            heartbeat: Some(5_000),
            reason: text(),
        };
        let written = serde_json::to_value(full).expect("writes");
        let attributes = written.as_object().expect("an object").keys();
        let unknown: Vec<_> = attributes.filter(|name| schema["properties"].get(name).is_none()).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
        assert_eq!(schema["properties"].as_object().expect("an object").len(), written.as_object().unwrap().len() + 1);
    }
}
