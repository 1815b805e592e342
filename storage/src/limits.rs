//! Every bound of the shell, with the reason and what happens there.

use std::time::Duration;

/// Facts between two signed checkpoints of the ledger: an Ed25519 signature costs about 20 us, a fact 5 us.
pub(crate) const FACTS_BETWEEN_CHECKPOINTS: u64 = 1_000;

/// Nanoseconds between two checkpoints while facts come in.
pub(crate) const NANOS_BETWEEN_CHECKPOINTS: u64 = 60_000_000_000;

/// Nanoseconds between two writes of `HEAD` while commits follow each other: its Ed25519 signature costs 60 us, which at
/// a commit every millisecond is a sixteenth of a core. Until then readers do not see the newest facts.
pub(crate) const NANOS_BETWEEN_HEADS: u64 = 5_000_000;

/// Facts after which a new snapshot of the ledger is due: what a start has to read at most, about 0.3 s of it.
pub(crate) const SNAPSHOT_FACTS: u64 = 20_000;

/// Octets of a snapshot: 60,000 unfinished recordings. Beyond it none is written, and a start reads more of the ledger.
pub(crate) const SNAPSHOT_OCTETS: u64 = 256 << 20;

/// Facts that a ledger reader reads over, some 5 us each. A fact that is farther away is found by halves.
pub(crate) const FACTS_READ_OVER: u64 = 1_000;

/// Octets before a fact at which the search for it ends: some 500 lines, read in a few milliseconds.
pub(crate) const SEEK_OCTETS: u64 = 256 << 10;

/// Octets read at once where the search looks: most lines are far shorter.
pub(crate) const PROBE_OCTETS: usize = 16 << 10;

/// Facts a follower hands to the catalog at once: about 1 MB, and few enough that a search is not kept waiting.
pub(crate) const FOLLOW_FACTS: usize = 500;

/// A follower looks at the ledger this often even when nobody rings.
pub(crate) const FOLLOW_IDLE: Duration = Duration::from_secs(1);

/// A follower whose catalog is away waits from here ...
pub(crate) const FOLLOW_RETRY_FIRST: Duration = Duration::from_millis(100);

/// ... to here, doubling.
pub(crate) const FOLLOW_RETRY_LAST: Duration = Duration::from_secs(30);

/// How long the spool's writer gathers chunks for one block, counted from the first: what a kill may cost beside the
/// open chunk. At the full load of 91,000 chunks/s a block then has 900 of them.
pub(crate) const SPOOL_GATHER: Duration = Duration::from_millis(10);

/// Octets of one block of the spool, if chunks are there for more: another block follows at once.
pub(crate) const SPOOL_BLOCK_OCTETS: u64 = 16 << 20;

/// Octets after which a segment of the spool is full and the next one begun: 1.5 s at full load. It is what can be freed
/// at once, and what one round of moving rewrites.
pub(crate) const SPOOL_SEGMENT_OCTETS: u64 = 256 << 20;

/// Octets that may stand in segments as they were written: 47 s of full load, 20 MB of index. Beyond it the oldest are
/// rewritten, a piece for each recording. (With 2 GiB that begins after 12 s, and a run of 5,000 calls for a minute cost
/// 1.22 of what 500 cost each, instead of 1.03, for no less memory.)
pub(crate) const SPOOL_FINE_OCTETS: u64 = 8 << 30;

/// Old segments that one move makes one of: 1 GiB, and still below the 4 GiB that a piece can name a place in.
pub(crate) const SPOOL_MOVE_AT_ONCE: usize = 4;

/// Octets of segments beyond twice what is needed of them, before the one with the most waste is rewritten.
pub(crate) const SPOOL_SLACK_OCTETS: u64 = 1 << 30;

/// How often old segments are looked at, ...
pub(crate) const SPOOL_MOVE_IDLE: Duration = Duration::from_secs(1);

/// ... how long a move yields after each block of 16 MiB (at 4 ms it copies up to 1 GB/s), ...
pub(crate) const SPOOL_MOVE_PAUSE: Duration = Duration::from_millis(4);

/// ... and how long after one that failed.
pub(crate) const SPOOL_MOVE_RETRY: Duration = Duration::from_secs(30);

/// Receipts wait so long for a sync that serves several of them, at most: a storm of endings must not become one of syncs.
pub(crate) const SPOOL_CLOSE_SYNC: Duration = Duration::from_millis(40);

/// A failed write is tried again after this, ...
pub(crate) const SPOOL_RETRY: Duration = Duration::from_millis(100);

/// ... and for so long; meanwhile chunks wait within the memory budget. Then they are lost, counted and told by receipt.
pub(crate) const SPOOL_PATIENCE: Duration = Duration::from_secs(5);

/// Spent chunk buffers kept for the packet threads: more than one sweep of 10,000 tracks hands over. Others are freed.
pub(crate) const SPOOL_POOL: usize = 12_288;

/// Octets up to which a buffer is kept: an oversized one would stay oversized.
pub(crate) const SPOOL_POOL_OCTETS: usize = 64 << 10;

/// Octets of the sealed state of one live recording. A longer one is refused with an error.
pub(crate) const SPOOL_STATE_OCTETS: usize = 256 << 10;

/// Octets of all states that wait for the disk: 10,000 live recordings of 4 KiB. Beyond it a state is refused: after a
/// crash the recording goes on from an older one, or is closed.
pub(crate) const SPOOL_STATES_OCTETS: usize = 64 << 20;

/// Octets that a queued chunk costs beside its own: queue entry and allocator.
pub(crate) const SPOOL_CHUNK_EXTRA: u64 = 96;

/// How often free space is asked for, and a broken volume probed.
pub(crate) const SPOOL_SPACE_CHECK: Duration = Duration::from_millis(500);

/// Octets of one key line: a wrap by an HSM with RSA-4096 takes 1,300. A longer one is refused.
pub(crate) const KEY_LINE_OCTETS: usize = 4_096;

/// Octets of keys that wait for a disk that does not take them: 50,000 sessions. Beyond it sessions are refused.
pub(crate) const KEY_PENDING_OCTETS: usize = 16 << 20;

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

/// Subscribers of delivery: each is a task, a client and six time series. More are refused by the configuration.
pub(crate) const SUBSCRIBERS: usize = 32;

/// Octets of the name of a subscriber.
pub(crate) const SUBSCRIBER_NAME_OCTETS: usize = 32;

/// Documents issued between two looks at the ledger: a tenth of a second of work.
pub(crate) const CONSOLIDATE_AT_ONCE: i64 = 64;

/// An interaction that is told of without end is due after so many settling times all the same: ten minutes.
pub(crate) const SETTLE_AT_MOST: i64 = 20;

/// Dead letters kept for one subscriber: 30 MB. Beyond it the oldest are forgotten, and counted.
pub(crate) const DEAD_LETTERS: i64 = 100_000;

/// Octets of sound read and sent at once.
pub(crate) const SOUND_OCTETS: u64 = 1 << 20;

/// Octets a second that a subscriber must take of sound at least; slower, the attempt has failed.
pub(crate) const SOUND_OCTETS_PER_SECOND: u64 = 128 << 10;
