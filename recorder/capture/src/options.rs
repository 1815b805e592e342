//! Socket options that have no safe binding: arrival stamps, drop counts, and what they say.
#![expect(unsafe_code, reason = "four socket options have no safe binding")]

use std::{
    io, mem,
    os::fd::{AsRawFd, BorrowedFd},
};

/// Asks the kernel to stamp arrivals with the wall clock and to tell how many datagrams it dropped.
pub(crate) fn stamp_arrivals(socket: BorrowedFd<'_>) -> io::Result<()> {
    for option in [libc::SO_TIMESTAMPNS, libc::SO_RXQ_OVFL] {
        let on: libc::c_int = 1;
        // SAFETY: the option takes an int, which `on` is; it outlives the call.
        let done = unsafe {
            let size = mem::size_of::<libc::c_int>() as libc::socklen_t;
            libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, (&raw const on).cast(), size)
        };
        if done != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Asks the kernel to hand over together what one sender sent together (`UDP_GRO`, udp(7), Linux 5.0): one copy and one
/// stamp for all of it. A kernel that cannot hands over every datagram by itself.
pub(crate) fn coalesce(socket: BorrowedFd<'_>) {
    let on: libc::c_int = 1;
    // SAFETY: the option takes an int, which `on` is; it outlives the call.
    let _ = unsafe {
        let size = mem::size_of::<libc::c_int>() as libc::socklen_t;
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_UDP, libc::UDP_GRO, (&raw const on).cast(), size)
    };
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
