//! Rewrites segments: what is still needed in several old ones goes to a new one, in which each recording stands in one
//! piece. It keeps a long call from holding the sound of a thousand short ones on disk, and the index from growing with
//! the length of calls: at full load one piece is 4 kB as written and 200 kB as rewritten.
//!
//! The new file gets its name only when it is durable, and says in its header which ones it takes the place of; a start
//! that finds both removes the old ones. It runs on a thread of low priority, a block at a time.

use std::{
    io::{self, IoSlice},
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use prometheus::{IntCounter, Registry};
use storage_core::{
    limits::RUNS_PER_BLOCK,
    spoolfile::{Head, Kind, PAGE, Run, padded, sum},
};

use super::{
    Shared,
    index::{Group, Piece, Plan, Stored},
    reader,
    scan::{TEMPORARY, name},
};
use crate::{
    disk::{Disk, DiskFile, Mode},
    limits::{SPOOL_BLOCK_OCTETS, SPOOL_FINE_OCTETS, SPOOL_MOVE_IDLE, SPOOL_MOVE_PAUSE, SPOOL_MOVE_RETRY},
    metrics::counter,
};

pub(super) struct Mover {
    pub(super) disk: Disk,
    pub(super) dir: PathBuf,
    pub(super) shared: Arc<Shared>,
    pub(super) fine: u64,
    octets: IntCounter,
}

/// A file in the making.
struct Making {
    file: DiskFile,
    end: u64,
    moved: Vec<(Group, Option<Piece>)>,
}

impl Mover {
    pub(super) fn new(disk: Disk, dir: PathBuf, shared: Arc<Shared>, registry: &Registry) -> Self {
        let octets = counter(registry, "recorder_spool_moved_bytes_total", "Octets rewritten to free old segments.");
        Self { disk, dir, shared, fine: SPOOL_FINE_OCTETS, octets }
    }

    /// Until the other end of `stop` is gone.
    pub(super) fn run(&self, stop: &Receiver<()>) {
        // Live calls go first. Where it is not allowed, the pauses between blocks must do.
        let _ = rustix::process::setpriority_process(None, 10);
        let mut patience = SPOOL_MOVE_IDLE;
        while let Err(RecvTimeoutError::Timeout) = stop.recv_timeout(patience) {
            let pause = || stop.recv_timeout(SPOOL_MOVE_PAUSE) == Err(RecvTimeoutError::Timeout);
            patience = match self.step(pause) {
                Ok(true) => Duration::ZERO,
                Ok(false) => SPOOL_MOVE_IDLE,
                Err(error) => {
                    tracing::warn!(%error, "spool: old segments cannot be rewritten now");
                    SPOOL_MOVE_RETRY
                }
            };
        }
    }

    /// One move; whether there was one. `pause` between blocks says whether to go on.
    pub(super) fn step(&self, pause: impl Fn() -> bool) -> io::Result<bool> {
        let Some(plan) = self.shared.with_index(|index| index.plan(self.fine)) else { return Ok(false) };
        let path = self.dir.join(name(&plan.to)).with_extension(TEMPORARY);
        let made = self.make(plan, &path, pause);
        if made.is_err() {
            let _ = self.disk.remove(&path);
        }
        made
    }

    fn make(&self, plan: Plan, path: &std::path::Path, pause: impl Fn() -> bool) -> io::Result<bool> {
        let file = self.disk.open(path, Mode::New)?;
        file.write_at(&plan.to.encode(), 0)?;
        let mut making = Making { file, end: PAGE as u64, moved: Vec::new() };
        let mut groups = plan.groups.into_iter().peekable();
        while groups.peek().is_some() {
            making.block(&plan.from, &mut groups)?;
            if !pause() {
                return Err(io::Error::other("the spool is being closed"));
            }
        }
        making.file.sync()?;
        let mut last = Vec::new();
        Head::encode(&[], making.end, true, &mut last);
        last.resize(PAGE, 0);
        making.file.write_at(&last, making.end)?;
        making.file.sync()?;
        let named = self.dir.join(name(&plan.to));
        self.disk.rename(path, &named)?;
        self.disk.sync_dir(&self.dir)?;
        let stored = Arc::new(Stored::new(plan.to, named, making.file));
        self.octets.inc_by(making.end);
        self.shared.with_index(|index| {
            index.moved(stored, making.end + PAGE as u64, making.moved);
            self.shared.told(index);
        });
        Ok(true)
    }
}

impl Making {
    fn block(
        &mut self,
        from: &[(u32, Arc<Stored>)],
        groups: &mut std::iter::Peekable<impl Iterator<Item = Group>>,
    ) -> io::Result<()> {
        let (mut runs, mut bodies, mut taken) = (Vec::new(), Vec::new(), Vec::new());
        let mut octets = 0;
        while octets < SPOOL_BLOCK_OCTETS && runs.len() < RUNS_PER_BLOCK {
            let Some(group) = groups.next() else { break };
            let body = gather(from, &group)?;
            octets += body.len() as u64;
            let kind = if group.is_state { Kind::State } else { Kind::Chunks };
            if !body.is_empty() {
                runs.push(Run { recording: group.recording, kind, octets: body.len() as u32, sum: sum(&body) });
            }
            taken.push((group, !body.is_empty()));
            bodies.push(body);
        }
        let mut table = Vec::new();
        Head::encode(&runs, 0, false, &mut table);
        let mut at = self.end + table.len() as u64;
        let len = padded(table.len() as u64 + octets);
        let pad = vec![0; (len - table.len() as u64 - octets) as usize];
        let mut parts = vec![IoSlice::new(&table)];
        parts.extend(bodies.iter().map(|body| IoSlice::new(body)));
        parts.push(IoSlice::new(&pad));
        self.file.write_vectored_at(&mut parts, self.end)?;
        let mut runs = runs.into_iter();
        for (group, is_written) in taken {
            let run = if is_written { runs.next() } else { None };
            let piece = run.map(|run| Piece::of(&run, 0, at));
            at += run.map_or(0, |run| u64::from(run.octets));
            self.moved.push((group, piece));
        }
        self.end += len;
        Ok(())
    }
}

/// The octets of a group; what a failed sync took is left out.
fn gather(from: &[(u32, Arc<Stored>)], group: &Group) -> io::Result<Vec<u8>> {
    let (mut body, mut buffer) = (Vec::new(), Vec::new());
    for piece in &group.pieces {
        let Some((_, stored)) = from.iter().find(|(handle, _)| *handle == piece.segment) else { continue };
        if reader::read(stored, piece, &mut buffer)? || !stored.is_doubtful(piece) {
            body.extend_from_slice(&buffer);
        }
    }
    Ok(body)
}
