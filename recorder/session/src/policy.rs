//! What is recorded, for good, provisionally or never: rules in the order of the configuration, the first that fits
//! decides. Only words decide (who, where, which call), never sound, and the same words always decide the same.

mod config;
mod pattern;
mod words;

pub use config::{Config as PolicyConfig, PolicyFault, RuleConfig};
pub use words::Words;

use model::{CallDirection, Ruling, Treatment};
use pattern::Pattern;

/// The rules, ready for use.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    rules: Vec<Rule>,
    otherwise: Treatment,
    /// How long after the end of its call a provisional recording can still be kept, in milliseconds.
    pub keep_grace_ms: u64,
}

/// One rule: every condition that is set must hold.
#[derive(Debug, Clone)]
struct Rule {
    name: String,
    dns: Vec<Pattern>,
    agents: Vec<Pattern>,
    queues: Vec<Pattern>,
    numbers: Vec<Pattern>,
    directions: Vec<CallDirection>,
    partitions: Vec<Pattern>,
    profiles: Vec<Pattern>,
    user_data: Vec<(String, Pattern)>,
    /// Of 10,000 calls that it fits, so many are meant.
    sample: u16,
    then: Treatment,
    retention: Option<String>,
    partition: Option<String>,
}

/// What one rule says to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict<'a> {
    /// The rule.
    pub rule: &'a str,
    /// It decides; else why not: the key of the configuration that does not hold.
    pub unmet: Option<&'static str>,
}

impl Policy {
    /// What is to be done with a call of these words.
    pub fn rule(&self, words: &Words) -> Ruling {
        match self.rules.iter().find(|rule| rule.unmet(words).is_none()) {
            Some(rule) => Ruling {
                treatment: rule.then,
                rule: Some(rule.name.clone()),
                retention: rule.retention.clone(),
                partition: rule.partition.clone(),
            },
            None => Ruling { treatment: self.otherwise, ..Ruling::default() },
        }
    }

    /// The same, rule by rule up to the one that decides.
    pub fn explain(&self, words: &Words) -> Vec<Verdict<'_>> {
        let mut verdicts = Vec::new();
        for rule in &self.rules {
            let unmet = rule.unmet(words);
            verdicts.push(Verdict { rule: &rule.name, unmet });
            if unmet.is_none() {
                break;
            }
        }
        verdicts
    }

    /// Without rules, and when everything is recorded, there is nothing to write down.
    pub fn is_trivial(&self) -> bool {
        self.rules.is_empty() && self.otherwise == Treatment::Record
    }
}

impl Rule {
    /// The first condition that does not hold.
    fn unmet(&self, words: &Words) -> Option<&'static str> {
        let one_of = |patterns: &[Pattern], values: &[String]| {
            patterns.is_empty() || patterns.iter().any(|pattern| values.iter().any(|value| pattern.fits(value)))
        };
        let lists = [
            ("dn", &self.dns, &words.dns),
            ("agent", &self.agents, &words.agents),
            ("queue", &self.queues, &words.queues),
            ("number", &self.numbers, &words.numbers),
            ("partition", &self.partitions, &words.partitions),
            ("profile", &self.profiles, &words.profiles),
        ];
        if let Some((key, ..)) = lists.into_iter().find(|(_, patterns, values)| !one_of(patterns, values)) {
            return Some(key);
        }
        if !self.directions.is_empty() && !words.direction.is_some_and(|direction| self.directions.contains(&direction))
        {
            return Some("direction");
        }
        let has = |(key, pattern): &(String, Pattern)| {
            words.user_data.iter().any(|(known, value)| known.eq_ignore_ascii_case(key) && pattern.fits(value))
        };
        if !self.user_data.iter().all(has) {
            return Some("user-data");
        }
        (!is_sampled(&words.sample_key, self.sample)).then_some("sample-percent")
    }
}

/// Whether a call is among the `share` of 10,000: by the digest of its name alone (FNV-1a, then mixed), so that every node
/// and every later look agree.
fn is_sampled(key: &str, share: u16) -> bool {
    let fnv = |hash: u64, octet: u8| (hash ^ u64::from(octet.to_ascii_uppercase())).wrapping_mul(0x0100_0000_01b3);
    let mut hash = key.bytes().fold(0xcbf2_9ce4_8422_2325, fnv);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    ((hash ^ (hash >> 33)) % 10_000) < u64::from(share)
}

#[cfg(test)]
mod tests;
