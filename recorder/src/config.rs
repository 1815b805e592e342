//! The configuration file as a whole: the root only lists the sections, each shell owns its own.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::{assurance::AssuranceConfig, fault::Fault};

/// `recorder.toml`. Every key is optional.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) data_dir: PathBuf,
    /// Name of this node in facts and logs.
    pub(crate) node: String,
    pub(crate) log: Log,
    pub(crate) sip: signaling::Config,
    pub(crate) media: capture::Config,
    pub(crate) http: api::HttpConfig,
    pub(crate) spool: storage::SpoolConfig,
    pub(crate) archive: storage::ArchiveConfig,
    pub(crate) catalog: storage::CatalogConfig,
    pub(crate) delivery: storage::delivery::DeliveryConfig,
    pub(crate) assurance: AssuranceConfig,
    pub(crate) session: Session,
    pub(crate) policy: session::PolicyConfig,
    pub(crate) canary: crate::canary::Config,
    pub(crate) tlib: signaling::tlib::Config,
    pub(crate) gws: signaling::gws::Config,
    pub(crate) keys: Keys,
    pub(crate) peer: Vec<Peer>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: "./data".into(),
            node: "recorder".into(),
            log: Log::default(),
            sip: signaling::Config::default(),
            media: capture::Config::default(),
            http: api::HttpConfig::default(),
            spool: storage::SpoolConfig::default(),
            archive: storage::ArchiveConfig::default(),
            catalog: storage::CatalogConfig::default(),
            delivery: storage::delivery::DeliveryConfig::default(),
            assurance: AssuranceConfig::default(),
            session: Session::default(),
            policy: session::PolicyConfig::default(),
            canary: crate::canary::Config::default(),
            tlib: signaling::tlib::Config::default(),
            gws: signaling::gws::Config::default(),
            keys: Keys::default(),
            peer: Vec::new(),
        }
    }
}

/// `[log]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    pub(crate) level: String,
    pub(crate) json: bool,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".into(), json: false }
    }
}

/// `[session]`: the decision core.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Session {
    /// How long a per-party recording waits for a second leg once its only one has ended.
    pub(crate) pair_linger_ms: u64,
    /// Most recordings live at once.
    pub(crate) max_live: usize,
    /// Single-session layout of Genesys: `dn` is the first m-line.
    pub(crate) genesys_first_line_is_dn: bool,
    /// After a crash: how long a session may show no life (no packet, no message) before it counts as ended, in seconds.
    pub(crate) resume_wait_s: u64,
    /// The same for a session whose every line was held, in seconds.
    pub(crate) resume_held_wait_s: u64,
    /// A pause by command that lasts so long ends by itself, in seconds; 0: never.
    pub(crate) auto_resume_s: u64,
    /// A pause by command that lasts so long is told as the warning `pause_too_long`, in seconds; 0: never.
    pub(crate) long_pause_s: u64,
    /// How long a draining node waits for live calls, in seconds, before it ends them itself.
    pub(crate) drain_s: u64,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            pair_linger_ms: 3_000,
            max_live: 10_000,
            genesys_first_line_is_dn: true,
            resume_wait_s: 30,
            resume_held_wait_s: 3_600,
            auto_resume_s: 0,
            long_pause_s: 600,
            drain_s: 30,
        }
    }
}

/// `[keys]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Keys {
    /// The master key file; default `DATA_DIR/keys/master.key`.
    pub(crate) master: Option<PathBuf>,
}

/// `[[peer]]`: first match wins. All of `match`, `identity` and `called` that are set must hold, and one must be.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Peer {
    /// Source addresses: one address, or a network in CIDR notation.
    #[serde(rename = "match")]
    pub(crate) network: Option<String>,
    /// Subject name of the client certificate, or `*.domain`.
    pub(crate) identity: Option<String>,
    /// User part of the Request-URI.
    pub(crate) called: Option<String>,
    /// Name of a profile.
    pub(crate) profile: String,
    /// Of times that name no zone: `UTC`, `+02:00`.
    pub(crate) zone: Option<String>,
}

impl Config {
    /// Reads and checks. Any fault names the file or key.
    pub(crate) fn load(path: Option<&Path>) -> Result<Self, Fault> {
        let config: Self = ops::config::load(path, ops::config::environment(), "RECORDER__")
            .map_err(|error| Fault::Usage(error.to_string()))?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), Fault> {
        if let Some(fault) = self.http.fault() {
            return Err(Fault::Usage(fault));
        }
        if self.session.max_live == 0 {
            return Err(Fault::key("session.max_live", "must be at least 1"));
        }
        self.assurance.check()?;
        if let Some(fault) = self.canary.fault() {
            return Err(fault);
        }
        self.policy().map(drop)
    }

    /// The rules of `[policy]`, ready for use.
    pub(crate) fn policy(&self) -> Result<session::Policy, Fault> {
        self.policy.read().map_err(|fault| Fault::key(&fault.key, &fault.what))
    }

    pub(crate) fn master_key(&self) -> PathBuf {
        self.keys.master.clone().unwrap_or_else(|| self.data_dir.join("keys/master.key"))
    }

    pub(crate) fn tls_dir(&self) -> PathBuf {
        self.data_dir.join("tls")
    }

    pub(crate) fn access_dir(&self) -> PathBuf {
        self.data_dir.join("access")
    }
}
