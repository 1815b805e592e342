//! Nanoseconds a packet costs on each step of its way, measured alone and in memory: what the whole can be at best.

use std::{hint::black_box, net::Ipv4Addr, sync::Arc};

use capture::{Config, HotLoop};
use crypto::{
    seal::{ChunkHeader, DataKey},
    srtp::{Foresight, Inbound, Suite},
};
use hotloop::{EPOCH, Pool, arrival, key, order};
use media::{chunk::ChunkWriter, count::StreamCounter, rtp::RtpView};

use crate::{
    cli::Bench,
    failure::{Failure, Outcome},
    report::Report,
    world,
};

/// Packets of one measurement: 100,000 take some milliseconds; far fewer than 2^16 would let tables stay cold.
const PACKETS: usize = 60_000;
/// Measurements; the fastest counts, because noise only ever adds.
const ROUNDS: usize = 9;
/// Packets of a chunk: what one line brings in 100 ms.
const CHUNK_PACKETS: usize = 5;
/// Lines whose packets a worker gathers.
const LINES: usize = 10;
/// Packets gathered, as many as fill most of a batch.
const GATHERED: usize = LINES * CHUNK_PACKETS;

pub(crate) fn run(_bench: &Bench, report: &mut Report) -> Outcome<()> {
    let plain = packets(None)?;
    report.row("packets", "parse and count", best(|| count(&plain)), "ns / packet");
    report.row("packets", "append to the chunk", best(|| append(&plain)), "ns / packet");
    report.row("packets", "seal, 5 packets a chunk", best(|| seal(&plain)), "ns / packet");
    for suite in [Suite::AesCm128Sha1_80, Suite::AeadAes128Gcm] {
        let secure = packets(Some(suite))?;
        let nanos = best(|| unprotect(suite, &secure));
        report.row("packets", format!("unprotect {}", suite.name()), nanos, "ns / packet");
        let nanos = best(|| unprotect_gathered(suite, &secure));
        let name = format!("unprotect {}, {GATHERED} of {LINES} lines gathered", suite.name());
        report.row("packets", name, nanos, "ns / packet");
    }
    for suite in [None, Some(Suite::AesCm128Sha1_80), Some(Suite::AeadAes128Gcm)] {
        let (secure, mut least) = (packets(suite)?, f64::MAX);
        for _ in 0..ROUNDS {
            least = least.min(whole(suite, &secure)?);
        }
        let name = suite.map_or("RTP", Suite::name);
        report.row("packets", format!("all a worker does after receive, {name}"), least, "ns / packet");
    }
    Ok(())
}

/// The least nanoseconds a packet over some rounds.
fn best(mut round: impl FnMut() -> f64) -> f64 {
    (0..ROUNDS).map(|_| round()).fold(f64::MAX, f64::min)
}

/// Nanoseconds a packet of some work on [`PACKETS`].
fn timed(work: impl FnOnce()) -> f64 {
    let began = world::now();
    work();
    world::now().saturating_duration_since(began).as_nanos() as f64 / PACKETS as f64
}

fn count(packets: &[Vec<u8>]) -> f64 {
    let mut counter = StreamCounter::new(8_000);
    timed(|| {
        for (number, packet) in packets.iter().enumerate() {
            if let Ok(view) = RtpView::parse(packet) {
                black_box(counter.packet(view.sequence(), view.timestamp(), view.ssrc(), arrival(number)));
            }
        }
    })
}

fn append(packets: &[Vec<u8>]) -> f64 {
    let mut chunk = ChunkWriter::new(4096);
    timed(|| {
        for (number, packet) in packets.iter().enumerate() {
            chunk.push(arrival(number), packet);
            if number % CHUNK_PACKETS == CHUNK_PACKETS - 1
                && let Some(body) = chunk.take()
            {
                chunk.recycle(black_box(body).plain);
            }
        }
    })
}

fn seal(packets: &[Vec<u8>]) -> f64 {
    let key = DataKey::from_entropy([9; 32]).chunk_key(&[7; 16]);
    let (mut plain, mut out) = (Vec::new(), Vec::new());
    timed(|| {
        for (number, chunk) in packets.chunks(CHUNK_PACKETS).enumerate() {
            plain.clear();
            chunk.iter().for_each(|packet| plain.extend_from_slice(packet));
            out.clear();
            let header = ChunkHeader {
                recording: [7; 16],
                track: 0,
                number: number as u32,
                first_nanos: EPOCH,
                last_nanos: EPOCH,
                packets: chunk.len() as u32,
            };
            key.seal(&header, &mut plain, &mut out);
            black_box(&out);
        }
    })
}

fn unprotect(suite: Suite, packets: &[Vec<u8>]) -> f64 {
    let Ok(mut inbound) = Inbound::new(suite, &key(suite), 0) else { return f64::NAN };
    let mut packets = packets.to_vec();
    timed(|| {
        for packet in &mut packets {
            black_box(inbound.unprotect_rtp(packet).is_ok());
        }
    })
}

/// As a worker does it: what came of some lines is gathered, then each packet is opened in its turn.
fn unprotect_gathered(suite: Suite, packets: &[Vec<u8>]) -> f64 {
    let inbound = (0..LINES).map(|_| Inbound::new(suite, &key(suite), 0)).collect::<Result<Vec<_>, _>>();
    let Ok(mut lines) = inbound else { return f64::NAN };
    let mut packets = interleaved(packets);
    let (mut foresight, mut told) = (Foresight::new(), [const { None }; GATHERED]);
    timed(|| {
        for gathered in packets.chunks_mut(GATHERED) {
            for (number, (_, packet)) in gathered.iter().enumerate() {
                foresight.add(&lines[number / CHUNK_PACKETS], packet, number);
                if foresight.is_full() {
                    foresight.tell(|number, foretold| told[number] = Some(foretold));
                }
            }
            foresight.tell(|number, foretold| told[number] = Some(foretold));
            for (number, (_, packet)) in gathered.iter_mut().enumerate() {
                let opened = lines[number / CHUNK_PACKETS].unprotect_foretold(packet, told[number].take());
                black_box(opened.is_ok());
            }
        }
    })
}

/// The first packets for every line, turn by turn: [`PACKETS`] in all.
fn interleaved(packets: &[Vec<u8>]) -> Vec<(u64, Vec<u8>)> {
    let timed = packets[..PACKETS / LINES].iter().enumerate().map(|(at, packet)| (arrival(at), packet.clone()));
    let timed: Vec<_> = timed.collect();
    timed.chunks(CHUNK_PACKETS).flat_map(|turn| std::iter::repeat_n(turn, LINES).flatten().cloned()).collect()
}

fn whole(suite: Option<Suite>, packets: &[Vec<u8>]) -> Outcome<f64> {
    let key = Arc::new(DataKey::from_entropy([9; 32]).chunk_key(&[7; 16]));
    let pool = Arc::new(Pool::default());
    let mut hot = HotLoop::new(&Config::default(), &order(suite, 0), Arc::clone(&key), pool).map_err(Failure::new)?;
    (1..LINES).try_for_each(|line| hot.open(&order(suite, line as u16), Arc::clone(&key))).map_err(Failure::new)?;
    let from = (Ipv4Addr::LOCALHOST, 6000).into();
    let mut packets = interleaved(packets);
    let nanos = timed(|| packets.chunks_mut(GATHERED).for_each(|gathered| hot.turn(from, gathered, true)));
    let counts = hot.counts();
    if counts.packets as usize == PACKETS { Ok(nanos) } else { Err(Failure::new(format!("{counts:?}"))) }
}

fn packets(suite: Option<Suite>) -> Outcome<Vec<Vec<u8>>> {
    hotloop::packets(suite, PACKETS).map_err(Failure::new)
}
