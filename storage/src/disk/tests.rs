//! The simulated disk behaves like a disk that one must not trust, and the real one like a disk.

pub(crate) mod sim;

use std::path::Path;

use sim::{Fault, SimDisk, Survives};
use tempfile::TempDir;

use super::*;

const FOLDER: &str = "/data";
const FILE: &str = "/data/file";

fn made() -> (SimDisk, Disk) {
    let world = SimDisk::default();
    let disk = Disk::simulated(&world).of(Place::Spool);
    disk.make_dir(Path::new(FOLDER)).expect("made");
    (world, disk)
}

fn found(world: &SimDisk) -> Vec<u8> {
    Disk::simulated(world).read_small(Path::new(FILE), 1 << 20).expect("readable")
}

#[test]
fn what_was_not_synced_is_lost_and_so_is_a_name_whose_folder_was_not() {
    let (world, disk) = made();
    let file = disk.open(Path::new(FILE), Mode::Write).expect("opened");
    file.write_at(b"one", 0).expect("written");
    file.sync().expect("synced");
    assert_eq!(found(&world.cut(Survives::Nothing)), b"", "the name is lost");

    let (world, disk) = made();
    let file = disk.open(Path::new(FILE), Mode::Write).expect("opened");
    file.write_at(b"one", 0).expect("written");
    file.sync().expect("synced");
    disk.sync_dir(Path::new(FOLDER)).expect("synced");
    file.write_at(b"two", 3).expect("written");
    assert_eq!(found(&world), b"onetwo", "a kill keeps the page cache");
    assert_eq!(found(&world.cut(Survives::Nothing)), b"one");
    assert!(file.write_at(b"dead", 0).is_err(), "an open file does not outlive a power cut");
}

#[test]
fn a_failed_sync_makes_its_pages_clean_and_the_next_one_means_nothing() {
    let (world, disk) = made();
    let file = disk.open(Path::new(FILE), Mode::Write).expect("opened");
    disk.sync_dir(Path::new(FOLDER)).expect("synced");
    file.write_at(b"lost", 0).expect("written");
    let next = world.calls() + 1;
    world.fail(next..next + 1, Fault::Io);
    assert!(file.sync().is_err());
    file.sync().expect("says yes");
    assert_eq!(disk.failures(), 1);
    assert!(found(&world.cut(Survives::Nothing)).iter().all(|octet| *octet == 0));
}

#[test]
fn a_short_write_is_carried_on_and_a_failed_one_leaves_half() {
    let (world, disk) = made();
    let file = disk.open(Path::new(FILE), Mode::Write).expect("opened");
    let next = world.calls() + 1;
    world.fail(next..next + 1, Fault::Short);
    file.write_vectored_at(&mut [IoSlice::new(b"abc"), IoSlice::new(b"def")], 0).expect("written");
    assert_eq!(found(&world), b"abcdef");
    let next = world.calls() + 1;
    world.fail(next..next + 1, Fault::Full);
    let error = file.write_at(b"ghij", 6).expect_err("full");
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    assert_eq!(found(&world), b"abcdefgh");
}

#[test]
fn the_dice_lose_pages_but_never_what_was_synced() {
    let (world, disk) = made();
    let file = disk.open(Path::new(FILE), Mode::Write).expect("opened");
    file.write_at(&[1; 10_000], 0).expect("written");
    file.sync().expect("synced");
    disk.sync_dir(Path::new(FOLDER)).expect("synced");
    file.write_at(&[2; 30_000], 10_000).expect("written");
    let mut has_hole = false;
    for seed in 0..50 {
        let octets = found(&world.cut(Survives::Some(seed)));
        assert_eq!(octets[..10_000], [1; 10_000]);
        has_hole |= octets[10_000..].windows(2).any(|pair| pair == [0, 2]);
    }
    assert!(has_hole, "a later page can survive an earlier one");
}

#[test]
fn the_real_disk_does_the_same_work() {
    let dir = TempDir::new().expect("a folder");
    let disk = Disk::unwatched().of(Place::Spool);
    let folder = dir.path().join("a/b");
    disk.make_dir(&folder).expect("made");
    disk.make_dir(&folder).expect("there already");
    let file = disk.open(&folder.join("new"), Mode::New).expect("opened");
    let parts: Vec<Vec<u8>> = (0..3_000_u32).map(|part| part.to_be_bytes().to_vec()).collect();
    let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
    file.write_vectored_at(&mut slices, 2).expect("more parts than one call takes");
    file.truncate(12_000).expect("cut");
    file.sync().expect("synced");
    disk.rename(&folder.join("new"), &folder.join("kept")).expect("moved");
    disk.sync_dir(&folder).expect("synced");
    let entries = disk.list(&folder).expect("listed");
    assert_eq!(entries, [Entry { path: folder.join("kept"), octets: 12_000 }]);
    let octets = disk.read_small(&folder.join("kept"), 20_000).expect("read");
    assert_eq!(octets[2..12_000], parts.concat()[..11_998]);
    assert!(disk.space(&folder).expect("asked").total > 0);
    disk.remove(&folder.join("kept")).expect("removed");
    disk.remove(&folder.join("kept")).expect("nothing to remove");
    let file = disk.open(&folder.join("lock"), Mode::Write).expect("opened");
    assert!(!file.is_locked() && file.lock());
    let other = disk.open(&folder.join("lock"), Mode::Write).expect("opened");
    assert!(other.is_locked() && !other.lock());
}
