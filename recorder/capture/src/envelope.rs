//! What the kernel says about a datagram: who sent it, when it came, how many were dropped before it.
#![expect(unsafe_code, reason = "socket addresses and control messages are read where the kernel wrote them")]

use std::{
    mem,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    ptr,
};

/// What came with a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Envelope {
    /// Who sent it.
    pub(crate) from: SocketAddr,
    /// When the kernel took it in: wall time, nanoseconds. `None` when the kernel did not say.
    pub(crate) arrival: Option<u64>,
    /// Datagrams this socket has dropped so far, when it dropped any.
    pub(crate) drops: Option<u32>,
    /// It is longer than a packet may be, or was cut to the length of the buffer.
    pub(crate) truncated: bool,
}

/// The socket address the kernel wrote. `None` for families other than IP.
pub(crate) fn address(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
    let name = ptr::from_ref(name);
    // SAFETY: sockaddr_storage is large and aligned enough for both types, which hold only integers; the family says
    // which one the kernel wrote.
    unsafe {
        match i32::from((*name).ss_family) {
            libc::AF_INET => {
                let v4 = &*name.cast::<libc::sockaddr_in>();
                let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
                Some(SocketAddr::new(ip.into(), u16::from_be(v4.sin_port)))
            }
            libc::AF_INET6 => {
                let v6 = &*name.cast::<libc::sockaddr_in6>();
                let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
                Some(SocketAddr::new(ip.into(), u16::from_be(v6.sin6_port)))
            }
            _ => None,
        }
    }
}

/// A source as headers have it: the first four octets of an IPv4 address, all of an IPv6 address.
pub(crate) fn source(octets: &[u8; 16], is_v4: bool, port: u16) -> SocketAddr {
    let [a, b, c, d, ..] = *octets;
    let ip = if is_v4 { Ipv4Addr::from([a, b, c, d]).into() } else { Ipv6Addr::from(*octets).into() };
    SocketAddr::new(ip, port)
}

/// What came with a message, in control messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ancillary {
    /// When the kernel took it in: wall time, nanoseconds.
    pub(crate) arrival: Option<u64>,
    /// Datagrams this socket has dropped so far.
    pub(crate) drops: Option<u32>,
    /// Octets of each datagram in it (the last may be shorter), when the kernel has put several into one (`UDP_GRO`).
    pub(crate) segment: Option<usize>,
}

/// Reads the control messages.
///
/// # Safety
/// `head` is a header the kernel filled; its control buffer is live and `msg_controllen` octets long.
pub(crate) unsafe fn control(head: *const libc::msghdr) -> Ancillary {
    let mut found = Ancillary::default();
    // SAFETY: by contract the control buffer is what the kernel wrote; the CMSG functions stay inside
    // `msg_controllen`, and the payload types are those of SCM_TIMESTAMPNS and SO_RXQ_OVFL (socket(7)) and UDP_GRO
    // (udp(7)), read unaligned and only when the message is long enough.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(head);
        while !message.is_null() {
            let length = (*message).cmsg_len as usize;
            let holds = |octets: usize| length >= libc::CMSG_LEN(octets as _) as usize;
            match ((*message).cmsg_level, (*message).cmsg_type) {
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) if holds(mem::size_of::<libc::timespec>()) => {
                    let time = libc::CMSG_DATA(message).cast::<libc::timespec>().read_unaligned();
                    found.arrival = nanos(&time);
                }
                (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) if holds(mem::size_of::<u32>()) => {
                    found.drops = Some(libc::CMSG_DATA(message).cast::<u32>().read_unaligned());
                }
                (libc::SOL_UDP, libc::UDP_GRO) if holds(mem::size_of::<libc::c_int>()) => {
                    let octets = libc::CMSG_DATA(message).cast::<libc::c_int>().read_unaligned();
                    found.segment = usize::try_from(octets).ok().filter(|&octets| octets > 0);
                }
                _ => {}
            }
            message = libc::CMSG_NXTHDR(head, message);
        }
    }
    found
}

fn nanos(time: &libc::timespec) -> Option<u64> {
    let seconds = u64::try_from(time.tv_sec).ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(u64::try_from(time.tv_nsec).ok()?)
}
