//! Every bound of the SIP side, the reason for it, and what happens when it is reached.

use std::time::Duration;

/// Octets of a start line and headers. A SIPREC INVITE has 1-3 KiB; proxies add Via and Record-Route. Beyond: 400 on a
/// datagram, the connection is closed on a stream (its framing is lost).
pub const HEAD_OCTETS: usize = 64 * 1024;

/// Header lines of one message, comma lists split. Beyond: 400.
pub const HEADERS: usize = 512;

/// Octets of a body. A complete metadata document of a large conference stays under 200 KiB. Beyond: 413, and on a
/// stream the body is skipped so that the framing survives.
pub const BODY_OCTETS: usize = 256 * 1024;

/// A declared body that is not even skipped on a stream: the connection is closed.
pub const SKIPPED_BODY_OCTETS: usize = 16 * 1024 * 1024;

/// Requests above this size should not have come over UDP (RFC 3261 18.1.1): warning `large_udp_request`.
pub const UDP_REQUEST_OCTETS: usize = 1300;

/// Live dialogs. 16,384 tracks at two a call leave room; a dialog costs about 4 KiB. Beyond: 503 with Retry-After.
pub const DIALOGS: usize = 12_000;

/// What a restored dialog adds to its CSeq: requests of ours since its state was written (refreshes, a snapshot, at most
/// one in 45 s) stay far below it within a day. Beyond: the peer answers 500 once, and the session goes on.
pub const RESTORED_CSEQ_LEAP: u32 = 10_000;

/// Live transactions, server and client together, for up to 32 s each; about 1 KiB. At 2,000 calls a second over UDP
/// some 130,000 are alive. Beyond: 503 without state for requests that would create one.
pub const TRANSACTIONS: usize = 250_000;

/// New sessions that wait for their decision: as many as we can serve in two seconds. Beyond: 503 without state.
pub const UNDECIDED: usize = 4_096;

/// As many may wait for however long: a slow disk is no overload.
pub const UNDECIDED_FEW: usize = 48;

/// When more than [`UNDECIDED_FEW`] wait, and the oldest for longer than this, the next gets 503 without state: a disk that
/// hangs for so long may hang for good, and another recorder would have answered.
pub const UNDECIDED_AGE: Duration = Duration::from_secs(2);

/// When so many wait, and more and more, the next gets 503 without state: what is served in 75 ms at 1,700 sessions a second.
pub const UNDECIDED_MANY: usize = 128;

/// So many more than half a window ago are a queue that grows: at twice what we can serve it grows by 85.
pub const OVERLOAD_GROWTH: usize = 32;

/// So long the shortest wait and the length of the queue are watched. Decisions come in groups, one for each sync of the
/// ledger: a window holds some of them.
pub const OVERLOAD_WINDOW: Duration = Duration::from_millis(100);

/// Without a decision for so long, something stood still, and what was before says nothing of now.
pub const OVERLOAD_BREAK: Duration = Duration::from_millis(100);

/// When the shortest wait of a window is longer than this and the queue does not shrink, it stands: with more than [`UNDECIDED_FEW`] in it the next
/// gets 503 without state.
pub const OVERLOAD_WAIT: Duration = Duration::from_millis(50);

/// When it is shorter than this again, the overload is over. Between the two the queue is kept short by those who are turned
/// away, and that alone is no reason to let it grow.
pub const OVERLOAD_OVER: Duration = Duration::from_millis(12);

/// Events that nobody has fetched yet. Beyond: new INVITEs get 503, the word about them is dropped (counted); events of
/// live dialogs are always kept.
pub const EVENT_BACKLOG: usize = 4_096;

/// From here on the shell stops reading its sockets until events were fetched.
pub const EVENT_BACKLOG_HARD: usize = 8_192;

/// Calls of one [`crate::client::Client`]. Beyond: `invite` is refused.
pub const CLIENT_CALLS: usize = 65_536;

/// Profile files of a customer. Beyond: the configuration is refused.
pub const PROFILES: usize = 256;

/// Octets of one profile file. Beyond: the configuration is refused.
pub const PROFILE_OCTETS: usize = 64 * 1024;

/// Profiles that extend each other in a row. Beyond: the configuration is refused.
pub const PROFILE_DEPTH: usize = 8;

/// Warnings of one offer. Beyond: the rest is dropped, the first ones say enough.
pub const WARNINGS: usize = 32;

/// RFC 3261 T1.
pub const T1: Duration = Duration::from_millis(500);
/// RFC 3261 T2: the longest retransmission interval of non-INVITE requests and INVITE responses.
pub const T2: Duration = Duration::from_secs(4);
/// RFC 3261 T4: how long a message stays in the network.
pub const T4: Duration = Duration::from_secs(5);
/// 64 * T1: transaction timeouts B, F, H, J, L, M.
pub const TRANSACTION: Duration = Duration::from_secs(32);
/// How long a client INVITE may ring before we give up (timer C of a proxy is over 3 minutes).
pub const RINGING: Duration = Duration::from_secs(180);
/// The final answer to an offer must come from the session core within this time, else 500: under the 32 s after which
/// a UAC that saw only 100 starts to give up.
pub const DECISION: Duration = Duration::from_secs(20);

/// RFC 4028 4: the smallest session interval anybody may ask for.
pub const MIN_SESSION_EXPIRES_S: u32 = 90;
/// Intervals above this are cut (a UAS may lower): a dead peer is found within a day.
pub const MAX_SESSION_EXPIRES_S: u32 = 86_400;
