//! Why a command ends other than well, and with which exit code.

use std::{fmt, process::ExitCode};

/// One clear line and an exit code (DESIGN section 5).
#[derive(Debug)]
pub(crate) enum Fault {
    /// Wrong usage or configuration: exit 2. The line names the file, key or peer.
    Usage(String),
    /// It failed, or a check found something: exit 1.
    Failed(String),
}

impl Fault {
    /// A configuration fault: `key: what is wrong`.
    pub(crate) fn key(key: &str, what: impl fmt::Display) -> Self {
        Self::Usage(format!("{key}: {what}"))
    }

    /// The exit code.
    pub(crate) fn code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Failed(_) => ExitCode::from(1),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(line) | Self::Failed(line) => f.write_str(line),
        }
    }
}
