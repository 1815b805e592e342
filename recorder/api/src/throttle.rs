//! Counting failures by source or name, so that guessing is slow and strangers cannot fill the ledger.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use model::Timestamp;

use crate::limits;

/// At most `limit` failures of one key in a window.
#[derive(Debug)]
pub(crate) struct Throttle {
    limit: u32,
    window_nanos: u64,
    windows: Mutex<HashMap<String, Window>>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    since: Timestamp,
    failures: u32,
}

impl Throttle {
    pub(crate) fn new(limit: u32, window_nanos: u64) -> Self {
        Self { limit, window_nanos, windows: Mutex::default() }
    }

    /// Whether the key may try.
    pub(crate) fn admits(&self, key: &str, now: Timestamp) -> bool {
        let windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        windows.get(key).is_none_or(|window| self.is_over(*window, now) || window.failures < self.limit)
    }

    /// Notes a failure; says how many there are now in the window of the key.
    pub(crate) fn failed(&self, key: &str, now: Timestamp) -> u32 {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= limits::THROTTLED && !windows.contains_key(key) {
            windows.retain(|_, window| !self.is_over(*window, now));
            if windows.len() >= limits::THROTTLED
                && let Some(oldest) = windows.iter().min_by_key(|(_, window)| window.since).map(|(key, _)| key.clone())
            {
                windows.remove(&oldest);
            }
        }
        let window = windows.entry(key.to_owned()).or_insert(Window { since: now, failures: 0 });
        if self.is_over(*window, now) {
            *window = Window { since: now, failures: 0 };
        }
        window.failures = window.failures.saturating_add(1);
        window.failures
    }

    /// Seconds after which a key that is turned away may try again, at most.
    pub(crate) fn seconds(&self) -> u32 {
        u32::try_from(self.window_nanos / 1_000_000_000).unwrap_or(u32::MAX)
    }

    fn is_over(&self, window: Window, now: Timestamp) -> bool {
        now.nanos().saturating_sub(window.since.nanos()) >= self.window_nanos
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_turned_away_after_the_limit_and_admitted_after_the_window() {
        let throttle = Throttle::new(2, 1_000_000_000);
        let at = Timestamp::from_millis;
        assert!(throttle.admits("a", at(0)));
        assert_eq!((throttle.failed("a", at(0)), throttle.failed("a", at(1))), (1, 2));
        assert!(!throttle.admits("a", at(999)) && throttle.admits("b", at(999)));
        assert!(throttle.admits("a", at(1000)));
        assert_eq!(throttle.failed("a", at(1000)), 1);
    }

    #[test]
    fn the_table_is_bounded() {
        let throttle = Throttle::new(1, u64::MAX);
        for source in 0..limits::THROTTLED as u64 + 10 {
            throttle.failed(&source.to_string(), Timestamp::from_millis(source));
        }
        assert_eq!(throttle.windows.lock().unwrap().len(), limits::THROTTLED);
        assert!(throttle.admits("0", Timestamp::default()), "the oldest is forgotten");
    }
}
