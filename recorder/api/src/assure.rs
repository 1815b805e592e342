//! Questions about how every call was recorded, what people say of incidents, and files of call detail records:
//! authorise, do, put on record, and only then answer.

use model::{IncidentCause, IncidentNote, Personal};
use storage_core::assurance::{Day, JudgedCall, Outcome, SilentUser, Summary, cdr::Imported};

use crate::{
    app::{App, Deed},
    caller::Caller,
    outside,
    ports::CallsAsked,
    problem::Problem,
    rights::Right,
};

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
