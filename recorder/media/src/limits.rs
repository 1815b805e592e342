//! Every bound of this crate, why it is that large, and what happens at it.

/// Packets behind the newest one for which a duplicate is still told from a late one: 20 s of 20 ms packets. Older
/// ones begin a stream of their own, as after a restart of the sender.
pub const SEQUENCE_WINDOW: i64 = 1_024;

/// Packets a sequence may leap ahead and still be the same stream (RFC 3550 A.1 `MAX_DROPOUT`): one minute of 20 ms
/// packets. Beyond it a new stream begins, and what lies between is not counted as lost.
pub const MAX_DROPOUT: i64 = 3_000;

/// A packet that comes more than so many sequence numbers behind the newest is late rather than reordered: 1 s of
/// 20 ms packets. It is still kept, and still rendered in its place.
pub const REORDER_WINDOW: i64 = 50;

/// Streams (SSRC or restarted sequence) of one track that are followed at once; the one heard longest ago is folded
/// into the totals when another begins.
pub const MAX_STREAMS: usize = 8;

/// Segments on the timeline of one track. A sender that changes its SSRC this often sends nothing anybody could follow;
/// packets of further streams are counted and not rendered.
pub const MAX_SEGMENTS: usize = 20_000;

/// Loss gaps listed for one track; further ones are merged into the last.
pub const MAX_LOSS_GAPS: usize = 10_000;

/// Contributing sources of one track that are listed, in the order in which they were named: a conference has fewer
/// speakers, and one packet names fifteen at most (RFC 3550 5.1). Further ones are left out.
pub const MAX_CONTRIBUTORS: usize = 64;

/// Spans listed for one contributing source; what comes later is merged into the last.
pub const MAX_CONTRIBUTOR_SPANS: usize = 256;

/// Holes in the sequence that a reordered packet may still fill; the oldest is final when another opens.
pub const MAX_OPEN_HOLES: usize = 256;

/// Packets that come later than this after their place are counted and not rendered.
pub const MAX_LATENESS_NANOS: i64 = 30_000_000_000;

/// Sound held back by the renderer so that a packet may still land in its place. The survey measures how much the
/// recording needs; a packet beyond this bound (115 MB of 16 kHz stereo) is counted and not rendered.
pub const MAX_WINDOW_NANOS: i64 = 600_000_000_000;

/// The longest rendering: a week. Sound further from the beginning is not rendered; only a spool with broken times has any.
pub const MAX_TICKS: i64 = 7 * 86_400 * 8_000;

/// Channels of one rendering; tracks on further channels are counted and not rendered.
pub const MAX_CHANNELS: usize = 16;

/// Samples a channel that are handed to the sink at once: what it must be able to hold.
pub const BLOCK_SAMPLES: usize = 8_000;

/// G.722 packets held back so that its decoder sees them in sequence; more, and the missing one counts as lost.
pub const DECODE_AHEAD: usize = 16;

/// Points of one waveform: more are merged by making each one longer.
pub const MAX_PEAKS: u64 = 4_000;

/// The largest WAV file the companion reads: one hour of 16-bit stereo at 16 kHz, with room. Larger ones are refused.
pub const MAX_WAV_OCTETS: usize = 256 * 1024 * 1024;
