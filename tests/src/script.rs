//! Files of this crate that other programs run: `sipp` scenarios, the reader of sealed objects, the browser's journey.

use std::path::{Path, PathBuf};

/// A path below `tests/`.
pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// A path below the workspace.
pub fn workspace(name: &str) -> PathBuf {
    path("..").join(name)
}
