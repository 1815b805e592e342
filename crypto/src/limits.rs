//! The bounds of this crate: each with its reason and what happens at the bound.

use std::time::Duration;

/// SSRCs that one SRTP direction remembers. A line carries one, rarely two (transfer, re-INVITE). At the bound an
/// `Inbound` forgets the SSRC unheard for longest (only authenticated packets get that far; its replay window goes with
/// it), an `Outbound` refuses, because forgetting what was sent could repeat a key stream.
pub const SRTP_SOURCES: usize = 4;

/// Packets of the replay window (RFC 3711 3.3.2 asks for at least 64): 2.5 s at 20 ms. Older ones are refused as `TooOld`.
pub const REPLAY_WINDOW: u64 = 128;

/// Octets of an MKI at most (RFC 4568 6.1). Beyond: refused when the keys are set up.
pub const MKI_OCTETS: usize = 128;

/// A sequence number so far from the last one makes the roll-over counter doubtful: a second guess is tried then.
pub const DOUBTFUL_JUMP: u64 = 1 << 14;

/// Octets of the longest AEAD packet whose ciphertext is kept aside for that second guess. Longer ones (no audio is) get one guess.
pub const SECOND_GUESS_OCTETS: usize = 2048;

/// Roll-over counters that are tried for a stream joined late: 24 h at 100 packets a second are 132. A stream that is
/// older is not found: its packets count as failures.
pub const LATE_ROLL_OVERS: u32 = 132;

/// Searches over all of them that may fail on one line: 64 at 40 us are 2.6 ms. Beyond: one candidate a packet.
pub const LATE_SEARCHES: u16 = 64;

/// Authentic packets in a row after which the counter found is believed: one second at 20 ms.
pub const LATE_PROOF: u16 = 50;

/// SHA-1 blocks of the longest message whose tag is computed ahead, with room for the padding: 575 octets, 60 ms of G.711
/// with a long header. Longer ones (no audio is) are computed in their turn. The table of them, 1 KiB a block, has to stay
/// in the first cache.
pub const FORETOLD_BLOCKS: usize = 10;

/// Octets of a chunk before sealing, at most. A reader of a spool refuses longer frames as malformed; `seal` asserts it,
/// because the writer's buffer (tens of KiB) is far below.
pub const CHUNK_PLAIN_OCTETS: usize = 16 << 20;

/// When a flight of a DTLS handshake is repeated first; the time doubles from there (RFC 6347 4.2.4.1 allows less than a
/// second where time matters: until there are keys the call is not heard).
pub const DTLS_FIRST_REPEAT: Duration = Duration::from_millis(250);

/// Repetitions of one flight: with the first after 250 ms, the last after 16 s. Beyond: the handshake has failed.
pub const DTLS_REPEATS: usize = 6;

/// A DTLS handshake as a whole. Beyond: it has failed.
pub const DTLS_HANDSHAKE: Duration = Duration::from_secs(40);

/// Records of a handshake that wait for one before them: twice what the longest flight has. Beyond: it has failed.
pub const DTLS_QUEUED: usize = 30;

/// Octets of a datagram of ours (the MTU of the handshake is 1,150).
pub const DTLS_DATAGRAM: usize = 2_048;

/// Octets of one output of the handshake: a certificate of the peer is the longest. Beyond: it has failed.
pub const DTLS_OUTPUT: usize = 64 * 1_024;
