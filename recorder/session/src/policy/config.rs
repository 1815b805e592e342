//! `[policy]` and `[[policy.rule]]` as they are written, and what can be wrong with them.

use std::{collections::BTreeMap, fmt};

use model::{CallDirection, Treatment};
use serde::Deserialize;

use super::{Policy, Rule, pattern::Pattern};
use crate::limits;

/// `[policy]`: what is recorded.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// What becomes of a call that no rule fits.
    pub default: Treatment,
    /// How long after the end of its call a provisional recording can still be kept, in seconds.
    pub keep_grace_s: u64,
    /// In order: the first that fits decides.
    pub rule: Vec<RuleConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self { default: Treatment::Record, keep_grace_s: 600, rule: Vec::new() }
    }
}

/// `[[policy.rule]]`. Every condition that is set must hold, each by any of its values: a word, a prefix `+49*`, a range
/// `7000-7099`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RuleConfig {
    /// Its name in facts, reports and explanations.
    pub name: String,
    /// DNs of the house on the call.
    #[serde(default)]
    pub dn: Vec<String>,
    /// Agents on the call.
    #[serde(default)]
    pub agent: Vec<String>,
    /// Queues or routing points that the call went through.
    #[serde(default)]
    pub queue: Vec<String>,
    /// Any number on the call: DNs, ANI, DNIS, the user part of SIP addresses.
    #[serde(default)]
    pub number: Vec<String>,
    /// `inbound`, `outbound`, `internal`.
    #[serde(default)]
    pub direction: Vec<CallDirection>,
    /// Partitions that the switch named.
    #[serde(default)]
    pub partition: Vec<String>,
    /// Profile of the recording client: `genesys-msr`, `cisco-nbr`, ...
    #[serde(default)]
    pub profile: Vec<String>,
    /// User data of the call.
    #[serde(default)]
    pub user_data: BTreeMap<String, String>,
    /// Of the calls that fit, so many percent; the others go on to the next rule. By CallUUID: the same call always falls
    /// on the same side.
    pub sample_percent: Option<f64>,
    /// `record`, `provisional`, `never`.
    pub then: Treatment,
    /// The retention class of what is recorded.
    pub retention: Option<String>,
    /// The partition of what is recorded.
    pub set_partition: Option<String>,
}

/// A key of `[policy]` and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFault {
    /// `policy.rule.3.dn`
    pub key: String,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for PolicyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.what)
    }
}

impl std::error::Error for PolicyFault {}

impl Config {
    /// The rules, ready for use.
    ///
    /// # Errors
    /// The first key that makes no sense.
    pub fn read(&self) -> Result<Policy, PolicyFault> {
        let fault = |key: &str, what: &str| PolicyFault { key: key.to_owned(), what: what.to_owned() };
        if self.rule.len() > limits::POLICY_RULES {
            return Err(fault("policy.rule", &format!("more than {} rules", limits::POLICY_RULES)));
        }
        let mut rules: Vec<Rule> = Vec::with_capacity(self.rule.len());
        for (index, rule) in self.rule.iter().enumerate() {
            let read = rule.read(index)?;
            if rules.iter().any(|known| known.name == read.name) {
                return Err(fault(&format!("policy.rule.{index}.name"), "another rule has this name"));
            }
            rules.push(read);
        }
        let keep_grace_ms = self.keep_grace_s.saturating_mul(1_000);
        Ok(Policy { rules, otherwise: self.default, keep_grace_ms })
    }
}

impl RuleConfig {
    fn read(&self, index: usize) -> Result<Rule, PolicyFault> {
        let fault = |key: &str, what: String| PolicyFault { key: format!("policy.rule.{index}.{key}"), what };
        let patterns = |key: &str, texts: &[String]| -> Result<Vec<Pattern>, PolicyFault> {
            if texts.len() > limits::POLICY_PATTERNS {
                return Err(fault(key, format!("more than {} values", limits::POLICY_PATTERNS)));
            }
            let read = |text: &String| {
                let what = || format!("`{text}` is no word, prefix (`+49*`) or range of numbers of one length");
                Pattern::read(text).ok_or_else(|| fault(key, what()))
            };
            texts.iter().map(read).collect()
        };
        if self.name.trim().is_empty() {
            return Err(fault("name", "is empty".into()));
        }
        let percent = self.sample_percent.unwrap_or(100.0);
        if !(0.0..=100.0).contains(&percent) {
            return Err(fault("sample-percent", "must be 0 to 100".into()));
        }
        let data = |(key, text): (&String, &String)| {
            let what = || format!("`{text}` is no word, prefix or range");
            let pattern = Pattern::read(text).ok_or_else(|| fault("user-data", what()))?;
            Ok((key.clone(), pattern))
        };
        Ok(Rule {
            name: self.name.clone(),
            dns: patterns("dn", &self.dn)?,
            agents: patterns("agent", &self.agent)?,
            queues: patterns("queue", &self.queue)?,
            numbers: patterns("number", &self.number)?,
            directions: self.direction.clone(),
            partitions: patterns("partition", &self.partition)?,
            profiles: patterns("profile", &self.profile)?,
            user_data: self.user_data.iter().map(data).collect::<Result<_, PolicyFault>>()?,
            sample: (percent * 100.0).round() as u16,
            then: self.then,
            retention: self.retention.clone(),
            partition: self.set_partition.clone(),
        })
    }
}
