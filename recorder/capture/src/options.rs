//! Socket options that have no safe binding: arrival stamps, drop counts, filters, and what they say.
#![expect(unsafe_code, reason = "these socket options have no safe binding")]

use std::{
    io, mem,
    os::fd::{AsRawFd, BorrowedFd},
};

/// Asks the kernel to stamp arrivals with the wall clock and to tell how many datagrams it dropped.
pub(crate) fn stamp_arrivals(socket: BorrowedFd<'_>) -> io::Result<()> {
    [libc::SO_TIMESTAMPNS, libc::SO_RXQ_OVFL]
        .into_iter()
        .try_for_each(|option| set(socket, (libc::SOL_SOCKET, option), 1))
}

/// Asks the kernel to hand over together what one sender sent together (`UDP_GRO`, udp(7), Linux 5.0): one copy and one
/// stamp for all of it. A kernel that cannot hands over every datagram by itself.
pub(crate) fn coalesce(socket: BorrowedFd<'_>) {
    let _ = set(socket, (libc::SOL_UDP, libc::UDP_GRO), 1);
}

/// Sets an option that takes an int.
pub(crate) fn set(
    socket: BorrowedFd<'_>,
    (level, option): (libc::c_int, libc::c_int),
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the kernel reads an int, which `value` is; it outlives the call.
    let done = unsafe {
        let size = mem::size_of::<libc::c_int>() as libc::socklen_t;
        libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), size)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Datagrams the socket has dropped so far; what a last drain cannot see, because no packet follows to carry it.
pub(crate) fn dropped(socket: BorrowedFd<'_>) -> Option<u32> {
    let mut info = [0_u32; 16];
    let mut size = mem::size_of_val(&info) as libc::socklen_t;
    // SAFETY: the kernel writes at most `size` octets into `info` and says how many.
    let done = unsafe {
        let to = info.as_mut_ptr().cast();
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_MEMINFO, to, &raw mut size)
    };
    let index = libc::SK_MEMINFO_DROPS as usize;
    (done == 0 && size as usize >= (index + 1) * mem::size_of::<u32>()).then(|| info[index])
}

/// The number of a socket that no other one has while the system runs.
pub(crate) fn cookie(socket: BorrowedFd<'_>) -> io::Result<u64> {
    let mut cookie = 0_u64;
    let mut size = mem::size_of::<u64>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `size` octets into `cookie`.
    let done = unsafe {
        let to = (&raw mut cookie).cast();
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_COOKIE, to, &raw mut size)
    };
    if done == 0 { Ok(cookie) } else { Err(io::Error::last_os_error()) }
}
