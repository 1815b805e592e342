//! The spool on a real disk: receipts, budgets, torn tails.

use std::{
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    time::Duration,
};

use crypto::seal::{ChunkHeader, ChunkKey, DataKey};
use model::{Receipt, TrackId, TrackNo};
use storage_core::ports::SealedChunk;
use tempfile::TempDir;

use super::*;

struct Receipts(SyncSender<Receipt>);

impl ReceiptSink for Receipts {
    fn receipt(&self, receipt: Receipt) {
        self.0.send(receipt).expect("the test listens");
    }
}

fn id(number: u8) -> RecordingId {
    RecordingId::from_bytes([number; 16])
}

fn track(recording: u8, no: u16) -> TrackId {
    TrackId { recording: id(recording), no: TrackNo(no) }
}

fn key(recording: u8) -> ChunkKey {
    DataKey::from_entropy([recording; 32]).chunk_key(id(recording).as_bytes())
}

fn chunk(track: TrackId, number: u32, plain: &[u8]) -> SealedChunk {
    let header = ChunkHeader {
        recording: *track.recording.as_bytes(),
        track: track.no.0,
        number,
        first_nanos: u64::from(number) * 100 + 1,
        last_nanos: u64::from(number) * 100 + 99,
        packets: 10,
    };
    let mut octets = Vec::new();
    key(track.recording.as_bytes()[0]).seal(&header, &mut plain.to_vec(), &mut octets);
    SealedChunk { track, number, octets }
}

fn open(dir: &TempDir) -> (Spool, Receiver<Receipt>) {
    let (sender, receiver) = sync_channel(100);
    let config = SpoolConfig { memory_mib: 1, reserve_mib: 0, ..SpoolConfig::default() };
    let spool = Spool::open(dir.path(), &config, Arc::new(Receipts(sender)), &Registry::new()).expect("a spool");
    (spool, receiver)
}

fn receipt(receipts: &Receiver<Receipt>) -> Receipt {
    receipts.recv_timeout(Duration::from_secs(20)).expect("a receipt")
}

#[test]
fn what_was_receipted_is_there_in_order_and_opens() {
    let dir = TempDir::new().expect("a folder");
    let (spool, receipts) = open(&dir);
    let sink = spool.sink();
    for number in 0..3 {
        for no in 0..2 {
            let plain = format!("track {no} chunk {number}");
            sink.offer(chunk(track(1, no), number, plain.as_bytes())).expect("room");
        }
    }
    sink.close(track(1, 0), 3);
    sink.close(track(1, 1), 3);
    let (first, second) = (receipt(&receipts), receipt(&receipts));
    assert_eq!((first.track, first.chunks, first.complete), (track(1, 0), 3, true));
    assert!(second.complete && second.octets > 0);
    let opened: Vec<String> = spool
        .read(id(1))
        .expect("a file")
        .map(|octets| key(1).open(&octets.expect("read")).expect("authentic").plain)
        .map(|plain| String::from_utf8(plain).expect("text"))
        .collect();
    assert_eq!(opened.len(), 6);
    assert_eq!(opened[..2], ["track 0 chunk 0", "track 1 chunk 0"]);
    let survey = spool.survey(id(1)).expect("a survey");
    let zero = survey.tracks[&TrackNo(0)];
    assert_eq!((zero.chunks, zero.next_number, zero.packets, zero.first_nanos, zero.last_nanos), (3, 3, 30, 1, 299));
    assert_eq!(spool.recordings().expect("a list"), [id(1)]);
    spool.remove(id(1)).expect("removed");
    spool.remove(id(1)).expect("nothing to remove");
    assert_eq!(spool.recordings().expect("a list"), []);
    assert_eq!(spool.survey(id(1)).expect("empty"), SpoolSurvey::default());
}

#[test]
fn a_track_without_sound_gets_its_receipt_and_a_missing_chunk_is_told() {
    let dir = TempDir::new().expect("a folder");
    let (spool, receipts) = open(&dir);
    spool.sink().close(track(2, 0), 0);
    assert_eq!(receipt(&receipts), Receipt { track: track(2, 0), chunks: 0, octets: 0, complete: true });
    spool.sink().close(track(2, 1), 1);
    assert!(!receipt(&receipts).complete);
}

#[test]
fn a_spent_budget_gives_the_chunk_back() {
    let dir = TempDir::new().expect("a folder");
    let (spool, _receipts) = open(&dir);
    let large = chunk(track(3, 0), 0, &vec![0; 2 << 20]);
    assert_eq!(spool.sink().offer(large.clone()), Err(large));
    spool.stop();
    let small = chunk(track(3, 0), 0, b"late");
    assert_eq!(spool.sink().offer(small.clone()), Err(small), "after the end nothing is taken");
}

#[test]
fn stopping_writes_what_was_taken() {
    let dir = TempDir::new().expect("a folder");
    let (spool, receipts) = open(&dir);
    let sink = spool.sink();
    (0..50).for_each(|number| sink.offer(chunk(track(4, 0), number, b"sound")).expect("room"));
    sink.close(track(4, 0), 50);
    spool.stop();
    assert_eq!(receipt(&receipts).chunks, 50);
}

#[test]
fn a_torn_tail_is_cut_at_start_and_the_file_goes_on() {
    let dir = TempDir::new().expect("a folder");
    let path = dir.path().join(format!("{}.spool", id(5)));
    let mut octets = storage_core::spoolfile::header(id(5)).to_vec();
    octets.extend(chunk(track(5, 0), 0, b"first").octets);
    let whole = octets.len() as u64;
    let torn = chunk(track(5, 0), 1, b"second").octets;
    octets.extend(&torn[..torn.len() - 5]);
    fs::write(&path, &octets).expect("written");
    fs::write(dir.path().join(format!("{}.spool", id(6))), b"RECS").expect("written");
    fs::write(dir.path().join(format!("{}.spool", id(7))), [0xAA; 100]).expect("written");

    let (spool, receipts) = open(&dir);
    assert_eq!(fs::metadata(&path).expect("there").len(), whole);
    assert_eq!(spool.recordings().expect("a list"), [id(5), id(7)], "what is foreign is left alone");
    assert!(matches!(spool.read(id(7)), Err(SpoolError::Io { .. })));
    spool.sink().offer(chunk(track(5, 0), 1, b"again")).expect("room");
    spool.sink().close(track(5, 0), 1);
    assert!(receipt(&receipts).complete);
    assert_eq!(spool.read(id(5)).expect("a file").count(), 2);
}

#[test]
fn a_failed_write_is_told_in_the_receipt_and_harms_nobody_else() {
    let dir = TempDir::new().expect("a folder");
    let (spool, receipts) = open(&dir);
    // A folder in the place of the file: opening it fails like a broken disk does.
    fs::create_dir(dir.path().join(format!("{}.spool", id(8)))).expect("made");
    for recording in [8, 9] {
        spool.sink().offer(chunk(track(recording, 0), 0, b"sound")).expect("room");
        spool.sink().close(track(recording, 0), 1);
    }
    let (lost, kept) = (receipt(&receipts), receipt(&receipts));
    assert_eq!(lost, Receipt { track: track(8, 0), chunks: 0, octets: 0, complete: false });
    assert!(kept.complete && kept.chunks == 1);
    assert_eq!(spool.shared.metrics.lost.get(), 1);
    // The volume itself is well: the probe finds that out, and new calls are accepted again.
    let patience = std::time::Duration::from_secs(20);
    let (sender, receiver) = sync_channel::<()>(0);
    let waiting = std::thread::spawn(move || receiver.recv_timeout(patience));
    while !spool.has_room() && !waiting.is_finished() {
        std::thread::yield_now();
    }
    assert!(spool.has_room());
    drop(sender);
    let _ = waiting.join();
}

#[test]
fn a_folder_that_is_not_writable_is_named() {
    let dir = TempDir::new().expect("a folder");
    let file = dir.path().join("file");
    fs::write(&file, b"").expect("written");
    let (sender, _receiver) = sync_channel(1);
    let error = Spool::open(&file, &SpoolConfig::default(), Arc::new(Receipts(sender)), &Registry::new());
    let error = error.err().expect("refused");
    assert!(error.to_string().contains("file"), "{error}");
}

#[test]
fn a_full_volume_refuses_new_calls() {
    let dir = TempDir::new().expect("a folder");
    let (sender, _receiver) = sync_channel(1);
    let config = SpoolConfig { reserve_mib: 1 << 30, ..SpoolConfig::default() };
    let spool = Spool::open(dir.path(), &config, Arc::new(Receipts(sender)), &Registry::new()).expect("a spool");
    assert!(spool.free_octets() > 0 && !spool.has_room());
}
