//! The same load into rtpengine writing pcap, in alternate rounds with ours: the ratio that no machine's noise moves much.

use std::{net::Ipv4Addr, path::Path, time::Duration};

use crypto::srtp::Suite;
use replication::load::feed::{Feed, FeedSpec};
use serde_json::json;

use super::cpu;
use crate::{
    cli::Bench,
    failure::{Failure, Outcome},
    limits, machine,
    pcap::Written,
    report::Report,
    rtpengine::Engine,
    world,
};

/// Our CPU per 100 SRTP calls over rtpengine's is to be at most this: one sixth.
const GOAL: f64 = 1.0 / 6.0;
/// Not a secret: test speech under it goes over loopback.
const KEYS: [[u8; 30]; 2] = [[0x5a; 30], [0xa5; 30]];

pub(crate) fn run(bench: &Bench, report: &mut Report) -> Outcome<()> {
    if !machine::has("rtpengine") {
        report.skip("peer: rtpengine is not installed (Debian: rtpengine-daemon)");
        return Ok(());
    }
    let rounds = if bench.is_quick { 2 } else { 3 };
    // Paced is what clients send. Bursts spare rtpengine four of five wake-ups; a sweep does not care.
    for (suite, pace, burst) in [(None, "paced", 1), (Some(cpu::SRTP), "paced", 1), (Some(cpu::SRTP), "in bursts", 5)] {
        // Of a shared machine the least is told, of both: whatever else runs there only adds.
        let (mut ours, mut theirs) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..rounds {
            ours = ours.min(cpu::one(bench, report, suite, burst)?.cpu);
            theirs = theirs.min(round(bench, report, suite.is_some(), burst)?);
        }
        let name = format!("{} {pace}", suite.unwrap_or("RTP"));
        report.row("peer", format!("ours, {name}, sealed and synced"), ours, "% / 100 calls");
        report.row("peer", format!("rtpengine, {name}, plain pcap"), theirs, "% / 100 calls");
        let row = report.row("peer", format!("ours over rtpengine, {name}"), ours / theirs, "ratio");
        if suite.is_some() {
            row.at_most(GOAL);
        }
    }
    Ok(())
}

/// One load into a fresh rtpengine: percent of a core per 100 calls.
fn round(bench: &Bench, report: &mut Report, is_secure: bool, burst: u32) -> Outcome<f64> {
    let window = bench.window();
    let mut engine = Engine::start(bench, Path::new("rtpengine"))?;
    let srtp = is_secure.then(|| (Suite::AesCm128Sha1_80, KEYS.map(|key| key.to_vec())));
    let spec = FeedSpec { duration: 2 * limits::SETTLE + window, ptime_ms: 20, burst, srtp: srtp.clone() };
    let failed = |cause: replication::error::CallError| Failure::new(cause);
    let feed = Feed::open(Ipv4Addr::LOCALHOST.into(), spec).map_err(failed)?;
    let mut calls = Vec::new();
    for call in 0..cpu::CALLS as usize {
        calls.push(engine.open([feed.port(call, 0), feed.port(call, 1)], srtp.as_ref())?);
    }
    let feeding = std::thread::spawn(move || feed.run(&calls));
    world::pass(limits::SETTLE);
    let (before, began) = (engine.process.cpu()?, world::now());
    world::pass(window);
    let used = engine.process.cpu()?.since(&before).total;
    let seconds = world::now().saturating_duration_since(began).as_secs_f64();
    let sent = feeding.join().map_err(|_| Failure::new("the generator panicked"))?.map_err(failed)?;
    engine.close()?;
    // What is in its queues is written by then; the files are complete when it has ended.
    world::pass(Duration::from_secs(1));
    let folder = engine.stop();
    let written = Written::read(&folder)?;
    drop(std::fs::remove_dir_all(folder.parent().unwrap_or(&folder)));
    let said =
        json!({"sent": sent.packets, "written": written.packets, "files": written.files, "octets": written.octets});
    println!("            rtpengine: {said}, longest packet {} octets", written.longest);
    if sent.packets != written.packets || sent.send_errors > 0 {
        report.invalid(format!("rtpengine wrote {} of {} packets", written.packets, sent.packets));
    }
    Ok(used / seconds * 100.0 * 100.0 / f64::from(cpu::CALLS))
}
