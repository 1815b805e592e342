//! The generator: `replicator load` as a process of its own.

use std::{path::PathBuf, time::Duration};

use serde_json::Value;

use crate::{
    cli::Bench,
    failure::{Failure, Outcome},
    limits,
    node::Node,
    process::Running,
    world,
};

/// What is to be put on the recorder.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) calls: u32,
    pub(crate) rate: u32,
    pub(crate) duration: Duration,
    pub(crate) srtp: Option<&'static str>,
    pub(crate) rtcp_mux: bool,
    /// Packets of a stream sent at once.
    pub(crate) burst: u32,
}

/// A load under way.
pub(crate) struct Load {
    pub(crate) process: Running,
    log: PathBuf,
    end: std::time::Instant,
}

impl Load {
    /// Calls with sound, over UDP.
    pub(crate) fn start(bench: &Bench, node: &Node, plan: &Plan) -> Outcome<Self> {
        let (calls, rate) = (plan.calls.to_string(), plan.rate.to_string());
        let (seconds, target) = (format!("{}s", plan.duration.as_secs()), format!("127.0.0.1:{}", node.sip));
        let mut arguments = vec!["--calls", &calls, "--rate", &rate, "--duration", &seconds, "--to", &target];
        arguments.extend(["--transport", "udp", "--profile", "genesys-msr", "--layout", "single", "--shared-key"]);
        arguments.extend(plan.srtp.iter().flat_map(|suite| ["--srtp", suite]));
        let burst = plan.burst.to_string();
        arguments.extend(["--burst", &burst]);
        arguments.extend(plan.rtcp_mux.then_some("--rtcp-mux"));
        let ramp = Duration::from_secs_f64(f64::from(plan.calls) / f64::from(plan.rate));
        Self::run(bench, node, &arguments, ramp + plan.duration, None)
    }

    /// Any load, which should take `length`.
    pub(crate) fn run(
        bench: &Bench,
        node: &Node,
        arguments: &[&str],
        length: Duration,
        cores: Option<&str>,
    ) -> Outcome<Self> {
        let mut all = vec!["load", "--json"];
        all.extend(arguments);
        let log = node.folder.join("load");
        let process = Running::start(&bench.binary("replicator")?, &all, &log, cores)?;
        Ok(Self { process, log, end: world::now() + length + limits::LOAD_SLACK })
    }

    /// Its report, once it has ended.
    pub(crate) fn finish(mut self) -> Outcome<Value> {
        let patience = self.end.saturating_duration_since(world::now());
        world::until("end of the load", patience, Duration::from_millis(20), || self.process.ended())?;
        let text = std::fs::read_to_string(self.log.with_extension("out"))?;
        let said = std::fs::read_to_string(self.log.with_extension("err")).unwrap_or_default();
        serde_json::from_str(text.trim()).map_err(|_| Failure::new(format!("no report of the load: {}", said.trim())))
    }
}
