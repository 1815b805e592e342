//! What a scenario sent and received, as it says at its end.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::call::{self, CallReport};

/// Everything.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The scenario went through: every step was done, every recording went as planned.
    pub ok: bool,
    /// Of the scenario.
    pub name: String,
    /// Steps done.
    pub steps: usize,
    /// Connections, in the order they were made.
    pub links: Vec<LinkReport>,
    /// Messages sent, by name.
    pub sent: BTreeMap<&'static str, u64>,
    /// Messages received, by name.
    pub received: BTreeMap<&'static str, u64>,
    /// Reasons of `Refused` that the recorder sent.
    pub refused: Vec<String>,
    /// Requests for recording control.
    pub requests: Vec<RequestReport>,
    /// Recordings placed.
    pub recordings: Vec<RecordingReport>,
    /// What did not go as it should.
    pub problems: Vec<String>,
}

impl Report {
    /// Judges what there is. That the recorder ends a recording is as it should be when it has asked for the end.
    pub(super) fn close(&mut self) {
        for RecordingReport { of, call } in &mut self.recordings {
            let Some(report) = call.as_mut().filter(|report| !report.ok) else { continue };
            let mut stops = self.requests.iter().filter(|request| request.what == "stop" && request.answer == "ack");
            let is_stopped = stops.any(|request| request.call.as_ref() == Some(of));
            if is_stopped && report.problems.iter().all(|problem| problem.ends_with(call::ENDED_BY_RECORDER)) {
                report.ok = true;
            } else {
                self.problems.push(format!("recording of {of}: {}", report.problems.join("; ")));
            }
        }
        self.ok = self.problems.is_empty();
    }
}

/// One connection.
#[derive(Debug, Serialize)]
pub struct LinkReport {
    /// 0, or 1 for the standby.
    pub server: usize,
    /// Milliseconds since the start of the process.
    pub opened_ms: u64,
    /// The same of its end.
    pub closed_ms: Option<u64>,
    /// DNs registered over it.
    pub registered: usize,
}

/// One request.
#[derive(Debug, Serialize)]
pub struct RequestReport {
    /// Milliseconds since time 0.
    pub at_ms: u64,
    /// `start`, `stop`, `pause`, `resume`.
    pub what: &'static str,
    /// Who asked.
    pub this_dn: Option<String>,
    /// The call, as it was named.
    pub conn_id: Option<String>,
    /// The call of the scenario.
    pub call: Option<String>,
    /// `Id` of the extensions.
    pub record_id: Option<String>,
    /// `actor` and the like.
    pub reasons: BTreeMap<String, String>,
    /// `ack`, `error`, `none`.
    pub answer: &'static str,
}

/// One recording.
#[derive(Debug, Serialize)]
pub struct RecordingReport {
    /// The call of the scenario.
    pub of: String,
    /// What the client side saw; absent when it could not be placed.
    pub call: Option<CallReport>,
}
