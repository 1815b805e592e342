//! Finds a fact in the ledger file without reading what stands before it: numbers grow from line to line, so halves will
//! do.
//!
//! ```text
//! low            middle                      high
//!  |  ...  n=7 |    .....half a line\n n=950 |        n=950 is before the fact that is sought: low goes behind it
//! ```
//! Only a line that matches its own hash is believed, and only for its own number; the half line that stands at the
//! middle, damaged lines and a torn end are passed over, as they are in reading.

use std::io::{self, BufReader};

use storage_core::ledger::decode;

use super::lines::{self, Piece};
use crate::{
    disk::DiskFile,
    limits::{PROBE_OCTETS, SEEK_OCTETS},
};

/// Where reading goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The next fact there has at least this number.
    pub(super) next: u64,
    /// Where its line begins, or one before it.
    pub(super) offset: u64,
}

/// Where every ledger begins.
pub(super) const START: Place = Place { next: 1, offset: 0 };

/// A place from which the fact `from` is reached by reading on, in a file of so many octets: behind `known`, and at most
/// [`SEEK_OCTETS`] and one line before the fact where the lines there are whole.
pub(super) fn seek(file: &DiskFile, from: u64, known: Place, octets: u64) -> io::Result<Place> {
    let (mut low, mut high) = (known, octets);
    while high.saturating_sub(low.offset) > SEEK_OCTETS {
        let middle = low.offset + (high - low.offset) / 2;
        match probe(file, middle, high)? {
            Some(found) if found.next <= from => low = found,
            Some(_) | None => high = middle,
        }
    }
    Ok(low)
}

/// The place behind the first whole line that begins behind `middle` and ends before `high`.
fn probe(file: &DiskFile, middle: u64, high: u64) -> io::Result<Option<Place>> {
    let mut reader = BufReader::with_capacity(PROBE_OCTETS, file.reader(middle));
    let (mut line, mut offset) = (Vec::new(), middle);
    while offset < high {
        let Piece::Line(octets) = lines::next(&mut reader, &mut line)? else { break };
        offset += octets;
        if let Ok(line) = decode(&line) {
            return Ok(Some(Place { next: line.n + 1, offset }).filter(|place| place.offset <= high));
        }
    }
    Ok(None)
}
