//! What a start after a crash costs the spool: `cargo run --release -p storage --example spool_start -- [DIR] [RECORDINGS]
//! [SECONDS]` writes recordings of two tracks as capture does, a chunk of 1.9 kB every 110 ms and a state every second,
//! lets go of them as a kill would, and times finding, states and survey of all.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use crypto::seal::{ChunkHeader, DataKey};
use model::{Receipt, RecordingId, TrackId, TrackNo};
use prometheus::Registry;
use storage::{Spool, SpoolConfig};
use storage_core::ports::{ReceiptSink, SealedChunk};

struct Nobody;

impl ReceiptSink for Nobody {
    fn receipt(&self, _receipt: Receipt) {}
}

const PLAIN: usize = 1_800;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().map_or_else(|| std::env::temp_dir().join("spool_start"), PathBuf::from);
    let recordings: u64 = arguments.next().map_or(5_000, |text| text.parse().expect("a number of recordings"));
    let seconds: u64 = arguments.next().map_or(30, |text| text.parse().expect("seconds of each recording"));
    let _ = std::fs::remove_dir_all(&dir);
    write(&dir, recordings, seconds * 1_000 / 110);
    let octets: u64 = std::fs::read_dir(&dir).expect("a folder").flatten().map(|file| cold(&file.path())).sum();
    let (began, registry) = (now(), Registry::new());
    let config = SpoolConfig { reserve_mib: 0, ..SpoolConfig::default() };
    let spool = Spool::open(&dir, &config, Arc::new(Nobody), &registry).expect("a spool");
    let opened = began.elapsed();
    let states = spool.states().len();
    let stated = began.elapsed();
    let ids = spool.recordings().expect("a list");
    let surveys = ids.iter().map(|id| spool.survey(*id).expect("a survey"));
    let chunks: u64 = surveys.flat_map(|survey| survey.tracks.into_values()).map(|track| u64::from(track.chunks)).sum();
    let all = began.elapsed();
    println!("{} recordings, {chunks} chunks, {octets} octets of files, cold cache", ids.len());
    println!("open {opened:.2?}, {states} states {:.2?}, survey of all {:.2?}", stated - opened, all - stated);
    spool.stop();
    let _ = std::fs::remove_dir_all(&dir);
}

/// Writes, and never closes: no track ends, no segment is completed.
fn write(dir: &std::path::Path, recordings: u64, rounds: u64) {
    let config = SpoolConfig { reserve_mib: 0, ..SpoolConfig::default() };
    let registry = Registry::new();
    let spool = Spool::open(dir, &config, Arc::new(Nobody), &registry).expect("a spool");
    let sink = spool.sink();
    let keys: Vec<_> =
        (0..recordings).map(|number| DataKey::from_entropy([1; 32]).chunk_key(id(number).as_bytes())).collect();
    for round in 0..rounds {
        for (number, key) in (0..recordings).zip(&keys) {
            for no in 0..2 {
                let time = round * 110_000_000;
                let header = ChunkHeader {
                    recording: *id(number).as_bytes(),
                    track: no,
                    number: round as u32,
                    first_nanos: time,
                    last_nanos: time + 100_000_000,
                    packets: 6,
                };
                let mut octets = sink.recycle().unwrap_or_default();
                key.seal(&header, &mut vec![0xa5; PLAIN], &mut octets);
                let track = TrackId { recording: id(number), no: TrackNo(no) };
                let mut chunk = SealedChunk { track, number: round as u32, octets };
                while let Err(back) = sink.offer(chunk) {
                    chunk = back;
                    std::thread::park_timeout(Duration::from_millis(1));
                }
            }
            if round % 9 == 0 {
                while spool.put_state(id(number), &[0x5a; 4_096]).is_err() {
                    std::thread::park_timeout(Duration::from_millis(1));
                }
            }
        }
    }
    spool.stop();
}

fn id(number: u64) -> RecordingId {
    let mut bytes = [7; 16];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    RecordingId::from_bytes(bytes)
}

/// Octets of the file, of which nothing is in the page cache any more.
#[expect(clippy::disallowed_methods, reason = "a measurement: the page cache is told by file")]
fn cold(path: &std::path::Path) -> u64 {
    let file = std::fs::File::open(path).expect("a segment");
    let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
    file.metadata().expect("metadata").len()
}

#[expect(clippy::disallowed_methods, reason = "the clock of a measurement")]
fn now() -> Instant {
    Instant::now()
}
