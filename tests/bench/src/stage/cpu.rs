//! CPU per 100 two-way G.711 calls of the real `recorder serve`: received, sealed, spooled and synced.

use super::measure::{self, Sample};
use crate::{cli::Bench, failure::Outcome, load::Plan, node::Manner, report::Report};

/// Calls of the comparison.
pub(crate) const CALLS: u32 = 500;
/// The suite of the goals.
pub(crate) const SRTP: &str = "AES_CM_128_HMAC_SHA1_80";

/// What the issue asks for, percent of one core.
const GOAL: f64 = 1.6;

/// How often each suite is measured, in turns. Of a shared machine the least is told: whatever else runs there only adds.
const ROUNDS: usize = 3;

pub(crate) fn run(bench: &Bench, report: &mut Report) -> Outcome<()> {
    let suites = [None, Some(SRTP), Some("AEAD_AES_128_GCM")];
    let mut rounds: [Vec<Sample>; 3] = Default::default();
    for _ in 0..ROUNDS {
        for (suite, samples) in suites.into_iter().zip(&mut rounds) {
            samples.push(one(bench, report, suite, 5)?);
        }
    }
    for (suite, samples) in suites.into_iter().zip(&rounds) {
        let Some(sample) = samples.iter().min_by(|a, b| a.cpu.total_cmp(&b.cpu)) else { continue };
        let all: Vec<String> = samples.iter().map(|round| format!("{:.2}", round.cpu)).collect();
        let row = report.row("cpu", name(suite), sample.cpu, "% / 100 calls").details(sample.details());
        if suite == Some(SRTP) {
            row.at_most(GOAL);
        }
        let threads: Vec<String> = sample.threads.iter().map(|(name, share)| format!("{name} {share:.2}")).collect();
        // 100 calls are 10,000 packets a second: a percent of a core is a microsecond a packet.
        if let (Some(spool), Some(SRTP)) = (sample.threads.get("spool"), suite) {
            report.row("cpu", "spool thread: write and sync", spool * 1_000.0, "ns / packet");
        }
        let (all, threads) = (all.join(", "), threads.join(", "));
        println!("            rounds: {all}; by thread: {threads}; generator {:.2} us a packet", sample.sender_us);
    }
    Ok(())
}

/// The row of a suite.
pub(crate) fn name(suite: Option<&str>) -> String {
    format!("{CALLS} calls, {}", suite.unwrap_or("RTP"))
}

/// One measured load; counts that do not agree make the run invalid.
pub(crate) fn one(bench: &Bench, report: &mut Report, suite: Option<&'static str>, burst: u32) -> Outcome<Sample> {
    let manner = Manner { media: &bench.media, ..Manner::default() };
    let window = bench.window();
    let plan = Plan { burst, ..measure::plan(CALLS, suite, window) };
    let sample = measure::run(bench, &manner, &plan, window)?;
    for fault in &sample.faults {
        report.invalid(format!("{}: {fault}", name(suite)));
    }
    Ok(sample)
}
