//! The section `[delivery]`: when an interaction counts as complete, and who is told.

use std::{collections::BTreeSet, net::IpAddr, path::PathBuf};

use model::{Secret, Timestamp};
use serde::Deserialize;
use storage_core::delivery::{Kind, Schedule, read_secret};
use url::Url;

use crate::{
    config::ConfigError,
    limits::{SUBSCRIBER_NAME_OCTETS, SUBSCRIBERS},
};

/// Consolidation and its subscribers.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeliveryConfig {
    /// An interaction whose recordings are finished is complete when nothing was told of it for so long.
    pub settle_ms: u64,
    /// A failed attempt is repeated after this, then twice as long each time ...
    pub retry_first_ms: u64,
    /// ... up to this.
    pub retry_last_s: u64,
    /// After so many days an item is a dead letter.
    pub give_up_days: u64,
    /// Who is told.
    pub subscriber: Vec<SubscriberConfig>,
}

/// `[[delivery.subscriber]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubscriberConfig {
    /// Its name in metrics, logs, audit trail and commands.
    pub name: String,
    /// Where events are posted: https; http to this machine only.
    pub url: String,
    /// Files with one `whsec_` secret each; two while a receiver goes over from one to the next.
    pub secret_files: Vec<PathBuf>,
    /// What it is told; by default `interaction.consolidated`.
    #[serde(default = "consolidated")]
    pub events: Vec<String>,
    /// Only recordings of these partitions; empty: all.
    #[serde(default)]
    pub partitions: Vec<String>,
    /// Whether the sound is handed over as well.
    #[serde(default)]
    pub audio: AudioDelivery,
    /// Nothing that was raised before (RFC 3339). By default all that is not too old.
    pub since: Option<String>,
    /// A PEM file with the authorities that vouch for it, instead of the system's.
    pub ca: Option<PathBuf>,
    /// Plain HTTP to another machine: everybody on the way reads what is said of calls.
    #[serde(default)]
    pub allow_http: bool,
    /// An attempt without an answer for so long has failed; sound has longer, by its length.
    #[serde(default = "fifteen")]
    pub timeout_s: u64,
}

/// What a subscriber gets of the sound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AudioDelivery {
    /// Nothing.
    #[default]
    None,
    /// The WAV of each recording, in a request of its own after the document.
    Wav,
}

fn consolidated() -> Vec<String> {
    vec![Kind::Interaction.name().to_owned()]
}

const fn fifteen() -> u64 {
    15
}

impl Default for DeliveryConfig {
    fn default() -> Self {
        Self { settle_ms: 30_000, retry_first_ms: 5_000, retry_last_s: 3_600, give_up_days: 40, subscriber: Vec::new() }
    }
}

impl DeliveryConfig {
    /// What cannot work is named; files are read.
    ///
    /// # Errors
    /// A key or a file cannot be used.
    pub fn check(&self) -> Result<(), ConfigError> {
        let within = |key, value: u64, range: std::ops::RangeInclusive<u64>| match range.contains(&value) {
            true => Ok(()),
            false => Err(ConfigError::new(key, format!("{}..={}", range.start(), range.end()))),
        };
        within("delivery.settle_ms", self.settle_ms, 100..=3_600_000)?;
        within("delivery.retry_first_ms", self.retry_first_ms, 100..=3_600_000)?;
        within("delivery.retry_last_s", self.retry_last_s, 1..=86_400)?;
        within("delivery.give_up_days", self.give_up_days, 1..=400)?;
        let mut names = BTreeSet::new();
        for subscriber in &self.subscriber {
            subscriber.check()?;
            if !names.insert(&subscriber.name) {
                return Err(subscriber.wrong("name", "is taken"));
            }
        }
        if names.len() > SUBSCRIBERS {
            return Err(ConfigError::new(SUBSCRIBER, format!("at most {SUBSCRIBERS}")));
        }
        Ok(())
    }

    pub(super) fn schedule(&self) -> Schedule {
        Schedule {
            first_ms: self.retry_first_ms,
            last_ms: self.retry_last_s * 1_000,
            patience_ms: self.give_up_days * 86_400_000,
        }
    }
}

impl SubscriberConfig {
    fn check(&self) -> Result<(), ConfigError> {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
        if self.name.is_empty() || self.name.len() > SUBSCRIBER_NAME_OCTETS || !self.name.chars().all(is_plain) {
            return Err(self.wrong("name", format!("1 to {SUBSCRIBER_NAME_OCTETS} of a-z 0-9 - _ .")));
        }
        self.address()?;
        self.kinds()?;
        self.since()?;
        self.secrets().map_err(|reason| self.wrong("secret_files", reason))?;
        match self.timeout_s {
            1..=600 => Ok(()),
            _ => Err(self.wrong("timeout_s", "1..=600")),
        }
    }

    /// Where it is.
    pub(super) fn address(&self) -> Result<Url, ConfigError> {
        let url = Url::parse(&self.url).map_err(|error| self.wrong("url", error))?;
        let is_here = url.host_str().is_some_and(|host| {
            let host = host.trim_matches(['[', ']']);
            host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        });
        match url.scheme() {
            "https" => {}
            "http" if is_here || self.allow_http => {}
            "http" => return Err(self.wrong("url", "plain HTTP to another machine needs allow_http = true")),
            _ => return Err(self.wrong("url", "https://HOST/PATH")),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(self.wrong("url", "user and password do not belong here: events are signed"));
        }
        Ok(url)
    }

    /// What it is told.
    pub(super) fn kinds(&self) -> Result<Vec<Kind>, ConfigError> {
        let known = || Kind::ALL.into_iter().filter(|kind| *kind != Kind::Audio);
        let mut kinds = Vec::new();
        for name in &self.events {
            let kind = Kind::by_name(name).filter(|kind| *kind != Kind::Audio);
            kinds.push(kind.ok_or_else(|| {
                let names: Vec<_> = known().map(Kind::name).collect();
                self.wrong("events", format!("{name:?} is none of {}", names.join(", ")))
            })?);
        }
        if self.audio == AudioDelivery::Wav {
            kinds.push(Kind::Audio);
        }
        if kinds.is_empty() { Err(self.wrong("events", "is empty")) } else { Ok(kinds) }
    }

    pub(super) fn since(&self) -> Result<Timestamp, ConfigError> {
        let Some(text) = &self.since else { return Ok(Timestamp::default()) };
        Timestamp::parse(text).ok_or_else(|| self.wrong("since", "is not an RFC 3339 time, e.g. 2026-11-21T10:00:00Z"))
    }

    /// The secrets as the files have them now.
    pub(super) fn secrets(&self) -> Result<Vec<Secret>, String> {
        if !(1..=2).contains(&self.secret_files.len()) {
            return Err("one file, or two while a receiver goes over".into());
        }
        let read = |path: &PathBuf| {
            let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
            read_secret(text.lines().next().unwrap_or_default()).map_err(|error| format!("{}: {error}", path.display()))
        };
        self.secret_files.iter().map(read).collect()
    }

    pub(super) fn wrong(&self, key: &str, reason: impl std::fmt::Display) -> ConfigError {
        ConfigError::new(SUBSCRIBER, format!("{:?}: {key}: {reason}", self.name))
    }
}

const SUBSCRIBER: &str = "delivery.subscriber";
