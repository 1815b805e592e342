//! A switch: `replicator serve` with a scenario, beside the recorder that it is told of.

use std::path::Path;

use serde_json::Value;

use crate::{Node, Process, Slot, script, wait};

/// Where the switch of a test listens; reserved before the recorder is configured.
#[derive(Debug)]
pub struct Place {
    _slot: Slot,
    /// The server, or the primary of the pair.
    pub port: u16,
    /// The other one of the pair.
    pub standby: u16,
}

/// A running switch.
#[derive(Debug)]
pub struct Switch {
    process: Process,
}

/// What every scenario file says, so that each can be played by itself; a test puts its own places there.
const SERVER: &str = "127.0.0.1:7007";
const STANDBY: &str = "127.0.0.1:7008";
const RECORDER: &str = "127.0.0.1:5060";

impl Place {
    /// Reserves it.
    #[expect(clippy::new_without_default, reason = "a reservation is not a default")]
    pub fn new() -> Self {
        let mut slot = Slot::new();
        let (port, standby) = (slot.port(), slot.port());
        Self { _slot: slot, port, standby }
    }

    /// `[[tlib.link]]` of a recorder that comes here over plain TCP for these DNs.
    pub fn link(&self, dns: &str) -> String {
        format!("[[tlib.link]]\naddress = \"127.0.0.1:{}\"\ntls = false\ndns = [\"{dns}\"]\n", self.port)
    }

    /// The same for a pair.
    pub fn pair(&self, dns: &str) -> String {
        format!("{}standby = \"127.0.0.1:{}\"\n", self.link(dns), self.standby)
    }
}

impl Switch {
    /// Plays a scenario text.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn play(node: &Node, place: &Place, text: &str) -> Self {
        let text = text
            .replace(SERVER, &format!("127.0.0.1:{}", place.port))
            .replace(STANDBY, &format!("127.0.0.1:{}", place.standby))
            .replace(RECORDER, &format!("127.0.0.1:{}", node.sip));
        let folder = node.folder.path();
        let number = (0..).find(|number| !folder.join(format!("scenario-{number}.toml")).exists()).unwrap_or(0);
        let file = folder.join(format!("scenario-{number}.toml"));
        std::fs::write(&file, text).expect("a scenario");
        let mut command = node.replicator(&["serve", "--config"]);
        command.arg(&file);
        Self { process: Process::start(&mut command, &file.with_extension("log")) }
    }

    /// Plays a file of `tests/scenarios`.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn play_file(node: &Node, place: &Place, name: &str) -> Self {
        Self::play(node, place, &read(&script::path(&format!("scenarios/{name}.toml"))))
    }

    /// Waits for its end: the report.
    ///
    /// # Panics
    /// When there is none.
    pub fn ended(mut self) -> Value {
        self.process.wait(90);
        let output = self.process.output();
        let json = output.lines().find(|line| line.starts_with('{'));
        let json = json.unwrap_or_else(|| panic!("no report:\n{output}"));
        serde_json::from_str(json).unwrap_or_else(|cause| panic!("{cause}:\n{output}"))
    }

    /// The same of a scenario that must have gone well.
    ///
    /// # Panics
    /// When it did not.
    pub fn finish(self) -> Value {
        let report = self.ended();
        assert_eq!(report["ok"], true, "{report:#}");
        report
    }

    /// Ends it at once, as a crash would.
    pub fn kill(mut self) {
        self.process.signal("KILL");
        self.process.wait(10);
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()))
}

/// Waits until so many links of the recorder are up.
pub fn wait_up(node: &Node, count: u32) {
    wait::until(20, &format!("{count} links that are up"), || {
        (node.metric("recorder_tlib_links{state=\"up\"}") - f64::from(count)).abs() < 0.5
    });
}

/// Waits until a metric is at least this.
pub fn wait_metric(node: &Node, name: &str, least: f64) {
    wait::until(20, &format!("{name} of {least}"), || node.metric(name) >= least);
}

/// Events of the history, in its order.
///
/// # Panics
/// When the recording has none.
pub fn events(recording: &Value) -> Vec<&str> {
    let lines = recording["history"].as_array().expect("a history");
    lines.iter().filter_map(|line| line["event"].as_str()).collect()
}
