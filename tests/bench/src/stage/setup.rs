//! Sessions set up a second on one core with the ledger on, over UDP and TLS, and what twice as many do to it.

use std::time::Duration;

use serde_json::Value;

use crate::{
    cli::Bench,
    failure::Outcome,
    load::Load,
    node::{Manner, Node},
    report::Report,
};

/// What the issue asks for, sessions a second.
const GOAL: u32 = 2_000;
/// 99 of 100 have their 200 within this, milliseconds.
const GOAL_P99: f64 = 50.0;
/// A 503 comes within this, milliseconds.
const GOAL_BUSY: f64 = 100.0;
/// The recorder on one core, the client on another.
const CORES: [&str; 2] = ["0", "1"];
/// How long a session is held.
const HOLD: Duration = Duration::from_secs(2);
/// Rates that are tried: the first that fails ends the search.
const RATES: [u32; 7] = [250, 500, 1_000, 1_500, 2_000, 3_000, 4_000];

pub(crate) fn run(bench: &Bench, report: &mut Report) -> Outcome<()> {
    for (name, is_tls) in [("UDP", false), ("TLS", true)] {
        let mut best = None;
        for rate in RATES {
            let Some(said) = tried(bench, name, rate, is_tls)? else { break };
            best = Some((rate, said));
        }
        let Some((rate, said)) = best else {
            report.row("setup", format!("{name}: sessions a second"), 0.0, "sessions/s").at_least(f64::from(GOAL));
            continue;
        };
        let row = report.row("setup", format!("{name}: sessions a second"), f64::from(rate), "sessions/s");
        row.at_least(f64::from(GOAL)).details(said.clone());
        report.row("setup", format!("{name}: p50 at {rate}/s"), number(&said, "setup_p50_ms"), "ms");
        report.row("setup", format!("{name}: p99 at {rate}/s"), number(&said, "setup_p99_ms"), "ms").at_most(GOAL_P99);
        overload(bench, report, (name, is_tls), 2 * rate.max(GOAL))?;
    }
    Ok(())
}

/// What came of a rate; none when it is too much. A shared machine may have stood still: a second time decides.
fn tried(bench: &Bench, name: &str, rate: u32, is_tls: bool) -> Outcome<Option<Value>> {
    for _ in 0..2 {
        let said = offer(bench, rate, is_tls)?;
        let p99 = number(&said, "setup_p99_ms");
        println!(
            "            {name} {rate}/s: {} ok, {} failed, p50 {:.1} ms, p99 {p99:.1} ms, max {:.1} ms",
            said["ok"],
            said["failed"],
            number(&said, "setup_p50_ms"),
            number(&said, "setup_max_ms")
        );
        if said["failed"] == 0 && p99 <= GOAL_P99 {
            return Ok(Some(said));
        }
    }
    Ok(None)
}

/// Twice as many as it takes: the excess is told so quickly, and the accepted are unharmed.
fn overload(bench: &Bench, report: &mut Report, (name, is_tls): (&str, bool), rate: u32) -> Outcome<()> {
    let said = offer(bench, rate, is_tls)?;
    let (ok, busy, failed) = (number(&said, "ok"), number(&said, "busy"), number(&said, "failed"));
    report.row("setup", format!("{name}: accepted of {rate}/s"), ok, "sessions").details(said.clone());
    report
        .row("setup", format!("{name}: slowest 503 at {rate}/s"), number(&said, "busy_max_ms"), "ms")
        .at_most(GOAL_BUSY);
    report.row("setup", format!("{name}: neither 200 nor 503 at {rate}/s"), failed - busy, "sessions").at_most(0.0);
    report.row("setup", format!("{name}: p99 of the accepted at {rate}/s"), number(&said, "setup_p99_ms"), "ms");
    Ok(())
}

fn offer(bench: &Bench, rate: u32, is_tls: bool) -> Outcome<Value> {
    let manner = Manner { media: &bench.media, cores: Some(CORES[0]), ..Manner::default() };
    let node = Node::start(bench, &manner)?;
    let seconds = if bench.is_quick { 4 } else { 10 };
    let (calls, rate_text) = ((rate * seconds).to_string(), rate.to_string());
    let (transport, port) = if is_tls { ("tls", node.sips) } else { ("udp", node.sip) };
    let target = format!("127.0.0.1:{port}");
    let hold = format!("{}s", HOLD.as_secs());
    let mut arguments = vec!["--setup-only", "--connections", "4", "--calls", &calls, "--rate", &rate_text];
    arguments.extend(["--duration", &hold, "--transport", transport, "--to", &target, "--rtcp-mux"]);
    arguments.extend(["--profile", "genesys-msr", "--layout", "single"]);
    let certificate = node.folder.join("data/tls/cert.pem").display().to_string();
    arguments.extend(if is_tls { vec!["--ca", certificate.as_str()] } else { Vec::new() });
    let length = Duration::from_secs(seconds.into()) + HOLD;
    let said = Load::run(bench, &node, &arguments, length, Some(CORES[1]))?.finish();
    node.discard()?;
    said
}

fn number(report: &Value, name: &str) -> f64 {
    report[name].as_f64().unwrap_or_default()
}
