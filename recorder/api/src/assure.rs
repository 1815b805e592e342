//! Questions about how every call was recorded, what people say of incidents, and files of call detail records:
//! authorise, do, put on record, and only then answer.

use model::{IncidentCause, IncidentNote, Personal};
use storage_core::{
    assurance::{Day, JudgedCall, Key, Outcome, SilentUser, Summary, Verdict, cdr::Imported},
    query::Pattern,
};

use crate::{
    app::{App, Deed},
    caller::Caller,
    limits, outside,
    ports::{CallsAsked, SignedReport},
    problem::Problem,
    query::{self, Pairs},
    rights::Right,
};

/// Which incidents of a day are asked for.
pub(crate) struct IncidentsAsked {
    /// Of this verdict.
    pub(crate) verdict: Option<Verdict>,
    /// Of this DN or agent.
    pub(crate) dn: Option<Pattern>,
    /// With a cause that somebody gave, or without one.
    pub(crate) annotated: Option<bool>,
    /// Behind the call that began then and has this name.
    pub(crate) after: Option<(String, Key)>,
    /// At most so many.
    pub(crate) limit: u32,
}

impl IncidentsAsked {
    /// Those that fit, and the cursor of the next page.
    pub(crate) fn page(&self, incidents: Vec<JudgedCall>) -> (Vec<JudgedCall>, Option<String>) {
        let fits = |call: &JudgedCall| {
            self.verdict.is_none_or(|verdict| verdict == call.verdict)
                && self.annotated.is_none_or(|annotated| annotated == call.cause.is_some())
                && self.dn.as_ref().is_none_or(|dn| call.dns.iter().chain(&call.agents).any(|known| dn.fits(known)))
                && self
                    .after
                    .as_ref()
                    .is_none_or(|(at, key)| (call.started_at.as_str(), call.incident) > (at.as_str(), *key))
        };
        page(incidents.into_iter().filter(fits).take(self.limit as usize + 1).collect(), self.limit)
    }
}

/// At most `limit` of the calls, and the cursor of the next page when there is one more.
pub(crate) fn page(mut calls: Vec<JudgedCall>, limit: u32) -> (Vec<JudgedCall>, Option<String>) {
    let has_more = calls.len() > limit as usize;
    calls.truncate(limit as usize);
    // `2026-11-21T10:00:00.000Z_<incident>`
    let next = calls.last().filter(|_| has_more).map(|call| format!("{}_{}", call.started_at, call.incident));
    (calls, next)
}

/// Where a page ended.
pub(crate) fn cursor(pairs: &Pairs) -> Result<Option<(String, Key)>, Problem> {
    let Some(text) = query::value(pairs, "cursor") else { return Ok(None) };
    let read = text.split_once('_').and_then(|(at, key)| Some((at.to_owned(), key.parse().ok()?)));
    read.map(Some).ok_or_else(|| Problem::parameter("cursor", "is none that was given out"))
}

/// The verdict that is asked for.
pub(crate) fn verdict(pairs: &Pairs) -> Result<Option<Verdict>, Problem> {
    let named = |name| Verdict::by_name(name).ok_or_else(|| Problem::parameter("verdict", "there is no such verdict"));
    query::value(pairs, "verdict").map(named).transpose()
}

/// What somebody says of an incident, as far as it can be taken down.
pub(crate) fn said(cause: &str, note: Option<String>) -> Result<(IncidentCause, Option<String>), Problem> {
    let cause = IncidentCause::by_name(cause).ok_or_else(|| {
        let names: Vec<&str> = IncidentCause::ALL.iter().map(|cause| cause.name()).collect();
        Problem::parameter("cause", format!("is none of {}", names.join(", ")))
    })?;
    let note = note.filter(|note| !note.trim().is_empty());
    if note.as_ref().is_some_and(|note| note.chars().count() > limits::REASON_CHARS) {
        return Err(Problem::parameter("note", "is too long"));
    }
    Ok((cause, note))
}

/// The figures of every day.
pub(crate) async fn days(app: &App, caller: &Caller) -> Result<Vec<Summary>, Problem> {
    let deed = Deed::done("assurance-days");
    caller.require(app, Right::Assurance, deed.clone()).await?;
    let days = app.assurance.days().await?;
    caller.note(app, deed.detail(format!("{} days", days.len()))).await?;
    Ok(days)
}

/// One day.
pub(crate) async fn day(app: &App, caller: &Caller, day: Day) -> Result<Outcome, Problem> {
    let deed = Deed::done("assurance-day").detail(day.to_string());
    caller.require(app, Right::Assurance, deed.clone()).await?;
    let outcome = app.assurance.day(day).await?;
    caller.note(app, deed).await?;
    Ok(outcome)
}

/// One incident of a day.
pub(crate) async fn incident(app: &App, caller: &Caller, day: Day, key: Key) -> Result<JudgedCall, Problem> {
    let deed = Deed::done("assurance-incident").detail(format!("{day}: {key}"));
    caller.require(app, Right::Assurance, deed.clone()).await?;
    let incidents = app.assurance.day(day).await?.incidents;
    let found = incidents.into_iter().find(|call| call.incident == key);
    caller.note(app, if found.is_some() { deed } else { deed.failed() }).await?;
    found.ok_or_else(|| Problem::not_found("no such incident among those of the day; its verdict may have changed"))
}

/// The last signed report of a day.
pub(crate) async fn report(app: &App, caller: &Caller, day: Day) -> Result<SignedReport, Problem> {
    let deed = Deed::done("assurance-report").detail(day.to_string());
    caller.require(app, Right::Assurance, deed.clone()).await?;
    match app.assurance.report(day).await {
        Ok(report) => {
            caller.note(app, deed.detail(format!("{day}: revision {}", report.revision))).await?;
            Ok(report)
        }
        Err(error) => {
            caller.note(app, deed.failed()).await?;
            Err(error.into())
        }
    }
}

/// Calls of a day; one more than asked for tells that there are more. `asked` is the question as it came.
pub(crate) async fn calls(
    app: &App,
    caller: &Caller,
    question: CallsAsked,
    asked: &str,
) -> Result<Vec<JudgedCall>, Problem> {
    let deed = Deed::done("assurance-calls");
    caller.require(app, Right::Assurance, deed.clone().detail(asked)).await?;
    let calls = app.assurance.calls(question).await?;
    caller.note(app, deed.detail(format!("{asked} -> {} calls", calls.len()))).await?;
    Ok(calls)
}

/// Who was not recorded for long.
pub(crate) async fn silent(app: &App, caller: &Caller) -> Result<Vec<SilentUser>, Problem> {
    let deed = Deed::done("assurance-silent");
    caller.require(app, Right::Assurance, deed.clone()).await?;
    let users = app.assurance.silent().await?;
    caller.note(app, deed.detail(format!("{} users", users.len()))).await?;
    Ok(users)
}

/// Somebody says what was behind an incident.
pub(crate) async fn annotate(
    app: &App,
    caller: &Caller,
    incident: String,
    (cause, note): (IncidentCause, Option<String>),
) -> Result<(), Problem> {
    let deed = Deed::done("annotate").detail(format!("{incident}: {}", cause.name()));
    caller.require(app, Right::Annotate, deed.clone()).await?;
    let (by, at, note) = (caller.actor.clone(), outside::now(), note.map(Personal::new));
    match app.assurance.annotate(IncidentNote { incident, cause, by, at, note }).await {
        Ok(()) => caller.note(app, deed).await,
        Err(error) => {
            caller.note(app, deed.failed()).await?;
            Err(error.into())
        }
    }
}

/// May the caller bring a file? Asked before the file is read.
pub(crate) async fn may_import(app: &App, caller: &Caller, source: &str) -> Result<(), Problem> {
    caller.require(app, Right::Import, Deed::done("import-cdrs").detail(source)).await
}

/// A file of call detail records, by one who may bring it.
pub(crate) async fn import(app: &App, caller: &Caller, source: &str, file: Vec<u8>) -> Result<Imported, Problem> {
    let deed = Deed::done("import-cdrs");
    match app.assurance.import(source.to_owned(), file, caller.actor.clone()).await {
        Ok(imported) => {
            let Imported { batch, lines, added, bad, .. } = &imported;
            let told = format!("{source}: {batch}: {lines} lines, {added} new, {bad} bad");
            caller.note(app, deed.detail(told)).await?;
            Ok(imported)
        }
        Err(error) => {
            caller.note(app, deed.detail(source).failed()).await?;
            Err(error.into())
        }
    }
}
