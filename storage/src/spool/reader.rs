//! Reads what the spool has of one recording: chunk by chunk, without any key.

use std::{collections::BTreeMap, io, sync::Arc, vec};

use crypto::seal::ChunkHeader;
use model::TrackNo;
use storage_core::spoolfile::{self, Front, sum};

use super::{
    SpoolError,
    index::{Piece, Stored},
};

/// Sealed chunks in the order of their arrival, as [`crypto::seal::ChunkKey::open`] takes them. It reads the disk, not
/// the memory of the writer, and may go on while the recording is being written: it ends where it was opened.
pub struct SpoolReader {
    pieces: vec::IntoIter<(Arc<Stored>, Piece)>,
    path: std::path::PathBuf,
    buffer: Vec<u8>,
    /// Where in the buffer the next chunk begins.
    at: usize,
    torn: u64,
}

impl SpoolReader {
    pub(super) fn new(pieces: Vec<(Arc<Stored>, Piece)>) -> Self {
        Self { pieces: pieces.into_iter(), path: std::path::PathBuf::new(), buffer: Vec::new(), at: 0, torn: 0 }
    }

    /// Octets passed over because a failed sync took them; known at the end.
    pub fn torn_octets(&self) -> u64 {
        self.torn
    }

    /// The next chunk with its header, borrowed until the next call; none at the end. `InvalidData` when the disk gives
    /// back something else than what was durable.
    pub fn next_chunk(&mut self) -> Result<Option<(ChunkHeader, &[u8])>, SpoolError> {
        while self.at >= self.buffer.len() {
            let Some((stored, piece)) = self.pieces.next() else { return Ok(None) };
            self.path.clone_from(&stored.path);
            self.at = 0;
            let is_whole = read(&stored, &piece, &mut self.buffer).map_err(SpoolError::at(&self.path))?;
            if !is_whole && stored.is_doubtful(&piece) {
                self.torn += u64::from(piece.octets);
                self.buffer.clear();
            }
            // What was durable and is damaged goes on: authentication tells which chunk, and whose fault it is not.
        }
        match spoolfile::front(&self.buffer[self.at..]) {
            Front::Chunk(header, octets) => {
                let from = self.at;
                self.at += octets;
                Ok(Some((header, &self.buffer[from..from + octets])))
            }
            Front::Short | Front::Noise => {
                let cause = io::Error::new(io::ErrorKind::InvalidData, "a chunk is damaged");
                Err(SpoolError::Io { path: self.path.clone(), cause })
            }
        }
    }
}

impl Iterator for SpoolReader {
    type Item = Result<Vec<u8>, SpoolError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_chunk().map(|chunk| chunk.map(|(_, octets)| octets.to_vec())).transpose()
    }
}

/// Reads a piece; whether it is what was written.
pub(super) fn read(stored: &Stored, piece: &Piece, buffer: &mut Vec<u8>) -> io::Result<bool> {
    buffer.resize(piece.octets as usize, 0);
    match stored.file.read_exact_at(buffer, u64::from(piece.at)) {
        Ok(()) => Ok(piece.sum.is_none_or(|known| sum(buffer) as u16 == known)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && stored.is_doubtful(piece) => Ok(false),
        Err(error) => Err(error),
    }
}

/// What there is of one track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrackSurvey {
    /// Whole chunks.
    pub chunks: u32,
    /// The lowest number that a further chunk may have.
    pub next_number: u32,
    /// Octets of them.
    pub octets: u64,
    /// Packets in them.
    pub packets: u64,
    /// Arrival of the first packet, in nanoseconds since 1970.
    pub first_nanos: u64,
    /// Arrival of the last packet.
    pub last_nanos: u64,
}

/// What there is of one recording. Not authenticated: chunk headers are believed without the key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpoolSurvey {
    /// Its tracks.
    pub tracks: BTreeMap<TrackNo, TrackSurvey>,
    /// Octets that are no whole chunk.
    pub torn_octets: u64,
}

/// Reads the headers of all chunks, and nothing between them.
pub(super) fn survey(pieces: Vec<(Arc<Stored>, Piece)>) -> Result<SpoolSurvey, SpoolError> {
    let mut survey = SpoolSurvey::default();
    for (stored, piece) in pieces {
        // What a failed sync may have taken is read whole: its headers prove nothing.
        let is_lost = stored.is_doubtful(&piece)
            && !read(&stored, &piece, &mut Vec::new()).map_err(SpoolError::at(&stored.path))?;
        let mut at = 0;
        while !is_lost && at < piece.octets {
            let mut raw = [0; ChunkHeader::LEN];
            let place = u64::from(piece.at) + u64::from(at);
            stored.file.read_exact_at(&mut raw, place).map_err(SpoolError::at(&stored.path))?;
            let Ok((header, octets)) = ChunkHeader::announced(&raw) else { break };
            survey.note(&header, octets);
            at = at.saturating_add(octets as u32);
        }
        survey.torn_octets += u64::from(piece.octets.saturating_sub(at));
    }
    Ok(survey)
}

impl SpoolSurvey {
    fn note(&mut self, header: &ChunkHeader, octets: usize) {
        let nothing = TrackSurvey {
            chunks: 0,
            next_number: 0,
            octets: 0,
            packets: 0,
            first_nanos: header.first_nanos,
            last_nanos: header.last_nanos,
        };
        let track = self.tracks.entry(TrackNo(header.track)).or_insert(nothing);
        track.chunks += 1;
        track.next_number = track.next_number.max(header.number.saturating_add(1));
        track.octets += octets as u64;
        track.packets += u64::from(header.packets);
        track.first_nanos = track.first_nanos.min(header.first_nanos);
        track.last_nanos = track.last_nanos.max(header.last_nanos);
    }
}
