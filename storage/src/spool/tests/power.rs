//! The power goes at every round of a life, and pages go with it: nothing acknowledged is lost, nothing is unreadable,
//! and at most what was written since the last sync is missing.

use super::world::{Life, assert_kept};
use crate::disk::sim::{SimDisk, Survives};

#[test]
fn a_power_cut_at_every_call_costs_at_most_what_was_not_synced() {
    let space = 1 << 40;
    let total = {
        let world = SimDisk::with_space(space);
        Life::begin(&world).expect("a spool").script(|_| false);
        world.calls()
    };
    for last in 1..=total {
        let world = SimDisk::with_space(space);
        world.stop_after(last);
        let Ok(mut life) = Life::begin(&world) else {
            for survives in [Survives::Everything, Survives::Nothing, Survives::Some(last)] {
                Life::begin(&world.cut(survives)).expect("a start that was cut short is made again");
            }
            continue;
        };
        life.script(|_| world.is_stopped());
        for survives in [Survives::Everything, Survives::Nothing] {
            assert_kept(&world.cut(survives), &life, &format!("power cut after call {last}, {survives:?} survives"));
        }
        for seed in 0..8 {
            let survives = Survives::Some(last * 100 + seed);
            assert_kept(&world.cut(survives), &life, &format!("power cut after call {last}, {survives:?}"));
        }
    }
}
