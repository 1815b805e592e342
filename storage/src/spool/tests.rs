//! The spool on a real disk: receipts, budgets, restarts.

mod faults;
mod moves;
mod power;
mod world;

use std::{
    fs,
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
fn a_restart_goes_on_in_a_new_segment_and_reads_through_all() {
    let dir = TempDir::new().expect("a folder");
    for life in 0..3 {
        let (spool, receipts) = open(&dir);
        let track = track(5, life);
        spool.sink().offer(chunk(track, 0, b"sound")).expect("room");
        spool.put_state(id(5), format!("state {life}").as_bytes()).expect("taken");
        spool.sink().close(track, 1);
        assert!(receipt(&receipts).complete);
    }
    assert_eq!(files(&dir).len(), 3);
    fs::write(dir.path().join("stranger"), b"RECS").expect("written");
    fs::write(dir.path().join("0000000000000077-0000.spool"), [0xAA; 100]).expect("written");
    fs::write(dir.path().join("half.tmp"), b"of a move").expect("written");
    let (spool, _receipts) = open(&dir);
    let tracks: Vec<u16> = spool
        .read(id(5))
        .expect("chunks")
        .map(|octets| key(5).open(&octets.expect("read")).expect("authentic").header.track)
        .collect();
    assert_eq!(tracks, [0, 1, 2]);
    assert_eq!(spool.states(), [(id(5), b"state 2".to_vec())]);
    assert_eq!(spool.state(id(5)).expect("readable"), Some(b"state 2".to_vec()));
    assert_eq!(spool.state(id(6)).expect("readable"), None);
    spool.remove(id(5)).expect("removed");
    assert!(spool.states().is_empty());
    spool.stop();
    assert_eq!(files(&dir), ["0000000000000077-0000.spool", "stranger"], "what is not ours is left alone");
}

#[test]
fn what_was_freed_stays_so_after_a_restart_though_others_keep_its_segment() {
    let dir = TempDir::new().expect("a folder");
    let (spool, receipts) = open(&dir);
    for recording in [1, 2] {
        spool.sink().offer(chunk(track(recording, 0), 0, b"sound")).expect("room");
        spool.sink().close(track(recording, 0), 1);
        assert!(receipt(&receipts).complete);
    }
    spool.remove(id(1)).expect("removed");
    spool.stop();
    let (spool, _receipts) = open(&dir);
    assert_eq!(spool.recordings().expect("a list"), [id(2)]);
    let error = spool.read(id(1)).err().expect("nothing");
    assert!(matches!(error, SpoolError::Io { cause, .. } if cause.kind() == io::ErrorKind::NotFound));
}

#[test]
fn buffers_come_back_and_a_state_too_long_is_refused() {
    let dir = TempDir::new().expect("a folder");
    let (spool, receipts) = open(&dir);
    let sink = spool.sink();
    assert_eq!(sink.recycle(), None);
    sink.offer(chunk(track(1, 0), 0, b"sound")).expect("room");
    sink.close(track(1, 0), 1);
    receipt(&receipts);
    let buffer = sink.recycle().expect("a buffer of a written chunk");
    assert!(buffer.is_empty() && buffer.capacity() > 0);
    assert!(spool.put_state(id(1), &[0; 1 << 20]).is_err());
    spool.stop();
    assert!(spool.put_state(id(1), b"late").is_err());
}

fn files(dir: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(dir.path()).expect("a folder").flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
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
