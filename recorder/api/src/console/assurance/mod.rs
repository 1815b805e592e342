//! Recording assurance for people: the days and the silent users; one day; one incident.

mod day;
mod incident;
mod words;

use std::sync::Arc;

use axum::{
    extract::{Path, RawQuery, State, rejection::PathRejection},
    response::Response,
};
use maud::{Markup, html};
use model::Timestamp;
use storage_core::assurance::{Day, SilentUser, Summary, Verdict};

pub(super) use self::{
    day::page as day,
    incident::{page as incident, say},
};
use super::{
    Refused, Visitor, html as answer,
    page::{Place, frame, when},
};
use crate::{app::App, assure, problem::Problem, query};

/// `GET /assurance`.
pub(super) async fn page(
    State(app): State<Arc<App>>,
    Visitor(caller): Visitor,
    RawQuery(raw): RawQuery,
) -> Result<Response, Refused> {
    query::strict(query::pairs(raw.as_deref().unwrap_or_default())?, &[])?;
    let days = assure::days(&app, &caller).await?;
    let silent = assure::silent(&app, &caller).await?;
    let content = html! {
        h1 { "Recording assurance" }
        p.lead { "Every call that a CTI link or a file of call detail records tells of is held against its recording." }
        (table(&days))
        (quiet(&silent))
    };
    Ok(answer(frame("Recording assurance", Some((&caller, Place::Assurance)), &content)))
}

fn table(days: &[Summary]) -> Markup {
    html! {
        h2 #days { "Days" }
        @if days.is_empty() {
            p.empty role="status" {
                "No call is known yet. Days appear here when a CTI link tells of calls, when call detail records are "
                "imported (" code { "recorder cdr import FILE" } "), or when something is recorded."
            }
        } @else {
            div.scroll {
                table aria-labelledby="days" {
                    thead { tr {
                        th scope="col" { "Day (UTC)" }
                        th.number scope="col" { "Recorded as expected" }
                        th.number scope="col" { "Of" }
                        th scope="col" { "Calls by verdict" }
                        th scope="col" { "Incidents" }
                    } }
                    tbody { @for day in days { (row(day)) } }
                }
            }
        }
    }
}

fn row(day: &Summary) -> Markup {
    let found = |verdict: Verdict| day.verdicts.of(verdict);
    let incidents = Verdict::ALL.into_iter().filter(|verdict| verdict.is_incident() && found(*verdict) > 0);
    let incidents: Vec<Verdict> = incidents.collect();
    html! {
        tr {
            td {
                a href={ "/assurance/" (day.day) } { (day.day) }
                @if !day.complete { " " span.faint { (found(Verdict::Pending)) " pending" } }
            }
            td.number { strong { (words::percent(&day.share)) } }
            td.number { (day.share.expected) }
            td.wide { (words::bar(&day.verdicts)) span.faint { (words::count(day.calls, "call", "calls")) } }
            td {
                @if incidents.is_empty() { span.faint { "none" } }
                @for verdict in &incidents {
                    a.plain href={ "/assurance/" (day.day) "?verdict=" (verdict.name()) "#incidents" } {
                        span class={ "badge " (verdict.name()) } { (found(*verdict)) " " (words::verdict(*verdict)) }
                    }
                    " "
                }
                @if day.annotated > 0 { span.faint { (day.annotated) " with a cause" } }
            }
        }
    }
}

fn quiet(silent: &[SilentUser]) -> Markup {
    let time = |at: &Option<String>| moment(at.as_deref().unwrap_or_default());
    html! {
        h2 #silent { "Silent users" }
        @if silent.is_empty() {
            p.empty role="status" { "Everybody who is to be recorded was seen recording." }
        } @else {
            p.faint { "Nothing was recorded of them for as long as " code { "[assurance] silent_days" } " says." }
            div.scroll {
                table aria-labelledby="silent" {
                    thead { tr {
                        th scope="col" { "DN or agent" }
                        th scope="col" { "Last call (UTC)" }
                        th scope="col" { "Last recording (UTC)" }
                    } }
                    tbody { @for user in silent.iter().take(SILENT_SHOWN) {
                        tr { td { (user.user) } td { (time(&user.last_call)) } td { (time(&user.last_recording)) } }
                    } }
                }
            }
            @if silent.len() > SILENT_SHOWN {
                p.faint {
                    "and " (silent.len() - SILENT_SHOWN) " more: " code { "GET /api/v1/assurance/silent" } " names them all"
                }
            }
        }
    }
}

/// A time that assurance gives as text; `never` where there is none.
fn moment(text: &str) -> Markup {
    match Timestamp::parse(text) {
        Some(at) => when(at),
        None => html! { span.faint { "never" } },
    }
}

/// The day that a path names.
fn named(day: &str) -> Result<Day, Problem> {
    day.parse().map_err(|_| Problem::not_found("there is no such day; it is written 2026-11-21"))
}

/// A path that cannot be read names nothing.
fn readable<T>(path: Result<Path<T>, PathRejection>) -> Result<T, Problem> {
    path.map(|Path(parts)| parts).map_err(|_| Problem::not_found("there is no such page"))
}

/// Silent users that are written out; the API lists them all.
const SILENT_SHOWN: usize = 200;
