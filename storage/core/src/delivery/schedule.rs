//! When a failed attempt is repeated: soon, then rarely, with a random part, for weeks, and then no more.

use model::Timestamp;

/// The waiting times between attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// After the first failure, in milliseconds; then twice as long each time ...
    pub first_ms: u64,
    /// ... up to this.
    pub last_ms: u64,
    /// An item older than this, in milliseconds, is a dead letter.
    pub patience_ms: u64,
}

impl Schedule {
    /// How long to wait after so many failures, in milliseconds: within a fifth of the plan on either side, by `chance`, so
    /// that what failed together does not come back together.
    pub fn delay_ms(&self, failures: u32, chance: u64) -> u64 {
        let doublings = failures.saturating_sub(1).min(40);
        let planned = self.first_ms.saturating_mul(1 << doublings).min(self.last_ms);
        planned - planned / 5 + chance % (planned / 5 * 2 + 1)
    }

    /// Whether an item that was raised then is too old at `now`.
    pub fn is_over(&self, raised: Timestamp, now: Timestamp) -> bool {
        now.millis_since(raised) >= self.patience_ms
    }
}

/// Seconds of a `Retry-After` header (RFC 9110 10.2.3): a number, or a date as HTTP writes it (`Sun, 06 Nov 1994 08:49:37 GMT`).
pub fn retry_after_s(text: &str, now: Timestamp) -> Option<u64> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(seconds);
    }
    let (_, date) = text.split_once(", ")?;
    let [day, month, year, time, "GMT"] = date.split(' ').collect::<Vec<_>>()[..] else { return None };
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.iter().position(|name| *name == month)? + 1;
    let at = Timestamp::parse(&format!("{year}-{month:02}-{day}T{time}Z"))?;
    Some(at.millis_since(now).div_ceil(1_000))
}
