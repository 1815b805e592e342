//! The UDP port pair of one line: an even port for RTP, the next one for RTCP (RFC 3550 11).

use std::{
    io,
    net::{IpAddr, SocketAddr, UdpSocket},
};

use socket2::{Domain, Socket, Type};

use crate::{error::CallError, limits};

/// Two bound sockets, neighbours.
#[derive(Debug)]
pub struct PortPair {
    /// The even one.
    pub rtp: UdpSocket,
    /// Its odd neighbour.
    pub rtcp: UdpSocket,
    /// Port of `rtp`.
    pub port: u16,
}

impl PortPair {
    /// Takes a free pair on `address`. The sockets do not block.
    pub fn open(address: IpAddr) -> Result<Self, CallError> {
        for _ in 0..limits::PORT_PAIR_ATTEMPTS {
            let rtp = bind(address, 0).map_err(|cause| CallError::Media(format!("{address}: {cause}")))?;
            let port = rtp.local_addr().map_err(|cause| CallError::Media(cause.to_string()))?.port();
            if port.is_multiple_of(2)
                && let Ok(rtcp) = bind(address, port + 1)
            {
                return Ok(Self { rtp, rtcp, port });
            }
        }
        Err(CallError::Media(format!("{address}: no even port with a free neighbour")))
    }
}

/// The local address from which packets to `remote` leave.
pub fn local_address(remote: SocketAddr) -> Result<IpAddr, CallError> {
    let failed = |cause: io::Error| CallError::Unreachable(format!("{remote}: {cause}"));
    let any: SocketAddr = if remote.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
    let probe = UdpSocket::bind(any).map_err(failed)?;
    probe.connect(remote).map_err(failed)?;
    Ok(probe.local_addr().map_err(failed)?.ip())
}

fn bind(address: IpAddr, port: u16) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address((address, port).into()), Type::DGRAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::new(address, port).into())?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn pairs_are_even_neighbours_and_never_shared() {
        let first = PortPair::open(Ipv4Addr::LOCALHOST.into()).unwrap();
        let second = PortPair::open(Ipv4Addr::LOCALHOST.into()).unwrap();
        assert!(first.port.is_multiple_of(2));
        assert_eq!(first.rtcp.local_addr().unwrap().port(), first.port + 1);
        assert_ne!(first.port, second.port);
    }

    #[test]
    fn an_address_that_is_not_ours_is_named() {
        let CallError::Media(said) = PortPair::open(Ipv4Addr::new(192, 0, 2, 1).into()).unwrap_err() else { panic!() };
        assert!(said.starts_with("192.0.2.1: "), "{said}");
    }

    #[test]
    fn loopback_is_reached_from_loopback() {
        assert_eq!(local_address(([127, 0, 0, 1], 5060).into()).unwrap(), Ipv4Addr::LOCALHOST);
    }
}
