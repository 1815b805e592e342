//! Processes of the run: started so that they end with us, measured through `/proc`, ended by their own pid.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::{
    failure::{Failure, Outcome},
    limits, world,
};

/// A running child; killed when dropped.
pub(crate) struct Running {
    child: Child,
    name: String,
}

/// Clock ticks a second of `/proc/PID/stat`: fixed for user space on Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time in seconds, by thread name and in all.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cpu {
    pub(crate) total: f64,
    pub(crate) threads: BTreeMap<String, f64>,
}

impl Running {
    /// Starts `program` with its output in files beside `log`: `.out` and `.err`. `cores` is a list as of `taskset`.
    pub(crate) fn start(program: &Path, arguments: &[&str], log: &Path, cores: Option<&str>) -> Outcome<Self> {
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // The kernel ends the child when we are gone: a bench that was killed leaves nothing behind.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        if let Some(cores) = cores {
            command.args(["taskset", "-c", cores]);
        }
        let file = |end: &str| {
            let path = log.with_extension(end);
            fs::OpenOptions::new()
                .create(true)
                .write(true)
                .truncate(true)
                .open(&path)
                .map_err(|cause| Failure::file(&path, &cause))
        };
        command.arg(program).args(arguments).stdin(Stdio::null()).stdout(file("out")?).stderr(file("err")?);
        let child = command.spawn().map_err(|cause| Failure::new(format!("{name}: {cause}")))?;
        Ok(Self { child, name })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it runs; an end that nobody asked for is a failure.
    pub(crate) fn check(&mut self) -> Outcome<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(Failure::new(format!("{} ended with {status}", self.name))),
        }
    }

    /// Its exit code, once it has ended.
    pub(crate) fn ended(&mut self) -> Outcome<Option<i32>> {
        Ok(self.child.try_wait()?.map(|status| status.code().unwrap_or(-1)))
    }

    /// User and system time so far.
    pub(crate) fn cpu(&self) -> Outcome<Cpu> {
        let folder = format!("/proc/{}", self.pid());
        Ok(Cpu { total: stat(&format!("{folder}/stat"))?.1, threads: threads(&folder)? })
    }

    /// Resident memory in kB.
    pub(crate) fn resident_kb(&self) -> Outcome<u64> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let value = line.and_then(|rest| rest.trim().split(' ').next()?.parse().ok());
        value.ok_or_else(|| Failure::new("no VmRSS"))
    }

    /// Sends a signal by its `kill` name.
    pub(crate) fn signal(&self, name: &str) {
        // A process that is gone already needs none.
        let _ = Command::new("kill").args(["-s", name, &self.pid().to_string()]).stderr(Stdio::null()).status();
    }

    /// Asks it to end, and after [`limits::STOP`] makes it.
    pub(crate) fn stop(mut self) {
        self.signal("TERM");
        let end = world::now() + limits::STOP;
        while world::now() < end && matches!(self.child.try_wait(), Ok(None)) {
            world::pass(std::time::Duration::from_millis(20));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Cpu {
    /// What was used between an earlier look and this one.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let before = |name: &String| earlier.threads.get(name).copied().unwrap_or_default();
        Self {
            total: self.total - earlier.total,
            threads: self.threads.iter().map(|(name, now)| (name.clone(), now - before(name))).collect(),
        }
    }
}

/// CPU seconds of the threads of this process, by name.
pub(crate) fn own_threads() -> Outcome<BTreeMap<String, f64>> {
    threads("/proc/self")
}

/// The same of any process; threads that differ in their number alone are added up.
fn threads(folder: &str) -> Outcome<BTreeMap<String, f64>> {
    let mut threads = BTreeMap::new();
    for entry in fs::read_dir(format!("{folder}/task"))?.flatten() {
        // A thread may end between the listing and the look.
        if let Ok((name, seconds)) = stat(&format!("{}/stat", entry.path().display())) {
            let name = name.trim_end_matches(|letter: char| letter.is_ascii_digit()).trim_end_matches('-');
            *threads.entry(name.to_owned()).or_default() += seconds;
        }
    }
    Ok(threads)
}

/// Name and CPU seconds of a `stat` file.
fn stat(path: &str) -> Outcome<(String, f64)> {
    let text = fs::read_to_string(path)?;
    let broken = || Failure::new(format!("{path}: not as expected"));
    let (head, rest) = text.rsplit_once(')').ok_or_else(broken)?;
    let name = head.split_once('(').ok_or_else(broken)?.1.to_owned();
    let mut fields = rest.split_whitespace().skip(11).map(str::parse::<f64>);
    match (fields.next(), fields.next()) {
        (Some(Ok(user)), Some(Ok(system))) => Ok((name, (user + system) / TICKS_PER_SECOND)),
        _ => Err(broken()),
    }
}
