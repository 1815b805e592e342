//! What is done to a recorder in chaos runs, and how one tells afterwards that nothing was lost: a swarm of calls and
//! clerks that know what they were promised, disks that fill, slow down, fail and lose what was not synced, clocks that
//! step, and a verdict that compares ledger, archive and sound with the promises.

pub mod clerk;
pub mod disk;
pub mod frames;
pub mod ledger;
pub mod seed;
pub mod shim;
pub mod swarm;
pub mod verdict;

pub use clerk::Clerks;
pub use seed::Seed;
pub use shim::Shim;
pub use swarm::Swarm;
