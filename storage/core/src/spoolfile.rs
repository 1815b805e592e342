//! The segment files of the spool: blocks of whole pages, each a table of runs and then the runs, each run the octets
//! of one recording.
//!
//! ```text
//! file    = header, one page | block | block | ...
//! header  : RECSPOOL | version u16 | zeros 6 | rank u64 | last rank u64 | generation u64 | sum u32 | zeros
//! block   = head 40 | table: 32 a run | the octets of the runs | zeros up to a whole page
//! head    : RBLK | runs u32 | octets of the runs u64 | durable u64 | flags u32 | zeros 4 | sum of the table u32 | sum of the head u32
//! run     : recording 16 | kind u32 | octets u32 | sum u32 | zeros 4
//! ```
//! Big-endian; sums are CRC-32C. Blocks never share a page, so that writing one cannot harm an earlier one. A block says
//! in `durable` how much of the file was durable before it was written: a run behind the highest such mark whose sum is
//! wrong was cut off by a crash and never counted; one before it is damage, and told.

use crypto::seal::{ChunkHeader, SealError};
use model::RecordingId;
use thiserror::Error;

use crate::limits::{CHUNK_OCTETS, RUNS_PER_BLOCK};

/// Octets of a page: what blocks are made of, and the header of a file.
pub const PAGE: usize = 4_096;

/// Octets of the head of a block.
pub const HEAD_LEN: usize = 40;

/// Octets of one run in the table.
pub const RUN_LEN: usize = 32;

/// Why octets are no segment file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SpoolfileError {
    /// The magic is not there, or the header is damaged.
    #[error("not a spool file")]
    Foreign,
    /// Written by a later version.
    #[error("spool file version {0} is not this recorder's {VERSION}")]
    Newer(u16),
}

/// What a segment file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Segment {
    /// Its place in the order of writing.
    pub rank: u64,
    /// It takes the place of all segments from `rank` to this one that have a lower generation.
    pub last: u64,
    /// 0 as written first; one more each time it was rewritten.
    pub generation: u64,
}

impl Segment {
    /// The header of its file.
    pub fn encode(&self) -> [u8; PAGE] {
        let mut octets = [0; PAGE];
        octets[..8].copy_from_slice(MAGIC);
        octets[8..10].copy_from_slice(&VERSION.to_be_bytes());
        octets[16..24].copy_from_slice(&self.rank.to_be_bytes());
        octets[24..32].copy_from_slice(&self.last.to_be_bytes());
        octets[32..40].copy_from_slice(&self.generation.to_be_bytes());
        let sum = sum(&octets[..40]);
        octets[40..44].copy_from_slice(&sum.to_be_bytes());
        octets
    }

    /// The segment whose file begins with `octets`, of which the first page counts.
    pub fn parse(octets: &[u8]) -> Result<Self, SpoolfileError> {
        let (head, _) = octets.split_first_chunk::<44>().ok_or(SpoolfileError::Foreign)?;
        if head[..8] != *MAGIC {
            return Err(SpoolfileError::Foreign);
        }
        match u16::from_be_bytes([head[8], head[9]]) {
            VERSION => {}
            version => return Err(SpoolfileError::Newer(version)),
        }
        if sum(&head[..40]) != word(head, 40) {
            return Err(SpoolfileError::Foreign);
        }
        Ok(Self { rank: long(head, 16), last: long(head, 24), generation: long(head, 32) })
    }

    /// Whether it takes the place of `other`.
    pub fn replaces(&self, other: &Self) -> bool {
        (self.rank..=self.last).contains(&other.rank) && self.generation > other.generation
    }
}

/// What a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Sealed chunks one after the other, of any track.
    Chunks,
    /// The sealed state of the live recording; the last one counts.
    State,
    /// Nothing of the recording before this counts: it was freed.
    Freed,
}

/// The octets of one recording in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Whose.
    pub recording: RecordingId,
    /// What.
    pub kind: Kind,
    /// How many octets.
    pub octets: u32,
    /// Their [`Sum`].
    pub sum: u32,
}

/// What stands before the runs of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Runs in it.
    pub runs: usize,
    /// Octets of the runs together.
    pub octets: u64,
    /// How many octets of the file were durable before this block was written.
    pub durable: u64,
    /// Nothing comes behind it: the file is complete.
    pub is_last: bool,
    table: u32,
}

impl Head {
    /// Appends head and table of a block to `out`.
    pub fn encode(runs: &[Run], durable: u64, is_last: bool, out: &mut Vec<u8>) {
        let from = out.len();
        out.extend_from_slice(&[0; HEAD_LEN]);
        for run in runs {
            out.extend_from_slice(run.recording.as_bytes());
            out.extend_from_slice(&(run.kind as u32).to_be_bytes());
            out.extend_from_slice(&run.octets.to_be_bytes());
            out.extend_from_slice(&run.sum.to_be_bytes());
            out.extend_from_slice(&[0; 4]);
        }
        let table = sum(&out[from + HEAD_LEN..]);
        let octets: u64 = runs.iter().map(|run| u64::from(run.octets)).sum();
        let head = &mut out[from..from + HEAD_LEN];
        head[..4].copy_from_slice(BLOCK);
        head[4..8].copy_from_slice(&(runs.len() as u32).to_be_bytes());
        head[8..16].copy_from_slice(&octets.to_be_bytes());
        head[16..24].copy_from_slice(&durable.to_be_bytes());
        head[24..28].copy_from_slice(&u32::from(is_last).to_be_bytes());
        head[32..36].copy_from_slice(&table.to_be_bytes());
        let sum = sum(&head[..36]);
        head[36..].copy_from_slice(&sum.to_be_bytes());
    }

    /// The head at the front of `octets`; none when no block begins here.
    pub fn parse(octets: &[u8]) -> Option<Self> {
        let head = octets.first_chunk::<HEAD_LEN>()?;
        let runs = word(head, 4) as usize;
        let octets = long(head, 8);
        // More than its runs can hold: a length that would lead a reader round in a circle.
        let is_possible = runs <= RUNS_PER_BLOCK && octets <= runs as u64 * u64::from(u32::MAX);
        if head[..4] != *BLOCK || sum(&head[..36]) != word(head, 36) || !is_possible {
            return None;
        }
        Some(Self { runs, octets, durable: long(head, 16), is_last: word(head, 24) == 1, table: word(head, 32) })
    }

    /// Octets of the table behind the head.
    pub fn table_len(&self) -> usize {
        self.runs * RUN_LEN
    }

    /// Octets of the whole block, in whole pages.
    pub fn block_len(&self) -> u64 {
        padded(HEAD_LEN as u64 + self.table_len() as u64 + self.octets)
    }

    /// The runs that the table names; none when it is damaged.
    pub fn runs(&self, table: &[u8]) -> Option<Vec<Run>> {
        if sum(table) != self.table {
            return None;
        }
        table.as_chunks::<RUN_LEN>().0.iter().map(run).collect()
    }
}

/// So many octets in whole pages.
pub fn padded(octets: u64) -> u64 {
    octets.next_multiple_of(PAGE as u64)
}

fn run(raw: &[u8; RUN_LEN]) -> Option<Run> {
    let kind = match word(raw, 16) {
        0 => Kind::Chunks,
        1 => Kind::State,
        2 => Kind::Freed,
        _ => return None,
    };
    let id = raw.first_chunk::<16>()?;
    Some(Run { recording: RecordingId::from_bytes(*id), kind, octets: word(raw, 20), sum: word(raw, 24) })
}

/// A checksum over parts.
pub struct Sum(crc_fast::Digest);

impl Default for Sum {
    fn default() -> Self {
        Self(crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi))
    }
}

impl Sum {
    /// The next part.
    pub fn update(&mut self, octets: &[u8]) {
        self.0.update(octets);
    }

    /// The sum of all parts.
    pub fn finish(&self) -> u32 {
        self.0.finalize() as u32
    }
}

/// The checksum of `octets`.
pub fn sum(octets: &[u8]) -> u32 {
    let mut sum = Sum::default();
    sum.update(octets);
    sum.finish()
}

/// What stands at the front of a stretch of chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Front {
    /// A whole chunk of so many octets.
    Chunk(ChunkHeader, usize),
    /// More octets are needed to tell.
    Short,
    /// No chunk: noise, or a length nobody writes.
    Noise,
}

/// Looks at the front of `octets`.
pub fn front(octets: &[u8]) -> Front {
    match ChunkHeader::peek(octets) {
        Ok((header, length)) if length <= CHUNK_OCTETS => Front::Chunk(header, length),
        Err(SealError::Truncated) if octets.len() < CHUNK_OCTETS => Front::Short,
        _ => Front::Noise,
    }
}

fn word(octets: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(*octets[at..].first_chunk().expect("every field lies within its record"))
}

fn long(octets: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(*octets[at..].first_chunk().expect("every field lies within its record"))
}

const MAGIC: &[u8; 8] = b"RECSPOOL";
const BLOCK: &[u8; 4] = b"RBLK";
/// 1 was a file for each recording.
const VERSION: u16 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> RecordingId {
        RecordingId::from_bytes([number; 16])
    }

    #[test]
    fn a_header_names_its_segment_and_foreign_ones_are_refused() {
        let segment = Segment { rank: 7, last: 9, generation: 2 };
        let mut octets = segment.encode();
        assert_eq!(Segment::parse(&octets), Ok(segment));
        octets[20] ^= 1;
        assert_eq!(Segment::parse(&octets), Err(SpoolfileError::Foreign), "damaged");
        octets[9] = 3;
        assert_eq!(Segment::parse(&octets), Err(SpoolfileError::Newer(3)));
        octets[0] = b'X';
        assert_eq!(Segment::parse(&octets), Err(SpoolfileError::Foreign));
        assert_eq!(Segment::parse(b"REC"), Err(SpoolfileError::Foreign));
        let old = Segment { rank: 8, last: 8, generation: 1 };
        assert!(segment.replaces(&old) && !old.replaces(&segment));
        assert!(!segment.replaces(&Segment { rank: 10, last: 10, generation: 0 }));
    }

    #[test]
    fn a_block_says_what_is_in_it_and_a_damaged_one_says_nothing() {
        let runs = [
            Run { recording: id(1), kind: Kind::Chunks, octets: 5_000, sum: 77 },
            Run { recording: id(2), kind: Kind::State, octets: 9, sum: 78 },
            Run { recording: id(3), kind: Kind::Freed, octets: 0, sum: 0 },
        ];
        let mut octets = Vec::new();
        Head::encode(&runs, 8_192, false, &mut octets);
        let head = Head::parse(&octets).expect("a head");
        assert_eq!((head.runs, head.octets, head.durable, head.is_last), (3, 5_009, 8_192, false));
        assert_eq!(head.block_len(), 8_192);
        assert_eq!(octets.len(), HEAD_LEN + head.table_len());
        assert_eq!(head.runs(&octets[HEAD_LEN..]).expect("a table"), runs);
        octets[HEAD_LEN + 20] ^= 1;
        assert_eq!(head.runs(&octets[HEAD_LEN..]), None);
        octets[8] ^= 1;
        assert_eq!(Head::parse(&octets), None);
        assert_eq!(Head::parse(&[0; HEAD_LEN]), None);
    }

    #[test]
    fn a_head_whose_runs_cannot_hold_what_it_says_is_none() {
        let run = Run { recording: id(1), kind: Kind::Chunks, octets: 5_000, sum: 77 };
        let mut octets = Vec::new();
        Head::encode(&[run], 0, false, &mut octets);
        for (claimed, is_head) in [(u64::from(u32::MAX), true), (1 << 32, false), (u64::MAX - 40, false)] {
            octets[8..16].copy_from_slice(&claimed.to_be_bytes());
            let right = sum(&octets[..36]);
            octets[36..HEAD_LEN].copy_from_slice(&right.to_be_bytes());
            assert_eq!(Head::parse(&octets).is_some(), is_head, "{claimed} octets");
        }
    }

    #[test]
    fn the_sum_of_parts_is_the_sum_of_the_whole() {
        let mut parts = Sum::default();
        parts.update(b"1234");
        parts.update(b"56789");
        assert_eq!((parts.finish(), sum(b"123456789")), (0xe306_9283, 0xe306_9283), "CRC-32C, RFC 3720 B.4");
    }

    #[test]
    fn noise_is_no_chunk() {
        assert_eq!(front(&[]), Front::Short);
        assert_eq!(front(&[0xAA; 4096]), Front::Noise);
    }
}
