//! Bounds of assurance in the house, each with its reason and what happens at the bound.

use std::time::Duration;

/// Facts read from the ledger at once: the book is locked for as long as they are taken in.
pub(crate) const STEP: usize = 2_048;

/// Between two looks at the ledger and the inbox.
pub(crate) const LOOK: Duration = Duration::from_secs(1);

/// Between two judgements: an unrecorded call is told within its grace time and this.
pub(crate) const JUDGE_MS: u64 = 60_000;

/// Unrecorded calls written down at one judgement; the rest at the next ones. All of them are counted at once.
pub(crate) const ALERTS: usize = 1_000;

/// Octets of one imported file: 100,000 lines are some 15 MiB. Beyond it the file is refused by name.
pub(crate) const FILE_OCTETS: u64 = 64 << 20;

/// Files imported at once, the waiting one included; beyond it: 503.
pub(crate) const IMPORTS: usize = 2;

/// How long an import waits until the book knows what it wrote, so that the same file again is known.
pub(crate) const READ_BACK: Duration = Duration::from_secs(20);

/// How long the command line waits for a running server to take its file.
pub(crate) const HANDED_OVER: Duration = Duration::from_secs(300);

/// Files that may wait in the inbox; further ones are taken when these are done.
pub(crate) const INBOX: usize = 64;

/// Octets of a signed report: 10,000 incidents and a few thousand DNs are some 8 MiB.
pub(crate) const REPORT_OCTETS: u64 = 64 << 20;
