//! A real recorder process: its folder, its configuration, its commands.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{
    Client, Process, Slot,
    http::{plain_get, try_get},
    process::{binary, run},
    wait,
};

/// A recorder and what is needed to talk to it.
#[derive(Debug)]
pub struct Node {
    /// Dropped before the folder, into which it would go on writing.
    process: Option<Process>,
    /// Its ports come from here; a test may take more.
    pub slot: Slot,
    /// Its folder, with `recorder.toml`, `data/` and `log`.
    pub folder: tempfile::TempDir,
    /// SIP over UDP and TCP.
    pub sip: u16,
    /// SIP over TLS.
    pub sips: u16,
    /// HTTPS.
    pub https: u16,
    /// Metrics and health.
    pub metrics: u16,
}

impl Node {
    /// Starts a recorder with the defaults and `extra` (TOML sections) and waits until it is ready.
    pub fn start(extra: &str) -> Self {
        let mut node = Self::prepare(extra);
        node.launch();
        node
    }

    /// Writes its configuration without starting it. A section that `extra` has is not written a second time, so
    /// `extra` may not repeat `[sip]`, `[media]` or `[http]`; use the environment (`launch_with`) for those.
    ///
    /// # Panics
    /// When the folder cannot be made.
    pub fn prepare(extra: &str) -> Self {
        let mut slot = Slot::new();
        let folder = tempfile::Builder::new().prefix("recorder-test-").tempdir().expect("a folder");
        let (sip, sips, https, metrics) = (slot.port(), slot.port(), slot.port(), slot.port());
        let (low, high) = slot.media();
        let data = folder.path().join("data");
        let config = format!(
            "data_dir = {data:?}\n\
             [sip]\nudp = \"127.0.0.1:{sip}\"\ntcp = \"127.0.0.1:{sip}\"\ntls = \"127.0.0.1:{sips}\"\n\
             [media]\nports = \"{low}-{high}\"\n\
             [http]\nlisten = \"127.0.0.1:{https}\"\nmetrics = \"127.0.0.1:{metrics}\"\n{archive}{extra}\n",
            archive = if extra.contains("[archive]") {
                String::new()
            } else {
                format!("[archive]\nurl = \"file:{}\"\n", data.join("archive").display())
            }
        );
        std::fs::write(folder.path().join("recorder.toml"), config).expect("a configuration file");
        Self { slot, folder, sip, sips, https, metrics, process: None }
    }

    /// Starts the process and waits until it is ready.
    pub fn launch(&mut self) {
        self.launch_with(&[]);
    }

    /// Starts the process with more environment and waits until it is ready.
    pub fn launch_with(&mut self, environment: &[(&str, &str)]) {
        self.spawn_with(environment);
        self.wait_ready();
    }

    /// Starts the process with more environment.
    pub fn spawn_with(&mut self, environment: &[(&str, &str)]) {
        let mut command = self.command(&["serve"]);
        command.envs(environment.iter().copied());
        self.process = Some(Process::start(&mut command, &self.log_path()));
    }

    /// Waits until the process is ready.
    ///
    /// # Panics
    /// When it ends instead.
    pub fn wait_ready(&mut self) {
        let metrics = self.metrics;
        let process = self.process();
        wait::until(30, "a ready recorder", || {
            if let Some(status) = process.status() {
                panic!("the recorder ended with {status}:\n{}", process.output());
            }
            try_get(metrics, "/readyz").is_ok_and(|(status, _)| status == 200)
        });
    }

    /// A recorder command with this node's configuration.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary("recorder"));
        command.args(arguments).arg("--config").arg(self.folder.path().join("recorder.toml"));
        command.current_dir(self.folder.path());
        command
    }

    /// Runs a recorder command to its end: exit code, standard output, standard error.
    pub fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        run(&mut self.command(arguments))
    }

    /// A replicator command; the test adds its flags.
    pub fn replicator(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary("replicator"));
        command.args(arguments).current_dir(self.folder.path());
        command
    }

    /// The running process.
    ///
    /// # Panics
    /// When it was not launched.
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("a launched recorder")
    }

    /// Ends the process at once, as a crash would.
    pub fn kill(&mut self) {
        let process = self.process();
        process.signal("KILL");
        process.wait(10);
        self.process = None;
    }

    /// Drains it and waits for its end; returns the exit code.
    pub fn stop(&mut self) -> Option<i32> {
        let process = self.process();
        process.signal("TERM");
        let status = process.wait(60);
        self.process = None;
        status.code()
    }

    /// Where it keeps everything.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Its standard error.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// A client with a new token of that role.
    ///
    /// # Panics
    /// When no token comes.
    pub fn client(&self, role: &str) -> Client {
        let (code, token, errors) = self.run(&["token", "create", "--role", role]);
        assert_eq!(code, 0, "{errors}");
        Client::new(self.https, &self.certificate(), Some(token.trim().to_owned()))
    }

    /// The certificate that it shows.
    pub fn certificate(&self) -> PathBuf {
        self.data().join("tls/cert.pem")
    }

    /// The value of a metric line that begins with `name`, 0 when it is not there; label sets are summed.
    pub fn metric(&self, name: &str) -> f64 {
        let (_, text) = plain_get(self.metrics, "/metrics");
        let value = |line: &str| line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok());
        let is_it = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']));
        text.lines().filter(is_it).filter_map(value).sum()
    }

    /// Waits until the one recording that `query` finds is archived, and returns it.
    ///
    /// # Panics
    /// When that does not happen.
    pub fn archived(&self, client: &Client, query: &str) -> Value {
        let mut found = Value::Null;
        wait::until(60, &format!("an archived recording for {query}"), || {
            let answer = client.get(&format!("/recordings?{query}"));
            assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
            let items = answer.json()["items"].as_array().cloned().unwrap_or_default();
            assert!(items.len() <= 1, "{query} finds {} recordings", items.len());
            found = items.into_iter().next().unwrap_or(Value::Null);
            assert_ne!(found["state"], "failed", "{found}");
            found["state"] == "archived"
        });
        let id = found["id"].as_str().expect("an id").to_owned();
        client.get(&format!("/recordings/{id}")).json()
    }
}

/// Every file below a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
