//! Disks of the tests' own: a small one that fills up, and one whose power can be cut, so that what the file system had
//! not written to it is gone.
//!
//! The power cut is no simulation of a file system: `data_dir` lies on ext4 on a loop device whose backing file holds
//! just what the kernel has written to the "disk". A copy of that file, taken while nothing is being written to it, is
//! what a power cut leaves; mounting the copy replays the journal as a boot would.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::process::run;

/// A mounted file system; unmounted when dropped.
#[derive(Debug)]
pub struct Mount {
    at: PathBuf,
    device: Option<String>,
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: a child that is just being killed may still have files open.
        let _ = run(Command::new("umount").arg("-l").arg(&self.at));
        if let Some(device) = &self.device {
            let _ = run(Command::new("losetup").args(["-d", device]));
        }
    }
}

/// Runs a command that must succeed and returns what it printed.
fn must(command: &mut Command) -> String {
    let (code, output, errors) = run(command);
    assert_eq!(code, 0, "{command:?}: {output}{errors}");
    output.trim().to_owned()
}

/// Mounting needs root. A chaos run that cannot mount is no pass.
///
/// # Panics
/// When this is not root.
pub fn require_root() {
    let id = must(Command::new("id").arg("-u"));
    assert_eq!(id, "0", "chaos tests mount file systems of their own: run them as root");
}

/// A file system in memory of so many MiB, mounted at `at`.
///
/// # Panics
/// When it cannot be mounted.
pub fn tmpfs(at: &Path, mib: u64) -> Mount {
    require_root();
    std::fs::create_dir_all(at).expect("a mount point");
    must(Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "chaos"]).arg(at));
    Mount { at: at.to_owned(), device: None }
}

impl Mount {
    /// Free octets.
    ///
    /// # Panics
    /// When `df` does not say.
    pub fn free(&self) -> u64 {
        let text = must(Command::new("df").args(["--output=avail", "-B1"]).arg(&self.at));
        text.lines().last().and_then(|line| line.trim().parse().ok()).expect("free octets")
    }

    /// Takes all but `left` octets away, with a file that [`Mount::empty`] removes. May be called again to take more.
    pub fn fill(&self, left: u64) {
        let take = self.free().saturating_sub(left);
        if take == 0 {
            return;
        }
        let at = std::fs::metadata(self.ballast()).map_or(0, |file| file.len());
        let (offset, length) = (at.to_string(), take.to_string());
        // The recorder takes its share at the same time: what is not there any more need not be taken.
        let _ = run(Command::new("fallocate").args(["-o", &offset, "-l", &length]).arg(self.ballast()));
    }

    /// Gives back what [`Mount::fill`] took.
    ///
    /// # Panics
    /// When nothing was taken.
    pub fn empty(&self) {
        std::fs::remove_file(self.ballast()).expect("a file in the way");
    }

    fn ballast(&self) -> PathBuf {
        self.at.join("ballast")
    }
}

/// An ext4 disk whose power can be cut.
#[derive(Debug)]
pub struct PowerDisk {
    mount: Option<Mount>,
    image: PathBuf,
    /// The images are in memory: the machine's own disk must not decide how long a sync takes.
    _memory: Mount,
    at: PathBuf,
}

impl PowerDisk {
    /// Makes one of so many MiB in `folder` and mounts it at `at`.
    ///
    /// # Panics
    /// When there is no loop device, or no ext4.
    pub fn new(folder: &Path, at: &Path, mib: u64) -> Self {
        let memory = folder.join("disk");
        let _memory = tmpfs(&memory, 3 * mib);
        let image = memory.join("image");
        must(Command::new("truncate").args(["-s", &format!("{mib}M")]).arg(&image));
        must(Command::new("mkfs.ext4").args(["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"]).arg(&image));
        std::fs::create_dir_all(at).expect("a mount point");
        let mount = Some(attach(&image, at));
        Self { mount, image, _memory, at: at.to_owned() }
    }

    /// Cuts the power: everything that was not written to the disk is gone. Nobody may use it meanwhile.
    ///
    /// # Panics
    /// When the device never comes to rest.
    pub fn cut(&mut self) {
        let mount = self.mount.take().expect("a mounted disk");
        let after = self.image.with_extension("after");
        let device = mount.device.clone().expect("a loop device");
        let mut tries = 0;
        loop {
            let before = writes(&device);
            must(Command::new("cp").arg("--sparse=always").arg(&self.image).arg(&after));
            // A copy of a disk that is being written to is nothing that ever was on it.
            if before.is_some() && writes(&device) == before {
                break;
            }
            tries += 1;
            assert!(tries < 100, "{device} never comes to rest");
        }
        drop(mount);
        std::fs::rename(&after, &self.image).expect("another image");
        self.mount = Some(attach(&self.image, &self.at));
    }
}

/// Mounted as a boot does it: the journal is replayed.
fn attach(image: &Path, at: &Path) -> Mount {
    let device = must(Command::new("losetup").args(["--find", "--show"]).arg(image));
    let mount = Mount { at: at.to_owned(), device: Some(device.clone()) };
    must(Command::new("mount").args(["-t", "ext4", &device]).arg(at));
    mount
}

/// Writes and flushes that a device has finished; none while one is under way.
fn writes(device: &str) -> Option<(u64, u64)> {
    let name = device.rsplit('/').next().expect("a name");
    let text = std::fs::read_to_string(format!("/sys/block/{name}/stat")).expect("a loop device");
    let words: Vec<u64> = text.split_whitespace().map(|word| word.parse().expect("a number")).collect();
    let is_resting = words[8] == 0;
    is_resting.then(|| (words[4], words.get(15).copied().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_power_cut_takes_what_was_not_synced_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path().join("at");
        let mut disk = PowerDisk::new(folder.path(), &at, 64);
        let file = |name: &str| {
            let mut file = std::fs::OpenOptions::new().create(true).append(true).open(at.join(name)).expect("a file");
            file.write_all(b"kept").expect("written");
            file
        };
        let synced = file("synced");
        synced.sync_all().expect("synced");
        let mut longer = file("longer");
        longer.sync_all().expect("synced");
        longer.write_all(b"lost").expect("written");
        drop((synced, longer, file("never")));
        disk.cut();
        let read = |name: &str| std::fs::read(at.join(name)).ok();
        assert_eq!(read("synced").as_deref(), Some(&b"kept"[..]));
        assert_eq!(read("longer").as_deref(), Some(&b"kept"[..]));
        assert_ne!(read("never").as_deref(), Some(&b"kept"[..]), "the disk has written on its own");
    }

    #[test]
    fn a_small_disk_is_filled_and_emptied() {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = tmpfs(&folder.path().join("at"), 16);
        assert!(disk.free() > 8 << 20);
        disk.fill(1 << 20);
        assert!(disk.free() <= 1 << 20);
        disk.empty();
        assert!(disk.free() > 8 << 20);
    }
}
