//! `recorder assurance ...` and `recorder cdr ...`: beside a running server and without one.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use model::Actor;
use storage::{Ledger, LedgerError, LedgerReader};
use storage_core::assurance::{Book, Day, Outcome, Report, Settings, Verdict, cdr::Imported};

use super::{
    config::DEFAULT,
    import,
    inbox::Inbox,
    limits::{FILE_OCTETS, REPORT_OCTETS, STEP},
    reports,
};
use crate::{cli::Common, config::Config, fault::Fault, life, wiring};

/// `recorder assurance ...`
#[derive(Subcommand)]
pub(crate) enum AssuranceCommand {
    /// Holds the calls of a day against their recordings: figures and incidents. Exit code 1 when a call is lost.
    Report {
        /// UTC, `2026-11-21`.
        #[arg(long, value_name = "DAY")]
        day: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
        /// Writes the signed document into this file.
        #[arg(long, value_name = "FILE")]
        signed: Option<PathBuf>,
        #[command(flatten)]
        common: Common,
    },
    /// Checks a signed report: one in clear, or one as it stands in the archive.
    Verify {
        /// The document.
        file: PathBuf,
        /// The key it must be signed by, hex; without it, the key of this node.
        #[arg(long, value_name = "HEX")]
        public: Option<String>,
        #[command(flatten)]
        common: Common,
    },
}

/// `recorder cdr ...`
#[derive(Subcommand)]
pub(crate) enum CdrCommand {
    /// Imports a file of call detail records: CSV, JSON, JSON Lines. Exit code 1 when it has bad lines.
    Import {
        /// The file.
        file: PathBuf,
        /// The source, a section `[assurance.cdr.NAME]`.
        #[arg(long, value_name = "NAME", default_value = DEFAULT)]
        source: String,
        #[command(flatten)]
        common: Common,
    },
}

/// Runs `recorder assurance ...`.
pub(crate) fn run(command: AssuranceCommand) -> Result<(), Fault> {
    match command {
        AssuranceCommand::Report { day, json, signed, common } => {
            let config = crate::cli::load(&common)?;
            let day: Day = day.parse().map_err(|error| Fault::Usage(format!("--day {day}: {error}")))?;
            report(&config, day, json, signed.as_deref())
        }
        AssuranceCommand::Verify { file, public, common } => {
            verify(&crate::cli::load(&common)?, &file, public.as_deref())
        }
    }
}

/// Runs `recorder cdr ...`.
pub(crate) fn run_cdr(command: CdrCommand) -> Result<(), Fault> {
    let CdrCommand::Import { file, source, common } = command;
    let config = crate::cli::load(&common)?;
    let imported = bring(&config, &source, &file)?;
    for bad in &imported.bad_lines {
        eprintln!("recorder: {}: line {}: {}", file.display(), bad.line, bad.reason);
    }
    let Imported { lines, added, known, bad, .. } = imported;
    println!("{}: {lines} lines, {added} new, {known} known, {bad} bad", file.display());
    if bad > 0 { Err(Fault::Failed(format!("{}: {bad} bad line(s)", file.display()))) } else { Ok(()) }
}

fn bring(config: &Config, source: &str, file: &Path) -> Result<Imported, Fault> {
    let place = |error: &dyn std::fmt::Display| Fault::Failed(format!("{}: {error}", file.display()));
    let mapping = config.assurance.mapping(source)?;
    let octets = bounded(file, FILE_OCTETS)?;
    let by = Actor { id: "command-line".into(), role: None };
    let (custodian, _) = wiring::custodian(config)?;
    let mut ledger = match Ledger::open(&config.data_dir, wiring::signer(&custodian), life::now()) {
        Ok((ledger, _)) => ledger,
        // The server that runs writes it down, and its answer is the same.
        Err(LedgerError::InUse(_)) => {
            let inbox = Inbox::open(&config.data_dir).map_err(|error| Fault::key("data_dir", error))?;
            return inbox.hand_over(source, &octets, &by).map_err(|error| place(&error));
        }
        Err(error) => return Err(Fault::Failed(error.to_string())),
    };
    let settings = Settings { days: u32::MAX, ..config.assurance.settings() };
    let book = book(config, settings, Day::of(model::Timestamp::default()))?;
    let policy = config.policy()?;
    let read = import::read(&octets, &mapping, Some(&policy), import::known(&book)).map_err(|error| place(&error))?;
    for fact in read.facts(&by) {
        ledger.commit(&[fact], life::now()).map_err(|error| Fault::Failed(error.to_string()))?;
    }
    ledger.close(life::now()).map_err(|error| Fault::Failed(error.to_string()))?;
    Ok(read.told)
}

/// The book of everything in the ledger from a day on.
fn book(config: &Config, settings: Settings, first: Day) -> Result<Book, Fault> {
    let mut book = Book::new(settings);
    book.let_go(first);
    let (mut reader, mut next) = (LedgerReader::open(&config.data_dir), 1);
    loop {
        let facts = reader.read_from(next, STEP).map_err(|error| Fault::Failed(error.to_string()))?;
        let Some((last, ..)) = facts.last() else { return Ok(book) };
        next = last + 1;
        facts.iter().for_each(|(_, at, fact)| book.apply(*at, fact));
    }
}

fn report(config: &Config, day: Day, is_json: bool, signed: Option<&Path>) -> Result<(), Fault> {
    let book = book(config, config.assurance.settings(), day.minus(config.assurance.silent_days))?;
    let now = life::now();
    let outcome = book.judge(day, now);
    let document = Report::new(&book, (day, now), &config.node);
    if is_json {
        println!("{}", serde_json::to_string_pretty(&document).map_err(|error| Fault::Failed(error.to_string()))?);
    } else {
        print(&outcome);
    }
    if let Some(file) = signed {
        let (custodian, _) = wiring::custodian(config)?;
        let octets = document.sign(&wiring::signer(&custodian));
        std::fs::write(file, octets).map_err(|error| Fault::Failed(format!("{}: {error}", file.display())))?;
    }
    match outcome.summary.verdicts.of(Verdict::NotRecorded) {
        0 => Ok(()),
        lost => Err(Fault::Failed(format!("{day}: {lost} call(s) were not recorded"))),
    }
}

/// Figures first, then one line for each incident: ids and times, no numbers.
fn print(outcome: &Outcome) {
    let summary = &outcome.summary;
    println!("{}: {} calls", summary.day, summary.calls);
    for verdict in Verdict::ALL {
        println!("  {:<28}{:>9}", verdict.name(), summary.verdicts.of(verdict));
    }
    match summary.share.sli {
        Some(sli) => {
            let (recorded, expected) = (summary.share.recorded, summary.share.expected);
            println!("  recorded as expected: {recorded} of {expected} ({:.4} %)", sli * 100.0);
        }
        None => println!("  no call was to be recorded"),
    }
    for call in &outcome.incidents {
        let (verdict, why, cause) = (call.verdict.name(), call.why.name(), call.cause.unwrap_or("-"));
        println!("{} {} {verdict} {why} {cause}", call.incident, call.started_at);
    }
    if outcome.unlisted > 0 {
        println!("and {} further incidents", outcome.unlisted);
    }
}

fn verify(config: &Config, file: &Path, public: Option<&str>) -> Result<(), Fault> {
    let fault = |error: &dyn std::fmt::Display| Fault::Failed(format!("{}: {error}", file.display()));
    let octets = bounded(file, REPORT_OCTETS)?;
    let (custodian, _) = wiring::custodian(config)?;
    // In the archive its name is part of what is sealed: the last five parts of its path.
    let parts: Vec<_> = file.iter().map(|part| part.to_string_lossy()).collect();
    let object = parts[parts.len().saturating_sub(OBJECT_PARTS)..].join("/");
    let octets = reports::open(&custodian, &object, octets).map_err(|error| fault(&error))?;
    let ours = wiring::signer(&custodian).public_hex();
    let day = reports::verify(&octets, public.unwrap_or(&ours)).map_err(|error| fault(&error))?;
    println!("{}: the report of {day}, as it was signed", file.display());
    Ok(())
}

/// `assurance/2026/11/21/report-1.json.sealed`
const OBJECT_PARTS: usize = 5;

fn bounded(file: &Path, bound: u64) -> Result<Vec<u8>, Fault> {
    let fault = |error: &dyn std::fmt::Display| Fault::Usage(format!("{}: {error}", file.display()));
    let size = std::fs::metadata(file).map_err(|error| fault(&error))?.len();
    if size > bound {
        return Err(fault(&format!("has {size} octets, more than {bound}")));
    }
    std::fs::read(file).map_err(|error| fault(&error))
}
