//! Feeds prepared datagrams through the code that a capture worker runs for each of them, and nothing else: a thing to
//! run under a profiler. `hotloop plain|SUITE PACKETS` prints `packets=N chunks=N`, and the nanoseconds of one.

use std::{net::Ipv4Addr, process::ExitCode, sync::Arc, time::Instant};

use capture::{Config, HotLoop};
use crypto::{seal::DataKey, srtp::Suite};
use hotloop::{Pool, arrival, order, packets};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [name, count] = &words[..] else { return usage() };
    let suite = Suite::from_name(name);
    let Some(count) = count.parse().ok().filter(|_| suite.is_some() || name == "plain") else { return usage() };
    match run(suite, count) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("hotloop: {error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: hotloop plain|SUITE PACKETS");
    ExitCode::from(2)
}

fn run(suite: Option<Suite>, count: u64) -> Result<String, String> {
    let key = Arc::new(DataKey::from_entropy([9; 32]).chunk_key(&[7; 16]));
    let mut hot = HotLoop::new(&Config::default(), &order(suite, 0), key, Arc::new(Pool::default()))?;
    let packets = packets(suite, (WARM + count) as usize).map_err(|error| error.to_string())?;
    let mut packets: Vec<_> =
        packets.into_iter().enumerate().map(|(number, packet)| (arrival(number), packet)).collect();
    let (warm, rest) = packets.split_at_mut(WARM as usize);
    measured(&mut hot, warm);
    let (before, began) = (hot.counts(), now());
    measured(&mut hot, rest);
    let nanos = began.elapsed().as_nanos() / u128::from(count.max(1));
    let after = hot.counts();
    if after.packets != WARM + count || after.refused != 0 {
        return Err(format!("of {} packets {} came through", WARM + count, after.packets));
    }
    Ok(format!("packets={} chunks={} ns={nanos}", after.packets - before.packets, after.chunks - before.chunks))
}

/// What the profiler looks at: four packets a turn, a seal every second one, as at the default intervals.
#[inline(never)]
fn measured(hot: &mut HotLoop, packets: &mut [(u64, Vec<u8>)]) {
    let from = (Ipv4Addr::LOCALHOST, 6000).into();
    for (turn, packets) in packets.chunks_mut(4).enumerate() {
        let datagrams = packets.iter_mut().map(|(arrival, octets)| (*arrival, &mut octets[..]));
        hot.turn(from, datagrams, turn % 2 == 1);
    }
}

/// Packets before the count begins: the first ones open streams and windows.
const WARM: u64 = 80;

#[expect(clippy::disallowed_methods, reason = "a stopwatch")]
fn now() -> Instant {
    Instant::now()
}
