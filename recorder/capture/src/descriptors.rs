//! The process's limit of open descriptors: two sockets a track would soon meet the usual 1,024.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit as far as the system allows, and past its hard one to `needed` where the process may; the limit
/// afterwards.
pub(crate) fn raise(needed: u64) -> io::Result<u64> {
    let hard = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    let both = |limit| Rlimit { current: Some(limit), maximum: Some(limit) };
    if needed <= hard || setrlimit(Resource::Nofile, both(needed)).is_err() {
        setrlimit(Resource::Nofile, both(hard))?;
    }
    Ok(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_rises_as_far_as_the_process_may_and_never_falls() {
        let hard = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
        assert_eq!(raise(1).unwrap(), hard, "others need descriptors, too");
        // More than any kernel grants: what there is stays.
        assert_eq!(raise(u64::MAX - 1).unwrap(), hard);
    }
}
