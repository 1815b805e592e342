//! One connection of the set-up load: whole SIP messages in and out, over UDP, TCP or TLS.

use std::{io, net::SocketAddr};

use signaling_core::event::Transport;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf},
    net::{TcpStream, UdpSocket},
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

use crate::{
    call::{signal, spec::CallSpec},
    error::CallError,
    limits,
};

/// A byte stream to the recorder.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection. What is sent leaves with the next [`Wire::flush`].
pub(super) struct Wire {
    local: SocketAddr,
    road: Road,
    received: Vec<u8>,
}

enum Road {
    Datagrams(UdpSocket),
    Octets { read: ReadHalf<Box<dyn Stream>>, write: WriteHalf<Box<dyn Stream>>, unsent: Vec<u8> },
}

/// Messages taken from a socket before the timers are looked at again.
const AT_ONCE: usize = 64;
/// Room for what the kernel may hold while we write: the answers of some hundred milliseconds.
const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;

impl Wire {
    /// Connects.
    pub(super) async fn open(spec: &CallSpec, remote: SocketAddr) -> Result<Self, CallError> {
        let failed = |cause: io::Error| CallError::Unreachable(format!("{remote}: {cause}"));
        let (local, road) = match spec.transport {
            Transport::Udp => {
                let any: SocketAddr = if remote.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
                let socket = UdpSocket::bind(any).await.map_err(failed)?;
                // The kernel caps it at rmem_max: more room where it may be had, no error where not.
                drop(socket2::SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER));
                socket.connect(remote).await.map_err(failed)?;
                // Until the runtime has heard that it may be written, the first message would not leave, but be repeated.
                socket.writable().await.map_err(failed)?;
                (socket.local_addr().map_err(failed)?, Road::Datagrams(socket))
            }
            Transport::Tcp | Transport::Tls => {
                let stream = TcpStream::connect(remote).await.map_err(failed)?;
                stream.set_nodelay(true).map_err(failed)?;
                let local = stream.local_addr().map_err(failed)?;
                let stream: Box<dyn Stream> = match signal::tls_config(spec)? {
                    None => Box::new(stream),
                    Some(config) => {
                        let name = ServerName::try_from(spec.target.host.clone())
                            .map_err(|cause| CallError::Usage(format!("target: {cause}")))?;
                        Box::new(TlsConnector::from(config).connect(name, stream).await.map_err(failed)?)
                    }
                };
                let (read, write) = tokio::io::split(stream);
                (local, Road::Octets { read, write, unsent: Vec::new() })
            }
        };
        Ok(Self { local, road, received: Vec::new() })
    }

    /// Our address.
    pub(super) const fn local(&self) -> SocketAddr {
        self.local
    }

    /// Requests may be lost on the way and are sent again.
    pub(super) const fn is_lossy(&self) -> bool {
        matches!(self.road, Road::Datagrams(_))
    }

    /// Sends a message: at once over UDP (what the kernel does not take now is repeated by its timer), else on flush.
    pub(super) fn send(&mut self, message: &[u8]) {
        match &mut self.road {
            Road::Datagrams(socket) => drop(socket.try_send(message)),
            Road::Octets { unsent, .. } => unsent.extend_from_slice(message),
        }
    }

    /// Lets everything leave.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        if let Road::Octets { write, unsent, .. } = &mut self.road
            && !unsent.is_empty()
        {
            write.write_all(unsent).await?;
            write.flush().await?;
            unsent.clear();
        }
        Ok(())
    }

    /// Waits for messages and gives each to `each`. Cancel safe.
    pub(super) async fn receive(&mut self, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        match &mut self.road {
            Road::Datagrams(socket) => {
                socket.readable().await?;
                self.received.resize(limits::SETUP_MESSAGE_OCTETS, 0);
                for _ in 0..AT_ONCE {
                    match socket.try_recv(&mut self.received) {
                        Ok(length) => each(&self.received[..length]),
                        Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => break,
                        Err(cause) => return Err(cause),
                    }
                }
            }
            Road::Octets { read, .. } => {
                if read.read_buf(&mut self.received).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                let mut from = 0;
                while let Some(length) = message_length(&self.received[from..])? {
                    each(&self.received[from..from + length]);
                    from += length;
                }
                self.received.drain(..from);
            }
        }
        Ok(())
    }
}

/// Octets of the first message, once all of it is there.
fn message_length(octets: &[u8]) -> io::Result<Option<usize>> {
    let Some(head) = octets.windows(4).position(|window| window == b"\r\n\r\n") else {
        let is_endless = octets.len() > limits::SETUP_MESSAGE_OCTETS;
        return if is_endless { Err(io::ErrorKind::InvalidData.into()) } else { Ok(None) };
    };
    let body = super::script::header(&octets[..head + 2], b"Content-Length").and_then(|value| value.parse().ok());
    let length = head + 4 + body.unwrap_or(0usize);
    if length > limits::SETUP_MESSAGE_OCTETS {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok((octets.len() >= length).then_some(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_taken_when_it_is_whole_and_never_when_it_is_endless() {
        let whole = b"SIP/2.0 200 OK\r\nContent-Length: 3\r\n\r\nabcSIP/2.0 100";
        assert_eq!(message_length(whole).unwrap(), Some(whole.len() - 11));
        assert_eq!(message_length(&whole[..whole.len() - 12]).unwrap(), None);
        assert_eq!(message_length(b"SIP/2.0 200 OK\r\n").unwrap(), None);
        assert!(message_length(b"SIP/2.0 200 OK\r\nContent-Length: 99999999\r\n\r\n").is_err());
        assert!(message_length(&[b'x'; limits::SETUP_MESSAGE_OCTETS + 1]).is_err());
    }
}
