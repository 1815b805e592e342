//! What the spool costs: `cargo run --release -p storage --example spool_load -- [DIR] [TRACKS] [SECONDS]` offers chunks
//! of 1.9 kB of each track every 110 ms, as capture does, and prints CPU time of the writer thread for each chunk.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use model::{Receipt, RecordingId, TrackId, TrackNo};
use prometheus::Registry;
use storage::{Spool, SpoolConfig};
use storage_core::ports::{ReceiptSink, SealedChunk};

struct Count(AtomicU64);

impl ReceiptSink for Count {
    fn receipt(&self, receipt: Receipt) {
        self.0.fetch_add(u64::from(receipt.complete), Ordering::Relaxed);
    }
}

const CHUNK: usize = 1_900;
const BURSTS: usize = 11;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().map_or_else(|| std::env::temp_dir().join("spool_load"), PathBuf::from);
    let tracks: usize = arguments.next().map_or(10_000, |text| text.parse().expect("a number of tracks"));
    let seconds: usize = arguments.next().map_or(10, |text| text.parse().expect("seconds"));
    let _ = std::fs::remove_dir_all(&dir);
    let (receipts, registry) = (Arc::new(Count(AtomicU64::new(0))), Registry::new());
    let config = SpoolConfig { reserve_mib: 0, ..SpoolConfig::default() };
    let spool = Spool::open(&dir, &config, receipts.clone(), &registry).expect("a spool");
    let (sink, began) = (spool.sink(), now());
    let ids: Vec<TrackId> = (0..tracks).map(id).collect();
    let (mut refused, mut offered) = (0_u64, vec![0_u32; tracks]);
    let rounds = seconds * 1_000 / 110;
    for round in 0..rounds {
        // A burst every 10 ms, as sweeps make them: both tracks of a call in the same one.
        for burst in 0..BURSTS {
            let due = Duration::from_millis((round * 110 + burst * 10) as u64);
            while began.elapsed() < due {
                std::thread::park_timeout(due.saturating_sub(began.elapsed()));
            }
            for pair in (burst..tracks / 2).step_by(BURSTS) {
                for index in [pair * 2, pair * 2 + 1] {
                    let mut octets = sink.recycle().unwrap_or_default();
                    octets.resize(CHUNK, 0xa5);
                    let chunk = SealedChunk { track: ids[index], number: offered[index], octets };
                    match sink.offer(chunk) {
                        Ok(()) => offered[index] += 1,
                        Err(_) => refused += 1,
                    }
                }
            }
        }
    }
    let chunks: u64 = offered.iter().map(|count| u64::from(*count)).sum();
    let (writer, own) = (cpu("spool"), cpu("spool_load"));
    ids.iter().zip(&offered).for_each(|(track, count)| sink.close(*track, *count));
    let wall = began.elapsed().as_secs_f64();
    spool.stop();
    println!(
        "{tracks} tracks, {wall:.1} s: {chunks} chunks ({:.0}/s), {refused} refused, {} of {tracks} receipts complete",
        chunks as f64 / wall,
        receipts.0.load(Ordering::Relaxed)
    );
    println!(
        "writer thread {:.2} us a chunk ({:.1} % of a core), offering thread {:.2} us a chunk",
        writer / chunks as f64,
        writer / wall / 10_000.0,
        own / chunks as f64
    );
    println!("{}", waits(&registry));
    let _ = std::fs::remove_dir_all(&dir);
}

/// How long chunks waited: blocks up to each bound, as the metric has them.
fn waits(registry: &Registry) -> String {
    let families = registry.gather();
    let wait = families.iter().find(|family| family.name() == "recorder_spool_wait_seconds").expect("registered");
    let histogram = wait.get_metric()[0].get_histogram();
    let mut text = format!("of {} blocks the oldest chunk waited", histogram.get_sample_count());
    for bucket in histogram.get_bucket() {
        let milliseconds = (bucket.upper_bound() * 1_000.0).round();
        text += &format!(", up to {milliseconds} ms: {}", bucket.cumulative_count());
    }
    text
}

fn id(index: usize) -> TrackId {
    let mut bytes = [7; 16];
    bytes[8..].copy_from_slice(&(index as u64 / 2).to_be_bytes());
    TrackId { recording: RecordingId::from_bytes(bytes), no: TrackNo((index % 2) as u16) }
}

/// Microseconds of CPU that the thread of that name has used.
fn cpu(name: &str) -> f64 {
    let mut sum = 0.0;
    for task in std::fs::read_dir("/proc/self/task").expect("procfs").flatten() {
        let read = |file: &str| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
        if read("comm").trim() == name {
            let nanos = read("schedstat").split(' ').next().and_then(|text| text.parse::<f64>().ok());
            sum += nanos.unwrap_or(0.0) / 1_000.0;
        }
    }
    sum
}

#[expect(clippy::disallowed_methods, reason = "the clock of a measurement")]
fn now() -> Instant {
    Instant::now()
}
