//! A recorder under test: a process of its own on free ports, in a folder that is emptied first and removed afterwards.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream, UdpSocket},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::Value;

use crate::{
    cli::Bench,
    failure::{Failure, Outcome},
    limits,
    process::Running,
    world,
};

/// How it is started.
#[derive(Default)]
pub(crate) struct Manner<'a> {
    /// More lines of `[media]`.
    pub(crate) media: &'a str,
    /// More sections.
    pub(crate) sections: &'a str,
    /// Cores it may use, as of `taskset`.
    pub(crate) cores: Option<&'a str>,
}

/// A running recorder.
pub(crate) struct Node {
    pub(crate) process: Running,
    pub(crate) folder: PathBuf,
    pub(crate) sip: u16,
    pub(crate) sips: u16,
    https: u16,
    metrics: u16,
    binary: PathBuf,
    cores: Option<String>,
    token: Option<String>,
}

impl Node {
    /// Starts one and waits until it is ready.
    pub(crate) fn start(bench: &Bench, manner: &Manner<'_>) -> Outcome<Self> {
        let folder = bench.folder.join("recorder");
        remove(&folder)?;
        fs::create_dir_all(&folder).map_err(|cause| Failure::file(&folder, &cause))?;
        let (sip, sips, https, metrics) = (free_port()?, free_port()?, free_port()?, free_port()?);
        let Manner { media, sections, cores } = manner;
        let config = format!(
            "data_dir = {data:?}\n[log]\nlevel = \"warn\"\n\
             [sip]\nudp = \"127.0.0.1:{sip}\"\ntcp = \"127.0.0.1:{sip}\"\ntls = \"127.0.0.1:{sips}\"\n\
             [media]\nports = \"{ports}\"\nsdes_over_clear_signaling = \"warn\"\n{media}\n[spool]\nreserve_minutes = 0\n\
             [http]\nlisten = \"127.0.0.1:{https}\"\nmetrics = \"127.0.0.1:{metrics}\"\n{sections}\n",
            data = folder.join("data"),
            ports = bench.ports,
        );
        let path = folder.join("recorder.toml");
        fs::write(&path, config).map_err(|cause| Failure::file(&path, &cause))?;
        let binary = bench.binary("recorder")?;
        let cores = cores.map(str::to_owned);
        let process = launch(&binary, &folder, cores.as_deref())?;
        let mut node = Self { process, folder, sip, sips, https, metrics, binary, cores, token: None };
        node.wait_ready()?;
        Ok(node)
    }

    /// The same recorder again, after it was killed: how long until it is ready.
    pub(crate) fn restart(&mut self) -> Outcome<Duration> {
        let began = world::now();
        self.process = launch(&self.binary, &self.folder, self.cores.as_deref())?;
        self.wait_ready()?;
        Ok(world::now().saturating_duration_since(began))
    }

    fn wait_ready(&mut self) -> Outcome<()> {
        world::until("ready recorder", limits::START, Duration::from_millis(5), || {
            self.process.check()?;
            let answer = plain_get(self.metrics, "/readyz");
            Ok(answer.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")).then_some(()))
        })
    }

    /// All metrics, label sets summed.
    pub(crate) fn metrics(&self) -> Outcome<BTreeMap<String, f64>> {
        let mut all = BTreeMap::new();
        let text = plain_get(self.metrics, "/metrics")?;
        for line in text.lines().filter(|line| line.starts_with("recorder_")) {
            let name = line.split(['{', ' ']).next().unwrap_or_default();
            let value = line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok());
            *all.entry(name.to_owned()).or_default() += value.unwrap_or_default();
        }
        Ok(all)
    }

    /// The buckets of a histogram without labels: upper bound, and how many are not above it.
    pub(crate) fn buckets(&self, name: &str) -> Outcome<Vec<(f64, f64)>> {
        let prefix = format!("{name}_bucket{{le=\"");
        let bucket = |line: &str| {
            let (bound, count) = line.strip_prefix(&prefix)?.split_once("\"} ")?;
            Some((bound.parse::<f64>().ok()?, count.parse::<f64>().ok()?))
        };
        Ok(plain_get(self.metrics, "/metrics")?.lines().filter_map(bucket).collect())
    }

    /// One of them; 0 when it is not there.
    pub(crate) fn metric(&self, name: &str) -> Outcome<f64> {
        Ok(self.metrics()?.get(name).copied().unwrap_or_default())
    }

    /// GET below `/api/v1`.
    pub(crate) fn get(&mut self, path: &str) -> Outcome<Value> {
        let octets = self.download(path)?;
        serde_json::from_slice(&octets).map_err(|cause| Failure::new(format!("{path}: {cause}")))
    }

    /// The octets of it.
    pub(crate) fn download(&mut self, path: &str) -> Outcome<Vec<u8>> {
        let token = self.token()?;
        let mut curl = Command::new("curl");
        curl.args(["-fsS", "--max-time", "60", "--cacert"]).arg(self.folder.join("data/tls/cert.pem"));
        // The token goes through the environment of curl's variables, not through a command line that `ps` shows.
        curl.args(["-K", "-"]).arg(format!("https://127.0.0.1:{}/api/v1{path}", self.https));
        curl.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut child = curl.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            writeln!(stdin, "header = \"Authorization: Bearer {token}\"")?;
        }
        let output = child.wait_with_output()?;
        if output.status.success() {
            Ok(output.stdout)
        } else {
            Err(Failure::new(format!("{path}: curl {}", output.status)))
        }
    }

    /// Runs a recorder command on its folder: exit code and standard output.
    pub(crate) fn command(&self, arguments: &[&str]) -> Outcome<(i32, String)> {
        let output = Command::new(&self.binary)
            .args(arguments)
            .arg("--config")
            .arg(self.folder.join("recorder.toml"))
            .output()?;
        Ok((output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stdout).into_owned()))
    }

    fn token(&mut self) -> Outcome<String> {
        if self.token.is_none() {
            let (code, text) = self.command(&["token", "create", "--role", "compliance-officer"])?;
            if code != 0 {
                return Err(Failure::new("no token"));
            }
            self.token = Some(text.trim().to_owned());
        }
        Ok(self.token.clone().unwrap_or_default())
    }

    /// Ends it at once and removes its folder: what it has not rendered yet nobody waits for.
    pub(crate) fn discard(self) -> Outcome<()> {
        let Self { process, folder, .. } = self;
        process.signal("KILL");
        drop(process);
        remove(&folder)
    }
}

fn launch(binary: &Path, folder: &Path, cores: Option<&str>) -> Outcome<Running> {
    let config = folder.join("recorder.toml").display().to_string();
    Running::start(binary, &["serve", "--config", &config], &folder.join("serve"), cores)
}

fn remove(folder: &Path) -> Outcome<()> {
    match fs::remove_dir_all(folder) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => Err(Failure::file(folder, &cause)),
        _ => Ok(()),
    }
}

/// A port that nobody holds, for UDP and TCP.
pub(crate) fn free_port() -> Outcome<u16> {
    for _ in 0..64 {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err(Failure::new("no free port"))
}

fn plain_get(port: u16, path: &str) -> Outcome<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
