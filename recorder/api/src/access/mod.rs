//! Access: the tokens and users of this node, in two files that the daemon and the command line share.
//!
//! `tokens.jsonl` and `users.jsonl` are JSON Lines, mode 0600, append-only under a lock. A later line about the same
//! token or user replaces the earlier one. Tokens stand there as SHA-256, passwords as Argon2id: neither file holds
//! anything that opens a door. Every question looks whether the file changed, so a token made beside a running server
//! works at once.

mod file;
mod tokens;
mod users;

use std::path::{Path, PathBuf};

use model::Role;
use thiserror::Error;

use self::{file::Lines, tokens::TokenLine, users::UserLine};
use crate::limits;

pub use self::tokens::IssuedToken;

/// Why access cannot be looked up or changed; each prints as one line naming the file or name at fault.
#[derive(Debug, Error)]
pub enum AccessError {
    /// The file or folder cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Others than the owner may read or write the file.
    #[error("{}: mode {mode:04o} lets others in; it must be 0600", path.display())]
    Loose {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A line of the file makes no sense.
    #[error("{}:{line}: not a line of this file", path.display())]
    Corrupt {
        /// Which.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
    /// The name is taken.
    #[error("user {0:?}: there already")]
    Exists(String),
    /// There is no such token or user.
    #[error("{0:?}: no such token or user")]
    Unknown(String),
    /// The name or password breaks a rule.
    #[error("{0}")]
    Unfit(&'static str),
    /// There are too many.
    #[error("{}: full", path.display())]
    Full {
        /// Which file.
        path: PathBuf,
    },
}

/// Somebody the store vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Token id or user name, as it stands in the audit trail.
    pub id: String,
    /// What it may do.
    pub role: Role,
    /// Whose own calls it may see, where its role is limited to them.
    pub subject: Option<String>,
}

/// The tokens and users of this node.
#[derive(Debug)]
pub struct Store {
    tokens: Lines<TokenLine>,
    users: Lines<UserLine>,
}

impl Store {
    /// Opens the folder, making it (0700) where it is missing. Both files may be missing: nobody has access then.
    ///
    /// # Errors
    /// The folder cannot be made, or a file there is unreadable, corrupt or open to others.
    pub fn open(dir: &Path) -> Result<Self, AccessError> {
        file::make_dir(dir)?;
        let store = Self { tokens: Lines::new(dir.join("tokens.jsonl")), users: Lines::new(dir.join("users.jsonl")) };
        store.tokens.current()?;
        store.users.current()?;
        Ok(store)
    }
}

/// Names of users and subjects: what stands in a search is never a wildcard, what stands in a log is never markup.
fn is_fit_name(name: &str) -> bool {
    !name.is_empty()
        && name.chars().count() <= limits::NAME_CHARS
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '@' | '+'))
}

const UNFIT_NAME: &str = "a name is 1 to 64 letters, digits or . _ - @ +";
