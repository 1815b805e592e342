//! What the command line does stands on record as well: in the ledger itself while no server runs; else by way of the
//! server, which alone may write it, and before the deed is done.
//!
//! ```text
//! audit/inbox/NAME.deed    an audit fact as JSON; appears whole or not at all
//! audit/inbox/NAME.done    it is durable in the ledger; whoever asked removes it
//! ```
//! NAME is a digest; nothing that a file says becomes a path.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use crypto::digest::sha256_hex;
use model::{Actor, Audit, AuditResult, Fact, Personal, RecordingId};
use storage::{Ledger, LedgerError};

use crate::{
    assurance::note,
    config::Config,
    fault::Fault,
    inbox, life,
    session_thread::Mailbox,
    wiring::{self, House},
};

/// Octets of a deed; a larger file is none.
const DEED_OCTETS: u64 = 16 << 10;
/// Deeds taken at one look; further ones at the next.
const AT_ONCE: usize = 64;
/// Between two looks of the server.
const LOOK: Duration = Duration::from_millis(250);
/// Between two looks for its answer.
const LOOK_BACK: Duration = Duration::from_millis(50);
/// How long the command line waits for a running server. One that answers takes a second; one that starts may take longer,
/// and then the command is to be tried again.
const PATIENCE: Duration = Duration::from_secs(10);

/// What somebody at the command line is about to do. Who they are is what the system says: their user number.
pub(crate) fn deed(action: &str, recording: RecordingId, detail: &str) -> Audit {
    let user = rustix::process::getuid().as_raw();
    Audit {
        at: life::now(),
        actor: Actor { id: "command-line".into(), role: None },
        action: action.to_owned(),
        recording: Some(recording),
        detail: Some(Personal::new(format!("{detail} (uid {user})"))),
        source: None,
        result: AuditResult::Allowed,
    }
}

/// Writes it down and waits until it is durable; an error means that the deed must not be done.
pub(crate) fn put_on_record(config: &Config, audit: Audit) -> Result<(), Fault> {
    let failed = |error: &dyn std::fmt::Display| Fault::Failed(format!("not on record, so not done: {error}"));
    let (custodian, _) = wiring::custodian(config)?;
    match Ledger::open(&config.data_dir, wiring::signer(&custodian), life::now()) {
        Ok((mut ledger, _)) => {
            ledger.commit(&[Fact::Audited(audit)], life::now()).map_err(|error| failed(&error))?;
            ledger.close(life::now()).map(drop).map_err(|error| failed(&error))
        }
        Err(LedgerError::InUse(_)) => hand_over(&config.data_dir, &audit).map_err(|error| failed(&error)),
        Err(error) => Err(failed(&error)),
    }
}

/// The server's side: takes what is handed over for as long as it lives.
pub(crate) fn start(house: &House<'_>) -> Result<(), Fault> {
    let folder = folder(&house.config.data_dir).map_err(|error| Fault::key("data_dir", error))?;
    let mailbox = house.mailbox.clone();
    house.background.spawn(async move {
        loop {
            take(&folder, &mailbox).await;
            tokio::time::sleep(LOOK).await;
        }
    });
    Ok(())
}

async fn take(folder: &Path, mailbox: &Mailbox) {
    for path in inbox::waiting(folder, "deed", AT_ONCE) {
        let done = match read(&path) {
            Some(audit) => match note(mailbox, Fact::Audited(audit)).await {
                Some(_) => inbox::put(&path.with_extension("done"), &[]).and_then(|()| std::fs::remove_file(&path)),
                // The ledger cannot be written now: whoever asked waits, and does nothing.
                None => return,
            },
            // Nobody gets an answer to what cannot be read.
            None => std::fs::remove_file(&path),
        };
        if let Err(error) = done {
            tracing::warn!(%error, "the inbox of the command line cannot be written");
            return;
        }
    }
}

fn read(path: &Path) -> Option<Audit> {
    let about = std::fs::symlink_metadata(path).ok()?;
    if !about.is_file() || about.len() > DEED_OCTETS {
        return None;
    }
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

#[expect(clippy::disallowed_methods, reason = "a command has nothing else to do while it waits")]
fn hand_over(data_dir: &Path, audit: &Audit) -> Result<(), String> {
    let at = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    let folder = folder(data_dir).map_err(|error| at(data_dir, error))?;
    let octets = serde_json::to_vec(audit).map_err(|error| error.to_string())?;
    let name = sha256_hex(&octets);
    let (deed, done) = (folder.join(format!("{name}.deed")), folder.join(format!("{name}.done")));
    inbox::put(&deed, &[&octets]).map_err(|error| at(&deed, error))?;
    for _ in 0..PATIENCE.as_millis() / LOOK_BACK.as_millis() {
        if std::fs::remove_file(&done).is_ok() {
            return Ok(());
        }
        std::thread::sleep(LOOK_BACK);
    }
    // Taken back: it must not be written down after all.
    match std::fs::remove_file(&deed) {
        Ok(()) => Err("the process that has the ledger does not answer; try again".into()),
        // Taken between two looks.
        Err(_) => std::fs::remove_file(&done).map_err(|_| "the running server did not take it".into()),
    }
}

fn folder(data_dir: &Path) -> std::io::Result<PathBuf> {
    inbox::open(data_dir.join("audit/inbox"))
}
