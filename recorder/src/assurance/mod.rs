//! Recording assurance in the house: follows the ledger beside the catalog, judges every minute, takes call detail
//! records in, writes the signed report of each day into the archive.
//!
//! ```text
//! ledger --> keeper --> book --> verdicts --> log, metrics, UnrecordedCallFound, DayReported + archive
//! API, `recorder cdr import` --> import --> CdrsRead, CdrImported --> ledger
//! ```
//! The book is derived: it is made anew from the ledger at every start.

mod commands;
mod config;
mod desk;
mod import;
mod inbox;
mod keeper;
mod limits;
mod metrics;
mod reports;

pub(crate) use commands::{AssuranceCommand, CdrCommand, run, run_cdr};
pub(crate) use config::AssuranceConfig;
pub(crate) use desk::AssuranceDesk;
pub(crate) use keeper::{note, start};
