//! Call detail records: files of CSV or JSON read line by line, columns named by a mapping.
//!
//! Call [`read`] with the octets of a file; each line comes back as a call or as what is wrong with it. Nothing is
//! unpacked and no path is opened: a file that is compressed is a file of bad lines.

mod csv;
mod json;
mod mapping;
mod row;
#[cfg(test)]
mod tests;
mod time;

pub use mapping::{Column, Mapping, MappingFault};
use model::Cdr;

use crate::limits::CDR_LINE_OCTETS;

/// A line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct BadLine {
    /// Its number in the file, from 1; of several lines in quotes, the first.
    pub line: u64,
    /// What is wrong, without any value.
    pub reason: String,
}

/// What came of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Imported {
    /// SHA-256 of the file, lower-case hex.
    pub batch: String,
    /// `cdr:NAME`.
    pub source: String,
    /// Lines with a call on them.
    pub lines: u64,
    /// Of these: new.
    pub added: u64,
    /// Of these: known already.
    pub known: u64,
    /// Of these: not to be read.
    pub bad: u64,
    /// The first of them, at most [`BAD_LINES_LISTED`](crate::limits::BAD_LINES_LISTED).
    pub bad_lines: Vec<BadLine>,
}

/// One line with its number: a call, or what is wrong with it.
pub type Line = Result<(u64, Cdr), BadLine>;

/// Reads a file to its end. JSON is an array of objects or JSON Lines; whatever does not begin as such is CSV, whose
/// first line names the columns.
///
/// # Errors
/// The file as a whole is none: it is empty, not UTF-8, or its columns do not say when calls began.
pub fn read(octets: &[u8], mapping: &Mapping, mut each: impl FnMut(Line)) -> Result<(), String> {
    let text = std::str::from_utf8(octets).map_err(|error| {
        format!("not UTF-8 at octet {} (a compressed or foreign file is not read)", error.valid_up_to())
    })?;
    let text = text.trim_start_matches('\u{feff}');
    match text.trim_start().as_bytes().first() {
        None => Err("the file is empty".into()),
        Some(b'[') => json::array(text, mapping, &mut each),
        Some(b'{') => {
            json::lines(text, mapping, &mut each);
            Ok(())
        }
        Some(_) => csv::table(text, mapping, &mut each),
    }
}

fn too_long(line: u64) -> BadLine {
    BadLine { line, reason: format!("longer than {CDR_LINE_OCTETS} octets") }
}
