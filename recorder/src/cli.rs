//! The command line: parses, loads the configuration, runs one subcommand, maps its end to an exit code.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use model::{RecordingId, Role};

use crate::{
    access,
    assurance::{self, AssuranceCommand, CdrCommand},
    config::Config,
    delivery::{self, DeliveryCommand},
    explain,
    fault::Fault,
    offline, wiring,
};

#[derive(Parser)]
#[command(name = "recorder", version, about = "Third-party call recording server: SIPREC and Genesys Active Recording")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Args)]
pub(crate) struct Common {
    /// The configuration file (TOML); without it every key has its default.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Records until it is told to drain (SIGTERM or SIGINT; a second one leaves at once).
    Serve(Common),
    /// Says whether the configuration would work, without starting anything.
    CheckConfig(Common),
    /// Says how an INVITE would be read and answered, without a network: rule, profile, answer, parties, keys, warnings.
    Explain(explain::Arguments),
    /// Says what the policy wants of a call, rule by rule: recorded, provisionally or never, and by which rule.
    ExplainPolicy(explain::PolicyArguments),
    /// Checks the ledger's chain and every archived object; names what was altered.
    Verify(Common),
    /// Rebuilds the catalog from ledger and archive.
    Reindex(Common),
    /// Writes a recording in clear into a folder: audio, packets, manifest.
    Export {
        /// The recording.
        id: String,
        /// The folder; made when it is not there.
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
        #[command(flatten)]
        common: Common,
    },
    /// Whether every call was recorded.
    #[command(subcommand)]
    Assurance(AssuranceCommand),
    /// Call detail records, which calls are held against.
    #[command(subcommand)]
    Cdr(CdrCommand),
    /// What is handed over to subscribers.
    #[command(subcommand)]
    Delivery(DeliveryCommand),
    /// Users of the console.
    #[command(subcommand)]
    User(UserCommand),
    /// Bearer tokens of the API.
    #[command(subcommand)]
    Token(TokenCommand),
}

#[derive(Subcommand)]
enum UserCommand {
    /// Adds a user, or gives it a new password: the first line of standard input, or one that is made and printed.
    Add {
        name: String,
        #[arg(long, value_parser = role)]
        role: Role,
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Subcommand)]
enum TokenCommand {
    /// Makes a token and prints it alone; it is not shown again.
    Create {
        #[arg(long, value_parser = role)]
        role: Role,
        #[command(flatten)]
        common: Common,
    },
}

fn role(text: &str) -> Result<Role, String> {
    let names: Vec<_> = Role::ALL.iter().map(|role| role.name()).collect();
    Role::by_name(text).ok_or_else(|| format!("no such role; there are {}", names.join(", ")))
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("recorder: {fault}");
            fault.code()
        }
    }
}

fn run(command: Command) -> Result<(), Fault> {
    match command {
        Command::Serve(common) => wiring::serve(&load(&common)?),
        Command::CheckConfig(common) => wiring::check(&load(&common)?),
        Command::Explain(arguments) => explain::explain(&arguments),
        Command::ExplainPolicy(arguments) => explain::explain_policy(&arguments),
        Command::Verify(common) => offline::verify(&load(&common)?),
        Command::Reindex(common) => offline::reindex(&load(&common)?),
        Command::Export { id, to, common } => {
            let id: RecordingId = id.parse().map_err(|error| Fault::Usage(format!("{id}: {error}")))?;
            offline::export(&load(&common)?, id, &to)
        }
        Command::Assurance(command) => assurance::run(command),
        Command::Cdr(command) => assurance::run_cdr(command),
        Command::Delivery(command) => delivery::run(command),
        Command::User(UserCommand::Add { name, role, common }) => access::add_user(&load(&common)?, &name, role),
        Command::Token(TokenCommand::Create { role, common }) => access::create_token(&load(&common)?, role),
    }
}

pub(crate) fn load(common: &Common) -> Result<Config, Fault> {
    Config::load(common.config.as_deref())
}
