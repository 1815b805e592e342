//! One day: its share, its verdicts, its incidents by filter, who fell short, and its signed report.

use std::sync::Arc;

use axum::{
    extract::{Path, RawQuery, State, rejection::PathRejection},
    response::Response,
};
use maud::{Markup, html};
use model::Timestamp;
use storage_core::{
    assurance::{Day, DnShare, JudgedCall, Outcome, Verdict},
    query::Pattern,
};

use super::{moment, named, readable, words};
use crate::{
    app::App,
    assure::{self, IncidentsAsked},
    caller::Caller,
    console::{
        Refused, Visitor, html as answer,
        page::{Place, clock, frame, pager},
    },
    limits,
    ports::CallsAsked,
    problem::Problem,
    query::{self, Pairs},
    routes::PREFIX,
};

/// `GET /assurance/{day}`.
pub(in crate::console) async fn page(
    State(app): State<Arc<App>>,
    Visitor(caller): Visitor,
    path: Result<Path<String>, PathRejection>,
    RawQuery(raw): RawQuery,
) -> Result<Response, Refused> {
    let day = named(&readable(path)?)?;
    // A form sends its empty fields too: they are no filters.
    let pairs = query::pairs(raw.as_deref().unwrap_or_default())?;
    let pairs: Pairs = pairs.into_iter().filter(|(_, value)| !value.trim().is_empty()).collect();
    let pairs = query::strict(pairs, &["verdict", "number", "said", "cursor"])?;
    let asked = asked(&pairs)?;
    let mut outcome = assure::day(&app, &caller, day).await?;
    let (calls, next) = match asked.verdict.filter(|verdict| !verdict.is_incident()) {
        Some(_) => others(&app, &caller, (day, &asked), &pairs).await?,
        None => asked.page(std::mem::take(&mut outcome.incidents)),
    };
    let content = html! {
        p.back { a href="/assurance" { "← All days" } }
        h1 { (day) }
        (lead(&outcome))
        (tiles(&outcome))
        (verdicts(&outcome))
        h2 #incidents { (heading(asked.verdict)) }
        (form(day, &pairs))
        (table(day, &calls, pairs.is_empty()))
        @if outcome.unlisted > 0 && asked.verdict.is_none_or(Verdict::is_incident) {
            p.faint { "Only the gravest are listed; " (outcome.unlisted) " more were found that day." }
        }
        (pager((&format!("/assurance/{day}"), "#incidents"), ("First", "Later"), &pairs, next.as_deref()))
        (shares("nodes", "By node", &outcome.summary.nodes))
        (shares("dns", "By DN, the worst first", &outcome.dns))
        (report(day, outcome.report))
    };
    Ok(answer(frame(&format!("Assurance of {day}"), Some((&caller, Place::Assurance)), &content)))
}

fn asked(pairs: &Pairs) -> Result<IncidentsAsked, Problem> {
    let verdict = assure::verdict(pairs)?;
    let annotated = match query::value(pairs, "said") {
        None => None,
        Some("yes") => Some(true),
        Some("no") => Some(false),
        Some(_) => return Err(Problem::parameter("said", "is neither yes nor no")),
    };
    if annotated.is_some() && verdict.is_some_and(|verdict| !verdict.is_incident()) {
        return Err(Problem::parameter(
            "said",
            "goes with incidents only: nobody is asked for the cause of other calls",
        ));
    }
    let dn = query::value(pairs, "number").map(Pattern::new);
    Ok(IncidentsAsked { verdict, dn, annotated, after: assure::cursor(pairs)?, limit: limits::CONSOLE_ITEMS })
}

/// Calls that are no incidents: the outcome of a day does not list them.
async fn others(
    app: &App,
    caller: &Caller,
    (day, asked): (Day, &IncidentsAsked),
    pairs: &Pairs,
) -> Result<(Vec<JudgedCall>, Option<String>), Problem> {
    let IncidentsAsked { verdict, dn, after, limit, .. } = asked;
    let question =
        CallsAsked { day, verdict: *verdict, dn: dn.clone(), after: after.clone(), limit: limit.saturating_add(1) };
    let told = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
    let calls = assure::calls(app, caller, question, &format!("day={day}&{told}")).await?;
    Ok(assure::page(calls, *limit))
}

fn lead(outcome: &Outcome) -> Markup {
    let summary = &outcome.summary;
    let pending = summary.verdicts.of(Verdict::Pending);
    html! {
        p.lead {
            "UTC · " (words::count(summary.calls, "call", "calls")) " · "
            @match pending {
                0 => { "every call is judged" },
                _ => { (words::count(pending, "call", "calls")) " cannot be judged yet" },
            }
        }
    }
}

/// The three figures that are asked for first.
fn tiles(outcome: &Outcome) -> Markup {
    let summary = &outcome.summary;
    let lost = summary.verdicts.of(Verdict::NotRecorded);
    let incidents: u64 = Verdict::ALL.into_iter().filter(|v| v.is_incident()).map(|v| summary.verdicts.of(v)).sum();
    html! {
        dl.tiles {
            div {
                dt { "Recorded as expected" }
                dd { (words::percent(&summary.share)) }
                dd.faint {
                    @match summary.share.expected {
                        0 => { "no call was to be recorded" },
                        expected => { (summary.share.recorded) " of " (expected) },
                    }
                }
            }
            div class=[(lost > 0).then_some("bad")] {
                dt { "Not recorded" }
                dd { (lost) }
                dd.faint { @if lost == 0 { "no call is lost" } @else { "should have been, and nothing is kept" } }
            }
            div {
                dt { "Incidents" }
                dd { (incidents) }
                dd.faint { (summary.annotated) " with a cause" }
            }
        }
    }
}

fn verdicts(outcome: &Outcome) -> Markup {
    let summary = &outcome.summary;
    html! {
        h2 #verdicts { "Verdicts" }
        (words::bar(&summary.verdicts))
        div.scroll {
            table aria-labelledby="verdicts" {
                thead { tr {
                    th scope="col" { "Verdict" } th.number scope="col" { "Calls" } th scope="col" { "What it means" }
                } }
                tbody { @for verdict in Verdict::ALL {
                    @let calls = summary.verdicts.of(verdict);
                    tr {
                        td {
                            @if calls > 0 {
                                a.plain href={ "/assurance/" (summary.day) "?verdict=" (verdict.name()) "#incidents" } {
                                    (words::badge(verdict))
                                }
                            } @else { (words::badge(verdict)) }
                        }
                        td.number { (calls) }
                        td { (words::meaning(verdict)) }
                    }
                } }
            }
        }
        @if summary.annotated > 0 {
            p.faint { "What somebody said to be a test or a false alarm counts as its verdict, and not in the share." }
        }
    }
}

const fn heading(verdict: Option<Verdict>) -> &'static str {
    match verdict {
        None => "Incidents",
        Some(verdict) => words::verdict(verdict),
    }
}

fn form(day: Day, pairs: &Pairs) -> Markup {
    let value = |name| query::value(pairs, name).unwrap_or_default();
    let choice = |verdict: Verdict| {
        html! {
            option value=(verdict.name()) selected[value("verdict") == verdict.name()] { (words::verdict(verdict)) }
        }
    };
    let (incidents, others): (Vec<Verdict>, Vec<Verdict>) = Verdict::ALL.into_iter().partition(|v| v.is_incident());
    html! {
        form.search method="get" action={ "/assurance/" (day) "#incidents" } role="search" aria-label="Calls" {
            div {
                label for="verdict" { "Verdict" }
                select #verdict name="verdict" {
                    option value="" { "every incident" }
                    optgroup label="Incidents" { @for verdict in incidents { (choice(verdict)) } }
                    optgroup label="Other calls" { @for verdict in others { (choice(verdict)) } }
                }
            }
            div {
                label for="number" { "DN or agent" }
                input #number name="number" value=(value("number")) aria-describedby="wild";
                small #wild { "* at either end" }
            }
            div {
                label for="said" { "Cause" }
                select #said name="said" {
                    option value="" { "with and without" }
                    option value="no" selected[value("said") == "no"] { "nobody said yet" }
                    option value="yes" selected[value("said") == "yes"] { "somebody said" }
                }
            }
            div.buttons {
                button type="submit" { "Show" }
                a.quiet href={ "/assurance/" (day) "#incidents" } { "Clear" }
            }
        }
    }
}

fn table(day: Day, calls: &[JudgedCall], is_whole: bool) -> Markup {
    html! {
        @if calls.is_empty() {
            p.empty role="status" {
                @if is_whole { "No incident: nothing of this day needs looking at." } @else { "No call matches." }
            }
        } @else {
            div.scroll {
                table aria-labelledby="incidents" {
                    thead { tr {
                        th scope="col" { "Began (UTC)" }
                        th.number scope="col" { "Length" }
                        th scope="col" { "DN, agent" }
                        th scope="col" { "Call" }
                        th scope="col" { "Verdict" }
                        th scope="col" { "Cause" }
                    } }
                    tbody { @for call in calls { (row(day, call)) } }
                }
            }
        }
    }
}

fn row(day: Day, call: &JudgedCall) -> Markup {
    let is_incident = call.verdict.is_incident();
    html! {
        tr {
            td {
                @if is_incident {
                    a href={ "/assurance/" (day) "/" (call.incident) } { (moment(&call.started_at)) }
                } @else { (moment(&call.started_at)) }
            }
            td.number { (length(call).map_or_else(|| "–".to_owned(), clock)) }
            td { (people(call)) }
            td { code { (call.call_uuid.as_deref().or(call.conn_id.as_deref()).unwrap_or("–")) } }
            td { (words::badge(call.verdict)) " " span.faint { (words::why(call.why)) } }
            td {
                @match call.cause {
                    Some(cause) => { (words::cause_named(cause)) },
                    None if is_incident => { span.faint { "nobody said yet" } },
                    None => { "–" },
                }
            }
        }
    }
}

/// Who was in the call, as far as a source says.
pub(super) fn people(call: &JudgedCall) -> Markup {
    let names: Vec<&str> = call.dns.iter().chain(&call.agents).map(String::as_str).collect();
    html! { @if names.is_empty() { span.faint { "not named" } } @else { (names.join(", ")) } }
}

/// How long the call was, in milliseconds.
pub(super) fn length(call: &JudgedCall) -> Option<u64> {
    let ended = Timestamp::parse(call.ended_at.as_deref()?)?;
    Some(ended.millis().saturating_sub(Timestamp::parse(&call.started_at)?.millis()))
}

fn shares(id: &str, title: &str, of: &[DnShare]) -> Markup {
    html! {
        h2 id=(id) { (title) }
        @if of.is_empty() {
            p.empty { "No call of this day was to be recorded." }
        } @else {
            div.scroll {
                table aria-labelledby=(id) {
                    thead { tr {
                        th scope="col" { "Name" }
                        th.number scope="col" { "Recorded as expected" }
                        th.number scope="col" { "Recorded" }
                        th.number scope="col" { "Of" }
                    } }
                    tbody { @for one in of.iter().take(SHARES_SHOWN) {
                        tr {
                            td { (one.name) }
                            td.number { (words::percent(&one.share)) }
                            td.number { (one.share.recorded) }
                            td.number { (one.share.expected) }
                        }
                    } }
                }
            }
            @if of.len() > SHARES_SHOWN {
                p.faint { "and " (of.len() - SHARES_SHOWN) " more; the signed report names them all" }
            }
        }
    }
}

fn report(day: Day, revision: Option<u32>) -> Markup {
    let path = format!("{PREFIX}/assurance/days/{day}/report");
    html! {
        h2 { "Signed report" }
        @match revision {
            Some(revision) => {
                p {
                    a href=(path) download={ "assurance-" (day) "-report-" (revision) ".json" } {
                        "Download revision " (revision)
                    }
                    span.faint {
                        " · " code { "recorder assurance verify FILE" } " says whether it is as it was signed. "
                        "What becomes known later makes a further revision."
                    }
                }
            },
            None => { p.empty { "There is no report of this day yet. It is written when the day is over." } },
        }
    }
}

/// DNs that are written out; the report names them all.
const SHARES_SHOWN: usize = 25;
