//! Why a stage could not be measured, in words.

use std::{fmt, io, path::Path};

/// A stage gives up with this; the others go on.
#[derive(Debug)]
pub(crate) struct Failure(String);

/// What a stage gives.
pub(crate) type Outcome<T> = Result<T, Failure>;

impl Failure {
    /// A failure with this text.
    pub(crate) fn new(what: impl fmt::Display) -> Self {
        Self(what.to_string())
    }

    /// Something about a file.
    pub(crate) fn file(path: &Path, cause: &io::Error) -> Self {
        Self(format!("{}: {cause}", path.display()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<io::Error> for Failure {
    fn from(cause: io::Error) -> Self {
        Self(cause.to_string())
    }
}
