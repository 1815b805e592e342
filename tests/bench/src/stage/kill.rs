//! kill -9 while calls run: how long until the recorder receives again, and how much sound of each channel is missing.

use std::time::Duration;

use serde_json::json;

use super::{cpu::SRTP, measure};
use crate::{
    cli::Bench,
    failure::Outcome,
    limits,
    load::Load,
    node::{Manner, Node},
    report::Report,
    world,
};

/// Calls that are live when it is killed.
const CALLS: u32 = 100;
/// Until it receives again, seconds.
const GOAL_AGAIN: f64 = 2.0;
/// Sound lost beyond the time nobody listened, milliseconds.
const GOAL_LOST: f64 = 200.0;
/// Length of a packet.
const PTIME_MS: f64 = 20.0;
/// Between two looks: also how exact the times are.
const LOOK: Duration = Duration::from_millis(5);

pub(crate) fn run(bench: &Bench, report: &mut Report) -> Outcome<()> {
    let manner = Manner { media: &bench.media, ..Manner::default() };
    let mut node = Node::start(bench, &manner)?;
    let outcome = crash(bench, &mut node, report);
    node.discard()?;
    outcome
}

fn crash(bench: &Bench, node: &mut Node, report: &mut Report) -> Outcome<()> {
    let mut plan = measure::plan(CALLS, Some(SRTP), Duration::from_secs(10));
    plan.rate = CALLS;
    let load = Load::start(bench, node, &plan)?;
    world::until("all calls live", limits::START, LOOK, || {
        Ok((node.metric("recorder_recordings_live")? >= f64::from(CALLS)).then_some(()))
    })?;
    world::pass(limits::SETTLE);
    let killed = world::now();
    node.process.signal("KILL");
    world::until("end of the recorder", limits::STOP, LOOK, || node.process.ended())?;
    let ready = node.restart()?;
    let again = world::until("packets after the kill", limits::SETTLE, LOOK, || {
        Ok((node.metric("recorder_rtp_packets_total")? > 0.0).then_some(()))
    });
    let away_ms = world::now().saturating_duration_since(killed).as_secs_f64() * 1_000.0;
    report.row("kill", "from the start of the process until it is ready", ready.as_secs_f64(), "s").at_most(GOAL_AGAIN);
    let said = load.finish()?;
    if again.is_err() {
        report.skip("kill: the recorder does not go on with calls that it lost by a crash");
        return Ok(());
    }
    report.row("kill", "from the kill until it receives", away_ms, "ms").at_most(GOAL_AGAIN * 1_000.0);
    let archived = world::until("archived recordings", limits::ARCHIVING, Duration::from_millis(500), || {
        let items = node.get(&format!("/recordings?state=archived&limit={}", 2 * CALLS))?["items"].as_array().cloned();
        Ok(items.filter(|items| items.len() >= CALLS as usize))
    })?;
    report
        .row("kill", "recordings of 100 calls that were cut in two", archived.len() as f64, "recordings")
        .at_most(CALLS.into());
    let sent = plan.duration.as_millis() as f64 / PTIME_MS;
    let tracks: Vec<_> =
        archived.iter().flat_map(|item| item["tracks"].as_array().cloned().unwrap_or_default()).collect();
    // A channel may be kept as two tracks, before and after.
    let kept: f64 = tracks.iter().filter_map(|track| track["packets"].as_f64()).sum();
    let missing_ms = (sent - kept / f64::from(2 * CALLS)) * PTIME_MS;
    let row = report.row("kill", "sound missing per channel, on average", missing_ms, "ms");
    row.details(json!({"load": said, "tracks": tracks.len(), "away_ms": away_ms}));
    report.row("kill", "the same beyond the time nobody listened", missing_ms - away_ms, "ms").at_most(GOAL_LOST);
    let (code, output) = node.command(&["verify"])?;
    if code != 0 {
        report.invalid(format!("kill: recorder verify: {}", output.lines().next().unwrap_or_default()));
    }
    Ok(())
}
