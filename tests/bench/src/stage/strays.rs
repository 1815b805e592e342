//! Strangers send 200,000 packets a second to all ports while calls run: nothing of the calls may be lost.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use crypto::srtp::Suite;
use replication::load::feed::{Destination, Feed, FeedSpec};

use super::{
    cpu::{CALLS, SRTP},
    measure,
};
use crate::{
    cli::Bench,
    failure::{Failure, Outcome},
    ledger,
    node::{Manner, Node},
    report::Report,
    world,
};

/// Packets a second of the strangers.
const RATE: usize = 200_000;
/// Packets a second of one stream of theirs.
const STREAM_RATE: usize = 50;
/// Their key: nobody's.
const KEYS: [[u8; 30]; 2] = [[0x77; 30], [0x78; 30]];

pub(crate) fn run(bench: &Bench, report: &mut Report) -> Outcome<()> {
    let manner = Manner { media: &bench.media, ..Manner::default() };
    let window = bench.window();
    let plan = measure::plan(CALLS, Some(SRTP), window);
    let mut sent = 0;
    let mut refused = 0.0;
    let sample = measure::run_beside(bench, &manner, &plan, |node| {
        let spec = FeedSpec {
            duration: window,
            ptime_ms: 20,
            burst: 5,
            srtp: Some((Suite::AesCm128Sha1_80, KEYS.map(|key| key.to_vec()))),
        };
        let feed = Feed::open(Ipv4Addr::LOCALHOST.into(), spec).map_err(Failure::new)?;
        let strays = feed.run(&destinations(node)?).map_err(Failure::new)?;
        world::pass(Duration::from_secs(1));
        sent = strays.packets;
        refused = node.metric("recorder_srtp_failures_total")? + node.metric("recorder_rtp_refused_packets_total")?;
        Ok(())
    })?;
    let lost = sample.sent.saturating_sub(sample.kept.packets) + sample.kept.lost;
    report
        .row("strays", "packets of strangers", sent as f64 / window.as_secs_f64(), "packets/s")
        .at_least(RATE as f64 * 0.95);
    report.row("strays", "of these refused and counted", refused / sent.max(1) as f64, "share");
    report.row("strays", "recorded packets lost", lost as f64, "packets").at_most(0.0).details(sample.details());
    report.row("strays", "CPU of the recorder meanwhile", sample.cpu, "% / 100 calls");
    report.row("strays", "resident memory", sample.memory_kb, "kB / call");
    Ok(())
}

/// Every media port that was opened, as often as the rate needs.
fn destinations(node: &Node) -> Outcome<Vec<[Destination; 2]>> {
    let ports = ledger::ports(&node.folder.join("data"))?;
    if ports.is_empty() {
        return Err(Failure::new("no port is open"));
    }
    let place = |port: u16| {
        let rtp: SocketAddr = (Ipv4Addr::LOCALHOST, port).into();
        (rtp, SocketAddr::from((Ipv4Addr::LOCALHOST, port + 1)))
    };
    let mut all = ports.iter().cycle().map(|port| place(*port));
    let mut pair = || Some([all.next()?, all.next()?]);
    Ok(std::iter::from_fn(&mut pair).take(RATE / STREAM_RATE / 2).collect())
}
