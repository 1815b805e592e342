//! The ledger on a simulated disk: every call fails, the power goes at every call, and what was acknowledged is there.

use std::path::Path;

use super::*;
use crate::disk::{
    Disk, Place,
    sim::{Fault, SimDisk, Survives},
};

const FOLDER: &str = "/data";
const GROUPS: u8 = 5;

fn life(world: &SimDisk) -> Result<(Ledger, Recovered, Disk), LedgerError> {
    let disk = Disk::simulated(world).of(Place::Ledger);
    let (ledger, recovered) = Ledger::open_on(&disk, Path::new(FOLDER), signer(), at(0))?;
    Ok((ledger, recovered, disk))
}

/// A commit of several pages: recordings `number` and, of them, as many facts.
fn group(number: u8) -> Vec<Fact> {
    let node = "n".repeat(2_500);
    let mut facts: Vec<Fact> = (0..4).map(|_| Fact::NodeStopped { node: node.clone() }).collect();
    facts.insert(2, opened(number));
    facts
}

/// Some commits; the numbers of the recordings that were acknowledged.
fn script(ledger: &mut Ledger, stop: impl Fn() -> bool) -> Vec<u8> {
    let mut known = Vec::new();
    for number in 1..=GROUPS {
        if stop() {
            break;
        }
        // As the session thread does: what was not committed is tried again with what comes next.
        for attempt in 0..3 {
            if ledger.commit(&group(number), at(u64::from(number) * 10 + attempt)).is_ok() {
                known.push(number);
                break;
            }
        }
    }
    known
}

fn assert_kept(world: &SimDisk, known: &[u8], about: &str) {
    let (mut ledger, recovered, disk) = life(world).unwrap_or_else(|error| panic!("{about}: {error}"));
    assert_eq!((recovered.damaged_lines, recovered.is_disputed), (0, false), "{about}: it looks forged");
    let found: Vec<RecordingId> = recovered.unfinished.iter().map(|view| view.id).collect();
    for number in known {
        assert!(found.contains(&id(*number)), "{about}: recording {number} was acknowledged");
    }
    ledger.commit(&[opened(99)], at(1_000)).unwrap_or_else(|error| panic!("{about}: it does not go on: {error}"));
    drop(ledger);
    let report = verify::verify_on(&disk, Path::new(FOLDER), &signer().public_hex()).expect("readable");
    assert_eq!(report.findings, [], "{about}");
}

fn assert_survives(world: &SimDisk, known: &[u8], seed: u64, about: &str) {
    assert_kept(&world.cut(Survives::Nothing), known, &format!("{about}, nothing survives"));
    for seed in seed..seed + 3 {
        assert_kept(&world.cut(Survives::Some(seed)), known, &format!("{about}, dice {seed}"));
    }
    assert_kept(&world.cut(Survives::Everything), known, &format!("{about}, everything survives"));
}

fn calls() -> u64 {
    let world = SimDisk::default();
    let (mut ledger, ..) = life(&world).expect("a ledger");
    assert_eq!(script(&mut ledger, || false).len(), usize::from(GROUPS));
    world.calls()
}

#[test]
fn any_call_may_fail_and_no_acknowledged_fact_is_lost() {
    for first in 1..=calls() {
        for (fault, count) in [(Fault::Io, 1), (Fault::Full, 1), (Fault::Short, 1), (Fault::Io, 5), (Fault::Full, 9)] {
            let about = format!("calls {first}..{} fail with {fault:?}", first + count);
            let world = SimDisk::default();
            world.fail(first..first + count, fault);
            let known = match life(&world) {
                Ok((mut ledger, _, disk)) => {
                    let known = script(&mut ledger, || false);
                    assert!(fault == Fault::Short || disk.failures() > 0, "{about}: not counted");
                    assert!(
                        count > 1 || known.len() == usize::from(GROUPS),
                        "{about}: {known:?}, one failure is got over"
                    );
                    known
                }
                Err(_) => Vec::new(),
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
        let known = life(&world).map_or(Vec::new(), |(mut ledger, ..)| script(&mut ledger, || world.is_stopped()));
        assert_survives(&world, &known, last * 100, &format!("power cut after call {last}"));
    }
}

#[test]
fn a_page_lost_from_the_middle_of_the_last_commit_is_a_torn_tail_and_damage_before_it_is_not() {
    let dir = TempDir::new().expect("a folder");
    let (mut ledger, _) = open(&dir);
    ledger.commit(&group(1), at(1)).expect("committed");
    let durable = fs::metadata(path(&dir)).expect("a ledger").len() as usize;
    let head = fs::read(dir.path().join("ledger/HEAD")).expect("a head");
    ledger.commit(&group(2), at(2)).expect("written, but what if it was not synced");
    drop(ledger);
    let whole = fs::read(path(&dir)).expect("a ledger");
    let mut holed = whole.clone();
    holed[durable + 2_000..durable + 4_096].fill(0);

    // HEAD names a line behind the hole: that was durable, so the hole is damage.
    fs::write(path(&dir), &holed).expect("written");
    let (ledger, recovered) = open(&dir);
    assert!(recovered.damaged_lines > 0 && recovered.torn_octets == 0);
    drop(ledger);

    // HEAD is as old as the last sync: the hole is what the power cut took.
    fs::write(path(&dir), &holed).expect("written");
    fs::write(dir.path().join("ledger/HEAD"), &head).expect("written");
    let (ledger, recovered) = open(&dir);
    assert_eq!((recovered.damaged_lines, recovered.is_disputed), (0, false));
    assert!(recovered.torn_octets > 0);
    drop(ledger);
    assert_eq!(findings(&dir), []);
    assert!(fs::read(path(&dir)).expect("a ledger").starts_with(&whole[..durable]));
}
