//! The canary: the recorder calls itself end to end through the companion, waits for the archive, fetches, decrypts and
//! compares both sides octet for octet, and says so in metrics and readiness. What a probe of parts cannot find (a rule that
//! refuses, a key that does not open, a store that lies) this finds within minutes.

mod call;
mod heard;

use std::{path::PathBuf, sync::Arc, time::Duration};

use api::ports::{Control, Mark};
use model::{Actor, RecordingId};
use ops::health::Health;
use prometheus::{Gauge, IntCounterVec, Opts, Registry};
use serde::Deserialize;
use signaling::Addresses;
use storage_core::{
    ports::{Catalog, Playback, Query},
    view::{RecordingView, State},
};
use tokio::{runtime::Handle, time::Instant};

use crate::{fault::Fault, life};

/// The condition of readiness.
const CONDITION: &str = "canary";
/// Between two looks for the recording.
const LOOK: Duration = Duration::from_millis(500);

/// `[canary]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Seconds from one call to the next; 0: none is made.
    pub(crate) every_s: u64,
    /// The companion; a bare name is looked for beside this program, then on the path.
    pub(crate) replicator: PathBuf,
    /// More options of `replicator call`; the default is a plain call to our own TCP, UDP or TLS listener.
    pub(crate) options: Vec<String>,
    /// What its callers' numbers begin with: rules of the policy can be about it.
    pub(crate) caller: String,
    /// Seconds from the call to the comparison; beyond it the run has failed.
    pub(crate) patience_s: u64,
    /// The node is ready only while the last run went well.
    pub(crate) gates_readiness: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            every_s: 0,
            replicator: "replicator".into(),
            options: Vec::new(),
            caller: "canary".into(),
            patience_s: 60,
            gates_readiness: false,
        }
    }
}

impl Config {
    /// The first key that makes no sense.
    pub(crate) fn fault(&self) -> Option<Fault> {
        let is_word = |text: &str| !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_alphanumeric());
        if self.every_s > 0 && self.every_s < 10 {
            return Some(Fault::key("canary.every_s", "must be 0 (off) or at least 10"));
        }
        if self.patience_s == 0 || self.patience_s > 3_600 {
            return Some(Fault::key("canary.patience_s", "must be 1 to 3600"));
        }
        (!is_word(&self.caller)).then(|| Fault::key("canary.caller", "must be letters and digits"))
    }
}

/// Where the canary flies.
pub(crate) struct Means {
    pub(crate) addresses: Addresses,
    /// Plain RTP is refused.
    pub(crate) needs_srtp: bool,
    /// Certificate of our TLS listener.
    pub(crate) certificate: PathBuf,
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) playback: Arc<dyn Playback>,
    pub(crate) control: Arc<dyn Control>,
    pub(crate) health: Health,
    /// For what the call has sent; test speech, never anything of a caller.
    pub(crate) folder: PathBuf,
}

struct Metrics {
    runs: IntCounterVec,
    good_at: Gauge,
    seconds: Gauge,
}

impl Metrics {
    fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let help = "Calls of the canary by result: ok, call, archive, sound.";
        let runs = IntCounterVec::new(Opts::new("recorder_canary_runs_total", help), &["result"])?;
        for result in ["ok", "call", "archive", "sound"] {
            runs.with_label_values(&[result]);
        }
        let help = "When a canary was last heard as it was sung, seconds since 1970.";
        let good_at = Gauge::new("recorder_canary_last_success_timestamp_seconds", help)?;
        let seconds = Gauge::new("recorder_canary_seconds", "From the last good call to its comparison.")?;
        registry.register(Box::new(runs.clone()))?;
        registry.register(Box::new(good_at.clone()))?;
        registry.register(Box::new(seconds.clone()))?;
        Ok(Self { runs, good_at, seconds })
    }
}

/// Why a run failed, and where.
struct Failed {
    result: &'static str,
    cause: String,
}

struct Canary {
    config: Config,
    means: Means,
    metrics: Metrics,
    runs: u64,
}

/// Begins when the node records; the last call is cut off when the runtime ends.
pub(crate) fn start(config: &Config, means: Means, registry: &Registry, runtime: &Handle) -> Result<(), Fault> {
    if config.every_s == 0 {
        return Ok(());
    }
    let metrics = Metrics::register(registry).map_err(|error| Fault::Failed(error.to_string()))?;
    if config.gates_readiness {
        means.health.fails(CONDITION, "no canary was heard yet");
    }
    let canary = Canary { config: config.clone(), means, metrics, runs: 0 };
    runtime.spawn(canary.fly());
    Ok(())
}

impl Canary {
    async fn fly(mut self) {
        let mut interval = tokio::time::interval(Duration::from_secs(self.config.every_s));
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            self.runs += 1;
            let began = Instant::now();
            let outcome = self.run(began).await;
            let result = outcome.as_ref().map_or_else(|failed| failed.result, |()| "ok");
            self.metrics.runs.with_label_values(&[result]).inc();
            match outcome {
                Ok(()) => {
                    self.metrics.good_at.set(life::now().millis() as f64 / 1e3);
                    self.metrics.seconds.set(began.elapsed().as_secs_f64());
                    self.means.health.holds(CONDITION);
                }
                Err(Failed { result, cause }) => {
                    tracing::error!(run = self.runs, at = result, %cause, "the canary was not recorded as it was sung");
                    if self.config.gates_readiness {
                        self.means.health.fails(CONDITION, &format!("{result}: {cause}"));
                    }
                }
            }
        }
    }

    async fn run(&self, began: Instant) -> Result<(), Failed> {
        let until = began + Duration::from_secs(self.config.patience_s);
        let caller = format!("{}{}", self.config.caller, life::now().millis());
        let folder = self.means.folder.join(&caller);
        let outcome = self.sing(&caller, &folder, until).await;
        // Whatever came of it, nothing is left behind.
        let _ = tokio::fs::remove_dir_all(&folder).await;
        outcome
    }

    async fn sing(&self, caller: &str, folder: &std::path::Path, until: Instant) -> Result<(), Failed> {
        let failed = |result| move |cause: String| Failed { result, cause };
        let command = call::command(&self.config, &self.means, caller, folder, self.runs).map_err(failed("call"))?;
        call::place(command, until).await.map_err(failed("call"))?;
        let view = self.archived(caller, until).await.map_err(failed("archive"))?;
        heard::compare(&*self.means.playback, view.id, folder).await.map_err(failed("sound"))?;
        self.forget(view.id).await;
        Ok(())
    }

    /// The recording, once the archive has it.
    async fn archived(&self, caller: &str, until: Instant) -> Result<RecordingView, String> {
        let query = Query { dn: Some(caller.to_owned()), limit: 1, ..Query::default() };
        loop {
            let page = self.means.catalog.search(&query).await.map_err(|error| error.to_string())?;
            let found = page.items.into_iter().next();
            let state = found.as_ref().map(|view| view.state);
            match (found, state) {
                (Some(view), Some(State::Archived)) => return Ok(view),
                (_, Some(State::Failed)) => return Err("the recording could not be finished".to_owned()),
                (_, state) if Instant::now() >= until => {
                    let state = state.map_or("is not in the catalog", State::name);
                    return Err(format!("after {} s the recording {state}", self.config.patience_s));
                }
                _ => tokio::time::sleep(LOOK).await,
            }
        }
    }

    /// What it has proved is proved: the archive needs no test speech.
    async fn forget(&self, id: RecordingId) {
        let actor = Actor { id: "canary".to_owned(), role: None };
        if let Err(error) = self.means.control.mark(id, Mark::Delete, &actor, Some("heard")).await {
            tracing::warn!(recording = %id, %error, "the recording of a canary stays");
        }
    }
}
