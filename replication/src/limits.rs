//! The bounds of the companion: each says why it is there and what happens when it is reached.

use std::time::Duration;

/// A WAV file for one side. Beyond it: refused by name (one hour of G.711 stereo is 58 MB).
pub const WAV_FILE_OCTETS: u64 = 256 * 1024 * 1024;

/// Test speech made for one side; a longer call hears it again from its beginning.
pub const SPEECH_SECONDS: u32 = 60;

/// The longest call. Beyond it: refused as wrong usage.
pub const CALL_DURATION: Duration = Duration::from_secs(24 * 3600);

/// Attempts at finding an even port whose odd neighbour is free (RFC 3550 11). Beyond it: the call fails by name.
pub const PORT_PAIR_ATTEMPTS: usize = 128;

/// RTCP from the recorder is at most a few hundred octets; longer datagrams are cut and fail to parse.
pub const RTCP_OCTETS: usize = 1500;

/// A DTLS datagram of the recorder: at most its path MTU; longer ones are cut and fail to parse.
pub const DTLS_OCTETS: usize = 2048;

/// How long a DTLS handshake may take. Beyond it: the call fails by name.
pub const DTLS_HANDSHAKE: Duration = Duration::from_secs(20);

/// Calls of one `load`. Beyond it: refused as wrong usage (the table of streams is kept in memory).
pub const LOAD_CALLS: u32 = 200_000;

/// INVITEs of one `load` that wait for their final answer at once; the next one waits for a place.
pub const LOAD_PENDING: usize = 512;

/// Media port pairs that the calls of one `load` share.
pub const LOAD_PORT_PAIRS: usize = 8;

/// Commands on their way to the sender thread; at the bound the set-up task waits.
pub const LOAD_SENDER_QUEUE: usize = 4096;

/// Precomputed packets of one side of a `load`: 64 MiB, which is over two hours at 20 ms. Beyond it: refused as wrong usage.
pub const LOAD_TAPE_OCTETS: usize = 64 * 1024 * 1024;

/// Packets of one stream that `load` may hand to the kernel at once: quinn-udp and Linux stop at 64 segments.
pub const LOAD_BURST: u32 = 32;

/// How long `load` waits for a full socket buffer before it counts the burst as not sent.
pub const LOAD_SEND_PATIENCE: Duration = Duration::from_millis(20);

/// How long a call of a load waits for sound that the sender is late with. Beyond it: the call ends with its sound cut.
pub const LOAD_LATE: Duration = Duration::from_secs(10);

/// Connections of a load without sound. Beyond it: refused as wrong usage.
pub const SETUP_CONNECTIONS: u32 = 256;

/// The longest message from the recorder in a load without sound. Beyond it: the connection is given up.
pub const SETUP_MESSAGE_OCTETS: usize = 65_536;

/// How long a load without sound waits for messages when no timer runs.
pub const SETUP_IDLE: Duration = Duration::from_secs(1);

/// Steps of a scenario of `serve`. Beyond it: refused as wrong usage.
pub const SERVE_STEPS: usize = 10_000;

/// Calls of a scenario. Beyond it: refused as wrong usage.
pub const SERVE_CALLS: usize = 10_000;

/// Connections to one server of a scenario at once. Beyond it: closed at once.
pub const SERVE_LINKS: usize = 64;

/// Lines that wait for one connection: 50,000 registrations are answered 256 at a time. Beyond it: the connection is closed,
/// which is a problem in the report.
pub const SERVE_LINES: usize = 16_384;

/// Messages of all connections that wait for the scenario. Beyond it: connections are not read.
pub const SERVE_INBOX: usize = 4_096;

/// Recordings of a scenario at once. Beyond it: a further one is not placed, which is a problem in the report.
pub const SERVE_RECORDINGS: usize = 1_024;

/// How long the recordings of a scenario that is over have to end.
pub const SERVE_LAST_CALLS: Duration = Duration::from_secs(20);

/// Wishes that wait for one recording. Beyond it: dropped, which is a problem in the report.
pub const SERVE_WISHES: usize = 64;
