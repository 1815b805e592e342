//! The word to systemd: `sd_notify` over the datagram socket named in `NOTIFY_SOCKET`, without libsystemd.

use std::{
    ffi::OsStr,
    io,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
};

/// Tells the service manager `state` (`READY=1`, `STOPPING=1`, `STATUS=...`; several on lines of their own).
/// Returns whether there is a service manager to tell.
///
/// # Errors
/// The socket that is named cannot be reached.
pub fn notify(state: &str) -> io::Result<bool> {
    match std::env::var_os("NOTIFY_SOCKET") {
        Some(socket) => notify_at(&socket, state).map(|()| true),
        None => Ok(false),
    }
}

/// As [`notify`], to a socket named by the caller: a path, or `@name` for an abstract one.
///
/// # Errors
/// The socket cannot be reached, or its name is neither.
pub fn notify_at(socket: &OsStr, state: &str) -> io::Result<()> {
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        [b'/', ..] => SocketAddr::from_pathname(socket)?,
        _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "NOTIFY_SOCKET is neither a path nor abstract")),
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 64];
        let octets = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..octets]).into_owned()
    }

    #[test]
    fn a_path_and_an_abstract_name_are_both_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let by_path = UnixDatagram::bind(&path).unwrap();
        notify_at(path.as_os_str(), "READY=1").unwrap();
        assert_eq!(heard(&by_path), "READY=1");

        let name = format!("recorder-test-{}", std::process::id());
        let by_name = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        notify_at(OsStr::new(&format!("@{name}")), "STOPPING=1").unwrap();
        assert_eq!(heard(&by_name), "STOPPING=1");
    }

    #[test]
    fn nonsense_and_nobody_there_are_errors() {
        assert!(notify_at(OsStr::new("relative"), "READY=1").is_err());
        assert!(notify_at(OsStr::new("/nowhere/notify"), "READY=1").is_err());
    }
}
