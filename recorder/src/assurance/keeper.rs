//! The keeper of the book: reads the ledger, judges every minute, tells what was not recorded, writes the reports.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use model::{Fact, Timestamp};
use storage::FactReader;
use storage_core::assurance::{Book, Day, Outcome, Summary};
use tokio::sync::oneshot;

use super::{
    desk::AssuranceDesk,
    inbox::Inbox,
    limits::{ALERTS, JUDGE_MS, LOOK, STEP},
    metrics::Metrics,
    reports::Reporter,
};
use crate::{
    fault::Fault,
    life,
    session_thread::{Mail, Mailbox},
    wiring::{self, House},
};

/// What keeper and API share.
pub(crate) struct Shared {
    book: RwLock<Book>,
    summaries: RwLock<BTreeMap<Day, Summary>>,
    followed: AtomicU64,
    is_caught_up: AtomicBool,
    is_asked: AtomicBool,
}

impl Shared {
    pub(crate) fn new(book: Book) -> Self {
        let (followed, is_caught_up) = (AtomicU64::new(0), AtomicBool::new(false));
        let is_asked = AtomicBool::new(false);
        Self { book: RwLock::new(book), summaries: RwLock::default(), followed, is_caught_up, is_asked }
    }

    pub(crate) fn book(&self) -> RwLockReadGuard<'_, Book> {
        self.book.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The book knows all that was durable a moment ago: what it says can be relied on.
    pub(crate) fn is_caught_up(&self) -> bool {
        self.is_caught_up.load(Ordering::Acquire)
    }

    /// Somebody brought something: it is judged at once, and figures from before it are shown no more.
    pub(crate) fn ask_to_judge(&self) {
        self.summaries.write().unwrap_or_else(PoisonError::into_inner).clear();
        self.is_asked.store(true, Ordering::Release);
    }

    /// Number of the last fact that the book knows.
    pub(crate) fn followed(&self) -> u64 {
        self.followed.load(Ordering::Acquire)
    }

    /// The figures of every day that is held, as of the last judgement.
    pub(crate) fn summaries(&self) -> Vec<Summary> {
        self.summaries.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    fn take_in(&self, facts: &[(u64, Timestamp, Fact)]) {
        let mut book = self.book.write().unwrap_or_else(PoisonError::into_inner);
        facts.iter().for_each(|(_, at, fact)| book.apply(*at, fact));
        if let Some((number, ..)) = facts.last() {
            self.followed.store(*number, Ordering::Release);
        }
    }
}

/// Writes a fact down; the number of the last durable one, none when that cannot be done now.
pub(crate) async fn note(mailbox: &Mailbox, fact: Fact) -> Option<u64> {
    let (confirm, confirmed) = oneshot::channel();
    if !mailbox.try_send(Mail::Note(Box::new(fact), confirm)) {
        return None;
    }
    confirmed.await.ok().flatten()
}

struct Keeper {
    shared: Arc<Shared>,
    reader: FactReader,
    mailbox: Mailbox,
    reporter: Arc<Reporter>,
    metrics: Metrics,
    report_after_ms: u64,
    judged_at: u64,
    swept_at: u64,
    reported_at: BTreeMap<Day, u64>,
}

/// Between two judgements of every day that is held, and between two revisions of one report.
const HOUR_MS: u64 = 3_600_000;

/// Starts it, and gives the way to ask it.
pub(crate) fn start(house: &House<'_>) -> Result<Arc<AssuranceDesk>, Fault> {
    let config = &house.config.assurance;
    let (custodian, _) = wiring::custodian(house.config)?;
    let metrics = Metrics::register(&house.registry).map_err(|error| Fault::Failed(error.to_string()))?;
    let shared = Arc::new(Shared::new(Book::new(config.settings())));
    let policy = house.config.policy()?;
    let ways = (house.mailbox.clone(), house.background.clone());
    let reporter = Arc::new(Reporter::new(&custodian, Arc::clone(&house.archive), &house.config.node));
    let known = (Arc::clone(&shared), Arc::clone(&reporter));
    let desk = Arc::new(AssuranceDesk::new(known, ways, config.clone(), policy));
    let keeper = Keeper {
        shared,
        reader: FactReader::open(&house.config.data_dir),
        mailbox: house.mailbox.clone(),
        reporter,
        metrics,
        report_after_ms: config.report_after_s * 1_000,
        judged_at: 0,
        swept_at: 0,
        reported_at: BTreeMap::new(),
    };
    house.background.spawn(keeper.run());
    // Apart from the keeper, for which an import waits.
    let inbox = Inbox::open(&house.config.data_dir).map_err(|error| Fault::key("data_dir", error))?;
    let taker = Arc::clone(&desk);
    house.background.spawn(async move {
        loop {
            inbox.take(&taker).await;
            tokio::time::sleep(LOOK).await;
        }
    });
    Ok(desk)
}

/// What one judgement found.
type Judged = Vec<(Day, Outcome)>;

impl Keeper {
    async fn run(mut self) {
        let floor = Day::of(life::now()).minus(self.shared.book().days().saturating_sub(1));
        self.shared.book.write().unwrap_or_else(PoisonError::into_inner).let_go(floor);
        loop {
            match self.follow().await {
                Ok(0) => {
                    self.shared.is_caught_up.store(true, Ordering::Release);
                    let is_asked = self.shared.is_asked.swap(false, Ordering::AcqRel);
                    if is_asked || life::now().millis() >= self.judged_at + JUDGE_MS {
                        self.judge().await;
                    }
                    tokio::time::sleep(LOOK).await;
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "assurance: cannot follow the ledger");
                    tokio::time::sleep(LOOK * 10).await;
                }
            }
        }
    }

    /// Takes one step of facts in; how many.
    async fn follow(&mut self) -> std::io::Result<usize> {
        let shared = Arc::clone(&self.shared);
        let taken = self.reader.read((self.shared.followed(), STEP), move |batch| {
            shared.take_in(&batch.facts);
            (batch.facts.len(), batch.durable.saturating_sub(shared.followed()))
        });
        let (taken, lag) = taken.await?;
        self.metrics.book(&self.shared.book().stats(), lag);
        Ok(taken)
    }

    async fn judge(&mut self) {
        let now = life::now();
        let today = Day::of(now);
        self.judged_at = now.millis();
        let is_sweep = now.millis() >= self.swept_at + HOUR_MS;
        if is_sweep {
            self.swept_at = now.millis();
        }
        let shared = Arc::clone(&self.shared);
        let work = move || {
            let days = {
                let mut book = shared.book.write().unwrap_or_else(PoisonError::into_inner);
                let first = today.minus(book.days().saturating_sub(1));
                book.let_go(first);
                due(&mut book, today, is_sweep)
            };
            // One day at a time: facts are taken in between.
            days.into_iter().map(|day| (day, shared.book().judge(day, now))).collect::<Judged>()
        };
        let Ok(judged) = tokio::task::spawn_blocking(work).await else { return };
        self.show(&judged, today);
        self.alert(&judged, now).await;
        for (day, _) in judged {
            self.report(day, now).await;
        }
    }

    fn show(&self, judged: &[(Day, Outcome)], today: Day) {
        let held: BTreeSet<Day> = self.shared.book().held().into_iter().collect();
        let mut summaries = self.shared.summaries.write().unwrap_or_else(PoisonError::into_inner);
        summaries.extend(judged.iter().map(|(day, outcome)| (*day, outcome.summary.clone())));
        summaries.retain(|day, _| held.contains(day));
        self.metrics.days(summaries.range(today.minus(1)..=today).map(|(_, summary)| summary));
    }

    async fn alert(&self, judged: &[(Day, Outcome)], now: Timestamp) {
        let found: Vec<_> = {
            let book = self.shared.book();
            judged.iter().flat_map(|(_, outcome)| book.unrecorded(outcome, now)).take(ALERTS).collect()
        };
        for call in found {
            let (incident, why) = (call.incident.clone(), call.why.clone());
            if note(&self.mailbox, Fact::UnrecordedCallFound(Box::new(call))).await.is_none() {
                // It is found again at the next judgement.
                return;
            }
            self.metrics.told();
            tracing::error!(incident, why, "a call that should have been recorded was not");
        }
    }

    /// Writes the report of a day that is over, when it has something new to say.
    async fn report(&mut self, day: Day, now: Timestamp) {
        let is_over = now.millis() >= day.end().millis() + self.report_after_ms;
        let is_new = self.reported_at.get(&day).is_none_or(|at| now.millis() >= at + HOUR_MS);
        if !is_over || !is_new {
            return;
        }
        let (shared, reporter) = (Arc::clone(&self.shared), Arc::clone(&self.reporter));
        let work = move || reporter.make(&shared.book(), day, now);
        let Ok(Some(ready)) = tokio::task::spawn_blocking(work).await else { return };
        if let Err(error) = self.reporter.put(&ready).await {
            tracing::warn!(%day, %error, "assurance: the report is not in the archive; it is tried again");
            return;
        }
        let revision = ready.fact.revision;
        if note(&self.mailbox, Fact::DayReported(Box::new(ready.fact))).await.is_some() {
            self.reported_at.insert(day, now.millis());
            tracing::info!(%day, revision, "assurance: the report of the day is in the archive");
        }
    }
}

/// The days to judge: those that changed, those whose grace runs, and once an hour all.
fn due(book: &mut Book, today: Day, is_sweep: bool) -> BTreeSet<Day> {
    let mut days = book.take_changed();
    let held = book.held();
    days.extend(held.iter().copied().filter(|day| is_sweep || *day >= today.minus(1)));
    days.retain(|day| held.contains(day));
    days
}

/// Where the files of assurance are.
pub(crate) fn folder(data_dir: &std::path::Path) -> PathBuf {
    data_dir.join("assurance")
}
