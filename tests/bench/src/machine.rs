//! Which machine a run was on, and how busy it was when the run began.

use std::{fs, process::Command};

use serde::Serialize;

/// A machine.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    cores: usize,
    cpu: String,
    kernel: String,
    memory_mb: u64,
    load_average: String,
    file_limit: String,
}

impl Machine {
    /// This one, now.
    pub(crate) fn look() -> Self {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        let memory = field(&text("/proc/meminfo"), "MemTotal");
        let limits = text("/proc/self/limits");
        let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap_or_default();
        Self {
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get),
            cpu: field(&text("/proc/cpuinfo"), "model name"),
            kernel: text("/proc/sys/kernel/osrelease").trim().to_owned(),
            memory_mb: memory.split(' ').next().and_then(|kb| kb.parse::<u64>().ok()).unwrap_or_default() / 1024,
            load_average: text("/proc/loadavg").trim().to_owned(),
            file_limit: files.split_whitespace().nth(4).unwrap_or_default().to_owned(),
        }
    }

    /// One line.
    pub(crate) fn sentence(&self) -> String {
        let Self { cores, cpu, kernel, memory_mb, load_average, file_limit } = self;
        format!("{cores} cores {cpu}, Linux {kernel}, {memory_mb} MB, load {load_average}, {file_limit} files")
    }
}

/// Whether a program is on PATH.
pub(crate) fn has(program: &str) -> bool {
    Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .output()
        .is_ok_and(|output| output.status.success())
}
