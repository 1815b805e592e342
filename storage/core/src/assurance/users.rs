//! The names of DNs, agents, nodes and rules, and when each user was last seen recording.

use std::collections::HashMap;

use serde::Serialize;

use super::key::{Number, normal};
use crate::limits::{ASSURED_NAMES, NAME_CHARS};

/// A name by its number: most calls are of the same few thousand DNs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NameNo(u32);

/// Every name once.
#[derive(Debug, Default)]
pub(super) struct Names {
    texts: Vec<Box<str>>,
    numbers: HashMap<Box<str>, NameNo>,
    /// Names for which there was no room.
    pub(super) refused: u64,
}

impl Names {
    /// The number of a DN or agent, written as it is compared; none for nothing.
    pub(super) fn number(&mut self, address: &str) -> Option<NameNo> {
        let name = normal(address);
        if name.is_empty() { None } else { self.name(&name) }
    }

    /// The number of any name; none when there is no room for another.
    pub(super) fn name(&mut self, text: &str) -> Option<NameNo> {
        let text = text.char_indices().nth(NAME_CHARS).map_or(text, |(end, _)| &text[..end]);
        if let Some(known) = self.numbers.get(text) {
            return Some(*known);
        }
        if self.texts.len() >= ASSURED_NAMES {
            self.refused += 1;
            return None;
        }
        let number = NameNo(u32::try_from(self.texts.len()).expect("fewer than the bound"));
        self.texts.push(text.into());
        self.numbers.insert(text.into(), number);
        Some(number)
    }

    pub(super) fn text(&self, number: NameNo) -> &str {
        &self.texts[number.0 as usize]
    }
}

/// When a user was last in a call, and last in a recorded one; milliseconds.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    name: Option<NameNo>,
    in_call: u64,
    recorded: u64,
    is_of_cti: bool,
}

/// Everybody who is to be recorded.
#[derive(Debug, Default)]
pub(super) struct Users {
    seen: HashMap<Number, Seen>,
}

/// A user of whom no recording was made for long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SilentUser {
    /// DN or agent.
    pub user: String,
    /// Last in a call that was to be recorded, RFC 3339; none when never.
    pub last_call: Option<String>,
    /// Last in a recording, RFC 3339; none when never as far as is known.
    pub last_recording: Option<String>,
}

impl Users {
    /// Somebody the firm named.
    pub(super) fn watch(&mut self, text: &str, names: &mut Names) {
        if let (Some(number), Some(name)) = (Number::of(text), names.number(text)) {
            self.seen.entry(number).or_default().name = Some(name);
        }
    }

    /// Somebody was in a call that a source told of.
    pub(super) fn called(&mut self, name: NameNo, names: &Names, at: u64, (is_wanted, is_of_cti): (bool, bool)) {
        let Some(number) = Number::of(names.text(name)) else { return };
        let seen = self.seen.entry(number).or_default();
        seen.is_of_cti |= is_of_cti;
        if is_wanted {
            seen.name = Some(name);
            seen.in_call = seen.in_call.max(at);
        }
    }

    /// Somebody was recorded. Only those who were named or were in a call are remembered: the outside is no user.
    pub(super) fn recorded(&mut self, number: Number, at: u64) {
        if let Some(seen) = self.seen.get_mut(&number) {
            seen.recorded = seen.recorded.max(at);
        }
    }

    /// Whether the number is of a DN that CTI tells calls of.
    pub(super) fn is_of_cti(&self, number: Number) -> bool {
        self.seen.get(&number).is_some_and(|seen| seen.is_of_cti)
    }

    /// Those without a recording since `since`, in milliseconds, by name.
    /// `held` are the recordings that the book still has.
    pub(super) fn silent(&self, since: u64, held: &HashMap<Number, u64>, names: &Names) -> Vec<SilentUser> {
        let time = |ms: u64| (ms > 0).then(|| model::Timestamp::from_millis(ms).to_string());
        let last = |(number, seen): (&Number, &Seen)| seen.recorded.max(held.get(number).copied().unwrap_or(0));
        let quiet = self.seen.iter().map(|entry| (entry.1, last(entry))).filter(|(_, recorded)| *recorded < since);
        let mut users: Vec<SilentUser> = quiet
            .filter_map(|(seen, recorded)| {
                let user = names.text(seen.name?).to_owned();
                Some(SilentUser { user, last_call: time(seen.in_call), last_recording: time(recorded) })
            })
            .collect();
        users.sort_by(|one, other| one.user.cmp(&other.user));
        users
    }
}
