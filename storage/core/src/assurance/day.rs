//! A UTC day.

use std::{fmt, str::FromStr};

use model::Timestamp;
use serde::{Serialize, Serializer};

/// Days since 1970-01-01, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(u32);

const DAY_MS: u64 = 86_400_000;

impl Day {
    /// The day of an instant.
    pub fn of(at: Timestamp) -> Self {
        Self::of_ms(at.millis())
    }

    pub(super) fn of_ms(ms: u64) -> Self {
        // The clock of the model ends in 2554.
        Self((ms / DAY_MS) as u32)
    }

    /// Its first instant.
    pub fn start(self) -> Timestamp {
        Timestamp::from_millis(u64::from(self.0) * DAY_MS)
    }

    /// The first instant of the next day.
    pub fn end(self) -> Timestamp {
        self.plus(1).start()
    }

    /// So many days later.
    #[must_use]
    pub fn plus(self, days: u32) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// So many days earlier; not before 1970.
    #[must_use]
    pub fn minus(self, days: u32) -> Self {
        Self(self.0.saturating_sub(days))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.start().to_string();
        f.write_str(text.get(..10).unwrap_or(&text))
    }
}

/// The text is no day of the calendar, written `2026-11-21`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotADay;

impl fmt::Display for NotADay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a day, which is written 2026-11-21")
    }
}

impl FromStr for Day {
    type Err = NotADay;

    fn from_str(text: &str) -> Result<Self, NotADay> {
        let start = Timestamp::parse(&format!("{text}T00:00:00Z")).ok_or(NotADay)?;
        Some(Self::of(start)).filter(|day| day.to_string() == text).ok_or(NotADay)
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_reads_back_and_nonsense_is_none() {
        let day: Day = "2026-02-28".parse().expect("a day");
        assert_eq!((day.to_string().as_str(), day.plus(1).to_string().as_str()), ("2026-02-28", "2026-03-01"));
        assert_eq!(Day::of(day.end()), day.plus(1));
        for text in ["2026-02-30", "yesterday", "", "2026-2-1", "2026-02-28T00:00:00Z"] {
            assert_eq!(text.parse::<Day>(), Err(NotADay), "{text}");
        }
    }
}
