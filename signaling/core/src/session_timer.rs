//! Session timers (RFC 4028), the side of the UAS and of whoever refreshes.

use std::time::{Duration, Instant};

use crate::{
    limits::{MAX_SESSION_EXPIRES_S, MIN_SESSION_EXPIRES_S},
    sip::{Headers, text, write::Reply},
};

/// The timer of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SessionTimer {
    pub(crate) interval_s: u32,
    /// We refresh, at half time; else the peer does.
    pub(crate) is_ours: bool,
    /// The peer said `timer`: the header may be sent, and required.
    pub(crate) is_announced: bool,
    pub(crate) refresh_at: Instant,
    pub(crate) expires_at: Instant,
}

impl SessionTimer {
    pub(crate) fn new(interval_s: u32, is_ours: bool, is_announced: bool, now: Instant) -> Self {
        let interval = Duration::from_secs(interval_s.into());
        // RFC 4028 10: the side that waits says BYE min(32 s, a third) before the end.
        let margin = if is_ours { Duration::from_secs(5) } else { Duration::from_secs(32) }.min(interval / 3);
        let expires_at = now + interval - margin;
        let refresh_at = if is_ours { now + interval / 2 } else { expires_at };
        Self { interval_s, is_ours, is_announced, refresh_at, expires_at }
    }

    /// The same agreement, begun anew.
    pub(crate) fn again(&self, now: Instant) -> Self {
        Self::new(self.interval_s, self.is_ours, self.is_announced, now)
    }

    pub(crate) fn due(&self) -> Instant {
        self.refresh_at.min(self.expires_at)
    }

    /// Headers of our 2xx (RFC 4028 9, table 2): we are the UAS of that transaction.
    pub(crate) fn answer(&self, headers: &mut Headers) {
        if !self.is_ours && !self.is_announced {
            return;
        }
        let refresher = if self.is_ours { "uas" } else { "uac" };
        headers.push("Session-Expires", format!("{};refresher={refresher}", self.interval_s));
        if self.is_announced {
            headers.push("Require", "timer");
        }
    }
}

/// What a session refresh request asks for and what we make of it; `current` is kept where the request is silent.
///
/// # Errors
/// The 400 or 422 to answer.
pub(crate) fn agree(
    headers: &Headers,
    current: Option<&SessionTimer>,
    default_s: Option<u32>,
    now: Instant,
) -> Result<Option<SessionTimer>, Reply> {
    let is_announced = headers.lists("Supported", "timer") || headers.lists("Require", "timer");
    let Some(asked) = headers.get("Session-Expires") else {
        let kept = current.map(|timer| SessionTimer { is_announced, ..timer.again(now) });
        let ours = default_s.filter(|_| is_announced).map(|seconds| SessionTimer::new(seconds, true, true, now));
        return Ok(kept.or(ours));
    };
    let mut pieces = text::split(asked, ';').into_iter();
    let seconds = pieces.next().and_then(|seconds| seconds.parse::<u32>().ok()).ok_or(Reply::new(400))?;
    let refresher = text::Params::parse(&pieces.collect::<Vec<_>>().join(";"));
    if seconds < MIN_SESSION_EXPIRES_S && is_announced {
        return Err(Reply::new(422).with("Min-SE", MIN_SESSION_EXPIRES_S.to_string()));
    }
    let seconds = seconds.clamp(MIN_SESSION_EXPIRES_S, MAX_SESSION_EXPIRES_S);
    // A peer without the extension cannot refresh; one that does not say leaves the choice to us: it refreshes, since
    // some SRCs ignore requests of a recorder (quirk Q-GLARE).
    let is_ours = !is_announced || refresher.get("refresher").is_some_and(|who| who.eq_ignore_ascii_case("uas"));
    Ok(Some(SessionTimer::new(seconds, is_ours, is_announced, now)))
}

/// What a 2xx to our refresh says: `None` switches the timer off (RFC 4028 7.2).
pub(crate) fn agreed_by_peer(headers: &Headers, now: Instant) -> Option<SessionTimer> {
    let mut pieces = text::split(headers.get("Session-Expires")?, ';').into_iter();
    let seconds = pieces.next()?.parse::<u32>().ok()?.clamp(MIN_SESSION_EXPIRES_S, MAX_SESSION_EXPIRES_S);
    let params = text::Params::parse(&pieces.collect::<Vec<_>>().join(";"));
    // In our own transaction we are the UAC.
    let is_ours = params.get("refresher").is_none_or(|who| who.eq_ignore_ascii_case("uac"));
    Some(SessionTimer::new(seconds, is_ours, true, now))
}
