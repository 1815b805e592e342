//! The stages of a run, one file each.

pub(crate) mod archive;
pub(crate) mod assurance;
pub(crate) mod capacity;
pub(crate) mod cpu;
pub(crate) mod cti;
pub(crate) mod kill;
pub(crate) mod measure;
pub(crate) mod packets;
pub(crate) mod peer;
pub(crate) mod receive;
pub(crate) mod setup;
pub(crate) mod strays;
