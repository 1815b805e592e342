//! What a firm decides of its assurance: times, tolerances, who is in scope.

use crate::query::Pattern;

use super::key::normal;

/// Every figure of the judgement.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long after the end of a call its recording, or of a recording its call, may be unknown, in milliseconds.
    pub grace_ms: u64,
    /// How far apart a call and a recording of the same numbers may begin to be the same call, in milliseconds.
    pub tolerance_ms: u64,
    /// How much of the talk of a call may be missing, in milliseconds.
    pub partial_ms: u64,
    /// Calls with less talk need not be recorded, in milliseconds.
    pub min_ms: u64,
    /// DNs that are to be recorded where the policy said nothing; with none, every DN is.
    pub scope: Vec<Pattern>,
    /// DNs that are left out where the policy said nothing.
    pub exclude: Vec<Pattern>,
    /// Users (DNs or agents) who must be seen recording.
    pub users: Vec<String>,
    /// A user without a recording for so many days is silent.
    pub silent_days: u32,
    /// Days that are held; older ones are only in their reports.
    pub days: u32,
    /// Call detail records are imported: what is recorded is not blamed before they came.
    pub expects_cdrs: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            grace_ms: 300_000,
            tolerance_ms: 10_000,
            partial_ms: 5_000,
            min_ms: 0,
            scope: Vec::new(),
            exclude: Vec::new(),
            users: Vec::new(),
            silent_days: 7,
            days: 5,
            expects_cdrs: false,
        }
    }
}

impl Settings {
    /// Whether a call of these DNs is to be recorded where the policy said nothing.
    pub(super) fn wants<'a>(&self, dns: impl Iterator<Item = &'a str>) -> bool {
        let mut is_wanted = self.scope.is_empty();
        for dn in dns {
            let dn = normal(dn);
            if self.exclude.iter().any(|pattern| pattern.fits(&dn)) {
                return false;
            }
            is_wanted |= self.scope.iter().any(|pattern| pattern.fits(&dn));
        }
        is_wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scope_takes_in_and_exclusion_goes_first() {
        let patterns = |texts: &[&str]| texts.iter().map(|text| Pattern::new(text)).collect();
        let all = Settings::default();
        assert!(all.wants(["7001"].into_iter()) && all.wants([].into_iter()));
        let some = Settings { scope: patterns(&["70*"]), exclude: patterns(&["7099"]), ..Settings::default() };
        assert!(some.wants(["0301234", "sip:7001@host"].into_iter()));
        assert!(!some.wants(["8001"].into_iter()) && !some.wants(["7001", "7099"].into_iter()));
    }
}
