//! The calls that notifications have told of: how each stands, and by which id it can be asked for.

use std::collections::{HashMap, VecDeque};

use super::limits;

/// How far a call is, for the user whose calls they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallState {
    Ringing,
    Dialing,
    Established,
    Held,
    Released,
}

/// How far its recording is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RecordingState {
    Recording,
    Paused,
    Stopped,
}

/// What was told of a call so far.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) conn_id: Option<String>,
    pub(super) state: Option<CallState>,
    pub(super) recording: Option<RecordingState>,
    /// We asked for it to be recorded: that it is from now on is no mere state.
    pub(super) is_start_asked: bool,
}

/// All of them, bounded: the one known longest makes room.
#[derive(Debug, Default)]
pub(super) struct Calls {
    by_id: HashMap<String, Known>,
    order: VecDeque<String>,
}

impl Calls {
    /// The call of that id, made when it is new.
    pub(super) fn find_or_make(&mut self, id: &str) -> &mut Known {
        if !self.by_id.contains_key(id) {
            if self.order.len() >= limits::CALLS
                && let Some(oldest) = self.order.pop_front()
            {
                self.by_id.remove(&oldest);
            }
            self.order.push_back(id.to_owned());
        }
        self.by_id.entry(id.to_owned()).or_default()
    }

    /// The id of the call that has this ConnID and is not over.
    pub(super) fn by_conn_id(&self, conn_id: &str) -> Option<&str> {
        let is_it = |known: &Known| known.conn_id.as_deref().is_some_and(|known| known.eq_ignore_ascii_case(conn_id));
        let is_on = |known: &Known| known.state != Some(CallState::Released);
        self.by_id.iter().find(|(_, known)| is_it(known) && is_on(known)).map(|(id, _)| id.as_str())
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut Known> {
        self.by_id.get_mut(id)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }
}

/// An id that can be a part of a path as it is.
pub(super) fn is_plain(id: &str) -> bool {
    let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'~');
    (1..=limits::CALL_ID_OCTETS).contains(&id.len()) && id.bytes().all(is_plain)
}
