//! `SNAPSHOT`: what a replay of the ledger up to one line finds, so that a start reads only what came after it.
//!
//! ```text
//! {"version":1,"n":…,"head":"5e…","octets":…,"unsigned":…,"damaged":…,"views":[…]}     up to the line that ends at `octets`
//! {"public":"…","signature":"…"}                                                       over `recorder-ledger-snapshot-v1:<sha256>`
//! ```
//! Derivable, so it may be deleted at any time (invariant 10), and nothing is believed of it that the ledger does not
//! bear out: it must be signed by this node, and the line that it names must be there. Else the whole ledger is read.
//! What stands before that line is `recorder verify`'s to check.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crypto::{
    digest::{Sha256, sha256_hex},
    sign::{self, Signer},
};
use serde::{Deserialize, Serialize};
use storage_core::{
    ledger::{Chain, decode},
    limits::LEDGER_LINE_OCTETS,
    view::RecordingView,
};

use super::{
    folder,
    recover::{Found, Walk},
};
use crate::{
    disk::{Disk, DiskFile, Mode, Place},
    limits::{SNAPSHOT_FACTS, SNAPSHOT_OCTETS},
};

const NAME: &str = "SNAPSHOT";
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    n: u64,
    head: &'a str,
    octets: u64,
    unsigned: u64,
    damaged: u64,
    views: Vec<&'a RecordingView>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    version: u32,
    n: u64,
    head: String,
    octets: u64,
    unsigned: u64,
    damaged: u64,
    views: Vec<RecordingView>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seal {
    public: String,
    signature: String,
}

/// A walk that has come as far as the snapshot says; `None` when there is none that can be believed.
pub(super) fn read(disk: &Disk, dir: &Path, file: &DiskFile, public: &str) -> Option<Walk> {
    let octets = disk.read_small(&dir.join(NAME), SNAPSHOT_OCTETS + 1).ok()?;
    if octets.is_empty() {
        return None;
    }
    let believed = believed(&octets, file, public);
    if believed.is_none() {
        tracing::warn!("the snapshot of the ledger does not hold: the whole ledger is read");
    }
    believed
}

fn believed(octets: &[u8], file: &DiskFile, public: &str) -> Option<Walk> {
    let (body, seal) =
        octets.strip_suffix(b"\n")?.split_at_checked(octets.iter().position(|octet| *octet == b'\n')?)?;
    let seal: Seal = serde_json::from_slice(seal).ok()?;
    if seal.public != public || !sign::verify(public, text(&sha256_hex(body)).as_bytes(), &seal.signature) {
        return None;
    }
    let body: Body = serde_json::from_slice(body).ok()?;
    (body.version == VERSION && is_there(&body, file)).then(|| {
        let chain = Chain { n: body.n, head: body.head };
        let mut found = Found { chain, octets: body.octets, unsigned: body.unsigned, ..Found::default() };
        found.recovered.damaged_lines = body.damaged;
        Walk::going_on(found, body.views)
    })
}

/// Whether the line that a snapshot names stands where it says, whole.
fn is_there(body: &Body, file: &DiskFile) -> bool {
    let mut end = vec![0; body.octets.min(LEDGER_LINE_OCTETS as u64 + 2) as usize];
    let from = body.octets - end.len() as u64;
    if file.read_exact_at(&mut end, from).is_err() {
        return false;
    }
    let Some(lines) = end.strip_suffix(b"\n") else { return false };
    let line = lines.rsplit(|octet| *octet == b'\n').next().unwrap_or_default();
    decode(line).is_ok_and(|line| line.n == body.n && line.hash == body.head)
}

/// What is signed, of the SHA-256 of the body.
fn text(sum: &str) -> String {
    format!("recorder-ledger-snapshot-v1:{sum}")
}

/// The body on its way to the file: of thousands of live calls it is 20 MB, which nobody needs at once.
struct Stream<'f> {
    file: &'f DiskFile,
    buffer: Vec<u8>,
    /// Octets before the buffer.
    at: u64,
    sum: Sha256,
}

impl Stream<'_> {
    /// Its SHA-256 and its length.
    fn end(mut self) -> io::Result<(String, u64)> {
        self.write_out()?;
        Ok((self.sum.finish_hex(), self.at))
    }

    fn write_out(&mut self) -> io::Result<()> {
        self.sum.update(&self.buffer);
        self.file.write_at(&self.buffer, self.at)?;
        self.at += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

impl io::Write for Stream<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        if self.at + (self.buffer.len() + octets.len() + SEAL_OCTETS) as u64 > SNAPSHOT_OCTETS {
            return Err(io::Error::other("too many unfinished recordings for a snapshot"));
        }
        self.buffer.extend_from_slice(octets);
        if self.buffer.len() >= STREAM_OCTETS {
            self.write_out()?;
        }
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_out()
    }
}

/// Octets written at once.
const STREAM_OCTETS: usize = 64 << 10;
/// Octets of the second line, at most.
const SEAL_OCTETS: usize = 1_024;

/// A place in the ledger: behind a line that is durable.
#[derive(Debug, Clone)]
pub struct Mark {
    pub(super) chain: Chain,
    pub(super) octets: u64,
    pub(super) unsigned: u64,
    pub(super) damaged: u64,
}

impl Mark {
    /// Number of the last fact before it.
    pub const fn fact(&self) -> u64 {
        self.chain.n
    }
}

/// Writes snapshots beside a running ledger, of what the one who commits has folded anyway: nothing is read again, and
/// nothing is kept between two snapshots.
pub struct Snapshots {
    disk: Disk,
    dir: PathBuf,
    signer: Signer,
}

impl Snapshots {
    /// For the ledger in `dir/ledger`.
    pub fn new(disk: &Disk, dir: &Path, signer: Signer) -> Self {
        Self { disk: disk.of(Place::Ledger), dir: folder(dir), signer }
    }

    /// So many facts after the last snapshot the next is worth it.
    pub const FACTS_BETWEEN: u64 = SNAPSHOT_FACTS;

    /// Writes what all facts before `mark` come to: aside, durable, then put in the place of the one before.
    ///
    /// # Errors
    /// What the disk said. The last snapshot stands, and a start reads more.
    pub fn write(&self, mark: &Mark, views: &[Arc<RecordingView>]) -> io::Result<()> {
        let aside = self.dir.join("SNAPSHOT.new");
        let file = self.disk.open(&aside, Mode::New)?;
        let mut body = Stream { file: &file, buffer: Vec::with_capacity(2 * STREAM_OCTETS), at: 0, sum: Sha256::new() };
        let written = Written {
            version: VERSION,
            n: mark.chain.n,
            head: &mark.chain.head,
            octets: mark.octets,
            unsigned: mark.unsigned,
            damaged: mark.damaged,
            views: views.iter().map(|view| &**view).collect(),
        };
        serde_json::to_writer(&mut body, &written)?;
        let (sum, at) = body.end()?;
        let signature = self.signer.sign(text(&sum).as_bytes());
        let mut seal = vec![b'\n'];
        serde_json::to_writer(&mut seal, &Seal { public: self.signer.public_hex(), signature })?;
        seal.push(b'\n');
        file.write_at(&seal, at)?;
        file.sync()?;
        self.disk.rename(&aside, &self.dir.join(NAME))?;
        self.disk.sync_dir(&self.dir)
    }
}
