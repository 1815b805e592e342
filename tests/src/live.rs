//! What a running recorder says of what it records now.

use serde_json::Value;

use crate::{Client, Node, wait};

/// The one live recording.
///
/// # Panics
/// When there is none within ten seconds, or more than one.
pub fn one(client: &Client) -> Value {
    let mut found = Value::Null;
    wait::until(10, "one live recording", || {
        let items = client.get("/recordings?state=live").json()["items"].as_array().cloned().unwrap_or_default();
        assert!(items.len() <= 1, "{items:?}");
        found = items.into_iter().next().unwrap_or(Value::Null);
        !found.is_null()
    });
    let id = found["id"].as_str().expect("an id");
    client.get(&format!("/recordings/{id}")).json()
}

/// The one live recording, when it has become what is waited for.
///
/// # Panics
/// When that does not happen within five seconds.
pub fn one_when(client: &Client, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    let mut recording = Value::Null;
    wait::until(5, what, || {
        recording = one(client);
        is_it(&recording)
    });
    recording
}

/// Waits until nothing is live.
///
/// # Panics
/// When that does not happen within ten seconds.
pub fn none(node: &Node, client: &Client) {
    wait::until(10, "no live session", || node.metric("recorder_recordings_live") < 0.5);
    wait::until(10, "no live recording", || {
        client.get("/recordings?state=live").json()["items"].as_array().is_some_and(Vec::is_empty)
    });
}

/// Every recording that the node knows.
///
/// # Panics
/// When there is no list.
pub fn count(client: &Client) -> usize {
    client.get("/recordings?limit=100").json()["items"].as_array().map(Vec::len).expect("a list")
}

/// Names of the warnings, sorted.
///
/// # Panics
/// When there is no list.
pub fn warnings(recording: &Value) -> Vec<&str> {
    let mut names: Vec<&str> =
        recording["warnings"].as_array().expect("warnings").iter().filter_map(Value::as_str).collect();
    names.sort_unstable();
    names
}

/// The party whose address holds `digits`.
///
/// # Panics
/// When there is none.
pub fn party<'a>(recording: &'a Value, digits: &str) -> &'a Value {
    let is_it = |party: &&Value| party["address"].as_str().is_some_and(|address| address.contains(digits));
    let parties = recording["parties"].as_array().expect("parties");
    parties.iter().find(is_it).unwrap_or_else(|| panic!("no {digits}: {recording}"))
}
