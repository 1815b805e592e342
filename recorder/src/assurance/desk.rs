//! The API's port over the book: questions on a snapshot, annotations and imports by way of the ledger.

use std::sync::Arc;

use api::ports::{Assurance, AssuranceError, CallsAsked, SignedReport};
use model::{Actor, Fact, IncidentNote};
use session::Policy;
use storage_core::{
    assurance::{Day, JudgedCall, Key, Outcome, SilentUser, Summary, cdr::Imported},
    ports::BoxFuture,
};
use tokio::{
    runtime::Handle,
    sync::{Mutex, Semaphore},
};

use super::{
    config::AssuranceConfig,
    import::{self, Read},
    keeper::{Shared, note},
    limits::{FILE_OCTETS, IMPORTS, READ_BACK},
    reports::Reporter,
};
use crate::{life, session_thread::Mailbox};

/// Between two looks at the book.
const LOOK: std::time::Duration = std::time::Duration::from_millis(20);

/// Questions and imports.
pub(crate) struct AssuranceDesk {
    shared: Arc<Shared>,
    reporter: Arc<Reporter>,
    mailbox: Mailbox,
    config: AssuranceConfig,
    policy: Arc<Policy>,
    room: Semaphore,
    /// One file after the other: the second one must see what the first one brought.
    turn: Mutex<()>,
    /// Where questions are answered: judging a day must not take time from calls.
    background: Handle,
}

impl AssuranceDesk {
    pub(crate) fn new(
        (shared, reporter): (Arc<Shared>, Arc<Reporter>),
        (mailbox, background): (Mailbox, Handle),
        config: AssuranceConfig,
        policy: Policy,
    ) -> Self {
        let (room, turn) = (Semaphore::new(IMPORTS), Mutex::new(()));
        Self { shared, reporter, mailbox, config, policy: Arc::new(policy), room, turn, background }
    }

    /// Something asked of the book, away from the threads of the runtime.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Shared) -> T + Send + 'static,
    ) -> Result<T, AssuranceError> {
        if !self.shared.is_caught_up() {
            return Err(AssuranceError::Unavailable("assurance is still reading the ledger"));
        }
        let shared = Arc::clone(&self.shared);
        let answer = self.background.spawn_blocking(move || question(&shared)).await;
        answer.map_err(|_| AssuranceError::Unavailable("the question was interrupted"))
    }

    /// Writes facts down and waits until the book knows the last one.
    async fn write(&self, facts: impl Iterator<Item = Fact>) -> Result<(), AssuranceError> {
        let mut last = 0;
        for fact in facts {
            let noted = note(&self.mailbox, fact).await;
            last = noted.ok_or(AssuranceError::Unavailable("the ledger cannot be written now"))?;
        }
        let known = async {
            while self.shared.followed() < last {
                tokio::time::sleep(LOOK).await;
            }
        };
        // It is written down whether or not the book knows it yet.
        let _ = tokio::time::timeout(READ_BACK, known).await;
        self.shared.ask_to_judge();
        Ok(())
    }

    /// Takes a file in.
    pub(crate) async fn bring(&self, source: &str, file: Vec<u8>, by: &Actor) -> Result<Imported, AssuranceError> {
        if file.len() as u64 > FILE_OCTETS {
            return Err(AssuranceError::Bad(format!("the file has more than {FILE_OCTETS} octets")));
        }
        let mapping = self.config.mapping(source).map_err(|fault| AssuranceError::Unknown(fault.to_string()))?;
        let _room = self.room.try_acquire().map_err(|_| AssuranceError::Unavailable("files are being imported"))?;
        let _turn = self.turn.lock().await;
        let policy = Arc::clone(&self.policy);
        let read = self.ask(move |shared| {
            let book = shared.book();
            import::read(&file, &mapping, Some(&policy), import::known(&book))
        });
        let read: Read = read.await?.map_err(AssuranceError::Bad)?;
        self.write(read.facts(by)).await?;
        let Imported { lines, added, known, bad, .. } = read.told;
        tracing::info!(source, lines, added, known, bad, "call detail records were imported");
        Ok(read.told)
    }
}

impl Assurance for AssuranceDesk {
    fn days(&self) -> BoxFuture<'_, Result<Vec<Summary>, AssuranceError>> {
        Box::pin(async move {
            let now = life::now();
            self.ask(move |shared| {
                let today = Day::of(now);
                let known = shared.summaries();
                let book = shared.book();
                // What is over changes seldom, and then within a minute; today is judged when it is asked for.
                let summary = |day: Day| match known.iter().find(|known| known.day == day && day < today) {
                    Some(known) => known.clone(),
                    None => book.judge(day, now).summary,
                };
                book.held().into_iter().rev().map(summary).collect()
            })
            .await
        })
    }

    fn day(&self, day: Day) -> BoxFuture<'_, Result<Outcome, AssuranceError>> {
        let now = life::now();
        Box::pin(self.ask(move |shared| shared.book().judge(day, now)))
    }

    fn calls(&self, asked: CallsAsked) -> BoxFuture<'_, Result<Vec<JudgedCall>, AssuranceError>> {
        let now = life::now();
        Box::pin(self.ask(move |shared| {
            let CallsAsked { day, verdict, dn, after, limit } = asked;
            let is_of = |call: &JudgedCall| {
                dn.as_ref().is_none_or(|dn| call.dns.iter().chain(&call.agents).any(|known| dn.fits(known)))
            };
            shared.book().calls((day, now), after, limit as usize, |found, call| {
                verdict.is_none_or(|verdict| verdict == found) && is_of(call)
            })
        }))
    }

    fn report(&self, day: Day) -> BoxFuture<'_, Result<SignedReport, AssuranceError>> {
        Box::pin(async move {
            let reported = self.ask(move |shared| shared.book().reported(day).map(|(revision, _)| revision)).await?;
            let Some(revision) = reported else {
                return Err(AssuranceError::Unknown("there is no report of that day yet".into()));
            };
            let reporter = Arc::clone(&self.reporter);
            // Opening and checking some megabytes must not take time from calls either.
            let read = self.background.spawn(async move { reporter.read(day, revision).await });
            let document = read.await.map_err(|_| AssuranceError::Unavailable("the question was interrupted"))??;
            Ok(SignedReport { revision, document })
        })
    }

    fn silent(&self) -> BoxFuture<'_, Result<Vec<SilentUser>, AssuranceError>> {
        let now = life::now();
        Box::pin(self.ask(move |shared| shared.book().silent(now)))
    }

    fn annotate(&self, note: IncidentNote) -> BoxFuture<'_, Result<(), AssuranceError>> {
        Box::pin(async move {
            let incident: Option<Key> = note.incident.parse().ok();
            let is_known = self.ask(move |shared| incident.is_some_and(|key| shared.book().knows(key))).await?;
            if !is_known {
                return Err(AssuranceError::Unknown("no such incident among the days that are held".into()));
            }
            self.write(std::iter::once(Fact::IncidentAnnotated(Box::new(note)))).await
        })
    }

    fn import(&self, source: String, file: Vec<u8>, by: Actor) -> BoxFuture<'_, Result<Imported, AssuranceError>> {
        Box::pin(async move { self.bring(&source, file, &by).await })
    }
}
