//! The ledger file, the spool, the archive and the catalog: everything the recorder keeps.
//!
//! The invariants and the procedures that hold them are numbered in `README.md` beside this crate; comments cite them
//! as "invariant 3" or "write 2".

mod archive;
mod catalog;
mod config;
pub mod delivery;
mod disk;
mod files;
mod follow;
mod keys;
mod ledger;
mod limits;
mod metrics;
mod spool;

pub use archive::open_archive;
pub use catalog::{SqliteCatalog, open_catalog};
pub use config::{ArchiveConfig, CatalogConfig, ConfigError, SecretText, SpoolConfig};
pub use disk::{Disk, Place};
pub use follow::Follower;
pub use keys::{KeyStore, KeySync};
pub use ledger::{
    Batch, FactReader, Ledger, LedgerError, LedgerReader, Mark, Recovered, Snapshots, Unfinished, VerifyReport, verify,
};
pub use spool::{Spool, SpoolError, SpoolReader, SpoolSurvey, TrackSurvey};
pub use storage_core::names;
