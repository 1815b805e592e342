//! The bounds of fuzzing: how large an input grows, how long one may take, how much memory a run may keep.

use std::time::Duration;

/// Octets of a mutated input: what a datagram can carry. Beyond: cut.
pub const INPUT_OCTETS: usize = 65_535;

/// Octets of a seed that is drawn as often as any other; larger ones are drawn a hundred times less, as they say little
/// more and take as much longer.
pub const SMALL_SEED_OCTETS: usize = 8_192;

/// The longest an input may take. Beyond: the run fails and keeps the input.
pub const HANG: Duration = Duration::from_millis(50);

/// An input that took longer than [`HANG`] is tried so often again before it counts: another process may have had the
/// processor.
pub const HANG_TRIES: u32 = 5;

/// No input at all came back for so long: the run ends and names the input.
pub const STUCK: Duration = Duration::from_secs(30);

/// Octets that the resident memory may grow from the first hundredth of a run to its end. Beyond: the run fails.
pub const GROWTH_OCTETS: u64 = 4 << 20;

/// Octets that the resident memory may peak above that. Beyond: the run fails.
pub const PEAK_OCTETS: u64 = 64 << 20;

/// Timers of an endpoint that one input may set off until everything has ended: a session timer of a day with a refresh
/// in each half of 45 s, and every retransmission.
pub const TIMERS: u32 = 20_000;

/// Messages that an endpoint may send for one that it was given: an answer and its retransmissions are timers' work.
pub const ANSWERS: u32 = 8;

/// Samples a channel of a recording that an input is rendered to: ten seconds. A longer one is only surveyed.
pub const RENDERED_SAMPLES: u64 = 80_000;

/// Datagrams that a DTLS end may send for one that it was given: the longest flight has a certificate in it, a stranger
/// who pretends an address gets a cookie.
pub const FLIGHT: usize = 16;

/// Half seconds that a handshake is given: 60 s, when it has 40.
pub const DTLS_TICKS: u32 = 120;

/// Octets that one change of a handshake goes on at most: beyond the end of every datagram of it.
pub const DATAGRAM: u16 = 2_048;
