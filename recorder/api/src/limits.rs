//! Bounds of the HTTPS side, each with its reason and what happens at the bound.

use std::time::Duration;

/// Octets of a request body. The largest lawful one is a reason or a login form; beyond: 413.
pub(crate) const BODY_OCTETS: usize = 16 * 1024;

/// Octets of a file of call detail records: 100,000 lines are some 15 MiB; beyond: 413.
pub(crate) const CDR_OCTETS: usize = 64 * 1024 * 1024;

/// Such files in memory at once; beyond: 503 before a body is read.
pub(crate) const IMPORTS: usize = 1;

/// Octets of one header section; HTTP/1 answers 431, HTTP/2 ends the stream.
pub(crate) const HEADER_OCTETS: usize = 32 * 1024;

/// HTTP/2 streams of one connection; the peer is told and waits.
pub(crate) const STREAMS: u32 = 64;

/// Requests in work at once, over all connections; beyond: 503 with Retry-After, so that a flood of questions never
/// takes the memory of the live path.
pub(crate) const REQUESTS: usize = 256;

/// A TLS handshake or a header section that takes longer is given up, so that idle peers do not hold connections.
pub(crate) const HANDSHAKE: Duration = Duration::from_secs(10);

/// From the last header to the first octet of the answer; beyond: 503. An archive on tape would need more.
pub(crate) const REQUEST: Duration = Duration::from_secs(60);

/// How long `stop` waits for answers that are under way.
pub(crate) const STOP: Duration = Duration::from_secs(5);

/// Octets asked of a media reader at once: one stream holds at most this in memory.
pub(crate) const READ_OCTETS: u64 = 1024 * 1024;

/// Octets of a peaks object: 4000 points of two channels are about 100 kB; a larger one is refused as damaged.
pub(crate) const PEAKS_OCTETS: u64 = 4 * 1024 * 1024;

/// Characters of one search filter; beyond: 400 naming it.
pub(crate) const FILTER_CHARS: usize = 256;

/// Characters of a reason; beyond: 400.
pub(crate) const REASON_CHARS: usize = 1000;

/// Items of one page; beyond: 400.
pub(crate) const PAGE_ITEMS: u32 = 1000;

/// Items of one page when nobody says.
pub(crate) const PAGE_DEFAULT: u32 = 50;

/// Rows of the console's list.
pub(crate) const CONSOLE_ITEMS: u32 = 25;

/// Console sessions at once; beyond, the one unused for longest ends.
pub(crate) const SESSIONS: usize = 4096;

/// A session ends so long after the login however busy it is.
pub(crate) const SESSION_NANOS: u64 = 12 * 3600 * 1_000_000_000;

/// Sources and names the throttles remember; beyond, the oldest is forgotten.
pub(crate) const THROTTLED: usize = 4096;

/// Requests without valid credentials of one source in a minute; beyond: 429, unaudited, so that a stranger cannot
/// fill the ledger. Each of the first is one durable audit fact.
pub(crate) const STRANGER_FAILURES: u32 = 60;

/// The window of [`STRANGER_FAILURES`].
pub(crate) const STRANGER_NANOS: u64 = 60 * 1_000_000_000;

/// Failed logins of one source or one name in [`LOGIN_NANOS`]; beyond: 429.
pub(crate) const LOGIN_FAILURES: u32 = 10;

/// The window of [`LOGIN_FAILURES`].
pub(crate) const LOGIN_NANOS: u64 = 300 * 1_000_000_000;

/// Passwords checked at once: each costs 19 MiB and one core for some ten milliseconds; further ones wait.
pub(crate) const PASSWORD_CHECKS: usize = 2;

/// Tokens or users in one file; beyond, creating another is refused.
pub(crate) const CREDENTIALS: usize = 10_000;

/// Octets of a credentials file; a larger one is refused by name.
pub(crate) const CREDENTIAL_OCTETS: u64 = 16 * 1024 * 1024;

/// Characters of a password: the lower bound of NIST SP 800-63B, the upper one keeps hashing bounded.
pub(crate) const PASSWORD_CHARS: std::ops::RangeInclusive<usize> = 8..=1024;

/// Characters of a user name.
pub(crate) const NAME_CHARS: usize = 64;
/// Octets of the name of a call in a path; a longer one is none.
pub(crate) const CALL_NAME_OCTETS: usize = 256;
