//! Moving: old segments are rewritten, nothing is lost in any order, a long call does not hold the room of short ones.

use prometheus::Registry;

use super::{
    super::{active::Place as Folder, mover::Mover},
    world::{Life, assert_kept},
    *,
};
use crate::disk::sim::{Fault, SimDisk, Survives};

const SPACE: u64 = 1 << 40;

fn mover(life: &Life) -> Mover {
    let Folder { disk, dir } = life.place();
    let mut mover = Mover::new(disk, dir, Arc::clone(&life.shared), &Registry::new());
    mover.fine = 0;
    mover
}

/// Six lives that leave a segment each; in all of them recording 3 is live, and the others end with theirs.
fn segments(world: &SimDisk) -> Life {
    let mut life = Life::begin(world).expect("a spool");
    for number in 0..6 {
        life.offer(3, 0);
        life.offer(10 + number, 0);
        life.offer(3, 1);
        life.state(3, number);
        life.round();
        life.offer(3, 0);
        life.close(10 + number);
        life.round();
        life.sync();
        life.new_segment();
    }
    life.offer(3, 0);
    life.round();
    life.sync();
    life
}

#[test]
fn moved_segments_hold_the_same_in_the_same_order_and_fewer_files() {
    let world = SimDisk::with_space(SPACE);
    let mut life = segments(&world);
    let before: Vec<Vec<u8>> = life.chunks(3);
    let mover = mover(&life);
    while mover.step(|| true).expect("moved") {}
    life.round();
    assert_eq!(life.chunks(3), before);
    let (files, _) = life.shared.with_index(|index| index.files());
    assert!(files <= 3, "{files} files");
    for number in 10..16 {
        assert_eq!(life.chunks(number).len(), 1);
    }
    assert_kept(&world, &life, "after the move");
    assert_kept(&world.cut(Survives::Nothing), &life, "a power cut after the move");
    for number in 10..16 {
        life.free(number);
    }
    life.free(3);
    life.round();
    assert_eq!(life.shared.with_index(|index| index.files()), (0, 0), "what nobody needs goes");
}

#[test]
fn a_move_that_fails_or_is_cut_short_at_any_call_loses_nothing() {
    let total = {
        let world = SimDisk::with_space(SPACE);
        let life = segments(&world);
        let before = world.calls();
        while mover(&life).step(|| true).expect("moved") {}
        world.calls() - before
    };
    assert!(total > 10);
    for call in 1..=total {
        for fault in [Some(Fault::Io), Some(Fault::Full), Some(Fault::Short), None] {
            let about = format!("call {call} of a move: {fault:?}");
            let world = SimDisk::with_space(SPACE);
            let mut life = segments(&world);
            let (before, at) = (life.chunks(3), world.calls() + call);
            match fault {
                Some(fault) => world.fail(at..at + 1, fault),
                None => world.stop_after(at),
            }
            let mover = mover(&life);
            let _ = mover.step(|| true);
            world.heal();
            if fault.is_some() {
                life.round();
                assert_eq!(life.chunks(3), before, "{about}");
                assert_kept(&world, &life, &about);
            }
            for survives in
                [Survives::Nothing, Survives::Some(call), Survives::Some(call + 1_000), Survives::Everything]
            {
                assert_kept(&world.cut(survives), &life, &format!("{about}, {survives:?}"));
            }
        }
    }
}

#[test]
fn what_is_freed_while_it_is_moved_stays_freed() {
    let world = SimDisk::with_space(SPACE);
    let life = segments(&world);
    let mover = mover(&life);
    let shared = Arc::clone(&life.shared);
    let moved = mover.step(|| {
        shared.with_index(|index| index.free(id(11)));
        true
    });
    assert!(moved.expect("moved"));
    assert!(life.chunks(11).is_empty());
    assert_eq!(life.chunks(3).len(), 19);
}
