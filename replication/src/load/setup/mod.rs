//! Sessions without sound, thousands a second: what a set-up costs the recorder, measured by a client that costs little.
//!
//! The sessions are real ones (INVITE, ACK, BYE with their retransmissions, and ids of their own), but their messages
//! are written and read by hand, on a few connections, so that the client costs little. What no load needs is not there: proxies (the recorder itself answers, so `Record-Route` is not read), re-INVITE, session refresh.

mod lane;
mod script;
mod table;
mod template;
mod wire;

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use tokio::task::JoinSet;

use self::{lane::Lane, script::Script, template::Template, wire::Wire};
use super::{LoadReport, LoadSpec};
use crate::{
    call::{signal, spec::Layout},
    error::CallError,
    limits,
    stream::ports,
    world,
};

/// What came of the sessions of one connection. Times in microseconds.
#[derive(Debug, Default)]
struct Outcome {
    ok: u32,
    failures: BTreeMap<String, u32>,
    set_up: Vec<u64>,
    trying: Vec<u64>,
    busy: Vec<u64>,
    retry_after: u32,
    last: Option<Instant>,
    behind_ms: u64,
}

impl Outcome {
    fn fail(&mut self, cause: &str, sessions: u32) {
        *self.failures.entry(cause.to_owned()).or_default() += sessions;
    }

    fn add(&mut self, other: Self) {
        self.ok += other.ok;
        other.failures.iter().for_each(|(cause, sessions)| self.fail(cause, *sessions));
        self.set_up.extend(other.set_up);
        self.trying.extend(other.trying);
        self.busy.extend(other.busy);
        self.retry_after += other.retry_after;
        self.last = self.last.max(other.last);
        self.behind_ms = self.behind_ms.max(other.behind_ms);
    }
}

/// Sets the sessions up at their rate, holds each for the duration of a call, ends it, and says how long INVITEs took.
///
/// # Errors
/// [`CallError::Usage`], or [`CallError::Unreachable`] when no connection is to be had.
pub async fn set_up(spec: LoadSpec, connections: u32) -> Result<LoadReport, CallError> {
    check(&spec, connections)?;
    let remote = signal::resolve(&spec.call).await?;
    let run: String = world::entropy::<6>()?.iter().map(|octet| format!("{octet:02x}")).collect();
    let address = spec.call.media_source.map_or_else(|| ports::local_address(remote), Ok)?;
    let spec = Arc::new(spec);
    let mut wires = Vec::new();
    for _ in 0..connections {
        wires.push(Wire::open(&spec.call, remote).await?);
    }
    let start = world::now();
    let mut lanes = JoinSet::new();
    for (first, wire) in (0..).zip(wires) {
        let script = Script::new(&spec.call, wire.local(), remote, &run);
        let template = Template::new(&script, &spec, address)?;
        let lane = Lane { spec: Arc::clone(&spec), script, template, start, first, step: connections };
        lanes.spawn(lane.run(wire));
    }
    let mut all = Outcome::default();
    while let Some(lane) = lanes.join_next().await {
        all.add(lane.map_err(|cause| CallError::Media(cause.to_string()))?);
    }
    Ok(report(all, start))
}

fn check(spec: &LoadSpec, connections: u32) -> Result<(), CallError> {
    spec.check()?;
    let wrong = |what: &str| Err(CallError::Usage(what.to_owned()));
    if spec.call.layout != Layout::Single {
        return wrong("setup-only: needs layout single");
    }
    if spec.call.dtls.is_some() {
        return wrong("setup-only: has no sound, and so no handshakes");
    }
    if connections == 0 || connections > limits::SETUP_CONNECTIONS {
        return wrong("connections: 1 to 256");
    }
    Ok(())
}

fn report(all: Outcome, start: Instant) -> LoadReport {
    let mut report = LoadReport { ok: all.ok, behind_ms: all.behind_ms, ..LoadReport::default() };
    let until_last = all.last.map_or(0.0, |last| last.saturating_duration_since(start).as_secs_f64());
    report.time(all.set_up, all.busy, until_last);
    report.trying(all.trying);
    report.busy_retry_after = all.retry_after;
    report.failed = all.failures.values().sum();
    report.failures = all.failures;
    report
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::spec::{CallSpec, Profile};

    #[test]
    fn what_makes_no_sense_is_named() {
        let call = CallSpec::new("h".parse().unwrap());
        let spec = LoadSpec { call, calls: 1, rate: 1.0, burst: 5, shared_key: false, rtcp_mux: false };
        assert_eq!(check(&spec, 1), Ok(()));
        let two = CallSpec { profile: Profile::GenesysMsr, layout: Layout::PerParty, ..spec.call.clone() };
        for (wrong, connections, name) in
            [(LoadSpec { call: two, ..spec.clone() }, 1, "setup-only"), (spec, 0, "connections")]
        {
            let said = check(&wrong, connections).unwrap_err().to_string();
            assert!(said.starts_with(name), "{said}");
        }
    }
}
