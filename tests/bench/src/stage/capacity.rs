//! How many SRTP calls at once the machine takes beside the generator without losing a packet, and what they cost there.

use std::time::Duration;

use super::{
    cpu::{CALLS, SRTP},
    measure::{self, Sample},
};
use crate::{cli::Bench, failure::Outcome, node::Manner, report::Report};

/// What the issue asks for on two cores.
const GOAL_CALLS: f64 = 5_000.0;
/// Cost of a call at the largest number over its cost at 500.
const GOAL_RATIO: f64 = 1.1;
/// Resident kB a call, beside socket buffers.
const GOAL_MEMORY: f64 = 24.0;
/// How long the largest number is held with `--full`.
const LONG: Duration = Duration::from_secs(60);

pub(crate) fn run(bench: &Bench, report: &mut Report) -> Outcome<()> {
    let small = step(bench, CALLS, bench.window(), true)?;
    let mut best = small.clone();
    let (first, last) = bench.calls;
    let mut refused = None;
    for calls in (first..=last).step_by(if bench.is_quick { 500 } else { 1_000 }) {
        let is_last = calls + 1_000 > last;
        let window = if bench.is_full && (is_last || calls >= GOAL_CALLS as u32) { LONG } else { bench.window() };
        let sample = step(bench, calls, window, calls > 1_500)?;
        println!("            {calls} calls: {:.2} % / 100 calls, {} faults", sample.cpu, sample.faults.len());
        if !sample.faults.is_empty() {
            refused = Some(sample);
            break;
        }
        best = sample;
    }
    for fault in &small.faults {
        report.invalid(format!("{CALLS} calls: {fault}"));
    }
    let row = report.row("capacity", "SRTP calls at once, nothing lost", f64::from(best.calls), "calls");
    row.at_least(GOAL_CALLS).details(best.details());
    if let Some(refused) = refused {
        println!("            ended by: {}", refused.faults.join("; "));
        row_of_refusal(report, &refused);
    }
    report.row("capacity", format!("CPU at {} calls", best.calls), best.cpu, "% / 100 calls");
    report.row("capacity", "the same over that of 500 calls", best.cpu / small.cpu, "ratio").at_most(GOAL_RATIO);
    let memory = measure::memory_per_call(&small, &best);
    report.row("capacity", format!("resident memory beyond {CALLS} calls"), memory, "kB / call").at_most(GOAL_MEMORY);
    Ok(())
}

fn row_of_refusal(report: &mut Report, refused: &Sample) {
    report.row("capacity", "packets missing at the next step", missing(refused), "packets").details(refused.details());
}

fn missing(sample: &Sample) -> f64 {
    sample.sent.saturating_sub(sample.kept.packets) as f64
}

fn step(bench: &Bench, calls: u32, window: Duration, rtcp_mux: bool) -> Outcome<Sample> {
    let manner = Manner { media: &bench.media, ..Manner::default() };
    let mut plan = measure::plan(calls, Some(SRTP), window);
    plan.rtcp_mux |= rtcp_mux;
    measure::run(bench, &manner, &plan, window)
}
