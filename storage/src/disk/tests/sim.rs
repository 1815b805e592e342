//! A disk for tests, with the manners of a real one: a page cache that forgets what was not synced, folders whose
//! entries are lost on their own, and calls that fail on command.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, IoSlice},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::super::{Entry, Mode, Space};

/// The disk. Clones are the same disk.
#[derive(Clone, Default)]
pub(crate) struct SimDisk(Arc<Mutex<State>>);

/// An open file of it. A power cut makes it useless.
pub(crate) struct SimFile {
    disk: SimDisk,
    inode: usize,
    life: u64,
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// EIO. A write leaves half of itself, a sync loses its pages.
    Io,
    /// ENOSPC. A write leaves half of itself.
    Full,
    /// A write takes half and says so; nothing else notices.
    Short,
}

/// What a power cut leaves of what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Survives {
    Everything,
    Nothing,
    /// Pages, sectors and names by the dice.
    Some(u64),
}

#[derive(Default)]
struct State {
    inodes: Vec<Inode>,
    live: BTreeMap<PathBuf, usize>,
    durable: BTreeMap<PathBuf, usize>,
    dirs: BTreeSet<PathBuf>,
    durable_dirs: BTreeSet<PathBuf>,
    /// Changes of names that are not durable, in order.
    names: Vec<Name>,
    calls: u64,
    fault: Option<(std::ops::Range<u64>, Fault)>,
    life: u64,
    space: Space,
    dice: u64,
    /// After this call nothing happens any more, though calls say so: the power is gone, and nobody is left to notice.
    last: Option<u64>,
}

#[derive(Clone, Default)]
struct Inode {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// Pages that the next sync writes.
    dirty: BTreeSet<usize>,
    is_resized: bool,
}

#[derive(Clone)]
enum Name {
    Made(PathBuf),
    Put(PathBuf, usize),
    Gone(PathBuf),
    Moved(PathBuf, PathBuf, usize),
}

const GONE: &str = "the power is gone";
const PAGE: usize = 4_096;
const SECTOR: usize = 512;

impl SimDisk {
    /// A disk of that many octets; only [`SimDisk::space`] knows, writes fail on command.
    pub(crate) fn with_space(free: u64) -> Self {
        let disk = Self::default();
        disk.state().space = Space { free, total: free };
        disk
    }

    pub(crate) fn set_free(&self, free: u64) {
        self.state().space.free = free;
    }

    /// Calls made so far: those that can fail.
    pub(crate) fn calls(&self) -> u64 {
        self.state().calls
    }

    /// The calls with these numbers fail.
    pub(crate) fn fail(&self, calls: std::ops::Range<u64>, fault: Fault) {
        self.state().fault = Some((calls, fault));
    }

    /// The power goes after that many calls. Later ones change nothing and fail.
    pub(crate) fn stop_after(&self, calls: u64) {
        self.state().last = Some(calls);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        let state = self.state();
        state.last.is_some_and(|last| state.calls > last)
    }

    pub(crate) fn heal(&self) {
        self.state().fault = None;
    }

    /// The power goes and comes back: what this returns is the disk as the next life finds it. Open files are dead.
    pub(crate) fn cut(&self, survives: Survives) -> Self {
        let mut state = self.state();
        state.life += 1;
        let mut next = State { space: state.space, life: state.life, ..State::default() };
        next.dice = if let Survives::Some(seed) = survives { seed | 1 } else { 1 };
        next.durable_dirs = state.durable_dirs.clone();
        next.durable = state.durable.clone();
        for name in state.names.clone() {
            let keeps = match survives {
                Survives::Everything => true,
                Survives::Nothing => false,
                Survives::Some(_) => next.roll(2) == 0,
            };
            if keeps {
                next.remember(name);
            }
        }
        next.inodes = state.inodes.iter().map(|inode| next_life(inode, survives, &mut next.dice)).collect();
        let dirs = next.durable_dirs.clone();
        next.durable.retain(|path, _| path.parent().is_none_or(|dir| is_reached(dir, &dirs)));
        (next.live, next.dirs) = (next.durable.clone(), dirs);
        Self(Arc::new(Mutex::new(next)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn open(&self, path: &Path, mode: Mode) -> io::Result<SimFile> {
        let mut state = self.state();
        state.call()?;
        let found = state.live.get(path).copied();
        let inode = match (found, mode) {
            (None, Mode::Read) => return Err(io::ErrorKind::NotFound.into()),
            (None, _) => {
                let inode = state.inodes.len();
                state.inodes.push(Inode::default());
                state.live.insert(path.to_owned(), inode);
                state.names.push(Name::Put(path.to_owned(), inode));
                inode
            }
            (Some(inode), _) => inode,
        };
        if mode == Mode::New {
            state.inodes[inode].resize(0);
        }
        Ok(SimFile { disk: self.clone(), inode, life: state.life })
    }

    pub(crate) fn make_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.call()?;
        if state.dirs.insert(path.to_owned()) {
            state.names.push(Name::Made(path.to_owned()));
        }
        Ok(())
    }

    pub(crate) fn is_dir(&self, path: &Path) -> bool {
        path == Path::new("/") || self.state().dirs.contains(path)
    }

    pub(crate) fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let mut state = self.state();
        state.call()?;
        if dir != Path::new("/") && !state.dirs.contains(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let inside = state.live.iter().filter(|(path, _)| path.parent() == Some(dir));
        Ok(inside
            .map(|(path, inode)| Entry { path: path.clone(), octets: state.inodes[*inode].live.len() as u64 })
            .collect())
    }

    pub(crate) fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.call()?;
        let (of_dir, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut state.names).into_iter().partition(|name| name.dir() == Some(dir));
        state.names = others;
        of_dir.into_iter().for_each(|name| state.remember(name));
        Ok(())
    }

    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.call()?;
        let inode = state.live.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.live.insert(to.to_owned(), inode);
        state.names.push(Name::Moved(from.to_owned(), to.to_owned(), inode));
        Ok(())
    }

    pub(crate) fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.call()?;
        state.live.remove(path).ok_or(io::ErrorKind::NotFound)?;
        state.names.push(Name::Gone(path.to_owned()));
        Ok(())
    }

    pub(crate) fn space(&self) -> io::Result<Space> {
        let mut state = self.state();
        state.call()?;
        Ok(state.space)
    }
}

impl SimFile {
    fn on<T>(&self, work: impl FnOnce(&mut State, usize) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.disk.state();
        if state.life != self.life {
            return Err(io::Error::other(GONE));
        }
        work(&mut state, self.inode)
    }

    pub(crate) fn read_at(&self, octets: &mut [u8], at: u64) -> io::Result<usize> {
        self.on(|state, inode| {
            state.call()?;
            let live = &state.inodes[inode].live;
            let from = live.len().min(at as usize);
            let count = octets.len().min(live.len() - from);
            octets[..count].copy_from_slice(&live[from..from + count]);
            Ok(count)
        })
    }

    pub(crate) fn write_vectored_at(&self, parts: &[IoSlice<'_>], at: u64) -> io::Result<usize> {
        let octets = parts.iter().flat_map(|part| part.iter().copied()).collect::<Vec<u8>>();
        self.on(|state, inode| {
            let (outcome, is_short) = (state.call(), state.is_short());
            let is_half = outcome.is_err() || is_short;
            let some = if is_half { octets.len().div_ceil(2) } else { octets.len() };
            if !state.is_gone() {
                state.inodes[inode].write(&octets[..some], at as usize);
            }
            outcome.map(|()| some)
        })
    }

    pub(crate) fn truncate(&self, octets: u64) -> io::Result<()> {
        self.on(|state, inode| {
            state.call()?;
            state.inodes[inode].resize(octets as usize);
            Ok(())
        })
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.on(|state, inode| {
            let outcome = state.call();
            if !state.is_gone() {
                state.inodes[inode].sync(outcome.is_ok());
            }
            outcome
        })
    }
}

impl State {
    fn call(&mut self) -> io::Result<()> {
        self.calls += 1;
        if self.is_gone() {
            return Err(io::Error::other(GONE));
        }
        match &self.fault {
            Some((calls, Fault::Io)) if calls.contains(&self.calls) => Err(rustix::io::Errno::IO.into()),
            Some((calls, Fault::Full)) if calls.contains(&self.calls) => Err(rustix::io::Errno::NOSPC.into()),
            _ => Ok(()),
        }
    }

    fn is_gone(&self) -> bool {
        self.last.is_some_and(|last| self.calls > last)
    }

    fn is_short(&self) -> bool {
        matches!(&self.fault, Some((calls, Fault::Short)) if calls.contains(&self.calls))
    }

    fn remember(&mut self, name: Name) {
        match name {
            Name::Made(path) => {
                self.durable_dirs.insert(path);
            }
            Name::Put(path, inode) => {
                self.durable.insert(path, inode);
            }
            Name::Gone(path) => {
                self.durable.remove(&path);
            }
            Name::Moved(from, to, inode) => {
                self.durable.remove(&from);
                self.durable.insert(to, inode);
            }
        }
    }

    fn roll(&mut self, sides: u64) -> u64 {
        roll(&mut self.dice, sides)
    }
}

impl Name {
    fn dir(&self) -> Option<&Path> {
        let (Self::Made(path) | Self::Put(path, _) | Self::Gone(path) | Self::Moved(_, path, _)) = self;
        path.parent()
    }
}

impl Inode {
    fn write(&mut self, octets: &[u8], at: usize) {
        if self.live.len() < at + octets.len() {
            self.resize(at + octets.len());
        }
        self.live[at..at + octets.len()].copy_from_slice(octets);
        self.dirty.extend(at / PAGE..(at + octets.len()).div_ceil(PAGE));
    }

    fn resize(&mut self, octets: usize) {
        self.live.resize(octets, 0);
        self.is_resized = true;
        self.dirty.retain(|page| page * PAGE < octets);
        self.dirty.extend((octets > 0).then(|| (octets - 1) / PAGE));
    }

    /// A failed sync marks the pages clean all the same: the next one does not write them.
    fn sync(&mut self, is_written: bool) {
        let dirty = std::mem::take(&mut self.dirty);
        if !is_written {
            return;
        }
        if std::mem::take(&mut self.is_resized) {
            self.durable.resize(self.live.len(), 0);
        }
        for page in dirty {
            let end = self.live.len().min((page + 1) * PAGE);
            let from = (page * PAGE).min(end);
            if self.durable.len() < end {
                self.durable.resize(end, 0);
            }
            self.durable[from..end].copy_from_slice(&self.live[from..end]);
        }
    }
}

/// The file as the next life finds it.
fn next_life(inode: &Inode, survives: Survives, dice: &mut u64) -> Inode {
    let octets = match survives {
        Survives::Everything => inode.live.clone(),
        Survives::Nothing => inode.durable.clone(),
        Survives::Some(_) => mixture(inode, dice),
    };
    Inode { live: octets.clone(), durable: octets, ..Inode::default() }
}

fn mixture(inode: &Inode, dice: &mut u64) -> Vec<u8> {
    let (live, durable) = (&inode.live, &inode.durable);
    let len = match roll(dice, 3) {
        0 => durable.len(),
        1 => live.len(),
        _ => {
            let (low, high) = (durable.len().min(live.len()), durable.len().max(live.len()));
            low + roll(dice, (high - low) as u64 + 1) as usize / SECTOR * SECTOR
        }
    };
    let mut octets = vec![0; len];
    for (page, slot) in octets.chunks_mut(PAGE).enumerate() {
        let how = roll(dice, 4);
        for (sector, slot) in slot.chunks_mut(SECTOR).enumerate() {
            // A page is new, old, or torn between two sectors.
            let is_new = how == 0 || (how == 1 && roll(dice, 2) == 0);
            let from = page * PAGE + sector * SECTOR;
            let source = if is_new { live } else { durable };
            let octets = source.get(from..source.len().min(from + slot.len())).unwrap_or_default();
            slot[..octets.len()].copy_from_slice(octets);
        }
    }
    octets
}

fn is_reached(dir: &Path, dirs: &BTreeSet<PathBuf>) -> bool {
    dir == Path::new("/") || (dirs.contains(dir) && dir.parent().is_none_or(|above| is_reached(above, dirs)))
}

/// SplitMix64.
fn roll(dice: &mut u64, sides: u64) -> u64 {
    *dice = dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *dice;
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ mixed >> 31) % sides
}
