//! Every bound of the shell, with the reason and what happens there.

use std::time::Duration;

/// Facts between two signed checkpoints of the ledger: an Ed25519 signature costs about 20 us, a fact 5 us.
pub(crate) const FACTS_BETWEEN_CHECKPOINTS: u64 = 1_000;

/// Nanoseconds between two checkpoints while facts come in.
pub(crate) const NANOS_BETWEEN_CHECKPOINTS: u64 = 60_000_000_000;

/// Facts between two places that a ledger reader remembers; 16 octets each, so 1 GB of ledger costs about 16 KiB.
pub(crate) const FACTS_BETWEEN_MARKS: u64 = 4_096;

/// Facts a follower hands to the catalog at once: about 1 MB, and few enough that a search is not kept waiting.
pub(crate) const FOLLOW_FACTS: usize = 500;

/// A follower looks at the ledger this often even when nobody rings.
pub(crate) const FOLLOW_IDLE: Duration = Duration::from_secs(1);

/// A follower whose catalog is away waits from here ...
pub(crate) const FOLLOW_RETRY_FIRST: Duration = Duration::from_millis(100);

/// ... to here, doubling.
pub(crate) const FOLLOW_RETRY_LAST: Duration = Duration::from_secs(30);

/// Spool files the writer keeps open. Beyond it (and when the process has no descriptors left) all are closed and
/// opened again on demand, which costs about 10 us a write.
pub(crate) const SPOOL_OPEN_FILES: usize = 2_048;

/// Files up to which `fdatasync` of each is cheaper than one `syncfs` of the volume.
pub(crate) const SPOOL_SYNC_EACH: usize = 8;

/// Octets that a queued chunk costs beside its own: queue entry and allocator.
pub(crate) const SPOOL_CHUNK_EXTRA: u64 = 96;

/// How often free space is asked for, and a broken volume probed.
pub(crate) const SPOOL_SPACE_CHECK: Duration = Duration::from_millis(500);

/// Octets of one key line: a wrap by an HSM with RSA-4096 takes 1,300. A longer one is refused.
pub(crate) const KEY_LINE_OCTETS: usize = 4_096;

/// Shreddings after which the key file is compacted when it is opened, if they outnumber the keys.
pub(crate) const KEY_BLANKS: u64 = 1_000;

/// Octets up to which an S3 object is put at once, and the size of a part beyond it. The part is what is held in memory.
pub(crate) const S3_PART: u64 = 16 << 20;

/// Octets of a source read at once.
pub(crate) const COPY_OCTETS: u64 = 1 << 20;

/// Octets of one ranged read that comparing asks for.
pub(crate) const COMPARE_OCTETS: u64 = 4 << 20;

/// Longest answer of a WebDAV PROPFIND that is read: about 50,000 entries of one folder. Beyond it the listing fails.
pub(crate) const PROPFIND_OCTETS: usize = 32 << 20;

/// Folders below each other that a listing follows: ours are four deep.
pub(crate) const LIST_DEPTH: usize = 16;

/// Read connections of the SQLite catalog; further searches wait.
pub(crate) const SQLITE_READERS: usize = 4;

/// Audit facts of one page; more are cut.
pub(crate) const AUDIT_ITEMS: u32 = 1_000;
