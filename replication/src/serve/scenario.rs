//! The scenario file: what there is (DNs, calls), what happens when, and how requests are answered. Checked before
//! anything is opened; a fault names its step or key.

mod check;
mod lists;
mod step;
#[cfg(test)]
mod tests;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use serde::{Deserialize, Deserializer};
use signaling_core::tlib::list::List;

use self::lists::list;
pub use self::step::{By, Do, Leg, Party, Step, What};
use crate::{
    cli::options::{self, Options},
    error::CallError,
};

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Scenario {
    /// For the report.
    #[serde(default)]
    pub name: String,
    /// Where the recorder is met.
    pub server: Server,
    /// The options of `replicator call` for the recordings of the scenario: where the recorder is, transport, law.
    #[serde(default)]
    pub recorder: Options,
    /// DNs that can be registered.
    #[serde(default)]
    pub dn: Vec<Dn>,
    /// Calls that steps speak of.
    #[serde(default)]
    pub call: Vec<Call>,
    /// What happens.
    #[serde(default)]
    pub step: Vec<Step>,
    /// How requests for recording control are answered; others are accepted at once and carried out.
    #[serde(default)]
    pub answer: Vec<Answer>,
}

/// `[server]`
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Server {
    /// Where the recorder connects to.
    pub listen: Option<SocketAddr>,
    /// The other server of a warm-standby pair: says `backup` until `switch`.
    pub standby: Option<SocketAddr>,
    /// Where the recorder listens (`[tlib] listen`), instead.
    pub connect: Option<String>,
    /// Certificate chain of ours (PEM); TLS when it is given.
    pub cert: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
    /// CAs of the recorder's certificate; a listener then asks for one.
    pub ca: Option<PathBuf>,
    /// The name in the recorder's certificate, for `connect`.
    #[serde(default = "localhost")]
    pub server_name: String,
    /// Said in the greeting.
    pub charset: Option<String>,
    /// Between two heart-beats.
    #[serde(default = "beat")]
    pub heartbeat: Time,
    /// When time 0 is.
    #[serde(default)]
    pub start: Start,
    /// For so long the recorder is waited for.
    #[serde(default = "patience")]
    pub patience: Time,
    /// The scenario lasts at least so long; without it, until its last step.
    #[serde(default, rename = "for")]
    pub length: Time,
    /// Events of calls come so much later than they happen, where a step does not say otherwise.
    #[serde(default)]
    pub late: Time,
}

/// When time 0 of the scenario is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// When every DN is registered.
    #[default]
    Registered,
    /// At once.
    Now,
}

/// `[[dn]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Dn {
    /// `7001`, or `7001-7100`.
    pub dn: String,
    /// Who sits there at the beginning.
    pub agent: Option<String>,
    /// Registering it is refused with this code.
    pub error: Option<u32>,
}

/// `[[call]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Call {
    /// What steps call it.
    pub name: String,
    /// Made of the name when absent.
    pub call_uuid: Option<String>,
    /// Made of the name when absent; `""` is none.
    pub conn_id: Option<String>,
    /// `Inbound` when absent.
    #[serde(default = "inbound", rename = "type")]
    pub kind: String,
    /// The caller.
    pub ani: Option<String>,
    /// The number called.
    pub dnis: Option<String>,
    /// At the beginning. A table, or pairs as on the wire.
    #[serde(default, deserialize_with = "list")]
    pub user_data: List,
}
/// `[[answer]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Answer {
    /// To which request.
    pub what: What,
    /// `EventError` with this code instead of `EventACK`.
    pub error: Option<u32>,
    /// No answer, and nothing happens.
    #[serde(default)]
    pub never: bool,
    /// So much later.
    #[serde(default)]
    pub after: Time,
    /// Of a pause.
    #[serde(default)]
    pub leg: Leg,
    /// Nothing happens, although it is accepted.
    #[serde(default)]
    pub idle: bool,
}
/// A time with its unit: `500ms`, `2s`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub Duration);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        options::duration(&text).map(Self).map_err(serde::de::Error::custom)
    }
}

const fn beat() -> Time {
    Time(Duration::from_secs(5))
}

const fn patience() -> Time {
    Time(Duration::from_secs(60))
}

fn localhost() -> String {
    "localhost".to_owned()
}

fn inbound() -> String {
    "Inbound".to_owned()
}
impl Scenario {
    /// Reads a file.
    ///
    /// # Errors
    /// [`CallError::Usage`] naming file and key.
    pub fn read(path: &std::path::Path) -> Result<Self, CallError> {
        let named = |cause: &dyn std::fmt::Display| CallError::Usage(format!("{}: {cause}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|cause| named(&cause))?;
        Self::parse(&text).map_err(|cause| named(&cause.trim_end()))
    }

    /// Reads a text.
    ///
    /// # Errors
    /// What is wrong, by step or key.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut scenario: Self = toml::from_str(text).map_err(|cause| cause.to_string())?;
        scenario.check()?;
        scenario.step.sort_by_key(|step| step.at);
        Ok(scenario)
    }
}
