//! Octets of a connection to lines, bounded.

use super::limits;

/// Collects octets until a line is whole. Both sides of a link use it.
#[derive(Debug, Default)]
pub struct Lines {
    buffer: Vec<u8>,
    /// Where the next line begins.
    from: usize,
    /// So far there is no end of it.
    seen: usize,
}

/// A line has more than [`limits::LINE_OCTETS`]: the framing is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

impl Lines {
    /// Takes what was read.
    pub fn push(&mut self, octets: &[u8]) {
        // What was given away goes all at once, so that a burst of lines is moved once.
        self.buffer.drain(..self.from);
        self.seen -= self.from;
        self.from = 0;
        self.buffer.extend_from_slice(octets);
    }

    /// The next whole line, without its end (`\n`, or `\r\n`).
    ///
    /// # Errors
    /// [`TooLong`]: whatever comes after it, nothing more can be read.
    pub fn pull(&mut self) -> Result<Option<&[u8]>, TooLong> {
        let end = self.buffer[self.seen..].iter().position(|octet| *octet == b'\n').map(|at| self.seen + at);
        let reach = end.unwrap_or(self.buffer.len());
        if reach - self.from > limits::LINE_OCTETS {
            return Err(TooLong);
        }
        let Some(end) = end else {
            self.seen = self.buffer.len();
            return Ok(None);
        };
        let from = std::mem::replace(&mut self.from, end + 1);
        self.seen = self.from;
        let line = &self.buffer[from..end];
        Ok(Some(line.strip_suffix(b"\r").unwrap_or(line)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(lines: &mut Lines) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| lines.pull().expect("short lines").map(<[u8]>::to_vec)).collect()
    }

    #[test]
    fn lines_are_the_same_however_they_are_cut() {
        let text = b"one\r\ntwo\n\n\nlong and last\nrest";
        for size in 1..text.len() {
            let mut lines = Lines::default();
            let mut got = Vec::new();
            for piece in text.chunks(size) {
                lines.push(piece);
                got.extend(all(&mut lines));
            }
            assert_eq!(got, [&b"one"[..], b"two", b"", b"", b"long and last"], "{size}");
            lines.push(b"\n");
            assert_eq!(all(&mut lines), [b"rest"]);
        }
    }

    #[test]
    fn a_line_may_have_its_bound_and_no_octet_more() {
        let mut lines = Lines::default();
        lines.push(&vec![b'a'; limits::LINE_OCTETS]);
        assert_eq!(lines.pull(), Ok(None));
        lines.push(b"\nb\n");
        assert_eq!(lines.pull().map(|line| line.map(<[u8]>::len)), Ok(Some(limits::LINE_OCTETS)));
        assert_eq!(lines.pull(), Ok(Some(&b"b"[..])));
        lines.push(&vec![b'a'; limits::LINE_OCTETS + 1]);
        assert_eq!(lines.pull(), Err(TooLong), "with no end in sight");
        let mut lines = Lines::default();
        lines.push(&[&vec![b'a'; limits::LINE_OCTETS + 1][..], b"\n"].concat());
        assert_eq!(lines.pull(), Err(TooLong));
    }
}
