//! A stream below TLS that leaves nothing of what was decrypted in the buffer above it.
//!
//! rustls decrypts in the buffer that it reads into, and reads the next records over it: a message that was taken stays
//! there until a longer one comes. It hands us that buffer whenever it wants to read, so we overwrite it first. The second
//! copy that rustls makes, of the plaintext that waits to be read, is its own: see [`reclaim`].

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use signaling_core::sip::frame::erase;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The stream below.
pub(crate) struct Erasing<S>(pub(crate) S);

impl<S: AsyncRead + Unpin> AsyncRead for Erasing<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        erase(buffer.initialize_unfilled());
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Erasing<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
}

/// Overwrites the copy that rustls made of so many octets and gave back a moment ago, on this thread. It is best effort:
/// nobody can be asked where that copy was, but an allocator gives what was freed last to whoever asks next for as much.
pub(crate) fn reclaim(octets: usize) {
    // Not zeroed memory, for which allocators have a store of its own.
    let mut same = Vec::with_capacity(octets);
    same.resize(octets, 0xa5);
    std::hint::black_box(&mut same);
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn what_was_in_the_buffer_is_gone_when_nothing_came() {
        let (_open, stream) = tokio::io::duplex(64);
        let mut stream = Erasing(stream);
        let mut buffer = *b"Signal=7";
        let mut read = std::pin::pin!(stream.read(&mut buffer));
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(read.as_mut().poll(&mut cx).is_pending());
        assert_eq!(buffer, [0; 8]);
    }
}
