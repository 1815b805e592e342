//! The messages of CometD (Bayeux 1.0) that a client of long polling needs.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::limits;

/// A message of the server.
pub(super) struct Message(Map<String, Value>);

/// What the server wants of its client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Advice {
    pub(super) reconnect: Option<Reconnect>,
    /// Rest between two polls.
    pub(super) interval: Option<Duration>,
    /// How long it holds a poll.
    pub(super) timeout: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reconnect {
    Retry,
    Handshake,
    None,
}

pub(super) fn handshake(number: u64) -> String {
    let polling = ["long-polling"];
    array(json!({
        "id": number.to_string(), "channel": "/meta/handshake", "version": "1.0", "minimumVersion": "1.0",
        "supportedConnectionTypes": polling,
    }))
}

/// `is_first`: it is not to be held, so that what the server advises is known before anything is waited for.
pub(super) fn connect(number: u64, session: &str, is_first: bool) -> String {
    let mut message = json!({
        "id": number.to_string(), "channel": "/meta/connect", "clientId": session, "connectionType": "long-polling",
    });
    if is_first {
        message["advice"] = json!({ "timeout": 0 });
    }
    array(message)
}

pub(super) fn subscribe(number: u64, session: &str, channel: &str) -> String {
    array(json!({
        "id": number.to_string(), "channel": "/meta/subscribe", "clientId": session, "subscription": channel,
    }))
}

fn array(message: Value) -> String {
    Value::Array(vec![message]).to_string()
}

/// Reads an answer; the reason why it cannot be.
pub(super) fn read(body: &[u8]) -> Result<Vec<Message>, &'static str> {
    if body.len() > limits::BODY_OCTETS {
        return Err("answer_too_long");
    }
    let messages: Vec<Map<String, Value>> = serde_json::from_slice(body).map_err(|_| "rubbish")?;
    if messages.len() > limits::MESSAGES {
        return Err("too_many_messages");
    }
    Ok(messages.into_iter().map(Message).collect())
}

impl Message {
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(Value::as_str)
    }

    pub(super) fn channel(&self) -> &str {
        self.text("channel").unwrap_or_default()
    }

    pub(super) fn is_successful(&self) -> bool {
        self.0.get("successful") == Some(&Value::Bool(true))
    }

    /// A server that does not say how it can be reached can be polled.
    pub(super) fn has_long_polling(&self) -> bool {
        let types = self.0.get("supportedConnectionTypes").and_then(Value::as_array);
        types.is_none_or(|types| types.iter().any(|one| one == "long-polling"))
    }

    pub(super) fn advice(&self) -> Advice {
        let Some(advice) = self.0.get("advice") else { return Advice::default() };
        let millis = |key: &str| advice.get(key).and_then(Value::as_u64).map(Duration::from_millis);
        Advice {
            reconnect: match advice.get("reconnect").and_then(Value::as_str) {
                Some("retry") => Some(Reconnect::Retry),
                Some("handshake") => Some(Reconnect::Handshake),
                Some("none") => Some(Reconnect::None),
                _ => None,
            },
            interval: millis("interval"),
            timeout: millis("timeout"),
        }
    }

    /// What was published.
    pub(super) fn into_data(mut self) -> Option<Value> {
        self.0.remove("data")
    }
}
