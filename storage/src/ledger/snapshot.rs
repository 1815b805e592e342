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
    FILE, folder, head,
    recover::{Found, Walk},
};
use crate::{
    disk::{Disk, DiskFile, Mode, Place},
    limits::{SNAPSHOT_FACTS, SNAPSHOT_OCTETS},
};

const NAME: &str = "SNAPSHOT";
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
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

/// Writes snapshots beside a running ledger. It reads what is durable from the file, at its own pace, so that the one
/// who commits neither waits for it nor knows of it.
pub struct Snapshots {
    disk: Disk,
    dir: PathBuf,
    signer: Signer,
    /// As far as it has read.
    walk: Option<Walk>,
    /// The number of the last fact of the last snapshot.
    written: Option<u64>,
}

impl Snapshots {
    /// For the ledger in `dir/ledger`.
    pub fn new(disk: &Disk, dir: &Path, signer: Signer) -> Self {
        Self { disk: disk.of(Place::Ledger), dir: folder(dir), signer, walk: None, written: None }
    }

    /// Reads on, and writes a snapshot when many facts came since the last, or in any case when it `is_last`. True when
    /// it wrote one.
    ///
    /// # Errors
    /// What the disk said. The next call tries again; until it succeeds the last snapshot stands, and a start reads more.
    pub fn step(&mut self, is_last: bool) -> io::Result<bool> {
        let Some(head) = head::read(&self.disk, &self.dir)?.filter(|head| head.n > 0) else { return Ok(false) };
        let file = self.disk.open(&self.dir.join(FILE), Mode::Read)?;
        let mut walk = match self.walk.take() {
            Some(walk) => walk,
            None => {
                let before = read(&self.disk, &self.dir, &file, &self.signer.public_hex());
                self.written = before.as_ref().map(Walk::reached);
                before.unwrap_or_default()
            }
        };
        if !walk.read_until(&file, &head.head)? {
            return Err(io::Error::other("the ledger does not have the line that HEAD names"));
        }
        let since = walk.reached().saturating_sub(self.written.unwrap_or(0));
        let is_due = since >= SNAPSHOT_FACTS || (is_last && since > 0);
        if is_due {
            self.write(&walk)?;
            self.written = Some(walk.reached());
        }
        self.walk = Some(walk);
        Ok(is_due)
    }

    /// Written aside, durable, then put in the place of the one before.
    fn write(&self, walk: &Walk) -> io::Result<()> {
        let Found { chain, octets, unsigned, recovered } = walk.found();
        let mut content = serde_json::to_vec(&Body {
            version: VERSION,
            n: chain.n,
            head: chain.head.clone(),
            octets: *octets,
            unsigned: *unsigned,
            damaged: recovered.damaged_lines,
            views: walk.views().cloned().collect(),
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
