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
    let config = Config::default();
    let mut hot = HotLoop::new(&config, &order(suite, 0), Arc::clone(&key), Arc::new(Pool::default()))?;
    (1..LINES).try_for_each(|line| hot.open(&order(suite, line as u16), Arc::clone(&key)))?;
    let turns = WARM_TURNS + (count as usize).div_ceil(LINES * EACH);
    let mut packets = interleaved(packets(suite, turns * EACH).map_err(|error| error.to_string())?);
    let (warm, rest) = packets.split_at_mut(WARM_TURNS * LINES * EACH);
    measured(&mut hot, warm);
    let (before, began) = (hot.counts(), now());
    measured(&mut hot, rest);
    let nanos = began.elapsed().as_nanos() / (rest.len() as u128).max(1);
    let after = hot.counts();
    if after.packets as usize != packets.len() || after.refused != 0 {
        return Err(format!("of {} packets {} came through", packets.len(), after.packets));
    }
    Ok(format!("packets={} chunks={} ns={nanos}", after.packets - before.packets, after.chunks - before.chunks))
}

/// The same packets for every line, turn by turn.
fn interleaved(packets: Vec<Vec<u8>>) -> Vec<(u64, Vec<u8>)> {
    let timed: Vec<_> = packets.into_iter().enumerate().map(|(number, packet)| (arrival(number), packet)).collect();
    timed.chunks(EACH).flat_map(|turn| std::iter::repeat_n(turn, LINES).flatten().cloned()).collect()
}

/// What the profiler looks at: four packets a line and turn, a seal every second one, as at the default intervals.
#[inline(never)]
fn measured(hot: &mut HotLoop, packets: &mut [(u64, Vec<u8>)]) {
    let from = (Ipv4Addr::LOCALHOST, 6000).into();
    for (turn, packets) in packets.chunks_mut(LINES * EACH).enumerate() {
        hot.turn(from, packets, turn % 2 == 1);
    }
}

/// Lines whose packets a worker gathers before it opens them: as many as fill most of a batch.
const LINES: usize = 10;

/// Packets of a line in a turn.
const EACH: usize = 4;

/// Turns before the count begins: the first packets open streams and windows.
const WARM_TURNS: usize = 4;

#[expect(clippy::disallowed_methods, reason = "a stopwatch")]
fn now() -> Instant {
    Instant::now()
}
