//! Messages out of a TCP or TLS stream (RFC 3261 18.3), with bounds, keep-alives and skipping of bodies too large.

use super::parse::{head_end, head_length};
use crate::limits;

/// What a stream holds next.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// One whole message.
    Message(Vec<u8>),
    /// A double CRLF: answer it with a single one (RFC 5626 4.4.1).
    Ping,
    /// The head of a message whose body is beyond the cap; the body is skipped. Answer 413.
    TooLarge(Vec<u8>),
}

/// Whether a message asks for a new session, which may wait and may be refused; a CANCEL counts as one, because it must
/// not overtake its INVITE. Everything else belongs to a session that is recorded now, and goes first. Only looks: what
/// it takes for the one or the other is still read and checked as a whole.
pub fn begins_session(octets: &[u8]) -> bool {
    let start = octets.trim_ascii_start();
    start.starts_with(b"CANCEL ") || (start.starts_with(b"INVITE ") && !has_to_tag(start))
}

fn has_to_tag(message: &[u8]) -> bool {
    let head = &message[..head_end(message).unwrap_or(message.len())];
    let mut lines = head.split(|octet| *octet == b'\n').skip(1);
    let to = lines.find(|line| {
        let name = line.split(|octet| *octet == b':').next().unwrap_or_default().trim_ascii();
        name.eq_ignore_ascii_case(b"To") || name.eq_ignore_ascii_case(b"t")
    });
    to.is_some_and(|to| to.windows(5).any(|window| window.eq_ignore_ascii_case(b";tag=")))
}

/// The framing is lost; the connection must be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// More header octets than the bound without an end.
    HeadTooLarge,
    /// No, a negative or a contradictory Content-Length.
    Length,
    /// A body so large that it is not even skipped.
    BodyTooLarge,
}

/// Overwrites octets that are done with: a message may carry digits that somebody pressed, and memory that is given back
/// keeps what was in it.
pub fn erase(octets: &mut [u8]) {
    octets.fill(0);
    std::hint::black_box(octets);
}

/// Cuts one stream. Push what was read, then pull frames until there is none. No octet is looked at or moved more than a
/// few times, however small the pieces and the messages are; none that was pulled stays in the buffer.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: Vec<u8>,
    /// What lies before has been pulled.
    at: usize,
    /// Octets behind `at` in which no head ends.
    searched: usize,
    /// Octets of a skipped body still to come.
    skip: usize,
    /// Head and length of the message at the front, once known, so that a slow body is not scanned again.
    known: Option<(usize, usize)>,
}

impl Framer {
    /// Takes what was read from the stream.
    pub fn push(&mut self, mut octets: &[u8]) {
        let skipped = self.skip.min(octets.len());
        self.skip -= skipped;
        octets = &octets[skipped..];
        // Moves what is left once it is less than what was pulled.
        if self.at * 2 >= self.buffer.len() {
            let left = self.front().len();
            self.buffer.copy_within(self.at.., 0);
            erase(&mut self.buffer[left..]);
            self.buffer.truncate(left);
            self.at = 0;
        }
        self.make_room(octets.len());
        self.buffer.extend_from_slice(octets);
    }

    /// Grows as a vector does, and leaves nothing in the memory that was too small.
    fn make_room(&mut self, more: usize) {
        let needed = self.buffer.len() + more;
        if needed > self.buffer.capacity() {
            let mut larger = Vec::with_capacity(needed.max(self.buffer.capacity() * 2));
            larger.extend_from_slice(&self.buffer);
            erase(&mut self.buffer);
            self.buffer = larger;
        }
    }

    /// Whether a message has begun and is not complete.
    pub fn is_midway(&self) -> bool {
        !self.front().is_empty() || self.skip > 0
    }

    fn front(&self) -> &[u8] {
        &self.buffer[self.at..]
    }

    /// The first octets are done with.
    fn pass(&mut self, octets: usize) {
        erase(&mut self.buffer[self.at..self.at + octets]);
        self.at += octets;
        self.searched = 0;
    }

    /// Gives the first octets away.
    fn take(&mut self, octets: usize) -> Vec<u8> {
        let taken = self.front()[..octets].to_vec();
        self.pass(octets);
        taken
    }

    /// The next frame, if it is complete.
    ///
    /// # Errors
    /// [`FrameError`]: nothing more can be read from this stream.
    pub fn pull(&mut self) -> Result<Option<Frame>, FrameError> {
        if self.known.is_none() {
            if self.front().starts_with(b"\r\n\r\n") {
                self.pass(4);
                return Ok(Some(Frame::Ping));
            }
            // A single CRLF before a message is noise (RFC 3261 7.5); two octets may still become a ping.
            if self.front().starts_with(b"\r\n") && self.front().len() > 2 && self.front()[2] != b'\r' {
                self.pass(2);
            }
            if matches!(self.front(), [] | [b'\r'] | [b'\r', b'\n'] | [b'\r', b'\n', b'\r']) {
                return Ok(None);
            }
            let Some(end) = self.head() else {
                let is_over = self.front().len() > limits::HEAD_OCTETS;
                return if is_over { Err(FrameError::HeadTooLarge) } else { Ok(None) };
            };
            if end > limits::HEAD_OCTETS {
                return Err(FrameError::HeadTooLarge);
            }
            // RFC 3261 18.3: on streams Content-Length is mandatory; a message without one has no body (tolerated).
            let length = head_length(&self.front()[..end]).map_err(|_| FrameError::Length)?;
            self.known = Some((end, length.unwrap_or(0)));
        }
        let Some((end, length)) = self.known else { return Ok(None) };
        if length > limits::BODY_OCTETS {
            return self.skip_body(end, length).map(Some);
        }
        if self.front().len() < end + length {
            return Ok(None);
        }
        self.known = None;
        Ok(Some(Frame::Message(self.take(end + length))))
    }

    /// Where the head at the front ends. An end is three octets at most behind what was searched before.
    fn head(&mut self) -> Option<usize> {
        let from = self.searched.saturating_sub(3);
        let end = head_end(&self.front()[from..]).map(|end| from + end);
        self.searched = self.front().len();
        end
    }

    fn skip_body(&mut self, end: usize, length: usize) -> Result<Frame, FrameError> {
        if length > limits::SKIPPED_BODY_OCTETS {
            return Err(FrameError::BodyTooLarge);
        }
        self.known = None;
        let present = (self.front().len() - end).min(length);
        self.skip = length - present;
        let head = self.take(end);
        self.pass(present);
        Ok(Frame::TooLarge(head))
    }
}

/// A message that never became whole.
impl Drop for Framer {
    fn drop(&mut self) {
        erase(&mut self.buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: &[u8] = b"OPTIONS sip:a@b SIP/2.0\r\nl : 4\r\n\r\nbody";

    #[test]
    fn pieces_of_one_octet_and_a_flood_of_pings_are_read_as_one_push_is() {
        let text = [&b"\r\n\r\n".repeat(5_000)[..], OPTIONS, b"\r\n", OPTIONS].concat();
        let read = |piece: usize| {
            let (mut framer, mut frames) = (Framer::default(), Vec::new());
            for piece in text.chunks(piece) {
                framer.push(piece);
                while let Some(frame) = framer.pull().unwrap() {
                    frames.push(frame);
                }
            }
            (frames, framer.is_midway())
        };
        let (frames, is_midway) = read(text.len());
        assert_eq!((frames.len(), is_midway), (5_002, false));
        for piece in [1, 2, 3, 5, 7, 41] {
            assert_eq!(read(piece), (read(text.len()).0, false), "pieces of {piece}");
        }
    }

    #[test]
    fn what_was_pulled_is_not_in_the_buffer_any_more() {
        let digit = b"INFO sip:a@b SIP/2.0\r\nl : 8\r\n\r\nSignal=7".as_slice();
        let has = |octets: &[u8]| octets.windows(8).any(|window| window == b"Signal=7");
        let mut framer = Framer::default();
        // The one behind is not whole yet, so that the buffer is kept.
        framer.push(&[digit, digit, &digit[..30]].concat());
        assert!(has(&framer.buffer));
        for _ in 0..2 {
            assert_eq!(framer.pull().unwrap(), Some(Frame::Message(digit.to_vec())));
        }
        assert_eq!(framer.pull().unwrap(), None);
        assert!(!has(&framer.buffer), "{:?}", framer.buffer);
        framer.push(&digit[30..]);
        assert!(framer.pull().unwrap().is_some() && !has(&framer.buffer));
    }

    #[test]
    fn new_sessions_are_told_from_requests_inside_sessions() {
        let invite = |to: &str| format!("\r\nINVITE sip:a@b SIP/2.0\r\nVia: x\r\n{to}\r\n\r\nTo: <sip:b>;tag=body");
        for to in ["To: <sip:srs@b>", "t:<sip:tag=@b>", "From: <sip:a>;tag=1\r\nTo: <sip:b>"] {
            assert!(begins_session(invite(to).as_bytes()), "{to}");
        }
        for to in ["To: <sip:srs@b>;tag=1", "t : \"B\" <sip:b> ;TAG=x"] {
            assert!(!begins_session(invite(to).replace(" ;TAG", ";TAG").as_bytes()), "{to}");
        }
        assert!(begins_session(b"CANCEL sip:a@b SIP/2.0\r\n\r\n"));
        assert!(!begins_session(b"BYE sip:a@b SIP/2.0\r\n\r\n") && !begins_session(b""));
    }

    #[test]
    fn messages_come_out_whole_however_they_arrive() {
        let stream = [OPTIONS, b"\r\n", OPTIONS, b"\r\n\r\n", OPTIONS].concat();
        for size in [1, 2, 3, 7, 1000] {
            let mut framer = Framer::default();
            let mut frames = Vec::new();
            for piece in stream.chunks(size) {
                framer.push(piece);
                while let Some(frame) = framer.pull().unwrap() {
                    frames.push(frame);
                }
            }
            let message = || Frame::Message(OPTIONS.to_vec());
            assert_eq!(frames, [message(), message(), Frame::Ping, message()], "pieces of {size}");
            assert!(!framer.is_midway());
        }
    }

    #[test]
    fn a_body_beyond_the_cap_is_skipped_and_the_framing_survives() {
        let length = limits::BODY_OCTETS + 10;
        let head = format!("OPTIONS sip:a@b SIP/2.0\r\nContent-Length: {length}\r\n\r\n");
        let stream = [head.as_bytes(), &vec![b'x'; length], OPTIONS].concat();
        let mut framer = Framer::default();
        let mut frames = Vec::new();
        for piece in stream.chunks(4096) {
            framer.push(piece);
            while let Some(frame) = framer.pull().unwrap() {
                frames.push(frame);
            }
        }
        assert_eq!(frames, [Frame::TooLarge(head.into_bytes()), Frame::Message(OPTIONS.to_vec())]);
    }

    #[test]
    fn lost_framing_is_an_error() {
        let mut negative = Framer::default();
        negative.push(b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: -1\r\n\r\n");
        assert_eq!(negative.pull(), Err(FrameError::Length));
        let mut endless = Framer::default();
        endless.push(&vec![b'a'; limits::HEAD_OCTETS + 1]);
        assert_eq!(endless.pull(), Err(FrameError::HeadTooLarge));
        let mut huge = Framer::default();
        huge.push(b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 999999999\r\n\r\n");
        assert_eq!(huge.pull(), Err(FrameError::BodyTooLarge));
    }
}
