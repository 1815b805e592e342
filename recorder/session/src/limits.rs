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
/// Warnings kept for one recording, one per name; further names are dropped.
pub(crate) const WARNINGS_PER_RECORDING: usize = 64;
/// Gaps kept in the closing fact of a track; later ones are merged into the last by capture already.
pub(crate) const RAW_METADATA_OCTETS: usize = 256 * 1024;
