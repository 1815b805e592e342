//! What all pages share: the frame, the words for durations, and a problem as a page.

use maud::{DOCTYPE, Markup, html};

use super::encoded;
use crate::{
    caller::Caller,
    problem::Problem,
    query::{self, Pairs},
    rights::Right,
};

/// The part of the console a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Recordings,
    Assurance,
}

/// A page in its frame. `visitor` is none before the login.
pub(super) fn frame(title: &str, visitor: Option<(&Caller, Place)>, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Recorder" }
                link rel="icon" href="/assets/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/assets/console.css";
                script src="/assets/player.js" defer {}
            }
            body {
                a.skip href="#content" { "Skip to content" }
                header.bar {
                    a.brand href="/" { img src="/assets/icon.svg" alt="" width="24" height="24"; "Recorder" }
                    @if let Some((caller, place)) = visitor {
                        (parts(caller, place))
                        (account(caller))
                    }
                }
                main #content { (content) }
            }
        }
    }
}

/// The ways to the parts that the caller may see.
fn parts(caller: &Caller, place: Place) -> Markup {
    let parts = [
        (Place::Recordings, "/", "Recordings", Right::Search),
        (Place::Assurance, "/assurance", "Assurance", Right::Assurance),
    ];
    html! {
        nav.parts aria-label="Parts of the console" {
            @for (part, path, name, _) in parts.iter().filter(|(.., right)| caller.may(*right)) {
                a href=(path) aria-current=[(*part == place).then_some("page")] { (name) }
            }
        }
    }
}

fn account(caller: &Caller) -> Markup {
    html! {
        form.account method="post" action="/logout" {
            span {
                (caller.actor.id)
                @if let Some(role) = caller.actor.role { " " span.role { (role.name()) } }
            }
            (csrf(caller))
            button.quiet type="submit" { "Log out" }
        }
    }
}

/// The hidden form token of the session.
pub(super) fn csrf(caller: &Caller) -> Markup {
    html! { input type="hidden" name="csrf" value=(caller.csrf.as_deref().unwrap_or_default()); }
}

/// A problem as a page.
pub(super) fn problem(problem: &Problem) -> Markup {
    let content = html! {
        section.notice role="alert" {
            h1 { (problem.title) }
            p { (problem.detail) }
            p { a href="/" { "To the recordings" } }
        }
    };
    frame(problem.title, None, &content)
}

/// `4:05`, or `1:04:05`.
pub(super) fn clock(millis: u64) -> String {
    let seconds = (millis + 500) / 1000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// `1 minute 5 seconds`: for ears.
pub(super) fn spoken(millis: u64) -> String {
    let seconds = (millis + 500) / 1000;
    let parts = [(seconds / 3600, "hour"), (seconds / 60 % 60, "minute"), (seconds % 60, "second")];
    let words: Vec<_> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count} {unit}{}", if *count == 1 { "" } else { "s" }))
        .collect();
    if words.is_empty() { "0 seconds".into() } else { words.join(" ") }
}

/// A time as people read it: the day, the time to the second, UTC.
pub(super) fn when(at: model::Timestamp) -> Markup {
    let text = at.to_string();
    let shown = format!("{} {}", &text[..10], &text[11..19]);
    html! { time datetime=(text) { (shown) } }
}

/// Links to the first page and the next of a list at `path` (and a place in it), which keep its filters; `words` are what
/// the two are called there.
pub(super) fn pager((path, place): (&str, &str), words: (&str, &str), pairs: &Pairs, next: Option<&str>) -> Markup {
    let filters: String = pairs
        .iter()
        .filter(|(name, _)| name != "cursor")
        .map(|(name, value)| format!("{}={}&", encoded(name), encoded(value)))
        .collect();
    let is_first = query::value(pairs, "cursor").is_none();
    html! {
        nav.pager aria-label="Pages" {
            @if !is_first { a href={ (path) "?" (filters) (place) } rel="first" { (words.0) } }
            @if let Some(next) = next {
                @let cursor = encoded(next);
                a href={ (path) "?" (filters) "cursor=" (cursor) (place) } rel="next" { (words.1) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_and_spoken() {
        assert_eq!((clock(65_400).as_str(), clock(3_845_000).as_str()), ("1:05", "1:04:05"));
        assert_eq!(spoken(65_000), "1 minute 5 seconds");
        assert_eq!(spoken(3_601_000), "1 hour 1 second");
        assert_eq!(spoken(0), "0 seconds");
    }
}
