//! A child process that is ended by its pid when the test is over, and whose output a failing test can read.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use crate::wait;

/// A running child.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
    is_reaped: bool,
}

impl Process {
    /// Starts `command`, both outputs into `log`.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(command: &mut Command, log: &Path) -> Self {
        let file = File::options().create(true).append(true).open(log).expect("a log file");
        let copy = file.try_clone().expect("a second handle");
        let child = command.stdin(Stdio::null()).stdout(file).stderr(copy).spawn();
        let child = child.unwrap_or_else(|error| panic!("{:?} cannot be started: {error}", command.get_program()));
        Self { child, log: log.to_owned(), is_reaped: false }
    }

    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Octets of its resident memory.
    ///
    /// # Panics
    /// When it has ended.
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        line.and_then(|kilobytes| kilobytes.parse::<u64>().ok()).expect("VmRSS") * 1024
    }

    /// Everything it has printed so far.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The exit status, if it has ended.
    ///
    /// # Panics
    /// When the system cannot say.
    pub fn status(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().expect("a child of ours");
        self.is_reaped |= status.is_some();
        status
    }

    /// Sends a signal by its `kill` name: `TERM`, `INT`, `KILL`.
    ///
    /// # Panics
    /// When `kill` is not there.
    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        sent.expect("the kill command");
    }

    /// Waits for its end.
    pub fn wait(&mut self, seconds: u64) -> ExitStatus {
        let mut status = None;
        wait::until(seconds, "the end of a process", || {
            status = self.status();
            status.is_some()
        });
        status.expect("just seen")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.is_reaped {
            // The child may have ended by itself in the meantime: then there is nothing to kill.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Runs a command to its end and returns its exit code, standard output and standard error.
///
/// # Panics
/// When it cannot be started or is ended by a signal.
pub fn run(command: &mut Command) -> (i32, String, String) {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{:?} cannot be started: {error}", command.get_program()));
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    (output.status.code().expect("no signal"), text(&output.stdout), text(&output.stderr))
}

/// One of our binaries, built beside this test.
///
/// # Panics
/// When it has not been built.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let folder = test.ancestors().find(|folder| folder.join(name).is_file());
    folder.unwrap_or_else(|| panic!("{name} is not built: run `make build`")).join(name)
}
