//! Brings new keys to the disk while their ports are being opened and their answers are being made: when the answer's turn
//! comes, its key is durable or nearly so (invariant 2), and the session thread waits for one sync a round instead of two.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::Keyring;
use crate::{background, fault::Fault};

/// The way to the thread, which ends with it.
pub(crate) struct Syncer(SyncSender<()>);

impl Syncer {
    /// Starts the thread.
    pub(crate) fn start(keyring: &Keyring) -> Result<Self, Fault> {
        let (wake, woken) = sync_channel(1);
        let keyring = keyring.clone();
        let thread = std::thread::Builder::new().name("keys".into());
        let thread = thread.spawn(move || run(&keyring, &woken));
        thread.map_err(|error| Fault::Failed(format!("a thread cannot start: {error}")))?;
        Ok(Self(wake))
    }

    /// Keys were made: they are to become durable, now. Never waits.
    pub(crate) fn soon(&self) {
        // When one waits already, it takes these along.
        let _ = self.0.try_send(());
    }
}

fn run(keyring: &Keyring, woken: &Receiver<()>) {
    background::yield_to_signaling();
    while woken.recv().is_ok() {
        // Whoever needs the keys tries again, and is told then.
        let _ = keyring.sync();
    }
}
