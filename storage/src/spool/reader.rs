//! Reads the spool file of one recording: chunk by chunk, without any key.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use crypto::seal::ChunkHeader;
use model::{RecordingId, TrackNo};
use storage_core::spoolfile::{self, Front, HEADER_LEN};

use super::{SpoolError, path};
use crate::{files, limits::COPY_OCTETS};

/// Sealed chunks in the order of their arrival, as [`crypto::seal::ChunkKey::open`] takes them. It ends at the first
/// octets that are no chunk: [`SpoolReader::torn_octets`] then says how many are behind.
pub struct SpoolReader {
    path: PathBuf,
    file: File,
    buffer: Vec<u8>,
    /// Where in the buffer the next chunk begins.
    at: usize,
    /// Octets of the file up to `at`.
    offset: u64,
    is_at_end: bool,
}

impl SpoolReader {
    pub(super) fn open(dir: &Path, recording: RecordingId) -> Result<Self, SpoolError> {
        let path = path(dir, recording);
        let (file, found) = begin(&path).map_err(SpoolError::at(&path))?;
        if found != recording {
            let cause = io::Error::new(io::ErrorKind::InvalidData, format!("holds recording {found}"));
            return Err(SpoolError::Io { path, cause });
        }
        Ok(Self { path, file, buffer: Vec::new(), at: 0, offset: HEADER_LEN as u64, is_at_end: false })
    }

    /// Octets behind the last whole chunk; known at the end.
    pub fn torn_octets(&self) -> u64 {
        self.file.metadata().map_or(0, |metadata| metadata.len().saturating_sub(self.offset))
    }

    /// Octets of the file up to the next chunk.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next chunk with its header, borrowed until the next call; none at the end.
    pub fn next_chunk(&mut self) -> Result<Option<(ChunkHeader, &[u8])>, SpoolError> {
        loop {
            match spoolfile::front(&self.buffer[self.at..]) {
                Front::Chunk(header, octets) => {
                    let from = self.at;
                    self.at += octets;
                    self.offset += octets as u64;
                    return Ok(Some((header, &self.buffer[from..from + octets])));
                }
                Front::Short if !self.is_at_end => self.fill()?,
                Front::Short | Front::Noise => return Ok(None),
            }
        }
    }

    fn fill(&mut self) -> Result<(), SpoolError> {
        self.buffer.drain(..self.at);
        self.at = 0;
        let before = self.buffer.len();
        let mut more = (&self.file).take(COPY_OCTETS);
        more.read_to_end(&mut self.buffer).map_err(SpoolError::at(&self.path))?;
        self.is_at_end = self.buffer.len() == before;
        Ok(())
    }
}

impl Iterator for SpoolReader {
    type Item = Result<Vec<u8>, SpoolError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_chunk().map(|chunk| chunk.map(|(_, octets)| octets.to_vec())).transpose()
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
    /// Octets behind the last whole chunk.
    pub torn_octets: u64,
}

/// An empty survey when there is no spool file: nothing was kept.
pub(super) fn survey(dir: &Path, recording: RecordingId) -> Result<SpoolSurvey, SpoolError> {
    let mut survey = SpoolSurvey::default();
    let mut reader = match SpoolReader::open(dir, recording) {
        Err(SpoolError::Io { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => return Ok(survey),
        reader => reader?,
    };
    while let Some((header, octets)) = reader.next_chunk()? {
        let nothing = TrackSurvey {
            chunks: 0,
            next_number: 0,
            octets: 0,
            packets: 0,
            first_nanos: header.first_nanos,
            last_nanos: header.last_nanos,
        };
        let track = survey.tracks.entry(TrackNo(header.track)).or_insert(nothing);
        track.chunks += 1;
        track.next_number = track.next_number.max(header.number.saturating_add(1));
        track.octets += octets.len() as u64;
        track.packets += u64::from(header.packets);
        track.first_nanos = track.first_nanos.min(header.first_nanos);
        track.last_nanos = track.last_nanos.max(header.last_nanos);
    }
    survey.torn_octets = reader.torn_octets();
    Ok(survey)
}

/// Opens a spool file and reads its header.
pub(super) fn begin(path: &Path) -> io::Result<(File, RecordingId)> {
    let mut file = files::open_read(path)?;
    let mut header = [0; HEADER_LEN];
    file.read_exact(&mut header)?;
    let recording = spoolfile::read_header(&header);
    let recording = recording.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok((file, recording))
}
