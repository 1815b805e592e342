//! Archive and catalog in memory: the reference that the conformance suites are checked with, and a stand-in for tests.

mod archive;
mod catalog;

pub use archive::MemoryArchive;
pub use catalog::MemoryCatalog;
