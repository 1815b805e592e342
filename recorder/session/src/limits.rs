//! The bounds of the session core, each with what happens there.

/// m-lines of one session that get a track; further ones are answered with port 0 and a warning. RFC 8068 3.5 shows
/// turrets with a handful; sixteen is four times that.
pub(crate) const LINES_PER_SESSION: usize = 16;
/// Tracks of one recording, re-opened lines and continuations included; beyond it a line is answered with port 0.
pub(crate) const TRACKS_PER_RECORDING: u16 = 256;
/// How many other ports are tried when one cannot be bound; then the session gets 503.
pub(crate) const PORT_ATTEMPTS: u8 = 8;
/// Sessions that may feed one recording at once; a further one gets 503.
pub(crate) const SESSIONS_PER_RECORDING: usize = 16;
/// Retry-After of our 503s, in seconds: long enough for a Resource Manager to try the next recorder first.
pub(crate) const RETRY_AFTER_S: u32 = 5;
/// Spans of silence on purpose that a track remembers for the case of a crash; later ones prolong the last.
pub(crate) const QUIET_SPANS: usize = 64;
/// Calls that are remembered, a few KiB each with CTI; the one longest silent makes room.
pub(crate) const CALLS: usize = 50_000;
/// How long a call is remembered after the last word about it: an event may come that late, in milliseconds.
pub(crate) const CALL_MEMORY_MS: u64 = 24 * 3_600 * 1_000;
/// Record ids, CallUUIDs and ConnIDs of one call; later ones are not found.
pub(crate) const NAMES_PER_CALL: usize = 32;
/// Recordings of one call that hear of it; later ones stand alone.
pub(crate) const RECORDINGS_PER_CALL: usize = 64;
/// Lines of history of one call; later ones are dropped.
pub(crate) const HISTORY_PER_CALL: usize = 128;
/// Keys of user data of one call; later ones are dropped.
pub(crate) const USER_DATA_PER_CALL: usize = 512;
/// DNs of one call that requests can go to.
pub(crate) const DNS_PER_CALL: usize = 32;
/// Agents at their DNs; later ones are known from the events that name them.
pub(crate) const AGENTS: usize = 50_000;
/// Warnings kept for one recording, one per name; further names are dropped.
pub(crate) const WARNINGS_PER_RECORDING: usize = 64;
/// Attachments kept of one recording (parts of message bodies that nobody understands, each at most 64 KiB); later ones
/// are dropped with a warning.
pub(crate) const ATTACHMENTS_PER_RECORDING: usize = 32;
/// Octets of one metadata document that are kept raw; what is beyond is cut.
pub(crate) const RAW_METADATA_OCTETS: usize = 256 * 1024;
/// Rules of the policy; more are refused when the configuration is read.
pub(crate) const POLICY_RULES: usize = 1_000;
/// Values of one condition of a rule; more are refused when the configuration is read.
pub(crate) const POLICY_PATTERNS: usize = 10_000;
