//! The recording sessions behind a recording: who sent it, when the client says the call was, and how each ended.

use maud::{Markup, html};
use model::EndCause;
use storage_core::view::{RecordingView, SessionView};

use super::page::when;

/// One row a session; nothing when none is known.
pub(super) fn table(view: &RecordingView) -> Markup {
    html! {
        @if !view.sessions.is_empty() {
            h2 { "Sessions" }
            div.scroll {
                table {
                    thead { tr {
                        th scope="col" { "Call-ID" } th scope="col" { "Peer" } th scope="col" { "Call began" }
                        th scope="col" { "Call stopped" } th scope="col" { "Ended" } th scope="col" { "Reason" }
                    } }
                    tbody { @for session in &view.sessions { (row(session)) } }
                }
            }
        }
    }
}

fn row(session: &SessionView) -> Markup {
    html! {
        tr {
            td { code { (session.call_id) } }
            td { (session.peer) " " span.faint { (session.profile) } }
            @for at in [session.started_at, session.stopped_at] {
                td { @if let Some(at) = at { (when(at)) " UTC" } @else { "–" } }
            }
            td { (session.ended.map_or("goes on", words)) }
            td { (session.reason.as_deref().unwrap_or("–")) }
        }
    }
}

/// What came with the call and was kept without being understood.
pub(super) fn attachments(view: &RecordingView) -> Markup {
    html! {
        @if !view.attachments.is_empty() {
            h2 { "Attachments" }
            ul { @for attachment in &view.attachments {
                li { code { (attachment.content_type) } " " span.faint { (attachment.bytes) " octets" } }
            } }
        }
    }
}

const fn words(cause: EndCause) -> &'static str {
    match cause {
        EndCause::Bye => "hung up",
        EndCause::SessionTimer => "session timer ran out",
        EndCause::Silence => "silent for too long",
        EndCause::Stopped => "stopped",
        EndCause::NotEstablished => "not established",
        EndCause::Drained => "node drained",
        EndCause::Crash => "crash",
    }
}
