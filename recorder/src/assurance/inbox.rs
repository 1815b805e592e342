//! The way of a file from the command line to a running server, which alone may write the ledger: a folder below the
//! data directory, where files appear whole or not at all.
//!
//! ```text
//! assurance/inbox/NAME.cdr       one line {"source":"pbx","by":{...}}, then the file as it is
//! assurance/inbox/NAME.answer    {"imported":{...}} or {"error":"..."}; whoever asked removes it
//! ```
//! NAME is a digest; nothing that a file says becomes a path.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use crypto::digest::sha256_hex;
use model::Actor;
use serde::{Deserialize, Serialize};
use storage_core::assurance::cdr::Imported;

use crate::inbox;

use super::{
    desk::AssuranceDesk,
    keeper::folder,
    limits::{FILE_OCTETS, HANDED_OVER, INBOX},
};

/// The folder.
pub(crate) struct Inbox(PathBuf);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    source: String,
    by: Actor,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Imported(Imported),
    Error(String),
}

/// Between two looks for an answer.
const LOOK: Duration = Duration::from_millis(100);
/// Octets of the first line.
const HEAD_OCTETS: u64 = 4_096;

impl Inbox {
    pub(crate) fn open(data_dir: &Path) -> std::io::Result<Self> {
        inbox::open(folder(data_dir).join("inbox")).map(Self)
    }

    /// Takes what is there, one file after the other, and answers.
    pub(crate) async fn take(&self, desk: &AssuranceDesk) {
        for path in inbox::waiting(&self.0, "cdr", INBOX) {
            let answer = match opened(&path) {
                Ok((head, file)) => match desk.bring(&head.source, file, &head.by).await {
                    Ok(imported) => Answer::Imported(imported),
                    Err(api::ports::AssuranceError::Unavailable(_)) => return,
                    Err(error) => Answer::Error(error.to_string()),
                },
                Err(error) => Answer::Error(error),
            };
            let answer = serde_json::to_vec(&answer).expect("plain data with text keys");
            let told = inbox::put(&path.with_extension("answer"), &[&answer]);
            if let Err(error) = told.and_then(|()| std::fs::remove_file(&path)) {
                tracing::warn!(%error, "the inbox of call detail records cannot be written");
                return;
            }
        }
    }

    /// Hands a file over and waits for the answer.
    #[expect(clippy::disallowed_methods, reason = "a command has nothing else to do while it waits")]
    pub(crate) fn hand_over(&self, source: &str, file: &[u8], by: &Actor) -> Result<Imported, String> {
        let head = Head { source: source.to_owned(), by: by.clone() };
        let mut head = serde_json::to_vec(&head).expect("plain data with text keys");
        head.push(b'\n');
        let name = sha256_hex(&[head.as_slice(), file].concat());
        let (request, answer) = (self.0.join(format!("{name}.cdr")), self.0.join(format!("{name}.answer")));
        // One of a command that was ended while it waited.
        let _ = std::fs::remove_file(&answer);
        inbox::put(&request, &[&head, file]).map_err(|error| format!("{}: {error}", request.display()))?;
        let tries = HANDED_OVER.as_millis() / LOOK.as_millis();
        for _ in 0..tries {
            if let Ok(octets) = std::fs::read(&answer) {
                let _ = std::fs::remove_file(&answer);
                return match serde_json::from_slice(&octets).map_err(|error| error.to_string())? {
                    Answer::Imported(imported) => Ok(imported),
                    Answer::Error(error) => Err(error),
                };
            }
            std::thread::sleep(LOOK);
        }
        Err("the running server has not taken the file yet; it will".into())
    }
}

fn opened(path: &Path) -> Result<(Head, Vec<u8>), String> {
    let about = std::fs::symlink_metadata(path).map_err(|error| error.to_string())?;
    if !about.is_file() || about.len() > FILE_OCTETS + HEAD_OCTETS {
        return Err(format!("not a file of at most {FILE_OCTETS} octets"));
    }
    let mut octets = std::fs::read(path).map_err(|error| error.to_string())?;
    let end = octets.iter().take(HEAD_OCTETS as usize).position(|octet| *octet == b'\n').ok_or("it has no head")?;
    let head = serde_json::from_slice(&octets[..end]).map_err(|_| "its head cannot be read")?;
    Ok((head, octets.split_off(end + 1)))
}
