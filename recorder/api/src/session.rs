//! Console sessions: random cookies known here only by their digest, with an idle and an absolute end.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crypto::digest::sha256_hex;
use model::{Role, Timestamp};

use crate::{limits, outside};

/// The sessions of this process life. A restart ends them all.
#[derive(Debug)]
pub(crate) struct Sessions {
    idle_nanos: u64,
    /// By SHA-256 of the cookie: a memory image does not hold what would open a session.
    table: Mutex<HashMap<String, Session>>,
}

/// Who is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) user: String,
    pub(crate) role: Role,
    /// The token that forms of this session carry.
    pub(crate) csrf: String,
    opened: Timestamp,
    used: Timestamp,
}

impl Sessions {
    pub(crate) fn new(idle_minutes: u32) -> Self {
        Self { idle_nanos: u64::from(idle_minutes) * 60_000_000_000, table: Mutex::default() }
    }

    /// Opens a session; the cookie value is returned once and kept nowhere.
    pub(crate) fn open(&self, user: &str, role: Role, now: Timestamp) -> String {
        let cookie = outside::unguessable();
        let mut table = self.table();
        if table.len() >= limits::SESSIONS {
            table.retain(|_, session| self.is_alive(session, now));
        }
        if table.len() >= limits::SESSIONS
            && let Some(stalest) = table.iter().min_by_key(|(_, session)| session.used).map(|(key, _)| key.clone())
        {
            table.remove(&stalest);
        }
        let session = Session { user: user.into(), role, csrf: outside::unguessable(), opened: now, used: now };
        table.insert(sha256_hex(cookie.as_bytes()), session);
        cookie
    }

    /// The live session of the cookie, used now.
    pub(crate) fn find(&self, cookie: &str, now: Timestamp) -> Option<Session> {
        let key = sha256_hex(cookie.as_bytes());
        let mut table = self.table();
        let session = table.get_mut(&key)?;
        if !self.is_alive(session, now) {
            table.remove(&key);
            return None;
        }
        session.used = session.used.max(now);
        Some(session.clone())
    }

    /// Ends the session of the cookie.
    pub(crate) fn close(&self, cookie: &str) {
        self.table().remove(&sha256_hex(cookie.as_bytes()));
    }

    fn is_alive(&self, session: &Session, now: Timestamp) -> bool {
        now.nanos().saturating_sub(session.used.nanos()) < self.idle_nanos
            && now.nanos().saturating_sub(session.opened.nanos()) < limits::SESSION_NANOS
    }

    fn table(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;

    #[test]
    fn a_session_lives_while_used_and_ends_idle_closed_or_old() {
        let sessions = Sessions::new(30);
        let at = |minutes: u64| Timestamp::from_millis(minutes * MINUTE);
        let cookie = sessions.open("ann", Role::Supervisor, at(0));
        assert!(sessions.find("other", at(0)).is_none());
        for minutes in (0..720).step_by(20) {
            assert_eq!(sessions.find(&cookie, at(minutes)).expect("in use").user, "ann");
        }
        assert!(sessions.find(&cookie, at(720)).is_none(), "twelve hours are the end");

        let idle = sessions.open("ann", Role::Supervisor, at(0));
        assert!(sessions.find(&idle, at(30)).is_none());
        let closed = sessions.open("ann", Role::Supervisor, at(0));
        sessions.close(&closed);
        assert!(sessions.find(&closed, at(0)).is_none());
    }

    #[test]
    fn the_table_is_bounded() {
        let sessions = Sessions::new(30);
        let first = sessions.open("ann", Role::Agent, Timestamp::from_millis(0));
        for number in 1..=limits::SESSIONS as u64 {
            sessions.open("bob", Role::Agent, Timestamp::from_millis(number));
        }
        assert_eq!(sessions.table().len(), limits::SESSIONS);
        assert!(sessions.find(&first, Timestamp::from_millis(1)).is_none());
    }
}
