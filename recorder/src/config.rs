//! The configuration file as a whole: the root only lists the sections, each shell owns its own.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::fault::Fault;

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
    pub(crate) session: Session,
    pub(crate) tlib: Tlib,
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
            session: Session::default(),
            tlib: Tlib::default(),
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
            drain_s: 30,
        }
    }
}

/// `[tlib]`: accepted so that a configuration of the whole product loads; the link itself is off.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Tlib {
    pub(crate) listen: String,
}

impl Default for Tlib {
    fn default() -> Self {
        Self { listen: "off".into() }
    }
}

/// `[keys]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Keys {
    /// The master key file; default `DATA_DIR/keys/master.key`.
    pub(crate) master: Option<PathBuf>,
}

/// `[[peer]]`: first match wins.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Peer {
    #[serde(rename = "match")]
    pub(crate) network: String,
    pub(crate) profile: String,
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
        if self.tlib.listen != "off" {
            return Err(Fault::key("tlib.listen", "the T-Library link is not in this release; set it to \"off\""));
        }
        if let Some(fault) = self.http.fault() {
            return Err(Fault::Usage(fault));
        }
        if self.session.max_live == 0 {
            return Err(Fault::key("session.max_live", "must be at least 1"));
        }
        Ok(())
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
