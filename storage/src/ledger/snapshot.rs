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
    digest::sha256_hex,
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
    if seal.public != public || !sign::verify(public, text(body).as_bytes(), &seal.signature) {
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

fn text(body: &[u8]) -> String {
    format!("recorder-ledger-snapshot-v1:{}", sha256_hex(body))
}

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
        let mut content = serde_json::to_vec(&Written {
            version: VERSION,
            n: mark.chain.n,
            head: &mark.chain.head,
            octets: mark.octets,
            unsigned: mark.unsigned,
            damaged: mark.damaged,
            views: views.iter().map(|view| &**view).collect(),
        })?;
        let signature = self.signer.sign(text(&content).as_bytes());
        content.push(b'\n');
        content.extend(serde_json::to_vec(&Seal { public: self.signer.public_hex(), signature })?);
        content.push(b'\n');
        if content.len() as u64 > SNAPSHOT_OCTETS {
            return Err(io::Error::other("too many unfinished recordings for a snapshot"));
        }
        let aside = self.dir.join("SNAPSHOT.new");
        let file = self.disk.open(&aside, Mode::New)?;
        file.write_at(&content, 0)?;
        file.sync()?;
        self.disk.rename(&aside, &self.dir.join(NAME))?;
        self.disk.sync_dir(&self.dir)
    }
}
