//! The spool file of one recording: a header, then sealed chunks one after the other until the end.
//!
//! ```text
//!  0        8     10          16                       32
//! +--------+-----+-----------+------------------------+---------+---------+---
//! |RECSPOOL| ver |  zeros    |  recording id          | chunk   | chunk   | ...
//! +--------+-----+-----------+------------------------+---------+---------+---
//!   magic   u16 BE                                      crypto::seal, self-delimiting, any track
//! ```
//! Chunks of different tracks stand in the order of their arrival. A chunk that ends before its length says so is the
//! tail of an interrupted write: nothing behind it counts.

use crypto::seal::{ChunkHeader, SealError};
use model::RecordingId;
use thiserror::Error;

use crate::limits::CHUNK_OCTETS;

/// Octets of the file header.
pub const HEADER_LEN: usize = 32;

/// Why octets are no spool file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SpoolfileError {
    /// The magic is not there.
    #[error("not a spool file")]
    Foreign,
    /// Written by a later version.
    #[error("spool file version {0} is newer than this recorder's {VERSION}")]
    Newer(u16),
}

/// The header of the spool file of `recording`.
pub fn header(recording: RecordingId) -> [u8; HEADER_LEN] {
    let mut octets = [0; HEADER_LEN];
    octets[..8].copy_from_slice(MAGIC);
    octets[8..10].copy_from_slice(&VERSION.to_be_bytes());
    octets[16..].copy_from_slice(recording.as_bytes());
    octets
}

/// The recording whose spool file begins with `octets`.
pub fn read_header(octets: &[u8; HEADER_LEN]) -> Result<RecordingId, SpoolfileError> {
    if octets[..8] != *MAGIC {
        return Err(SpoolfileError::Foreign);
    }
    match u16::from_be_bytes([octets[8], octets[9]]) {
        VERSION => {}
        version => return Err(SpoolfileError::Newer(version)),
    }
    let mut id = [0; 16];
    id.copy_from_slice(&octets[16..]);
    Ok(RecordingId::from_bytes(id))
}

/// What stands at the front of a stretch of chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Front {
    /// A whole chunk of so many octets.
    Chunk(ChunkHeader, usize),
    /// More octets are needed to tell; at the end of the file that is a torn tail.
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

const MAGIC: &[u8; 8] = b"RECSPOOL";
const VERSION: u16 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_names_its_recording_and_foreign_ones_are_refused() {
        let id = RecordingId::from_bytes([5; 16]);
        let mut octets = header(id);
        assert_eq!(read_header(&octets), Ok(id));
        octets[9] = 2;
        assert_eq!(read_header(&octets), Err(SpoolfileError::Newer(2)));
        octets[0] = b'X';
        assert_eq!(read_header(&octets), Err(SpoolfileError::Foreign));
    }

    #[test]
    fn noise_is_no_chunk() {
        assert_eq!(front(&[]), Front::Short);
        assert_eq!(front(&[0xAA; 4096]), Front::Noise);
    }
}
