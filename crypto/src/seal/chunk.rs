//! Sealed chunks: what the spool keeps of a live track, one self-delimiting frame after another.
//!
//! ```text
//!  0     4    5    6      8          24      28       32           40          48         52
//!  +-----+----+----+------+----------+-------+--------+------------+-----------+----------+------------+--------+
//!  |RCHK | 01 | 00 |track |recording | number|packets |first nanos |last nanos |plain len | ciphertext | tag 16 |
//!  +-----+----+----+------+----------+-------+--------+------------+-----------+----------+------------+--------+
//! ```
//! Big-endian. Associated data: the 52 octets of the header. Nonce: track (2), number (4), low 6 octets of first nanos.
//! The clock is in the nonce because a number can be used twice: for a chunk that the spool refused, or that a crash tore.

use super::{ChunkKey, SealError, key::NONCE, key::TAG};
use crate::limits::CHUNK_PLAIN_OCTETS;

const MAGIC: [u8; 4] = *b"RCHK";
const VERSION: u8 = 1;

/// What stands in clear before a sealed chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkHeader {
    /// The recording's id.
    pub recording: [u8; 16],
    /// The track's number there.
    pub track: u16,
    /// The chunk's number within the track, from 0.
    pub number: u32,
    /// Arrival of its first packet, in nanoseconds since 1970.
    pub first_nanos: u64,
    /// Arrival of its last packet, in nanoseconds since 1970.
    pub last_nanos: u64,
    /// Packets in it.
    pub packets: u32,
}

/// A chunk that was authentic.
pub struct OpenedChunk {
    /// What stood before it.
    pub header: ChunkHeader,
    /// The packets as `media::chunk` lays them out.
    pub plain: Vec<u8>,
}

impl ChunkHeader {
    /// Octets of the header on disk.
    pub const LEN: usize = 52;

    /// Reads the header at the beginning of `octets`, without any key: the header and the length of the whole frame.
    /// `Truncated` when `octets` end before the frame does, as after a crash. What it says is not authenticated.
    pub fn peek(octets: &[u8]) -> Result<(Self, usize), SealError> {
        let (raw, _) = octets.split_first_chunk().ok_or(SealError::Truncated)?;
        let (header, plain_len) = Self::read(raw)?;
        let len = Self::LEN + plain_len + TAG;
        if octets.len() < len { Err(SealError::Truncated) } else { Ok((header, len)) }
    }

    /// Reads the header alone and what length of the whole frame it announces; the octets behind it need not be there.
    pub fn announced(octets: &[u8]) -> Result<(Self, usize), SealError> {
        let (raw, _) = octets.split_first_chunk().ok_or(SealError::Truncated)?;
        let (header, plain_len) = Self::read(raw)?;
        Ok((header, Self::LEN + plain_len + TAG))
    }

    fn read(raw: &[u8; Self::LEN]) -> Result<(Self, usize), SealError> {
        if raw[..4] != MAGIC {
            return Err(SealError::Malformed("no chunk begins here"));
        }
        if raw[4] != VERSION {
            return Err(SealError::Version(raw[4]));
        }
        let plain_len = u32::from_be_bytes(part(raw, 48)) as usize;
        if plain_len > CHUNK_PLAIN_OCTETS || raw[5] != 0 {
            return Err(SealError::Malformed("chunk header"));
        }
        let header = Self {
            track: u16::from_be_bytes(part(raw, 6)),
            recording: part(raw, 8),
            number: u32::from_be_bytes(part(raw, 24)),
            packets: u32::from_be_bytes(part(raw, 28)),
            first_nanos: u64::from_be_bytes(part(raw, 32)),
            last_nanos: u64::from_be_bytes(part(raw, 40)),
        };
        Ok((header, plain_len))
    }

    fn write(&self, plain_len: u32) -> [u8; Self::LEN] {
        let mut raw = [0; Self::LEN];
        raw[..4].copy_from_slice(&MAGIC);
        raw[4] = VERSION;
        raw[6..8].copy_from_slice(&self.track.to_be_bytes());
        raw[8..24].copy_from_slice(&self.recording);
        raw[24..28].copy_from_slice(&self.number.to_be_bytes());
        raw[28..32].copy_from_slice(&self.packets.to_be_bytes());
        raw[32..40].copy_from_slice(&self.first_nanos.to_be_bytes());
        raw[40..48].copy_from_slice(&self.last_nanos.to_be_bytes());
        raw[48..].copy_from_slice(&plain_len.to_be_bytes());
        raw
    }

    fn nonce(&self) -> [u8; NONCE] {
        let mut nonce = [0; NONCE];
        nonce[..2].copy_from_slice(&self.track.to_be_bytes());
        nonce[2..6].copy_from_slice(&self.number.to_be_bytes());
        nonce[6..].copy_from_slice(&self.first_nanos.to_be_bytes()[2..]);
        nonce
    }
}

impl ChunkKey {
    /// Seals a chunk: encrypts `plain` where it stands, appends header, ciphertext and tag to `out`, and leaves `plain`
    /// empty with its capacity.
    ///
    /// Panics when `plain` is longer than [`CHUNK_PLAIN_OCTETS`]: the writer's buffer is far smaller.
    pub fn seal(&self, header: &ChunkHeader, plain: &mut Vec<u8>, out: &mut Vec<u8>) {
        assert!(plain.len() <= CHUNK_PLAIN_OCTETS, "a chunk of {} octets", plain.len());
        let raw = header.write(plain.len() as u32);
        let tag = self.gcm().seal(&header.nonce(), &raw, plain);
        out.reserve(raw.len() + plain.len() + tag.len());
        out.extend_from_slice(&raw);
        out.extend_from_slice(plain);
        out.extend_from_slice(&tag);
        plain.clear();
    }

    /// Opens the chunk at the beginning of `octets`; what follows it is not looked at.
    pub fn open(&self, octets: &[u8]) -> Result<OpenedChunk, SealError> {
        let (header, len) = ChunkHeader::peek(octets)?;
        let (raw, sealed) = octets[..len].split_at(ChunkHeader::LEN);
        let (ciphertext, tag) = sealed.split_last_chunk().ok_or(SealError::Truncated)?;
        let mut plain = ciphertext.to_vec();
        self.gcm().open(&header.nonce(), raw, &mut plain, tag)?;
        Ok(OpenedChunk { header, plain })
    }
}

fn part<const N: usize>(raw: &[u8; ChunkHeader::LEN], at: usize) -> [u8; N] {
    *raw[at..].first_chunk().expect("every field lies within the header")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::DataKey;

    const HEADER: ChunkHeader = ChunkHeader {
        recording: *b"recording-sixtee",
        track: 3,
        number: 7,
        first_nanos: 1_763_700_000_000_000_000,
        last_nanos: 1_763_700_000_200_000_000,
        packets: 10,
    };

    fn key() -> ChunkKey {
        DataKey::from_entropy([42; 32]).chunk_key(&HEADER.recording)
    }

    fn sealed(header: &ChunkHeader, plain: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        key().seal(header, &mut plain.to_vec(), &mut out);
        out
    }

    #[test]
    fn chunks_follow_one_another_and_open_again() {
        let second = ChunkHeader { number: 8, ..HEADER };
        let file = [sealed(&HEADER, b"first"), sealed(&second, b"")].concat();
        let (header, len) = ChunkHeader::peek(&file).unwrap();
        assert_eq!((header, len), (HEADER, ChunkHeader::LEN + 5 + 16));
        assert_eq!(key().open(&file).unwrap().plain, b"first");
        let opened = key().open(&file[len..]).unwrap();
        assert_eq!((opened.header, opened.plain.len()), (second, 0));
    }

    #[test]
    fn sealing_empties_the_buffer_and_keeps_its_capacity() {
        let mut plain = Vec::with_capacity(4096);
        plain.extend_from_slice(b"sound");
        key().seal(&HEADER, &mut plain, &mut Vec::new());
        assert_eq!((plain.len(), plain.capacity()), (0, 4096));
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let whole = sealed(&HEADER, b"not a single bit of this may change");
        for bit in 0..whole.len() * 8 {
            let mut altered = whole.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(key().open(&altered).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn every_torn_tail_is_truncated() {
        let whole = sealed(&HEADER, b"torn");
        for len in 0..whole.len() {
            assert_eq!(ChunkHeader::peek(&whole[..len]), Err(SealError::Truncated), "{len} octets");
        }
    }

    #[test]
    fn a_chunk_opens_only_in_its_own_place() {
        let whole = sealed(&HEADER, b"mine");
        for other in [
            ChunkHeader { number: 8, ..HEADER },
            ChunkHeader { track: 4, ..HEADER },
            ChunkHeader { recording: [0; 16], ..HEADER },
            ChunkHeader { packets: 11, ..HEADER },
            ChunkHeader { last_nanos: 0, ..HEADER },
        ] {
            let moved = [&other.write(4), &whole[ChunkHeader::LEN..]].concat();
            assert_eq!(key().open(&moved).err(), Some(SealError::Unauthentic));
        }
        let foreign = DataKey::from_entropy([42; 32]).chunk_key(&[0; 16]);
        assert_eq!(foreign.open(&whole).err(), Some(SealError::Unauthentic));
    }

    #[test]
    fn what_is_no_chunk_is_refused_before_its_length_is_believed() {
        let mut whole = sealed(&HEADER, b"x");
        whole[48..52].copy_from_slice(&u32::MAX.to_be_bytes());
        assert_eq!(ChunkHeader::peek(&whole), Err(SealError::Malformed("chunk header")));
        assert_eq!(ChunkHeader::peek(&[0; 100]), Err(SealError::Malformed("no chunk begins here")));
        whole[4] = 2;
        assert_eq!(ChunkHeader::peek(&whole), Err(SealError::Version(2)));
    }
}
