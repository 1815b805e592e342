//! Checks the ledger on disk, also while another process writes it.

use std::{
    io::{self, BufReader},
    path::Path,
};

use storage_core::ledger::{Finding, Verifier};

use super::{
    FILE, LedgerError, folder, head,
    lines::{self, Piece},
};
use crate::disk::{Disk, Mode, Place};

/// What was found.
#[derive(Debug)]
pub struct VerifyReport {
    /// Facts read.
    pub facts: u64,
    /// Everything that is wrong; empty when nothing is.
    pub findings: Vec<Finding>,
}

/// Verifies the ledger in `dir/ledger` against the node's public key (hex). A folder without a ledger is an error.
pub fn verify(dir: &Path, public: &str) -> Result<VerifyReport, LedgerError> {
    verify_on(&Disk::unwatched(), dir, public)
}

pub(super) fn verify_on(disk: &Disk, dir: &Path, public: &str) -> Result<VerifyReport, LedgerError> {
    let dir = folder(dir);
    let path = dir.join(FILE);
    walk(&disk.of(Place::Ledger), &dir, &path, public).map_err(LedgerError::at(&path))
}

fn walk(disk: &Disk, dir: &Path, path: &Path, public: &str) -> io::Result<VerifyReport> {
    let file = disk.open(path, Mode::Read)?;
    let is_live = file.is_locked();
    // HEAD before the lines: what it names is durable, so the walk must meet it however much is appended meanwhile.
    let head = head::read(disk, dir)?.filter(|head| head.is_signed_by(public));
    let is_headless = head.is_none();
    let mut heads = head::disputed(disk, dir)?;
    heads.extend(head);
    let mut verifier = Verifier::new(public, heads);
    let (mut reader, mut line) = (BufReader::with_capacity(1 << 20, file.reader(0)), Vec::new());
    loop {
        match lines::next(&mut reader, &mut line)? {
            Piece::Line(_) => verifier.line(&line),
            // The writer is in the middle of it.
            Piece::Torn(_) if is_live => break,
            Piece::Torn(_) => verifier.torn(),
            Piece::End => break,
        }
    }
    let facts = verifier.facts();
    let mut findings = verifier.finish();
    if is_headless && !is_live && facts > 0 {
        findings.push(Finding::HeadMissing);
    }
    Ok(VerifyReport { facts, findings })
}
