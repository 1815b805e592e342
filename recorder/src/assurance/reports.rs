//! The signed report of a day: sealed into the archive, read back, and opened again.
//!
//! The archive holds nothing in clear. Reports are sealed under a key of the node's own, derived from its master key as
//! that of the ledger's signatures is: they name DNs and agents.

use std::{ops::Range, sync::Arc};

use api::ports::AssuranceError;
use crypto::{
    digest::sha256_hex,
    seal::{DataKey, ObjectOpener, ObjectSealer, SEALED_HEADER_LEN},
    sign::Signer,
};
use custody::FileCustodian;
use model::{DayReported, Timestamp};
use storage_core::{
    assurance::{Book, Day, Report, ReportFault},
    ports::{Archive, ArchiveError, ObjectSource},
};

use super::limits::REPORT_OCTETS;

/// Signs, seals and puts away, and reads back what was put away.
pub(crate) struct Reporter {
    signer: Signer,
    key: DataKey,
    archive: Arc<dyn Archive>,
    node: String,
}

/// A report ready for the archive.
pub(crate) struct Ready {
    pub(crate) fact: DayReported,
    sealed: Vec<u8>,
}

/// Reports belong to no recording.
const NO_RECORDING: [u8; 16] = [0; 16];

impl Reporter {
    pub(crate) fn new(custodian: &FileCustodian, archive: Arc<dyn Archive>, node: &str) -> Self {
        let signer = crate::wiring::signer(custodian);
        Self { signer, key: sealing_key(custodian), archive, node: node.to_owned() }
    }

    /// The report of a day as of `now`, when it says other things than the last one.
    pub(crate) fn make(&self, book: &Book, day: Day, now: Timestamp) -> Option<Ready> {
        let report = Report::new(book, (day, now), &self.node);
        let content = report.content();
        if book.reported(day).is_some_and(|(_, known)| known == content) {
            return None;
        }
        let signed = report.sign(&self.signer);
        let object = Report::object(day, report.revision);
        let sealed = seal(&self.key, &object, &signed);
        let sha256 = sha256_hex(&signed);
        let fact = DayReported { day: day.to_string(), revision: report.revision, object, sha256, content };
        Some(Ready { fact, sealed })
    }

    /// Puts it into the archive and reads it back.
    pub(crate) async fn put(&self, ready: &Ready) -> Result<(), ArchiveError> {
        let name = &ready.fact.object;
        match self.archive.put(name, &Octets(&ready.sealed)).await {
            Ok(()) => {}
            // Its fact was lost with a crash: as it is not in the ledger, nobody was told of it.
            Err(ArchiveError::Exists(_)) => {
                self.archive.delete(name).await?;
                self.archive.put(name, &Octets(&ready.sealed)).await?;
            }
            Err(error) => return Err(error),
        }
        let stored = self.archive.read(name, 0..ready.sealed.len() as u64 + 1).await?;
        if stored == ready.sealed {
            return Ok(());
        }
        Err(ArchiveError::Unavailable(format!("{name} came back with other content")))
    }
}

impl Reporter {
    /// The signed document of that revision, opened and checked against the key of this node.
    ///
    /// # Errors
    /// The archive is away, or what it holds is not what was signed.
    pub(crate) async fn read(&self, day: Day, revision: u32) -> Result<Vec<u8>, AssuranceError> {
        let name = Report::object(day, revision);
        let damaged = |cause: &dyn std::fmt::Display| AssuranceError::Damaged(format!("{name}: {cause}"));
        let sealed = match self.archive.read(&name, 0..REPORT_OCTETS).await {
            Ok(sealed) => sealed,
            Err(ArchiveError::Missing(_)) => return Err(damaged(&"it is gone from the archive")),
            Err(error) => {
                tracing::warn!(%day, %error, "assurance: the report cannot be read");
                return Err(AssuranceError::Unavailable("the archive is not available"));
            }
        };
        let document = unsealed(&self.key, &name, &sealed).map_err(|error| damaged(&error))?;
        match verify(&document, &self.signer.public_hex()) {
            Ok(told) if told == day.to_string() => Ok(document),
            Ok(told) => Err(damaged(&format!("it is of {told}"))),
            Err(fault) => Err(damaged(&fault)),
        }
    }
}

fn sealing_key(custodian: &FileCustodian) -> DataKey {
    DataKey::from_entropy(custodian.derive("assurance"))
}

fn seal(key: &DataKey, object: &str, octets: &[u8]) -> Vec<u8> {
    let mut sealer = ObjectSealer::new(key.object_key(&NO_RECORDING, object));
    let mut sealed = sealer.header();
    sealer.push(octets, &mut sealed);
    sealer.finish(&mut sealed);
    sealed
}

/// Opens a report as it stands in the archive under that name; octets that are not sealed are given back as they are.
pub(crate) fn open(custodian: &FileCustodian, object: &str, octets: Vec<u8>) -> Result<Vec<u8>, String> {
    if octets.first().is_some_and(|octet| *octet == b'{') {
        return Ok(octets);
    }
    unsealed(&sealing_key(custodian), object, &octets)
}

fn unsealed(key: &DataKey, object: &str, octets: &[u8]) -> Result<Vec<u8>, String> {
    let opener = ObjectOpener::new(key.object_key(&NO_RECORDING, object), octets).map_err(|error| error.to_string())?;
    let sealed = octets.get(SEALED_HEADER_LEN..).unwrap_or_default();
    opener.open(SEALED_HEADER_LEN as u64, sealed, octets.len() as u64).map_err(|error| error.to_string())
}

/// Checks a signed report; `public` is the key it must be signed by.
pub(crate) fn verify(octets: &[u8], public: &str) -> Result<String, ReportFault> {
    Report::verify(octets, Some(public)).map(|(day, _)| day)
}

struct Octets<'a>(&'a [u8]);

impl ObjectSource for Octets<'_> {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&self, range: Range<u64>) -> std::io::Result<Vec<u8>> {
        let end = (range.end as usize).min(self.0.len());
        Ok(self.0[(range.start as usize).min(end)..end].to_vec())
    }
}
