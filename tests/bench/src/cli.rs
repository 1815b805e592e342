//! The command line of the bench, and the order of its stages.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::{Parser, ValueEnum};

use crate::{
    failure::{Failure, Outcome},
    machine::Machine,
    report::Report,
    stage,
};

/// Measures the recorder on this machine with real processes. Exit 0, 1 when the run is invalid or a stage failed.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Options {
    /// A few minutes: short windows and small numbers
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// The capacity of the machine is held for 60 seconds
    #[arg(long)]
    full: bool,
    /// Only these stages
    #[arg(long, value_name = "NAME")]
    only: Vec<Stage>,
    /// Folder with the programs `recorder` and `replicator` [default: where this program is]
    #[arg(long, value_name = "DIR")]
    bin: Option<PathBuf>,
    /// Folder of the results and of the data of the recorders under test
    #[arg(long, value_name = "DIR", default_value = "target/bench")]
    out: PathBuf,
    /// UDP ports of the recorder under test
    #[arg(long, default_value = "33000-60999")]
    ports: String,
    /// More lines of the section [media] of the recorder under test, e.g. 'sweep_ms = 100'
    #[arg(long, default_value = "")]
    media: String,
    /// The first and the last number of calls that the search for the capacity tries
    #[arg(long, value_name = "FROM-TO")]
    calls: Option<String>,
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stage {
    /// Nanoseconds a packet on each step, in memory
    Packets,
    /// The ways to receive, side by side
    Receive,
    /// CPU per 100 calls: plain, SRTP, AEAD
    Cpu,
    /// The largest number of calls without loss, its cost, memory per call
    Capacity,
    /// The same load into rtpengine, in alternate rounds
    Peer,
    /// Sessions set up a second, and what happens to twice as many as it can
    Setup,
    /// Rendering speed, and how fast recordings reach the archive
    Archive,
    /// 1,000 events a second of a switch while 1,000 calls run
    Cti,
    /// A day of 100,000 calls: call detail records imported, every call judged
    Assurance,
    /// kill -9 under load, and the start after it
    Kill,
    /// Strangers on all ports
    Strays,
}

/// What every stage is given.
pub(crate) struct Bench {
    bin: PathBuf,
    /// Where recorders under test keep their data.
    pub(crate) folder: PathBuf,
    pub(crate) ports: String,
    pub(crate) media: String,
    pub(crate) is_quick: bool,
    pub(crate) is_full: bool,
    /// Steps of the search for the capacity.
    pub(crate) calls: (u32, u32),
}

impl Bench {
    /// One of our programs.
    pub(crate) fn binary(&self, name: &str) -> Outcome<PathBuf> {
        let path = self.bin.join(name);
        if path.is_file() { Ok(path) } else { Err(Failure::new(format!("{} is not built", path.display()))) }
    }

    /// How long CPU time is counted.
    pub(crate) const fn window(&self) -> Duration {
        Duration::from_secs(if self.is_quick { 8 } else { 20 })
    }
}

pub(crate) fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            println!("INVALID: figures of this run are worth nothing");
            ExitCode::FAILURE
        }
        Err(cause) => {
            eprintln!("bench: {cause}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Outcome<bool> {
    let bench = prepare(options)?;
    let machine = Machine::look();
    println!("{}", machine.sentence());
    let mut report = Report::new(machine);
    for stage in Stage::value_variants().iter().filter(|stage| options.only.is_empty() || options.only.contains(stage))
    {
        let name = stage.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        println!("{name}:");
        let outcome = match stage {
            Stage::Packets => stage::packets::run(&bench, &mut report),
            Stage::Receive => stage::receive::run(&bench, &mut report),
            Stage::Cpu => stage::cpu::run(&bench, &mut report),
            Stage::Capacity => stage::capacity::run(&bench, &mut report),
            Stage::Peer => stage::peer::run(&bench, &mut report),
            Stage::Setup => stage::setup::run(&bench, &mut report),
            Stage::Archive => stage::archive::run(&bench, &mut report),
            Stage::Cti => stage::cti::run(&bench, &mut report),
            Stage::Assurance => stage::assurance::run(&bench, &mut report),
            Stage::Kill => stage::kill::run(&bench, &mut report),
            Stage::Strays => stage::strays::run(&bench, &mut report),
        };
        if let Err(cause) = outcome {
            report.invalid(format!("{name}: {cause}"));
        }
    }
    let (path, is_valid) = report.finish(&options.out)?;
    println!("\n{}", path.display());
    Ok(is_valid)
}

fn prepare(options: &Options) -> Outcome<Bench> {
    let own = std::env::current_exe()?;
    let bin = options.bin.clone().unwrap_or_else(|| own.parent().unwrap_or(Path::new(".")).to_owned());
    std::fs::create_dir_all(&options.out).map_err(|cause| Failure::file(&options.out, &cause))?;
    let folder = options.out.canonicalize().map_err(|cause| Failure::file(&options.out, &cause))?;
    let default = if options.quick { "500-1500" } else { "1000-6000" };
    let calls = options.calls.as_deref().unwrap_or(default);
    let numbers = calls.split_once('-').and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
    let calls = numbers.ok_or_else(|| Failure::new(format!("calls: `{calls}` is not FROM-TO")))?;
    Ok(Bench {
        bin,
        folder,
        ports: options.ports.clone(),
        media: options.media.clone(),
        is_quick: options.quick,
        is_full: options.full,
        calls,
    })
}
