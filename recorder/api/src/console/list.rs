//! The list of recordings, newest first, with a search form.

use std::sync::Arc;

use axum::{
    extract::{RawQuery, State},
    response::Response,
};
use maud::{Markup, html};
use model::Party;
use storage_core::{
    ports::{Page, Query},
    view::{RecordingView, State as Phase},
};

use super::{
    Refused, Visitor, html as answer,
    page::{Place, clock, frame, pager, when},
};
use crate::{app::App, ask, limits, problem::Problem, query};

/// The form's fields, and the filter each one is.
const FIELDS: [(&str, &str); 6] =
    [("q", "q"), ("number", "dn"), ("from", "from"), ("to", "to"), ("state", "state"), ("cursor", "cursor")];

/// `GET /`.
pub(super) async fn page(
    State(app): State<Arc<App>>,
    Visitor(caller): Visitor,
    RawQuery(raw): RawQuery,
) -> Result<Response, Refused> {
    // A form sends its empty fields too: they are no filters.
    let pairs = query::pairs(raw.as_deref().unwrap_or_default())?;
    let pairs: query::Pairs = pairs.into_iter().filter(|(_, value)| !value.trim().is_empty()).collect();
    let query = search(&pairs)?;
    let asked = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
    let page = ask::search(&app, &caller, query, &asked).await?;
    let content = html! {
        h1 { "Recordings" }
        (form(&pairs))
        (table(&page))
        (pager(("/", ""), ("Newest", "Older"), &pairs, page.next.as_deref()))
    };
    Ok(answer(frame("Recordings", Some((&caller, Place::Recordings)), &content)))
}

fn search(pairs: &query::Pairs) -> Result<Query, Problem> {
    let filters = pairs
        .iter()
        .map(|(name, value)| match FIELDS.iter().find(|(field, _)| field == name) {
            Some((_, filter)) => Ok(((*filter).to_owned(), value.trim().to_owned())),
            None => Err(Problem::parameter(name, "no such field")),
        })
        .collect::<Result<_, _>>()?;
    Ok(Query { limit: limits::CONSOLE_ITEMS, ..query::search(filters)? })
}

fn form(pairs: &query::Pairs) -> Markup {
    let value = |name| query::value(pairs, name).unwrap_or_default();
    html! {
        form.search method="get" action="/" role="search" {
            div { label for="q" { "Text" } input #q name="q" type="search" value=(value("q")); }
            div {
                label for="number" { "Number" }
                input #number name="number" value=(value("number")) aria-describedby="wild";
                small #wild { "* at either end" }
            }
            div { label for="from" { "From (UTC)" } input #from name="from" type="datetime-local" value=(value("from")); }
            div { label for="to" { "To (UTC)" } input #to name="to" type="datetime-local" value=(value("to")); }
            div {
                label for="state" { "State" }
                select #state name="state" {
                    option value="" { "any" }
                    @for state in [Phase::Live, Phase::Finalizing, Phase::Archived, Phase::Failed, Phase::Deleted] {
                        option value=(state.name()) selected[value("state") == state.name()] { (state.name()) }
                    }
                }
            }
            div.buttons { button type="submit" { "Search" } a.quiet href="/" { "Clear" } }
        }
    }
}

fn table(page: &Page) -> Markup {
    html! {
        @if page.items.is_empty() {
            p.empty role="status" { "No recording matches." }
        } @else {
            div.scroll {
                table {
                    caption.hidden { "Recordings, newest first" }
                    thead { tr {
                        th scope="col" { "Started (UTC)" }
                        th.number scope="col" { "Length" }
                        th scope="col" { "Parties" }
                        th scope="col" { "State" }
                        th scope="col" { "Notes" }
                    } }
                    tbody { @for view in &page.items { (row(view)) } }
                }
            }
        }
    }
}

fn row(view: &RecordingView) -> Markup {
    html! {
        tr {
            td { a href={ "/recordings/" (view.id) } { (when(view.started_at)) } }
            td.number { (view.duration_ms.map_or_else(|| "–".to_owned(), clock)) }
            td { (parties(&view.parties)) }
            td { (state(view)) }
            td { (notes(view)) }
        }
    }
}

/// Who with whom.
pub(super) fn parties(parties: &[Party]) -> Markup {
    html! {
        @if parties.is_empty() { span.faint { "not named" } }
        @for (index, party) in parties.iter().enumerate() {
            @if index > 0 { " ↔ " }
            span.party { (shown(party)) }
        }
    }
}

/// The name of a party, or its address.
pub(super) fn shown(party: &Party) -> &str {
    party.name.as_ref().map(|name| name.reveal()).filter(|name| !name.is_empty()).unwrap_or(party.address.reveal())
}

/// The state as a badge: a word, with a colour beside it.
pub(super) fn state(view: &RecordingView) -> Markup {
    let state = view.state.name();
    html! {
        span class={ "badge " (state) } { (state) }
        @if view.is_paused && view.state == Phase::Live { " " span.badge.paused { "paused" } }
        @if view.is_provisional { " " span.badge { "provisional" } }
    }
}

/// Flags, hold and warnings, as words.
pub(super) fn notes(view: &RecordingView) -> Markup {
    html! {
        @if view.is_held { span.badge.held { "legal hold" } " " }
        @for flag in &view.flags { span.badge { (flag) } " " }
        @if !view.warnings.is_empty() {
            span.faint { (view.warnings.len()) @if view.warnings.len() == 1 { " warning" } @else { " warnings" } }
        }
    }
}
