//! One incident: what is known of the call, and what somebody says was behind it.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{Path, State, rejection::PathRejection},
    response::{IntoResponse, Redirect, Response},
};
use maud::{Markup, html};
use model::IncidentCause;
use storage_core::assurance::{Day, JudgedCall, Key};

use super::{
    day::{length, people},
    moment, named, readable, words,
};
use crate::{
    app::App,
    assure,
    caller::Caller,
    console::{
        Refused, Visitor, form, html as answer,
        page::{Place, clock, csrf, frame},
    },
    limits,
    problem::Problem,
    query,
    rights::Right,
};

/// What a path of an incident says.
type Parts = Result<Path<(String, String)>, PathRejection>;

/// `GET /assurance/{day}/{incident}`.
pub(in crate::console) async fn page(
    State(app): State<Arc<App>>,
    Visitor(caller): Visitor,
    path: Parts,
) -> Result<Response, Refused> {
    let (day, key) = parts(path)?;
    let call = assure::incident(&app, &caller, day, key).await?;
    let content = html! {
        p.back { a href={ "/assurance/" (day) "#incidents" } { "← Incidents of " (day) } }
        h1 { (words::verdict(call.verdict)) ": " (people(&call)) }
        p.lead { (moment(&call.started_at)) " UTC · " (words::badge(call.verdict)) " " (words::why(call.why)) }
        (cause(&caller, day, &call))
        (facts(&call))
    };
    Ok(answer(frame("Incident", Some((&caller, Place::Assurance)), &content)))
}

/// `POST /assurance/{day}/{incident}`.
pub(in crate::console) async fn say(
    State(app): State<Arc<App>>,
    Visitor(caller): Visitor,
    path: Parts,
    body: Bytes,
) -> Result<Response, Refused> {
    let (day, key) = parts(path)?;
    let fields = form(&caller, &body)?;
    let note = query::value(&fields, "note").map(|note| note.replace("\r\n", "\n"));
    let said = assure::said(query::value(&fields, "cause").unwrap_or_default(), note)?;
    assure::annotate(&app, &caller, key.to_string(), said).await?;
    Ok(Redirect::to(&format!("/assurance/{day}/{key}")).into_response())
}

fn parts(path: Parts) -> Result<(Day, Key), Problem> {
    let (day, key) = readable(path)?;
    Ok((named(&day)?, key.parse().map_err(|_| Problem::not_found("there is no such incident"))?))
}

fn cause(caller: &Caller, day: Day, call: &JudgedCall) -> Markup {
    html! {
        h2 { "Cause" }
        @match call.cause {
            Some(cause) => {
                div.notice role="status" {
                    strong { (words::cause_named(cause)) }
                    @if let Some(note) = &call.note { p.said { (note) } }
                }
            },
            None => { p.empty role="status" { "Nobody has said yet what was behind it." } },
        }
        @if caller.may(Right::Annotate) {
            (choices(caller, day, call))
        } @else {
            p.faint { "This role may look, and not say what was behind it." }
        }
    }
}

fn choices(caller: &Caller, day: Day, call: &JudgedCall) -> Markup {
    let is_said = |cause: IncidentCause| call.cause == Some(cause.name());
    html! {
        form.annotate method="post" action={ "/assurance/" (day) "/" (call.incident) } {
            (csrf(caller))
            div {
                label for="cause" { "What was behind it" }
                select #cause name="cause" required {
                    option value="" { "choose" }
                    @for cause in IncidentCause::ALL {
                        option value=(cause.name()) selected[is_said(cause)] { (words::cause(cause)) }
                    }
                }
            }
            div {
                label for="note" { "In your words (it stands in the ledger and in the signed report)" }
                textarea #note name="note" rows="3" maxlength=(limits::REASON_CHARS) {
                    (call.note.as_deref().unwrap_or_default())
                }
            }
            button type="submit" { @if call.cause.is_some() { "Say it anew" } @else { "Put on record" } }
        }
    }
}

fn facts(call: &JudgedCall) -> Markup {
    let optional = [
        ("Which way", call.direction.map(words::direction)),
        ("CallUUID", call.call_uuid.as_deref()),
        ("ConnID", call.conn_id.as_deref()),
        ("Rule of the policy", call.rule.as_deref()),
    ];
    html! {
        h2 { "Facts" }
        dl.facts {
            dt { "Began" } dd { (moment(&call.started_at)) " UTC" }
            @if let Some(at) = &call.ended_at { dt { "Ended" } dd { (moment(at)) " UTC" } }
            @if let Some(length) = length(call) { dt { "Length" } dd { (clock(length)) } }
            @if !call.dns.is_empty() { dt { "DN" } dd { (call.dns.join(", ")) } }
            @if !call.agents.is_empty() { dt { "Agent" } dd { (call.agents.join(", ")) } }
            @for (name, value) in optional {
                @if let Some(value) = value { dt { (name) } dd { (value) } }
            }
            dt { "The policy wanted" } dd { (words::expectation(call.expectation)) }
            dt { "Told by" } dd { @if call.sources.is_empty() { "nobody" } @else { (call.sources.join(", ")) } }
            dt { "Node" } dd { (call.node) }
            dt { "Recordings" }
            dd {
                @if call.recordings.is_empty() { "none" }
                @for (index, id) in call.recordings.iter().enumerate() {
                    @if index > 0 { ", " }
                    a href={ "/recordings/" (id) } { code { (id) } }
                }
            }
            dt { "Incident" } dd { code { (call.incident) } }
        }
    }
}
