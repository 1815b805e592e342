//! The key store on a real disk, and on a simulated one that fails and forgets.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::disk::sim::{Fault, SimDisk, Survives};

fn id(number: u16) -> RecordingId {
    let mut bytes = [0; 16];
    bytes[14..].copy_from_slice(&number.to_be_bytes());
    RecordingId::from_bytes(bytes)
}

fn key(number: u16) -> WrappedKey {
    let wrapped = format!("wrap-{number:04}-secret");
    WrappedKey { version: 1, custodian: "file:test".into(), nonce: "00".repeat(12), wrapped }
}

fn raw(dir: &TempDir) -> String {
    fs::read_to_string(dir.path().join("keys/wraps.jsonl")).expect("a file")
}

#[test]
fn a_key_is_there_at_once_and_after_a_restart_once_synced() {
    let dir = TempDir::new().expect("a folder");
    let mut store = KeyStore::open(dir.path()).expect("a store");
    store.create(id(1), key(1)).expect("taken");
    store.create(id(2), key(2)).expect("taken");
    assert_eq!(store.get(id(2)).expect("read"), Some(key(2)));
    assert_eq!(raw(&dir), "", "buffered");
    store.sync().expect("synced");
    store.create(id(3), key(3)).expect("taken, and lost");
    drop(store);
    let store = KeyStore::open(dir.path()).expect("a store");
    assert_eq!(store.list(), [id(1), id(2)]);
    assert_eq!(store.get(id(1)).expect("read"), Some(key(1)));
    assert_eq!(store.get(id(3)).expect("read"), None);
}

#[test]
fn keys_are_made_and_read_while_others_are_on_their_way_to_the_disk() {
    let dir = TempDir::new().expect("a folder");
    let mut store = KeyStore::open(dir.path()).expect("a store");
    store.create(id(1), key(1)).expect("taken");
    let sync = store.begin_sync().expect("begun").expect("something to do");
    store.create(id(2), key(2)).expect("taken");
    assert_eq!(store.get(id(1)).expect("read"), Some(key(1)));
    assert!(store.begin_sync().is_err() && store.remove(id(1)).is_err() && store.is_syncing());
    let outcome = sync.run();
    store.end_sync(&sync, outcome).expect("durable");
    assert!(raw(&dir).contains("wrap-0001") && !raw(&dir).contains("wrap-0002"));
    store.remove(id(1)).expect("destroyed");
    store.sync().expect("synced");
    drop(store);
    let store = KeyStore::open(dir.path()).expect("a store");
    assert_eq!((store.list(), store.get(id(2)).expect("read")), (vec![id(2)], Some(key(2))));
}

#[test]
fn what_a_failed_sync_took_along_is_written_with_the_next() {
    let world = SimDisk::default();
    let (mut store, _) = life(&world).expect("a store");
    store.create(id(1), key(1)).expect("taken");
    let sync = store.begin_sync().expect("begun").expect("something to do");
    store.create(id(2), key(2)).expect("taken");
    world.fail(world.calls() + 2..world.calls() + 3, Fault::Io);
    let outcome = sync.run();
    assert!(store.end_sync(&sync, outcome).is_err());
    store.sync().expect("synced");
    assert_kept(&world.cut(Survives::Nothing), &(vec![1, 2], Vec::new()), "after a failed sync");
}

#[test]
fn a_second_key_for_the_same_recording_is_refused() {
    let dir = TempDir::new().expect("a folder");
    let mut store = KeyStore::open(dir.path()).expect("a store");
    store.create(id(1), key(1)).expect("taken");
    assert!(store.create(id(1), key(2)).is_err());
    assert!(store.create(id(2), WrappedKey { wrapped: "a".repeat(5_000), ..key(2) }).is_err(), "too long");
}

#[test]
fn a_destroyed_key_is_gone_from_the_disk_and_the_others_stay() {
    let dir = TempDir::new().expect("a folder");
    let mut store = KeyStore::open(dir.path()).expect("a store");
    (1..=3).for_each(|number| store.create(id(number), key(number)).expect("taken"));
    store.remove(id(2)).expect("destroyed, though it was never synced");
    store.remove(id(9)).expect("nothing to destroy");
    assert!(!raw(&dir).contains("wrap-0002") && raw(&dir).contains("wrap-0003"));
    assert_eq!(store.get(id(2)).expect("read"), None);
    drop(store);
    let store = KeyStore::open(dir.path()).expect("a store");
    assert_eq!(store.list(), [id(1), id(3)]);
    assert_eq!(store.get(id(3)).expect("read"), Some(key(3)));
}

#[test]
fn many_blanks_are_compacted_when_opened() {
    let dir = TempDir::new().expect("a folder");
    let mut store = KeyStore::open(dir.path()).expect("a store");
    (0..1_300).for_each(|number| store.create(id(number), key(number)).expect("taken"));
    store.sync().expect("synced");
    let before = raw(&dir).len();
    let blanks = store.places.iter().filter(|(at, _)| **at != id(700)).map(|(_, place)| *place).collect::<Vec<_>>();
    for place in blanks {
        let blank = [vec![b' '; place.octets as usize - 1], vec![b'\n']].concat();
        store.file.write_at(&blank, place.offset).expect("written");
    }
    drop(store);
    let store = KeyStore::open(dir.path()).expect("a store");
    assert_eq!(store.list(), [id(700)]);
    assert_eq!(store.get(id(700)).expect("read"), Some(key(700)));
    assert!(raw(&dir).len() < before / 1_000);
}

#[test]
fn a_torn_line_is_cut_and_a_damaged_one_is_an_error() {
    let dir = TempDir::new().expect("a folder");
    let mut store = KeyStore::open(dir.path()).expect("a store");
    store.create(id(1), key(1)).expect("taken");
    store.sync().expect("synced");
    let whole = raw(&dir);
    fs::write(dir.path().join("keys/wraps.jsonl"), format!("{whole}{{\"recor")).expect("written");
    assert_eq!(KeyStore::open(dir.path()).expect("repaired").list(), [id(1)]);
    assert_eq!(raw(&dir), whole);
    fs::write(dir.path().join("keys/wraps.jsonl"), format!("{{}}\n{whole}")).expect("written");
    let error = KeyStore::open(dir.path()).err().expect("refused");
    assert!(error.to_string().contains("octet 0"), "{error}");
}

const FOLDER: &str = "/data";

fn life(world: &SimDisk) -> io::Result<(KeyStore, Disk)> {
    let disk = Disk::simulated(world).of(disk::Place::Keys);
    Ok((KeyStore::open_on(&disk, Path::new(FOLDER))?, disk))
}

/// Ten keys, three of them destroyed; those that were acknowledged as durable, and as destroyed.
fn script(store: &mut KeyStore, stop: impl Fn() -> bool) -> (Vec<u16>, Vec<u16>) {
    let (mut kept, mut destroyed) = (Vec::new(), Vec::new());
    for number in 1..=10 {
        if stop() {
            break;
        }
        for half in [number * 2, number * 2 + 1] {
            let wrapped = "w".repeat(1_000);
            store.create(id(half), WrappedKey { wrapped, ..key(half) }).expect("taken");
        }
        if (0..3).any(|_| store.sync().is_ok()) {
            kept.extend([number * 2, number * 2 + 1]);
        }
        if number % 3 == 0 {
            kept.retain(|known| *known != number);
            if (0..3).any(|_| store.remove(id(number)).is_ok()) {
                destroyed.push(number);
            }
        }
    }
    (kept, destroyed)
}

fn assert_kept(world: &SimDisk, (kept, destroyed): &(Vec<u16>, Vec<u16>), about: &str) {
    let (mut store, _) = life(world).unwrap_or_else(|error| panic!("{about}: {error}"));
    for number in kept {
        let found = store.get(id(*number)).unwrap_or_else(|error| panic!("{about}: {error}"));
        assert!(found.is_some_and(|found| found.nonce == key(*number).nonce), "{about}: key {number} is lost");
    }
    for number in destroyed {
        assert_eq!(store.get(id(*number)).expect("readable"), None, "{about}: key {number} is back");
    }
    store.create(id(99), key(99)).expect("taken");
    store.sync().unwrap_or_else(|error| panic!("{about}: it does not go on: {error}"));
}

fn assert_survives(world: &SimDisk, known: &(Vec<u16>, Vec<u16>), seed: u64, about: &str) {
    assert_kept(&world.cut(Survives::Nothing), known, &format!("{about}, nothing survives"));
    for seed in seed..seed + 4 {
        assert_kept(&world.cut(Survives::Some(seed)), known, &format!("{about}, dice {seed}"));
    }
    assert_kept(&world.cut(Survives::Everything), known, &format!("{about}, everything survives"));
}

fn calls() -> u64 {
    let world = SimDisk::default();
    let (mut store, _) = life(&world).expect("a store");
    let (kept, destroyed) = script(&mut store, || false);
    assert_eq!((kept.len(), destroyed.len()), (17, 3));
    world.calls()
}

#[test]
fn any_call_may_fail_and_no_acknowledged_key_is_lost_or_comes_back() {
    for first in 1..=calls() {
        for (fault, count) in [(Fault::Io, 1), (Fault::Full, 1), (Fault::Short, 1), (Fault::Io, 5), (Fault::Full, 9)] {
            let about = format!("calls {first}..{} fail with {fault:?}", first + count);
            let world = SimDisk::default();
            world.fail(first..first + count, fault);
            let known = match life(&world) {
                Ok((mut store, disk)) => {
                    let known = script(&mut store, || false);
                    assert!(fault == Fault::Short || disk.failures() > 0, "{about}: not counted");
                    assert!(count > 1 || (known.0.len(), known.1.len()) == (17, 3), "{about}: {known:?}");
                    known
                }
                Err(_) => (Vec::new(), Vec::new()),
            };
            world.heal();
            assert_survives(&world, &known, first * 100, &about);
        }
    }
}

#[test]
fn the_power_may_go_at_any_call() {
    for last in 1..=calls() {
        let world = SimDisk::default();
        world.stop_after(last);
        let nothing = (Vec::new(), Vec::new());
        let known = life(&world).map_or(nothing, |(mut store, _)| script(&mut store, || world.is_stopped()));
        assert_survives(&world, &known, last * 100, &format!("power cut after call {last}"));
    }
}

#[test]
fn a_hole_in_what_was_durable_is_an_error_and_not_cut_off() {
    let dir = TempDir::new().expect("a folder");
    let mut store = KeyStore::open(dir.path()).expect("a store");
    for number in 1..=3 {
        store.create(id(number), key(number)).expect("taken");
        store.sync().expect("synced");
    }
    drop(store);
    let path = dir.path().join("keys/wraps.jsonl");
    let whole = fs::read(&path).expect("a file");
    let mut holed = whole.clone();
    holed[20..60].fill(0);
    fs::write(&path, &holed).expect("written");
    let error = KeyStore::open(dir.path()).err().expect("refused");
    assert!(error.to_string().contains("were durable"), "{error}");
    assert_eq!(fs::read(&path).expect("a file"), holed, "nothing is cut off");
}
