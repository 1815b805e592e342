//! One connection of a link: octets to lines and back, bounded in size and time.

use std::{io, time::Instant};

use signaling_core::tlib::lines::Lines;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf},
    time::timeout,
};

use super::limits;
use crate::{owner::sleep_until, world};

/// TCP or TLS, it does not matter which.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// What a connection has to say.
pub(super) enum Heard {
    /// A line, without its end.
    Line(Vec<u8>),
    /// A line without end.
    Endless,
    /// It is over: by the server, or by an error.
    Ended(Option<io::Error>),
    /// The server takes nothing any more.
    Stalled,
    /// Octets left.
    Written,
}

/// An open connection.
pub(super) struct Connection {
    reader: ReadHalf<Box<dyn Stream>>,
    writer: WriteHalf<Box<dyn Stream>>,
    lines: Lines,
    buffer: Vec<u8>,
    out: Out,
}

/// What waits to be written.
#[derive(Default)]
struct Out {
    octets: Vec<u8>,
    /// Since when nothing of it was taken, while there is something here or in the stream's own buffer.
    since: Option<Instant>,
}

impl Connection {
    pub(super) fn new(stream: Box<dyn Stream>) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        let buffer = vec![0; limits::READ_OCTETS];
        Self { reader, writer, lines: Lines::default(), buffer, out: Out::default() }
    }

    /// Has these octets written as the server takes them. False when too many wait already.
    pub(super) fn write(&mut self, line: &str) -> bool {
        self.out.octets.extend_from_slice(line.as_bytes());
        if self.out.since.is_none() {
            self.out.since = Some(world::now());
        }
        self.out.octets.len() <= limits::WRITE_OCTETS
    }

    /// What happens next. Lines are heard only when `is_listening`. May be dropped at any time without a loss.
    pub(super) async fn next(&mut self, is_listening: bool) -> Heard {
        let due = self.out.since.map(|since| since + limits::WRITE);
        tokio::select! {
            heard = read(&mut self.reader, &mut self.lines, &mut self.buffer), if is_listening => heard,
            written = push(&mut self.writer, &mut self.out), if due.is_some() => match written {
                Ok(()) => Heard::Written,
                Err(error) => Heard::Ended(Some(error)),
            },
            // Never, while nothing waits.
            () = sleep_until(due) => Heard::Stalled,
        }
    }

    /// Lets out what waits, for a short time, and closes.
    pub(super) async fn close(mut self) {
        let last_words = async {
            while self.out.since.is_some() && push(&mut self.writer, &mut self.out).await.is_ok() {}
            let _ = self.writer.shutdown().await;
        };
        let _ = timeout(limits::LAST_WORDS, last_words).await;
    }
}

async fn read(reader: &mut ReadHalf<Box<dyn Stream>>, lines: &mut Lines, buffer: &mut [u8]) -> Heard {
    loop {
        match lines.pull() {
            Ok(Some(line)) => return Heard::Line(line.to_vec()),
            Ok(None) => {}
            Err(_) => return Heard::Endless,
        }
        match reader.read(buffer).await {
            Ok(0) => return Heard::Ended(None),
            Ok(count) => lines.push(&buffer[..count]),
            Err(error) => return Heard::Ended(Some(error)),
        }
    }
}

/// One step: octets to the stream, or from the stream's own buffer to the network.
async fn push(writer: &mut WriteHalf<Box<dyn Stream>>, out: &mut Out) -> io::Result<()> {
    if out.octets.is_empty() {
        writer.flush().await?;
        *out = Out::default();
        return Ok(());
    }
    let count = writer.write(&out.octets).await?;
    if count == 0 {
        return Err(io::ErrorKind::WriteZero.into());
    }
    out.octets.drain(..count);
    out.since = Some(world::now());
    Ok(())
}
