//! The preloaded shim (`shim.c`): compiled here, told through a control file while the recorder runs.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::process::run;

/// One shim, for one recorder at a time.
#[derive(Debug)]
pub struct Shim {
    object: PathBuf,
    control: File,
    control_path: PathBuf,
}

/// Which calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calls {
    /// `fsync`, `fdatasync`, `syncfs`.
    Sync,
    /// `write`, `writev`, `pwrite`, `pwritev` on files.
    Write,
}

/// Input/output error.
pub const EIO: u32 = 5;
/// No space left on device.
pub const ENOSPC: u32 = 28;

const CLOCK_AT: u64 = 64;
const ONLY_AT: u64 = 72;
const ONLY_LEN: usize = 56;

impl Shim {
    /// Compiles the shim into `folder` and makes its control file there.
    ///
    /// # Panics
    /// When there is no C compiler.
    pub fn new(folder: &Path) -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/chaos/shim.c");
        let object = folder.join("chaos-shim.so");
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(&object).arg(source).arg("-ldl");
        let (code, _, errors) = run(&mut cc);
        assert_eq!(code, 0, "the shim does not compile: {errors}");
        let control_path = folder.join("chaos-control");
        std::fs::write(&control_path, [0; 4096]).expect("a control file");
        let control = OpenOptions::new().read(true).write(true).open(&control_path).expect("a control file");
        Self { object, control, control_path }
    }

    /// What the recorder must be started with: disk and clock.
    pub fn environment(&self) -> Vec<(&str, &str)> {
        let mut all = self.clock_environment();
        all.push(("CHAOS_DISK", "1"));
        all
    }

    /// What the recorder must be started with when only its clock is played with.
    ///
    /// # Panics
    /// When the temporary folder has a name that is no text.
    pub fn clock_environment(&self) -> Vec<(&str, &str)> {
        vec![("LD_PRELOAD", text(&self.object)), ("CHAOS_CONTROL", text(&self.control_path))]
    }

    /// Only files whose path contains `text` are disturbed; empty for all.
    ///
    /// # Panics
    /// When the text is too long.
    pub fn only(&self, text: &str) {
        assert!(text.len() < ONLY_LEN, "{text} is too long");
        let mut octets = [0; ONLY_LEN];
        octets[..text.len()].copy_from_slice(text.as_bytes());
        self.write(ONLY_AT, &octets);
    }

    /// Delays `permille` of the calls by `min..=max` milliseconds.
    pub fn delay(&self, calls: Calls, permille: u32, min: u32, max: u32) {
        self.set(calls, 0, min);
        self.set(calls, 1, max);
        self.set(calls, 2, permille);
    }

    /// The next `count` calls fail with `error` (an errno).
    pub fn fail(&self, calls: Calls, count: u32, error: u32) {
        self.set(calls, 4, error);
        self.set(calls, 3, count);
    }

    /// Calls that were to fail and have not come yet.
    pub fn fails_left(&self, calls: Calls) -> u32 {
        self.get(calls, 3)
    }

    /// From here on no such call returns, until [`Shim::release`].
    pub fn hold(&self, calls: Calls) {
        self.set(calls, 5, 1);
    }

    /// Lets them go.
    pub fn release(&self, calls: Calls) {
        self.set(calls, 5, 0);
    }

    /// How many calls are held now.
    pub fn held(&self, calls: Calls) -> u32 {
        self.get(calls, 7)
    }

    /// Moves the wall clock of the recorder to `millis` from the real one.
    pub fn clock(&self, millis: i64) {
        self.write(CLOCK_AT, &millis.to_le_bytes());
    }

    fn set(&self, calls: Calls, word: u64, value: u32) {
        self.write(base(calls) + 4 * word, &value.to_le_bytes());
    }

    fn get(&self, calls: Calls, word: u64) -> u32 {
        let mut octets = [0; 4];
        self.control.read_exact_at(&mut octets, base(calls) + 4 * word).expect("the control file");
        u32::from_le_bytes(octets)
    }

    fn write(&self, at: u64, octets: &[u8]) {
        self.control.write_all_at(octets, at).expect("the control file");
    }
}

/// A recorder that is held would never end.
impl Drop for Shim {
    fn drop(&mut self) {
        self.release(Calls::Sync);
        self.release(Calls::Write);
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

const fn base(calls: Calls) -> u64 {
    match calls {
        Calls::Sync => 0,
        Calls::Write => 32,
    }
}
