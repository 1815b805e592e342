//! The ways to receive, side by side: the real capture workers with real sockets, everything but the spool behind them.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use capture::{Capture, Config};
use crypto::seal::DataKey;
use hotloop::{Pool, order};
use prometheus::Registry;
use replication::load::feed::{Feed, FeedSpec};
use serde_json::json;

use crate::{
    cli::Bench,
    failure::{Failure, Outcome},
    process,
    report::Report,
    world,
};

/// Calls of one measurement, two tracks each.
const CALLS: u16 = 500;

pub(crate) fn run(bench: &Bench, report: &mut Report) -> Outcome<()> {
    for name in ["sweep", "io_uring", "epoll", "bpf"] {
        for (pace, burst) in [("bursts of 5", 5), ("paced", 1)] {
            let (nanos, kept, sent) = one(bench, name, burst)?;
            report.row("receive", format!("{name}, {pace}, RTP, sealed, no spool"), nanos, "ns / packet");
            if kept != sent {
                report.invalid(format!("receive {name}, {pace}: {kept} of {sent} packets"));
            }
        }
    }
    Ok(())
}

/// Nanoseconds of the workers a packet, packets kept, packets sent.
fn one(bench: &Bench, receive: &str, burst: u32) -> Outcome<(f64, u64, u64)> {
    let (first, _) = bench.ports.split_once('-').unwrap_or(("33000", ""));
    let first: u16 = first.parse().map_err(Failure::new)?;
    let registry = Registry::new();
    let config: Config = serde_json::from_value(json!({"receive": receive})).map_err(Failure::new)?;
    let capture =
        Capture::start(&config, Arc::new(Pool::default()), Arc::new(|_| {}), &registry).map_err(Failure::new)?;
    let key = Arc::new(DataKey::from_entropy([9; 32]).chunk_key(&[7; 16]));
    let place = |track: u16| {
        let port = first + 2 * track;
        let rtp: SocketAddr = (Ipv4Addr::LOCALHOST, port).into();
        (rtp, rtp)
    };
    for track in 0..2 * CALLS {
        capture.open(model::OpenTrack { port: place(track).0.port(), ..order(None, track) }, Arc::clone(&key));
    }
    let window = bench.window() / 2;
    let spec = FeedSpec { duration: window + Duration::from_secs(2), ptime_ms: 20, burst, srtp: None };
    let feed = Feed::open(Ipv4Addr::LOCALHOST.into(), spec).map_err(Failure::new)?;
    let calls: Vec<_> = (0..CALLS).map(|call| [place(2 * call), place(2 * call + 1)]).collect();
    let feeding = std::thread::spawn(move || feed.run(&calls));
    world::pass(Duration::from_secs(1));
    let (before, packets_before) = (workers()?, kept(&registry));
    world::pass(window);
    let (used, packets) = (workers()? - before, kept(&registry) - packets_before);
    let sent = feeding.join().map_err(|_| Failure::new("the generator panicked"))?.map_err(Failure::new)?;
    world::pass(Duration::from_millis(500));
    capture.shutdown();
    Ok((used * 1e9 / packets.max(1) as f64, kept(&registry), sent.packets))
}

/// CPU seconds of the capture threads of this process.
fn workers() -> Outcome<f64> {
    let threads: BTreeMap<String, f64> = process::own_threads()?;
    Ok(threads.iter().filter(|(name, _)| name.starts_with("capture")).map(|(_, seconds)| seconds).sum())
}

/// Packets that capture has counted.
fn kept(registry: &Registry) -> u64 {
    let families = registry.gather();
    let of_packets = families.iter().filter(|family| family.name() == "recorder_rtp_packets_total");
    of_packets.flat_map(|family| family.get_metric()).map(|metric| metric.get_counter().get_value() as u64).sum()
}
