//! Why a call failed, one variant per reaction of the person who started it.

use std::time::Duration;

/// Why a call, or a whole load, failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The specification makes no sense, or names a file that cannot be used: exit 2.
    #[error("{0}")]
    Usage(String),
    /// The recorder could not be reached or did not answer.
    #[error("no answer: {0}")]
    Unreachable(String),
    /// The recorder said no.
    #[error("refused: {status} {reason}{}", retry(.retry_after))]
    Refused {
        /// SIP status, 300-699.
        status: u16,
        /// Reason phrase of the answer.
        reason: String,
        /// `Retry-After`, when it was there (RFC 3261 20.33).
        retry_after: Option<Duration>,
    },
    /// The answer breaks offer/answer rules, or no line of it was accepted.
    #[error("bad answer: {0}")]
    BadAnswer(String),
    /// Sockets or SRTP of our side.
    #[error("media: {0}")]
    Media(String),
}

fn retry(after: &Option<Duration>) -> String {
    after.map(|after| format!(" (try again in {} s)", after.as_secs())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_recorder_says_when_to_come_back() {
        let full = CallError::Refused {
            status: 503,
            reason: "Service Unavailable".to_owned(),
            retry_after: Some(Duration::from_secs(5)),
        };
        assert_eq!(full.to_string(), "refused: 503 Service Unavailable (try again in 5 s)");
        let gone = CallError::Refused { status: 403, reason: "Forbidden".to_owned(), retry_after: None };
        assert_eq!(gone.to_string(), "refused: 403 Forbidden");
    }
}
