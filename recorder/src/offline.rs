//! Commands that look at what is on disk and in the archive: `verify`, `reindex`, `export`. They work beside a running
//! server and without one.

use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path, sync::Arc};

use base64::Engine as _;
use model::{Fact, MediaObject, RecordingId, Timestamp};
use storage::LedgerReader;
use storage_core::{
    fold,
    manifest::Manifest,
    names,
    ports::{Archive, ArchiveError, MediaReader as _},
    view::{RecordingView, State},
};
use tokio::runtime::Runtime;

use crate::{config::Config, deeds, fault::Fault, finish, keyring::Keyring, playback, wiring};

/// Facts read from the ledger at once.
const STEP: usize = 4_096;
/// Octets of clear sound in memory at once while exporting.
const EXPORT_STEP: u64 = 1 << 20;

/// Checks the chain and its signatures, then every archived object against the digest in the ledger.
pub(crate) fn verify(config: &Config) -> Result<(), Fault> {
    let (custodian, _) = wiring::custodian(config)?;
    let public = wiring::signer(&custodian).public_hex();
    let report = storage::verify(&config.data_dir, &public).map_err(failed)?;
    let mut findings: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    let archive = wiring::archive(config)?;
    let (mut objects, mut recordings) = (0_u64, 0_u64);
    let runtime = runtime()?;
    for (_, view) in views(config)?.into_iter().filter(|(_, view)| view.state == State::Archived) {
        recordings += 1;
        for object in &view.media {
            objects += 1;
            findings.extend(runtime.block_on(check(&*archive, view.id, object)));
        }
    }
    for finding in &findings {
        println!("{finding}");
    }
    println!("ledger: {} facts; archive: {objects} objects of {recordings} recordings", report.facts);
    match findings.len() {
        0 => Ok(()),
        found => Err(Fault::Failed(format!("verification found {found} fault(s)"))),
    }
}

async fn check(archive: &dyn Archive, id: RecordingId, object: &MediaObject) -> Option<String> {
    let name = &object.name;
    let size = match archive.size(name).await {
        Ok(size) => size,
        Err(ArchiveError::Missing(_)) => return Some(format!("recording {id}: {name} is missing")),
        Err(error) => return Some(format!("recording {id}: {name} cannot be read: {error}")),
    };
    match finish::digest(archive, name, size).await {
        Ok(digest) if digest == object.sealed_sha256 && size == object.sealed_bytes => None,
        Ok(_) => Some(format!("recording {id}: {name} was altered")),
        Err(error) => Some(format!("recording {id}: {name} cannot be read: {error}")),
    }
}

/// Every recording, folded from the ledger.
pub(crate) fn views(config: &Config) -> Result<Vec<(RecordingId, RecordingView)>, Fault> {
    let mut all: std::collections::BTreeMap<RecordingId, RecordingView> = std::collections::BTreeMap::new();
    each_fact(config, |_, _, fact| {
        if let Some(id) = fact.recording() {
            let mut view = all.remove(&id);
            fold::apply(&mut view, fact);
            all.extend(view.map(|view| (id, view)));
        }
    })?;
    Ok(all.into_iter().collect())
}

fn each_fact(config: &Config, mut each: impl FnMut(u64, Timestamp, &Fact)) -> Result<(), Fault> {
    let mut reader = LedgerReader::open(&config.data_dir);
    let mut next = 1;
    loop {
        let facts = reader.read_from(next, STEP).map_err(failed)?;
        let Some((last, _, _)) = facts.last() else { return Ok(()) };
        next = last + 1;
        for (number, at, fact) in &facts {
            each(*number, *at, fact);
        }
    }
}

/// Makes the catalog anew: from the ledger, and from the archive what the ledger of this node does not know. Only
/// while no server runs, which would go on writing into the old one.
pub(crate) fn reindex(config: &Config) -> Result<(), Fault> {
    let (custodian, _) = wiring::custodian(config)?;
    let (_ledger, _) = wiring::ledger(config, &custodian, &storage::Disk::unwatched())?;
    remove_catalog(config)?;
    let catalog = wiring::catalog(config)?;
    let runtime = runtime()?;
    let (mut reader, mut followed) = (LedgerReader::open(&config.data_dir), 0);
    loop {
        let facts = reader.read_from(followed + 1, STEP).map_err(failed)?;
        let facts: Vec<_> = facts.into_iter().map(|(number, _, fact)| (number, fact)).collect();
        let Some((last, _)) = facts.last() else { break };
        followed = *last;
        runtime.block_on(catalog.follow(&facts)).map_err(failed)?;
    }
    let archive = wiring::archive(config)?;
    let keyring = wiring::keyring(config)?;
    let (restored, faults) = runtime.block_on(restore(&archive, &keyring, &*catalog))?;
    println!("reindexed: the ledger up to fact {followed}, {restored} further recordings of the archive");
    if faults > 0 { Err(Fault::Failed(format!("{faults} manifest(s) could not be read"))) } else { Ok(()) }
}

/// The embedded catalog is a file and its journals.
fn remove_catalog(config: &Config) -> Result<(), Fault> {
    let url = config.catalog.url(&config.data_dir);
    let Some(path) = url.strip_prefix("sqlite:") else { return Ok(()) };
    for suffix in ["", "-wal", "-shm"] {
        match std::fs::remove_file(format!("{path}{suffix}")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Fault::key("catalog.url", format!("{path}{suffix}: {error}")));
            }
            _ => {}
        }
    }
    Ok(())
}

async fn restore(
    archive: &Arc<dyn Archive>,
    keyring: &Keyring,
    catalog: &dyn storage_core::ports::Catalog,
) -> Result<(u64, u64), Fault> {
    let (mut restored, mut faults) = (0, 0);
    for name in archive.list("").await.map_err(failed)? {
        let Some(id) = names::recording(&name).filter(|_| name.ends_with(finish::MANIFEST)) else { continue };
        if catalog.recording(id).await.map_err(failed)?.is_some() {
            continue;
        }
        match manifest(archive, keyring, id, &name).await {
            Ok(manifest) => {
                catalog.restore(&manifest.into_view()).await.map_err(failed)?;
                restored += 1;
            }
            Err(error) => {
                faults += 1;
                eprintln!("recorder: {name}: {error}");
            }
        }
    }
    Ok((restored, faults))
}

async fn manifest(
    archive: &Arc<dyn Archive>,
    keyring: &Keyring,
    id: RecordingId,
    name: &str,
) -> Result<Manifest, String> {
    let object = MediaObject {
        format: "manifest".into(),
        name: name.to_owned(),
        bytes: 0,
        sha256: String::new(),
        sealed_bytes: 0,
        sealed_sha256: String::new(),
    };
    let reader = playback::open(Arc::clone(archive), keyring, id, &object).await.map_err(|error| error.to_string())?;
    let octets = reader.read(0..reader.len()).await.map_err(|error| error.to_string())?;
    Manifest::decode(&octets).map_err(|error| error.to_string())
}

/// Writes the unsealed objects of a recording into a folder, readable by the owner alone, once that is on record.
pub(crate) fn export(config: &Config, id: RecordingId, to: &Path) -> Result<(), Fault> {
    let view = views(config)?.into_iter().find(|(found, _)| *found == id).map(|(_, view)| view);
    let view = view.ok_or_else(|| Fault::Failed(format!("{id}: no such recording")))?;
    if view.state != State::Archived {
        return Err(Fault::Failed(format!("{id}: is {}, not archived", view.state.name())));
    }
    std::fs::create_dir_all(to).map_err(|error| Fault::key(&to.display().to_string(), error))?;
    deeds::put_on_record(config, deeds::deed("export", id, &format!("to {}", to.display())))?;
    let (archive, keyring, runtime) = (wiring::archive(config)?, wiring::keyring(config)?, runtime()?);
    for object in view.media.iter().filter(|object| object.format != "tracks") {
        let file = to.join(object.name.rsplit('/').next().unwrap_or(&object.name).trim_end_matches(".sealed"));
        runtime.block_on(unseal(&archive, &keyring, id, object, &file))?;
        println!("{}", file.display());
    }
    export_attachments(config, id, to)
}

/// Parts of SIP bodies that were kept without being understood: in the order in which they came, as they were.
fn export_attachments(config: &Config, id: RecordingId, to: &Path) -> Result<(), Fault> {
    let mut kept = Vec::new();
    each_fact(config, |_, _, fact| match fact {
        Fact::AttachmentReceived { recording, raw_base64, .. } if *recording == id => {
            kept.push(raw_base64.reveal().clone());
        }
        _ => {}
    })?;
    for (index, packed) in kept.iter().enumerate() {
        let file = to.join(format!("attachment-{}.bin", index + 1));
        let octets = base64::engine::general_purpose::STANDARD.decode(packed).map_err(failed)?;
        created(&file).and_then(|mut out| out.write_all(&octets)).map_err(|error| place(&file, &error))?;
        println!("{}", file.display());
    }
    Ok(())
}

fn created(file: &Path) -> std::io::Result<std::fs::File> {
    std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file)
}

fn place(file: &Path, error: &std::io::Error) -> Fault {
    Fault::Failed(format!("{}: {error}", file.display()))
}

async fn unseal(
    archive: &Arc<dyn Archive>,
    keyring: &Keyring,
    id: RecordingId,
    object: &MediaObject,
    file: &Path,
) -> Result<(), Fault> {
    let reader = playback::open(Arc::clone(archive), keyring, id, object).await.map_err(failed)?;
    let place = |error| place(file, &error);
    let mut out = created(file).map_err(place)?;
    let mut at = 0;
    while at < reader.len() {
        let octets = reader.read(at..reader.len().min(at + EXPORT_STEP)).await.map_err(failed)?;
        at += octets.len() as u64;
        out.write_all(&octets).map_err(place)?;
    }
    out.sync_all().map_err(place)
}

fn runtime() -> Result<Runtime, Fault> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> Fault {
    Fault::Failed(error.to_string())
}
