//! A spool on a simulated disk, driven step by step without its thread: a scripted life, and what must be true after it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, Mutex},
};

use model::{Receipt, RecordingId, TrackId};
use prometheus::Registry;
use storage_core::ports::ReceiptSink;

use super::{super::*, chunk, id, key, track};
use crate::disk::sim::SimDisk;

const FOLDER: &str = "/data/spool";

#[derive(Default)]
struct Kept(Mutex<Vec<Receipt>>);

impl ReceiptSink for Kept {
    fn receipt(&self, receipt: Receipt) {
        self.0.lock().expect("one thread").push(receipt);
    }
}

/// One life of a spool.
pub(super) struct Life {
    pub(super) shared: Arc<Shared>,
    pub(super) writer: Writer,
    kept: Arc<Kept>,
    disk: Disk,
    numbers: BTreeMap<TrackId, u32>,
    pub(super) receipts: Vec<Receipt>,
    /// Recordings that were freed.
    pub(super) freed: BTreeSet<RecordingId>,
    /// The number of the newest state of each recording that a sync followed.
    pub(super) durable_states: BTreeMap<RecordingId, u8>,
    written_states: BTreeMap<RecordingId, u8>,
    /// Written before the sync that runs.
    syncing_states: BTreeMap<RecordingId, u8>,
    failures_before: u64,
    pub(super) has_failed: bool,
}

impl Life {
    pub(super) fn begin(world: &SimDisk) -> Result<Self, SpoolError> {
        let kept = Arc::new(Kept::default());
        let config = SpoolConfig { reserve_mib: 0, ..SpoolConfig::default() };
        let disk = Disk::simulated(world).of(Place::Spool);
        let (shared, writer) = prepare(&disk, Path::new(FOLDER), &config, kept.clone(), &Registry::new())?;
        Ok(Self {
            shared,
            writer,
            kept,
            disk,
            numbers: BTreeMap::new(),
            receipts: Vec::new(),
            freed: BTreeSet::new(),
            durable_states: BTreeMap::new(),
            written_states: BTreeMap::new(),
            syncing_states: BTreeMap::new(),
            failures_before: 0,
            has_failed: false,
        })
    }

    pub(super) fn offer(&mut self, recording: u8, no: u16) {
        let track = track(recording, no);
        let number = self.numbers.entry(track).or_insert(0);
        let plain = vec![*number as u8 + 1; 700 + 300 * usize::from(no)];
        self.shared.queue.offer(chunk(track, *number, &plain)).expect("room");
        *number += 1;
    }

    pub(super) fn state(&mut self, recording: u8, number: u8) {
        assert!(self.shared.queue.put_state(id(recording), &vec![number; 900]));
        self.written_states.insert(id(recording), number);
    }

    /// What the thread does in a round.
    pub(super) fn round(&mut self) {
        self.writer.accept(self.shared.queue.take_now().expect("open"));
        for _ in 0..3 {
            match self.writer.write() {
                Ok(()) => return,
                Err(_) => self.has_failed = true,
            }
        }
        self.writer.give_up();
        self.written_states.clear();
    }

    pub(super) fn sync(&mut self) {
        self.begin_sync(Writer::sync);
        self.end_sync();
    }

    /// A sync begins; `begin` says how it goes on.
    fn begin_sync(&mut self, begin: impl FnOnce(&mut Writer)) {
        self.syncing_states.append(&mut self.written_states);
        self.failures_before = self.shared.metrics.failed_syncs.get();
        begin(&mut self.writer);
    }

    /// The sync is over that [`Writer::hold_sync`] or [`Writer::quick_sync`] began.
    pub(super) fn end_sync(&mut self) {
        self.writer.end_sync();
        if self.shared.metrics.failed_syncs.get() == self.failures_before {
            self.durable_states.append(&mut self.syncing_states);
        } else {
            self.has_failed = true;
            self.syncing_states.clear();
            self.written_states.clear();
        }
        self.receipts.append(&mut self.kept.0.lock().expect("one thread"));
    }

    pub(super) fn hold_sync(&mut self) {
        self.begin_sync(Writer::hold_sync);
    }

    pub(super) fn close(&mut self, recording: u8) {
        for no in 0..2 {
            let track = track(recording, no);
            self.shared.queue.close_track(track, self.numbers.get(&track).copied().unwrap_or(0));
        }
    }

    pub(super) fn free(&mut self, recording: u8) {
        self.shared.with_index(|index| index.free(id(recording)));
        self.shared.queue.free(id(recording));
        self.freed.insert(id(recording));
        self.durable_states.remove(&id(recording));
    }

    pub(super) fn place(&self) -> active::Place {
        active::Place { disk: self.disk.clone(), dir: FOLDER.into() }
    }

    pub(super) fn new_segment(&mut self) {
        self.writer.leave();
    }

    /// The sealed chunks of a recording, as a reader gets them.
    pub(super) fn chunks(&self, recording: u8) -> Vec<Vec<u8>> {
        let pieces = self.shared.with_index(|index| index.pieces(id(recording))).unwrap_or_default();
        SpoolReader::new(pieces).map(|octets| octets.expect("readable")).collect()
    }

    pub(super) fn failures(&self) -> u64 {
        self.disk.failures()
    }

    /// Three recordings: one ends and is archived, one ends, one is live to the end.
    pub(super) fn script(&mut self, stop: impl Fn(usize) -> bool) {
        for round in 0..10 {
            if stop(round) {
                return;
            }
            for recording in 1..=3 {
                if round < usize::from(recording) * 4 {
                    self.offer(recording, 0);
                    self.offer(recording, 1);
                    self.state(recording, round as u8);
                }
            }
            match round {
                4 => self.close(1),
                8 => self.close(2),
                _ => {}
            }
            self.round();
            // Syncs that run while the next round is written, and touch the disk before it or after it.
            match round {
                0 => self.sync(),
                1 | 5 | 7 => self.hold_sync(),
                3 => self.begin_sync(Writer::quick_sync),
                2 | 9 => self.end_sync(),
                _ => {
                    self.end_sync();
                    self.sync();
                }
            }
            if round == 6 && self.receipts.iter().any(|receipt| receipt.complete && receipt.track.recording == id(1)) {
                self.free(1);
            }
            self.writer.measure(Duration::from_millis(500));
        }
    }
}

/// The next life on that disk: everything that was promised is there and authentic, what was not is whole or gone, and
/// recording goes on.
pub(super) fn assert_kept(world: &SimDisk, before: &Life, about: &str) {
    let mut life = Life::begin(world).unwrap_or_else(|error| panic!("{about}: {error}"));
    let mut found: BTreeMap<TrackId, Vec<u32>> = BTreeMap::new();
    let recordings = life.shared.with_index(|index| index.list());
    for recording in recordings {
        let Some(pieces) = life.shared.with_index(|index| index.pieces(recording)) else { continue };
        let key = key(recording.as_bytes()[0]);
        for octets in SpoolReader::new(pieces) {
            let octets = octets.unwrap_or_else(|error| panic!("{about}: {error}"));
            let opened = key.open(&octets).unwrap_or_else(|error| panic!("{about}: a chunk looks forged: {error}"));
            assert!(opened.plain.iter().all(|octet| *octet == opened.header.number as u8 + 1), "{about}");
            let track = TrackId { recording, no: model::TrackNo(opened.header.track) };
            found.entry(track).or_default().push(opened.header.number);
        }
    }
    for (track, numbers) in &found {
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{about}: {track:?} {numbers:?}");
    }
    for receipt in before.receipts.iter().filter(|receipt| receipt.complete) {
        if !before.freed.contains(&receipt.track.recording) {
            let numbers = found.get(&receipt.track).cloned().unwrap_or_default();
            let all: Vec<u32> = (0..receipt.chunks).collect();
            assert_eq!(numbers, all, "{about}: {:?} was acknowledged", receipt.track);
        }
    }
    let states: BTreeMap<_, _> = life
        .shared
        .with_index(|index| index.states())
        .into_iter()
        .map(|(id, stored, piece)| {
            let mut octets = Vec::new();
            assert!(reader::read(&stored, &piece, &mut octets).expect("readable"), "{about}: a state is damaged");
            (id, octets[0])
        })
        .collect();
    for (recording, number) in &before.durable_states {
        assert!(states.get(recording).is_some_and(|found| found >= number), "{about}: {recording} {states:?}");
    }
    life.offer(9, 0);
    life.round();
    life.close(9);
    life.round();
    life.sync();
    assert!(life.receipts.iter().all(|receipt| receipt.complete), "{about}: it does not go on");
    life.writer.measure(Duration::from_millis(500));
    assert!(life.shared.room.has_room(), "{about}");
}
