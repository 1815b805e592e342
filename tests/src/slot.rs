//! A block of 400 ports that no other test process uses at the same time: a locked file says so, so no test waits for
//! luck with ports that somebody else bound in between.

use std::{
    fs::{File, OpenOptions},
    net::{TcpListener, UdpSocket},
    path::PathBuf,
};

const FIRST: u16 = 10_000;
const PORTS: u16 = 400;
/// Ends below the kernel's ephemeral range (32768).
const SLOTS: u16 = 56;

/// The reservation; given back when dropped.
#[derive(Debug)]
pub struct Slot {
    base: u16,
    next: u16,
    _lock: File,
}

impl Slot {
    /// Reserves a block.
    ///
    /// # Panics
    /// When all blocks are taken.
    #[expect(clippy::new_without_default, reason = "a reservation is not a default")]
    pub fn new() -> Self {
        let folder = std::env::temp_dir().join("recorder-test-ports");
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        for index in 0..SLOTS {
            let path: PathBuf = folder.join(format!("{index}.lock"));
            let file = OpenOptions::new().create(true).truncate(false).write(true).open(path).expect("a lock file");
            if file.try_lock().is_ok() {
                return Self { base: FIRST + index * PORTS, next: 0, _lock: file };
            }
        }
        panic!("all {SLOTS} port blocks are in use");
    }

    /// The next single port of the block (its first hundred) that nobody holds: what a killed test run left behind, or
    /// a program that knows nothing of blocks.
    ///
    /// # Panics
    /// When a test asks for more than a hundred.
    pub fn port(&mut self) -> u16 {
        loop {
            assert!(self.next < 100, "a test asks for too many ports");
            let port = self.base + self.next;
            self.next += 1;
            if TcpListener::bind(("127.0.0.1", port)).is_ok() && UdpSocket::bind(("127.0.0.1", port)).is_ok() {
                return port;
            }
        }
    }

    /// The range for media: the rest of the block.
    pub fn media(&self) -> (u16, u16) {
        (self.base + 100, self.base + PORTS - 1)
    }
}
