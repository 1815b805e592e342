//! Reads a ledger file line by line with bounded memory.

use std::io::{self, BufRead};

use storage_core::limits::LEDGER_LINE_OCTETS;

/// What was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    /// A line and its line feed: so many octets in the file.
    Line(u64),
    /// Octets without a line feed, up to the end of the file.
    Torn(u64),
    /// Nothing more.
    End,
}

/// Reads the next line into `line`, without its line feed. Of a line that is too long only a stump is kept, which no
/// decoder accepts.
pub(super) fn next(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Piece> {
    line.clear();
    let mut octets = 0;
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(if octets == 0 { Piece::End } else { Piece::Torn(octets) });
        }
        let feed = buffer.iter().position(|&byte| byte == b'\n');
        let used = feed.map_or(buffer.len(), |at| at + 1);
        let room = (LEDGER_LINE_OCTETS + 1).saturating_sub(line.len());
        line.extend_from_slice(&buffer[..feed.unwrap_or(used).min(room)]);
        octets += used as u64;
        reader.consume(used);
        if feed.is_some() {
            return Ok(Piece::Line(octets));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_a_torn_end_and_an_endless_one_are_told_apart() {
        let mut line = Vec::new();
        let mut reader = io::BufReader::with_capacity(3, &b"first\n\nrest"[..]);
        assert_eq!(next(&mut reader, &mut line).expect("memory"), Piece::Line(6));
        assert_eq!(line, b"first");
        assert_eq!(next(&mut reader, &mut line).expect("memory"), Piece::Line(1));
        assert_eq!(next(&mut reader, &mut line).expect("memory"), Piece::Torn(4));
        assert_eq!(next(&mut reader, &mut line).expect("memory"), Piece::End);
        let mut long = vec![b'x'; LEDGER_LINE_OCTETS * 2];
        long.push(b'\n');
        assert_eq!(next(&mut &long[..], &mut line).expect("memory"), Piece::Line(long.len() as u64));
        assert_eq!(line.len(), LEDGER_LINE_OCTETS + 1);
    }
}
