//! Every call of a life fails once, and for a while: nothing that was acknowledged is lost, nothing looks forged, the
//! failure is counted and told, and the spool goes on.

use super::world::{Life, assert_kept};
use crate::disk::sim::{Fault, SimDisk, Survives};

const SPACE: u64 = 1 << 40;

fn calls_of_a_life() -> u64 {
    let world = SimDisk::with_space(SPACE);
    let mut life = Life::begin(&world).expect("a spool");
    life.script(|_| false);
    assert!(life.receipts.len() == 4 && life.receipts.iter().all(|receipt| receipt.complete));
    assert!(!life.has_failed && life.failures() == 0);
    let calls = world.calls();
    assert_kept(&world, &life, "a quiet life");
    calls
}

fn fail(first: u64, count: u64, fault: Fault) {
    let about = format!("calls {first}..{} fail with {fault:?}", first + count);
    let world = SimDisk::with_space(SPACE);
    world.fail(first..first + count, fault);
    let Ok(mut life) = Life::begin(&world) else {
        // The start failed: the node does not start, and does when the disk is well.
        world.heal();
        let life = Life::begin(&world).unwrap_or_else(|error| panic!("{about}: {error}"));
        return assert_kept(&world, &life, &about);
    };
    life.script(|_| false);
    world.heal();
    assert_eq!(life.receipts.len(), 4, "{about}: every track gets its receipt");
    if fault == Fault::Short {
        assert!(!life.has_failed && life.receipts.iter().all(|receipt| receipt.complete), "{about}");
    } else {
        assert!(life.failures() > 0, "{about}: not counted");
    }
    // The live one goes on after the fault.
    life.offer(4, 0);
    life.round();
    life.close(4);
    life.round();
    life.sync();
    let last: Vec<_> = life.receipts.iter().filter(|receipt| receipt.track.recording == super::id(4)).collect();
    assert!(last.len() == 2 && last.iter().all(|receipt| receipt.complete), "{about}: it does not go on");
    life.writer.measure(super::Duration::from_millis(500));
    assert!(life.shared.room.has_room(), "{about}: the disk is well and nobody believes it");
    assert_kept(&world, &life, &format!("{about}, then a kill"));
    for seed in 0..3 {
        assert_kept(&world.cut(Survives::Some(seed)), &life, &format!("{about}, then a power cut {seed}"));
    }
    assert_kept(&world.cut(Survives::Nothing), &life, &format!("{about}, then a power cut"));
}

#[test]
fn any_one_call_may_fail() {
    for first in 1..=calls_of_a_life() {
        for fault in [Fault::Io, Fault::Full, Fault::Short] {
            fail(first, 1, fault);
        }
    }
}

#[test]
fn any_row_of_calls_may_fail() {
    for first in 1..=calls_of_a_life() {
        for fault in [Fault::Io, Fault::Full] {
            fail(first, 7, fault);
            fail(first, 23, fault);
        }
    }
}

#[test]
fn a_chunk_waits_for_a_full_disk_and_is_written_when_there_is_room_again() {
    let world = SimDisk::with_space(SPACE);
    let mut life = Life::begin(&world).expect("a spool");
    life.offer(1, 0);
    let next = world.calls() + 1;
    world.fail(next..next + 1_000, Fault::Full);
    life.writer.accept(life.shared.queue.take_now().expect("open"));
    assert!(life.writer.write().is_err() && life.writer.write().is_err());
    assert!(!life.shared.room.has_room(), "new calls are refused");
    world.heal();
    life.close(1);
    life.round();
    life.sync();
    assert!(life.receipts.iter().all(|receipt| receipt.complete), "nothing was lost: {:?}", life.receipts);
    assert_eq!(life.shared.metrics.lost.get(), 0);
}

#[test]
fn what_the_disk_never_takes_is_told_by_the_receipt_and_harms_nobody_else() {
    let world = SimDisk::with_space(SPACE);
    let mut life = Life::begin(&world).expect("a spool");
    let next = world.calls() + 1;
    world.fail(next..u64::MAX, Fault::Io);
    life.offer(1, 0);
    life.round();
    assert!(life.has_failed && life.shared.metrics.lost.get() == 1);
    world.heal();
    life.offer(2, 0);
    life.close(1);
    life.close(2);
    life.round();
    life.sync();
    let told: Vec<_> = life.receipts.iter().map(|receipt| (receipt.track, receipt.chunks, receipt.complete)).collect();
    let expected = [
        (super::track(1, 0), 0, false),
        (super::track(1, 1), 0, true),
        (super::track(2, 0), 1, true),
        (super::track(2, 1), 0, true),
    ];
    assert_eq!(told, expected);
    assert_kept(&world, &life, "after a loss");
}

#[test]
fn a_failed_sync_is_told_and_is_not_repeated_as_if_nothing_had_happened() {
    let world = SimDisk::with_space(SPACE);
    let mut life = Life::begin(&world).expect("a spool");
    life.offer(1, 0);
    life.round();
    life.sync();
    life.offer(1, 0);
    life.offer(2, 0);
    life.close(1);
    life.round();
    let next = world.calls() + 1;
    world.fail(next..next + 1, Fault::Io);
    life.sync();
    world.heal();
    life.close(2);
    life.round();
    life.sync();
    let complete = |recording| life.receipts.iter().find(|receipt| receipt.track == super::track(recording, 0));
    assert!(complete(1).is_some_and(|receipt| !receipt.complete), "its last chunk is in doubt");
    assert!(complete(2).is_some_and(|receipt| !receipt.complete), "and so is all of this one");
    assert_kept(&world.cut(Survives::Nothing), &life, "a power cut after a failed sync");
}

#[test]
fn while_a_sync_runs_chunks_are_written_and_receipts_wait_for_it() {
    let world = SimDisk::with_space(SPACE);
    let mut life = Life::begin(&world).expect("a spool");
    life.offer(1, 0);
    life.close(1);
    life.round();
    life.hold_sync();
    life.offer(2, 0);
    life.close(2);
    life.round();
    assert_eq!(life.chunks(2).len(), 1, "written, and to be read");
    life.hold_sync();
    assert!(life.receipts.is_empty(), "nothing is durable, and one sync runs at a time");
    life.end_sync();
    let told: Vec<_> = life.receipts.iter().map(|receipt| (receipt.track.recording, receipt.complete)).collect();
    assert_eq!(told, [(super::id(1), true), (super::id(1), true)]);
    life.sync();
    assert!(life.receipts.len() == 4 && life.receipts.iter().all(|receipt| receipt.complete));
    assert_kept(&world.cut(Survives::Nothing), &life, "a power cut after both syncs");
}

#[test]
fn what_was_written_while_a_failing_sync_ran_is_in_doubt_and_nothing_else() {
    let world = SimDisk::with_space(SPACE);
    let mut life = Life::begin(&world).expect("a spool");
    life.offer(1, 0);
    life.round();
    life.sync();
    life.offer(2, 0);
    life.round();
    life.hold_sync();
    life.offer(3, 0);
    life.round();
    let next = world.calls() + 1;
    world.fail(next..next + 1, Fault::Io);
    life.end_sync();
    world.heal();
    life.offer(4, 0);
    (1..=4).for_each(|recording| life.close(recording));
    life.round();
    life.sync();
    let complete =
        |recording| life.receipts.iter().any(|receipt| receipt.track == super::track(recording, 0) && receipt.complete);
    assert_eq!([1, 2, 3, 4].map(complete), [true, false, false, true]);
    assert_kept(&world.cut(Survives::Nothing), &life, "a power cut after a failed sync");
}

#[test]
fn below_the_low_water_mark_new_calls_are_refused_and_the_live_ones_go_on() {
    let second = super::Duration::from_secs(1);
    // Two live tracks of 144 kbit/s need 64.8 MB in half an hour.
    let need = 2 * 18_000 * 1_800;
    let world = SimDisk::with_space(need + 1);
    let mut life = Life::begin(&world).expect("a spool");
    assert!(life.shared.room.has_room() && life.shared.room.low_water() == 0, "nobody is live");
    life.offer(1, 0);
    life.offer(1, 1);
    life.round();
    life.writer.measure(second);
    assert_eq!(life.shared.room.low_water(), need);
    assert!(life.shared.room.has_room());
    world.set_free(need);
    life.writer.measure(second);
    assert!(!life.shared.room.has_room(), "a new call would take from their reserve");
    life.offer(1, 0);
    life.offer(1, 1);
    life.close(1);
    life.round();
    life.sync();
    assert!(life.receipts.len() == 2 && life.receipts.iter().all(|receipt| receipt.complete), "they have it");
    life.writer.measure(second);
    assert!(life.shared.room.has_room(), "and when they are over there is room again");
}

#[test]
fn a_load_above_the_configured_rate_raises_the_low_water_mark() {
    let second = super::Duration::from_secs(1);
    let world = SimDisk::with_space(SPACE);
    let mut life = Life::begin(&world).expect("a spool");
    for _ in 0..100 {
        life.offer(1, 0);
    }
    life.round();
    life.writer.measure(second);
    let measured = life.shared.room.low_water() / 1_800;
    assert!(measured > 70_000, "{measured} octets a second were written by one track");
    life.writer.measure(second);
    let later = life.shared.room.low_water() / 1_800;
    assert!(later < measured && later > measured * 8 / 10, "a pause frees the reserve slowly: {later}");
}
