//! Pinning a worker to a core: its caches keep its tracks, and the scheduler keeps the workers apart; and its priority.
#![expect(unsafe_code, reason = "sched_getaffinity, sched_setaffinity and setpriority have no safe binding")]

use std::{io, mem};

/// The cores this process may use, in order. Empty when the system does not say.
pub(crate) fn cores() -> Vec<usize> {
    // SAFETY: cpu_set_t is plain integers, all-zero is valid; the kernel writes at most the size given; CPU_ISSET reads
    // the set just written, below its capacity.
    unsafe {
        let mut set: libc::cpu_set_t = mem::zeroed();
        if libc::sched_getaffinity(0, mem::size_of_val(&set), &raw mut set) != 0 {
            return Vec::new();
        }
        (0..libc::CPU_SETSIZE as usize).filter(|&core| libc::CPU_ISSET(core, &set)).collect()
    }
}

/// Binds the calling thread to `core`.
pub(crate) fn pin(core: usize) -> io::Result<()> {
    if core >= libc::CPU_SETSIZE as usize {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: as above; `core` is below the capacity of the set, and 0 names the calling thread.
    let done = unsafe {
        let mut set: libc::cpu_set_t = mem::zeroed();
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(0, mem::size_of_val(&set), &raw const set)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Lets the calling thread go before the rest of the process, and before whatever else the machine does: finishing a
/// recording can wait, a receive buffer cannot. Needs `CAP_SYS_NICE` or a limit that allows it.
pub(crate) fn prefer() -> io::Result<()> {
    // SAFETY: no pointers; 0 names the calling thread, because Linux keeps the value for each thread.
    let done = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

const NICE: libc::c_int = -10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_pins_itself_to_a_core_it_may_use_and_to_no_other() {
        std::thread::spawn(|| {
            let last = *cores().last().expect("at least the core this runs on");
            pin(last).unwrap();
            assert_eq!(cores(), [last]);
            assert!(pin(usize::MAX).is_err());
        })
        .join()
        .unwrap();
    }
}
