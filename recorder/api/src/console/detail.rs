//! One recording: player and waveform, what is known, and what can be done.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{Path, State, rejection::PathRejection},
    response::{IntoResponse, Redirect, Response},
};
use maud::{Markup, html};
use model::CommandKind;
use storage_core::view::{RecordingView, State as Phase, TrackView};

use super::{
    Refused, Visitor, form, html as answer,
    list::{notes, parties, shown, state},
    page::{Place, clock, csrf, frame, when},
    sessions, waveform,
};
use crate::{
    app::App,
    ask,
    caller::{Caller, recording_id},
    ports::Mark,
    problem::Problem,
    query,
    rights::Right,
    routes::{PREFIX, RecordingPath, checked_reason},
    shape,
};

/// `GET /recordings/{id}`.
pub(super) async fn page(
    State(app): State<Arc<App>>,
    Visitor(caller): Visitor,
    id: Result<RecordingPath, Problem>,
) -> Result<Response, Refused> {
    let id = id?.0;
    let view = ask::view(&app, &caller, id).await?;
    let sound = sound(&app, &caller, &view).await;
    let content = html! {
        p.back { a href="/" { "← Recordings" } }
        h1 { (parties(&view.parties)) }
        p.lead { (when(view.started_at)) " UTC · " (state(&view)) " " (notes(&view)) }
        (sound)
        (actions(&caller, &view))
        (facts(&view))
        (tracks(&view))
        (sessions::table(&view))
        (sessions::attachments(&view))
        (names("Correlation", view.correlation.iter()))
        (names("User data", view.user_data.iter()))
        (warnings(&view))
        (objects(&view))
    };
    Ok(answer(frame("Recording", Some((&caller, Place::Recordings)), &content)))
}

/// `POST /recordings/{id}/{action}`.
pub(super) async fn act(
    State(app): State<Arc<App>>,
    Visitor(caller): Visitor,
    path: Result<Path<(String, String)>, PathRejection>,
    body: Bytes,
) -> Result<Response, Refused> {
    let Ok(Path((id, action))) = path else { return Err(Problem::not_found("there is no such page").into()) };
    let id = recording_id(&id)?;
    let fields = form(&caller, &body)?;
    let reason = checked_reason(query::value(&fields, "reason").map(str::to_owned))?;
    match action.as_str() {
        "pause" => ask::command(&app, &caller, id, CommandKind::Pause, reason).await?,
        "resume" => ask::command(&app, &caller, id, CommandKind::Resume, reason).await?,
        "stop" => ask::command(&app, &caller, id, CommandKind::Stop, reason).await?,
        "keep" => ask::command(&app, &caller, id, CommandKind::Keep, reason).await?,
        "discard" => ask::command(&app, &caller, id, CommandKind::Discard, reason).await?,
        "hold" => ask::mark(&app, &caller, id, Mark::Hold, reason).await?,
        "release" => ask::mark(&app, &caller, id, Mark::Release, reason).await?,
        _ => return Err(Problem::not_found("there is no such action").into()),
    }
    Ok(Redirect::to(&format!("/recordings/{id}")).into_response())
}

/// The player, or why there is none.
async fn sound(app: &App, caller: &Caller, view: &RecordingView) -> Markup {
    if !caller.may(Right::Play) {
        return html! { p.notice { "This role may not listen." } };
    }
    let why = match view.state {
        Phase::Archived => match ask::peaks(app, caller, view.id).await {
            Ok(octets) => return player(view, &waveform::lanes(view, &octets)),
            Err(problem) => return player(view, &html! { p.notice { "No waveform: " (problem.detail) } }),
        },
        Phase::Live => "The call is still being recorded.",
        Phase::Finalizing if view.is_provisional => "The recording is provisional: it is destroyed unless it is kept.",
        Phase::Finalizing => "The recording is being archived; it can be played in a moment.",
        Phase::Failed => "The recording could not be finished.",
        Phase::Deleted => "The recording was destroyed.",
    };
    html! { p.notice role="status" { (why) } }
}

fn player(view: &RecordingView, lanes: &Markup) -> Markup {
    let audio = format!("{PREFIX}/recordings/{}/audio", view.id);
    html! {
        section.player aria-label="Player" {
            (lanes)
            audio #audio controls preload="metadata" {
                source src={ (audio) "?format=wav" } type="audio/wav";
                source src={ (audio) "?format=mp3" } type="audio/mpeg";
            }
            p.links {
                a href={ (audio) "?format=wav" } download={ (view.id) ".wav" } { "Download WAV" }
                a href={ (audio) "?format=mp3" } download={ (view.id) ".mp3" } { "Download MP3" }
            }
        }
    }
}

fn actions(caller: &Caller, view: &RecordingView) -> Markup {
    let is_live = view.state == Phase::Live && caller.may(Right::Control);
    let is_open = matches!(view.state, Phase::Live | Phase::Finalizing) && view.is_provisional;
    let can_keep = is_open && caller.may(Right::Control);
    let can_hold = !matches!(view.state, Phase::Deleted) && caller.may(Right::Hold);
    html! {
        @if is_live || can_keep || can_hold {
            section.actions aria-label="Actions" {
                @if is_live && view.is_paused { (button(caller, view, "resume", "Resume")) }
                @if is_live && !view.is_paused { (button(caller, view, "pause", "Pause")) }
                @if is_live { (button(caller, view, "stop", "Stop recording")) }
                @if can_keep {
                    (button(caller, view, "keep", "Keep"))
                    (button(caller, view, "discard", "Discard"))
                }
                @if can_hold && view.is_held { (button(caller, view, "release", "Lift legal hold")) }
                @if can_hold && !view.is_held { (button(caller, view, "hold", "Set legal hold")) }
            }
        }
    }
}

fn button(caller: &Caller, view: &RecordingView, action: &str, words: &str) -> Markup {
    html! {
        form method="post" action={ "/recordings/" (view.id) "/" (action) } {
            (csrf(caller))
            button type="submit" { (words) }
        }
    }
}

fn facts(view: &RecordingView) -> Markup {
    let optional = [
        ("Recording id at the client", view.record_id.as_deref()),
        ("CallUUID", view.call_uuid.as_deref()),
        ("ConnID", view.conn_id.as_deref()),
        ("Profile", Some(view.profile.as_str())),
    ];
    html! {
        h2 { "Facts" }
        dl.facts {
            dt { "Id" } dd { code { (view.id) } }
            dt { "Started" } dd { (when(view.started_at)) " UTC" }
            @if let Some(at) = view.ended_at { dt { "Ended" } dd { (when(at)) " UTC" } }
            @if let Some(length) = view.duration_ms { dt { "Length" } dd { (clock(length)) } }
            @for (name, value) in optional {
                @if let Some(value) = value { dt { (name) } dd { code { (value) } } }
            }
            @for party in &view.parties {
                dt { (party.role.as_deref().unwrap_or("party")) }
                dd {
                    (shown(party))
                    @if shown(party) != party.address.reveal() { " " span.faint { (party.address.reveal()) } }
                    @if let Some(at) = party.joined_at { " " span.faint { "joined " (when(at)) " UTC" } }
                    @if let Some(at) = party.left_at { " " span.faint { "left " (when(at)) " UTC" } }
                }
            }
        }
    }
}

fn tracks(view: &RecordingView) -> Markup {
    html! {
        h2 { "Tracks" }
        div.scroll {
            table {
                thead { tr {
                    th scope="col" { "Track" } th scope="col" { "Party" } th scope="col" { "Codec" }
                    th.number scope="col" { "Packets" } th.number scope="col" { "Lost" } th scope="col" { "Gaps" }
                } }
                tbody { @for track in &view.tracks { (track_row(view, track)) } }
            }
        }
    }
}

fn track_row(view: &RecordingView, track: &TrackView) -> Markup {
    let counters = track.counters.unwrap_or_default();
    html! {
        tr {
            td { (track.no.0) @if let Some(label) = &track.label { " " span.faint { "label " (label) } } }
            td { (track.party.as_deref().unwrap_or("–")) }
            td { (track.codec) @if track.srtp { " " span.badge { "SRTP" } } }
            td.number { @if track.counters.is_some() { (counters.received) } @else { "–" } }
            td.number { @if track.counters.is_some() { (counters.lost) } @else { "–" } }
            td {
                @if track.gaps.is_empty() { span.faint { "none" } }
                @for gap in track.gaps.iter().take(GAPS_SHOWN) {
                    @let gap = shape::gap(gap, view.zero());
                    span.badge { (waveform::cause(gap.cause)) " " (clock(gap.from_ms)) "–" (clock(gap.to_ms)) } " "
                }
                @if track.gaps.len() > GAPS_SHOWN { span.faint { "and " (track.gaps.len() - GAPS_SHOWN) " more" } }
            }
        }
    }
}

fn names<'a>(title: &str, pairs: impl ExactSizeIterator<Item = (&'a String, &'a String)>) -> Markup {
    html! {
        @if pairs.len() > 0 {
            h2 { (title) }
            dl.facts { @for (name, value) in pairs { dt { (name) } dd { (value) } } }
        }
    }
}

fn warnings(view: &RecordingView) -> Markup {
    html! {
        @if !view.warnings.is_empty() {
            h2 { "Warnings" }
            ul { @for warning in &view.warnings {
                li { code { (warning.name) } @if let Some(detail) = &warning.detail { " " (detail) } }
            } }
        }
    }
}

fn objects(view: &RecordingView) -> Markup {
    html! {
        @if !view.media.is_empty() {
            h2 { "Archive" }
            div.scroll {
                table {
                    thead { tr { th scope="col" { "Format" } th.number scope="col" { "Octets" } th scope="col" { "SHA-256" } } }
                    tbody { @for object in &view.media {
                        tr { td { (object.format) } td.number { (object.bytes) } td { code.digest { (object.sha256) } } }
                    } }
                }
            }
        }
    }
}

/// Gaps written out for one track; the waveform shows them all, and the API lists them.
const GAPS_SHOWN: usize = 12;
