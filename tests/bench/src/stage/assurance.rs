//! A day of 100,000 calls: how long the import of their call detail records takes, and their verdicts, by the real commands.
//!
//! The ledger of the day is written here as a recorder writes it; what is planted has to be found, or the run is invalid.

use std::{fmt::Write as _, fs, path::Path, time::Duration};

use crypto::sign::Signer;
use model::{EndCause, Fact, RecordingId, RecordingOpened, Timestamp};
use serde_json::Value;
use storage_core::ledger::Chain;

use crate::{
    cli::Bench,
    failure::{Failure, Outcome},
    process::Running,
    report::Report,
    world,
};

const CALLS: u64 = 100_000;
/// One call in so many was not recorded: 200 in all.
const PLANTED: u64 = 500;
/// 2026-01-15T00:00:00Z: over on every clock.
const DAY_MS: u64 = 1_768_435_200_000;
/// Between the beginnings of two calls.
const APART_MS: u64 = 800;
const RING_MS: u64 = 5_000;
const TALK_MS: u64 = 180_000;
/// Issue 5: a day is judged in less than two minutes.
const GOAL_S: f64 = 120.0;
/// How long a command may take before the run is given up.
const PATIENCE: Duration = Duration::from_secs(600);

pub(crate) fn run(bench: &Bench, report: &mut Report) -> Outcome<()> {
    let folder = bench.folder.join("assurance");
    // One of an earlier run.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("data/ledger")).map_err(|cause| Failure::file(&folder, &cause))?;
    let (config, cdrs) = (folder.join("recorder.toml"), folder.join("cdrs.csv"));
    let data = folder.join("data");
    write(&config, format!("data_dir = {data:?}\n[archive]\nurl = \"file:{}\"\n", data.join("archive").display()))?;
    write_ledger(&data.join("ledger"))?;
    write(&cdrs, records())?;
    let (config, cdrs) = (text(&config)?, text(&cdrs)?);
    let (import, _) = timed(bench, &folder, &["cdr", "import", cdrs, "--config", config], 0)?;
    report.row("assurance", "import of 100,000 call detail records", import, "s");
    let arguments = ["assurance", "report", "--day", "2026-01-15", "--json", "--config", config];
    let (judge, answer) = timed(bench, &folder, &arguments, 1)?;
    report.row("assurance", "ledger read and 100,000 verdicts", judge, "s");
    report.row("assurance", "both", import + judge, "s").at_most(GOAL_S);
    let answer: Value = serde_json::from_str(&answer).map_err(|cause| Failure::new(cause.to_string()))?;
    let verdicts = &answer["summary"]["verdicts"];
    let found = (verdicts["not_recorded"].as_u64(), verdicts["compliant"].as_u64());
    if found != (Some(CALLS / PLANTED), Some(CALLS - CALLS / PLANTED)) {
        report.invalid(format!("assurance: of the planted calls others were found: {verdicts}"));
    }
    let _ = fs::remove_dir_all(&folder);
    Ok(())
}

fn write(path: &Path, content: impl AsRef<[u8]>) -> Outcome<()> {
    fs::write(path, content).map_err(|cause| Failure::file(path, &cause))
}

fn text(path: &Path) -> Outcome<&str> {
    path.to_str().ok_or_else(|| Failure::new(format!("{}: not UTF-8", path.display())))
}

/// Runs a command to its end: seconds, and what it said.
fn timed(bench: &Bench, folder: &Path, arguments: &[&str], expected: i32) -> Outcome<(f64, String)> {
    let log = folder.join("command");
    let began = world::now();
    let mut command = Running::start(&bench.binary("recorder")?, arguments, &log, None)?;
    let code = world::until("end of a command", PATIENCE, Duration::from_millis(5), || command.ended())?;
    let seconds = began.elapsed().as_secs_f64();
    let said = fs::read_to_string(log.with_extension("out")).map_err(|cause| Failure::file(&log, &cause))?;
    if code == expected {
        return Ok((seconds, said));
    }
    let errors = fs::read_to_string(log.with_extension("err")).unwrap_or_default();
    Err(Failure::new(format!("recorder {} {} ended with {code}: {errors}", arguments[0], arguments[1])))
}

fn start(number: u64) -> u64 {
    DAY_MS + number * APART_MS
}

fn records() -> String {
    let mut lines = String::from("CallUUID,DN,ANI,Start,Answer,End,Record\n");
    for number in 0..CALLS {
        let begin = start(number);
        let (answer, end) = (begin + RING_MS, begin + RING_MS + TALK_MS);
        let wrote =
            writeln!(lines, "BENCH-{number:08},{},0170{number:07},{begin},{answer},{end},yes", 7_000 + number % 1_000);
        wrote.expect("memory takes all");
    }
    lines
}

/// What a recorder writes of its recordings, as far as assurance looks at it.
fn write_ledger(folder: &Path) -> Outcome<()> {
    let (mut chain, mut lines) = (Chain::default(), Vec::new());
    let signer = Signer::from_seed([1; 32]);
    for number in (0..CALLS).filter(|number| number % PLANTED != 0) {
        let mut octets = [0; 16];
        octets[8..].copy_from_slice(&number.to_be_bytes());
        let recording = RecordingId::from_bytes(octets);
        let at = |ms: u64| Timestamp::from_millis(start(number) + RING_MS + ms);
        let opened = RecordingOpened {
            recording,
            record_id: None,
            call_uuid: Some(format!("BENCH-{number:08}")),
            conn_id: None,
            profile: "genesys-msr".into(),
            at: at(0),
        };
        let (ended_at, cause) = (at(TALK_MS), EndCause::Bye);
        let facts = [
            Fact::RecordingOpened(opened),
            Fact::RecordingEnded { recording, ended_at, duration_ms: TALK_MS, cause },
            Fact::RecordingArchived {
                recording,
                objects: Vec::new(),
                duration_ms: TALK_MS,
                flags: Vec::new(),
                audio_from: None,
            },
        ];
        facts.iter().for_each(|fact| chain.append(ended_at, fact, &mut lines));
    }
    chain.checkpoint(Timestamp::from_millis(DAY_MS), &signer, &mut lines);
    let head = serde_json::to_vec(&chain.sign(&signer)).map_err(|cause| Failure::new(cause.to_string()))?;
    write(&folder.join("ledger.jsonl"), lines)?;
    write(&folder.join("HEAD"), head)
}
