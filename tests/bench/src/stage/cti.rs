//! A switch that tells 1,000 events a second of calls that are recorded, beside 1,000 calls: how long an event takes until
//! its fact is durable, and whether a packet is lost by it.

use std::{fmt::Write as _, fs, time::Duration};

use super::{cpu::SRTP, measure};
use crate::{
    cli::Bench,
    failure::{Failure, Outcome},
    node::{self, Manner, Node},
    process::Running,
    report::Report,
    world,
};

const CALLS: u32 = 1_000;
/// Calls of which the switch speaks, each with 100 events a second.
const TOLD: usize = 10;
const RATE: u64 = 100;
/// 99 of 100 events are joined within this, milliseconds.
const GOAL_P99: f64 = 100.0;
const JOIN: &str = "recorder_tlib_join_seconds";

pub(crate) fn run(bench: &Bench, report: &mut Report) -> Outcome<()> {
    let port = node::free_port()?;
    let sections =
        format!("[[tlib.link]]\naddress = \"127.0.0.1:{port}\"\ntls = false\ndns = [\"7001-{}\"]\n", 7_000 + TOLD);
    let manner = Manner { media: &bench.media, sections: &sections, ..Manner::default() };
    let window = bench.window();
    let mut buckets = Vec::new();
    let plan = measure::plan(CALLS, Some(SRTP), window + Duration::from_secs(6));
    let sample = measure::run_beside(bench, &manner, &plan, |node| {
        play(bench, node, port, window)?;
        buckets = node.buckets(JOIN)?;
        Ok(())
    })?;
    for fault in &sample.faults {
        report.invalid(format!("cti: {fault}"));
    }
    let joined = buckets.iter().map(|(_, count)| *count).fold(0.0, f64::max);
    let wanted = (TOLD as u64 * RATE * window.as_secs()) as f64;
    if joined < wanted {
        report.invalid(format!("cti: {joined} events were joined of {wanted}"));
    }
    let lost = sample.sent.saturating_sub(sample.kept.packets) + sample.kept.lost;
    report.row("cti", "events a second", wanted / window.as_secs_f64(), "events/s");
    report.row("cti", "from the link to a durable fact, p50", 1e3 * quantile(&buckets, 0.5), "ms");
    report.row("cti", "from the link to a durable fact, p99", 1e3 * quantile(&buckets, 0.99), "ms").at_most(GOAL_P99);
    report
        .row("cti", format!("recorded packets lost of {CALLS} calls"), lost as f64, "packets")
        .at_most(0.0)
        .details(sample.details());
    Ok(())
}

/// The scenario of the switch, played to its end.
fn play(bench: &Bench, node: &mut Node, port: u16, window: Duration) -> Outcome<()> {
    let answer = node.get(&format!("/recordings?state=live&limit={TOLD}"))?;
    let named = answer["items"].as_array().into_iter().flatten().filter_map(|item| item["call_uuid"].as_str());
    let seconds = window.as_secs();
    let text = format!(
        "name = \"flood\"\n[server]\nlisten = \"127.0.0.1:{port}\"\nheartbeat = \"5s\"\nstart = \"registered\"\n\
         patience = \"20s\"\nfor = \"{}s\"\n[recorder]\nto = \"127.0.0.1:{}\"\n",
        seconds + 3,
        node.sip
    );
    let (mut dns, mut calls, mut steps) = (String::new(), String::new(), String::new());
    let mut count = 0;
    for (index, uuid) in named.enumerate() {
        let (name, dn) = (format!("C{index}"), 7_001 + index);
        let write = |text: &mut String, line: String| text.write_str(&line).map_err(|_| Failure::new("no memory"));
        write(&mut dns, format!("[[dn]]\ndn = \"{dn}\"\n"))?;
        write(&mut calls, format!("[[call]]\nname = \"{name}\"\ncall-uuid = \"{uuid}\"\n"))?;
        for (at, act, more) in [
            ("0s", "ring", format!("dn = \"{dn}\"")),
            ("100ms", "answer", String::new()),
            ("500ms", "flood", format!("count = {}\nfor = \"{seconds}s\"", RATE * seconds)),
        ] {
            write(&mut steps, format!("[[step]]\nat = \"{at}\"\ndo = \"{act}\"\ncall = \"{name}\"\n{more}\n"))?;
        }
        count += 1;
    }
    if count < TOLD {
        return Err(Failure::new(format!("{count} live recordings are of a call, not {TOLD}")));
    }
    let path = node.folder.join("switch.toml");
    fs::write(&path, text + &dns + &calls + &steps).map_err(|cause| Failure::file(&path, &cause))?;
    let (log, path) = (node.folder.join("switch.log"), path.display().to_string());
    let arguments = ["serve", "--config", path.as_str()];
    let mut switch = Running::start(&bench.binary("replicator")?, &arguments, &log, None)?;
    let code =
        world::until("the end of the scenario", window + Duration::from_secs(60), Duration::from_millis(100), || {
            switch.ended()
        })?;
    if code == 0 {
        return Ok(());
    }
    Err(Failure::new(format!("the switch ended with {code}: {}", fs::read_to_string(&log).unwrap_or_default())))
}

/// The bound of the bucket in which that share of the events is reached.
fn quantile(buckets: &[(f64, f64)], share: f64) -> f64 {
    let all = buckets.iter().map(|(_, count)| *count).fold(0.0, f64::max);
    let reached = buckets.iter().filter(|(_, count)| *count >= share * all).map(|(bound, _)| *bound);
    reached.fold(f64::INFINITY, f64::min)
}
