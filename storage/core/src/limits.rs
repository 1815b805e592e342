//! Every bound of the formats and of the query language, with the reason and what happens there.

/// Lines of CTI history of one recording; later ones are dropped.
pub const HISTORY_PER_RECORDING: usize = 128;
/// Values of user data of one recording that are shown with time and source. Beyond it a new value takes the place of an
/// older one of its key, or is shown without them.
pub const USER_DATA_TOLD: usize = 512;
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

/// Recordings that one document lists, the first ones: a day-long conference of fifty legs. That there are more is said.
pub const RECORDINGS_PER_INTERACTION: usize = 64;

/// Parties of one document; further ones are counted, and the recordings have them.
pub const PARTIES_PER_INTERACTION: usize = 256;

/// Lines of history of one document; later ones are counted.
pub const HISTORY_PER_INTERACTION: usize = 1_024;

/// User data of one document, by name; what is beyond is counted.
pub const USER_DATA_PER_INTERACTION: usize = 1_024;

/// Values of user data with time and source of one document, the first ones; later ones are counted.
pub const USER_DATA_TOLD_PER_INTERACTION: usize = 1_024;

/// Pauses of one document; later ones are counted.
pub const PAUSES_PER_INTERACTION: usize = 256;

/// Milliseconds by which the clocks of two switches may differ about the same event; further apart it happened twice.
pub const SAME_EVENT_MS: u64 = 1_000;

/// Items under way to one subscriber, or waiting for another attempt: 200 octets each. Beyond it the cursor waits, and
/// what comes later stays in the table.
pub const PARCELS_PER_SUBSCRIBER: usize = 1_024;

/// Items on the wire to one subscriber at once; one while it fails.
pub const PARCELS_AT_ONCE: usize = 4;

/// Seconds that a subscriber may ask us to wait (`Retry-After`); a longer wish is cut to a day.
pub const RETRY_AFTER_S: u64 = 86_400;

/// Octets of a secret of a subscriber: Standard Webhooks asks for 24 to 64. A shorter one is refused, and a longer one.
pub const SECRET_OCTETS: std::ops::RangeInclusive<usize> = 24..=64;

/// Numbers, DNs, agents and recordings of one call that recording assurance looks at; more are not compared. A conference
/// of sixteen is joined by its keys, not by its numbers.
pub const CALL_NUMBERS: usize = 16;

/// Calls that recording assurance holds, and as many recordings: some 300 octets each. At the bound the oldest day is let
/// go, which is counted: its report is in the archive by then, or its calls are judged no more.
pub const ASSURED_ROWS: usize = 1_000_000;

/// Names of DNs, agents, nodes and rules that assurance knows. At the bound further ones are not told apart, and counted.
pub const ASSURED_NAMES: usize = 250_000;

/// Characters of such a name; what is beyond is cut.
pub const NAME_CHARS: usize = 128;

/// Sources of calls (links and kinds of files). Beyond it a further one is not heard, and counted.
pub const CALL_SOURCES: usize = 256;

/// Times a link was up that are held; the oldest is forgotten: a link that flaps every minute has 1,440 a day.
pub const LINK_SPANS: usize = 16_384;

/// Annotations of incidents that are held; beyond it the oldest is forgotten here and stays in the ledger.
pub const INCIDENT_NOTES: usize = 100_000;

/// Incidents listed in a report or an answer; the rest is counted.
pub const INCIDENTS_LISTED: usize = 10_000;

/// Octets of one value of a call detail record; a longer one makes the line bad.
pub const CDR_VALUE_OCTETS: usize = 512;

/// Octets of one line of a file of call detail records; a longer one makes the line bad.
pub const CDR_LINE_OCTETS: usize = 64 << 10;

/// Columns of one line; more make the line bad.
pub const CDR_COLUMNS: usize = 512;

/// Calls in one line of the ledger: some 400 octets each; with every value as long as it may be still below
/// [`LEDGER_LINE_OCTETS`].
pub const CDRS_PER_FACT: usize = 250;

/// Bad lines of one file that are listed; the rest is counted.
pub const BAD_LINES_LISTED: usize = 1_000;
