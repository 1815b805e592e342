//! Every bound of the formats and of the query language, with the reason and what happens there.

/// Longest ledger line in octets: a fact carries at most one metadata document (1 MiB, in base64), which leaves room.
/// Beyond it the line is reported as damaged and its fact is not read.
pub const LEDGER_LINE_OCTETS: usize = 4 << 20;

/// Facts that may stand in the ledger without a signed checkpoint behind them; `verify` reports more than this.
/// The writer signs eight times as often.
pub const FACTS_PER_CHECKPOINT: u64 = 8_000;

/// Longest sealed chunk in octets. Capture flushes at 64 KiB; anything claiming more than this is a torn or foreign file.
pub const CHUNK_OCTETS: usize = 4 << 20;

/// Runs of one spool block: 2 MiB of table. A writer with more makes another block; a block that claims more is none.
pub const RUNS_PER_BLOCK: usize = 1 << 16;

/// Longest object name: below the 1,024 octets of S3 and the 255 of one path segment.
pub const NAME_OCTETS: usize = 200;

/// Items a page may carry; more is answered with `BadQuery`.
pub const PAGE_ITEMS: u32 = 1_000;

/// Words of a full-text query; more are answered with `BadQuery`, so that a query costs a bounded number of look-ups.
pub const QUERY_WORDS: usize = 16;

/// Octets of one search value; longer ones are answered with `BadQuery`.
pub const QUERY_OCTETS: usize = 512;

/// Values under which one recording is found. Beyond it the rest is shown but not searchable: a peer that names
/// thousands of parties must not fill the index.
pub const TERMS_PER_RECORDING: usize = 512;

/// Octets of full text indexed for one recording; what is beyond is shown but not searchable.
pub const TEXT_OCTETS: usize = 32 << 10;

/// Warnings kept for one recording; further names are only in the ledger.
pub const WARNINGS_PER_RECORDING: usize = 64;

/// Recording sessions shown for one recording; further ones are only in the ledger.
pub const SESSIONS_SHOWN: usize = 64;

/// Attachments shown for one recording; the session core keeps fewer.
pub const ATTACHMENTS_SHOWN: usize = 64;

/// Values of one `Reason` header that are taken apart; the header is kept beside them.
pub const CAUSES_PER_SESSION: usize = 8;

/// Characters of a `Reason` header, and of each part of it, that a view shows; the ledger has it whole.
pub const REASON_CHARS: usize = 512;

/// Gaps shown for one track; beyond it the last one grows to cover the rest.
pub const GAPS_PER_TRACK: usize = 1_000;
