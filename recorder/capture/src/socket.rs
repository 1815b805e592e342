//! One UDP socket of a track: bound for itself alone, stamped by the kernel, never blocking.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    os::fd::{AsFd, BorrowedFd},
};

use socket2::{Domain, Protocol, SockAddr, Type};

use crate::{options, recvmmsg::Batch};

/// A bound socket.
pub(crate) struct Socket {
    socket: socket2::Socket,
    is_ipv4: bool,
    is_loopback: bool,
    /// Its datagrams come, or came, by the ring of its worker, under this port.
    pub(crate) line: Option<u16>,
    /// The kernel granted less memory than asked for.
    pub(crate) is_capped: bool,
}

impl Socket {
    /// Binds `address` with room for `buffer` octets of kernel memory. No address reuse: a port that somebody else
    /// holds must be refused, not shared.
    pub(crate) fn bind(address: SocketAddr, buffer: usize) -> io::Result<Self> {
        let socket = socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        // The kernel doubles what it is asked for, and silently caps it at net.core.rmem_max.
        socket.set_recv_buffer_size(buffer.div_ceil(2))?;
        let is_capped = socket.recv_buffer_size()? < buffer;
        options::stamp_arrivals(socket.as_fd())?;
        socket.bind(&SockAddr::from(address))?;
        let (is_ipv4, is_loopback) = (address.is_ipv4(), address.ip().is_loopback());
        Ok(Self { socket, is_ipv4, is_loopback, line: None, is_capped })
    }

    /// From now on datagrams that one sender sent together may come as one message: for batches, not for rings.
    pub(crate) fn coalesce(&self) {
        options::coalesce(self.socket.as_fd());
    }

    /// Takes what waits, at most so many messages, behind what is in the batch already.
    pub(crate) fn receive_more(&self, batch: &mut Batch, most: usize) -> io::Result<usize> {
        batch.receive_more(self.socket.as_fd(), most)
    }

    /// What it is bound to, with the port that the kernel chose if that was left to it.
    pub(crate) fn local(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable.into())
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Sends one datagram; whether it left.
    pub(crate) fn send(&self, octets: &[u8], to: SocketAddr) -> bool {
        self.socket.send_to(octets, &SockAddr::from(to)).is_ok()
    }

    /// Datagrams the kernel dropped so far.
    pub(crate) fn dropped(&self) -> Option<u32> {
        options::dropped(self.socket.as_fd())
    }

    /// Whether datagrams sent to `to` could reach a peer. Offers carry placeholders (quirk Q-SDP): wildcards,
    /// groups, port 0, the peer's own loopback.
    pub(crate) fn can_reach(&self, to: SocketAddr) -> bool {
        let broadcast = matches!(to.ip(), IpAddr::V4(v4) if v4.is_broadcast());
        let foreign_loopback = to.ip().is_loopback() && !self.is_loopback;
        to.port() != 0
            && to.is_ipv4() == self.is_ipv4
            && !to.ip().is_unspecified()
            && !to.ip().is_multicast()
            && !broadcast
            && !foreign_loopback
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_never_sent_to() {
        let socket = Socket::bind("127.0.0.1:0".parse().unwrap(), 65_536).unwrap();
        for to in ["0.0.0.0:5000", "224.0.0.1:5000", "255.255.255.255:5000", "192.0.2.1:0", "[::1]:5000"] {
            assert!(!socket.can_reach(to.parse().unwrap()), "{to}");
        }
        assert!(socket.can_reach("127.0.0.1:5000".parse().unwrap()));
        let open = Socket::bind("0.0.0.0:0".parse().unwrap(), 65_536).unwrap();
        assert!(!open.can_reach("127.0.0.1:5000".parse().unwrap()));
        assert!(open.can_reach("192.0.2.1:5000".parse().unwrap()));
    }
}
