//! The command line `replicator`: `call`, `load` and `serve`, errors on stderr, exit 0 as planned, 1 not, 2 wrong usage.

pub mod options;
mod print;
pub mod resolve;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use signaling_core::sdp::dtls::Setup;
use tracing_subscriber::EnvFilter;

use self::options::Options;
use crate::{
    call,
    error::CallError,
    load::{self, LoadSpec},
    serve::{self, scenario::Scenario},
};

/// Replicates calls to a SIPREC or Genesys recorder, as a recording client would.
#[derive(Debug, Parser)]
#[command(name = "replicator", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Place one call in real time and report what was sent
    Call(Box<Options>),
    /// Place many calls at low cost
    Load(Box<LoadArgs>),
    /// Play the switch of a scenario: the server side of the T-Library link, calls, recording control, faults; prints a
    /// report in JSON
    #[command(after_long_help = include_str!("../serve/SCENARIO.md"))]
    Serve(ServeArgs),
}

/// A scenario.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The scenario (TOML); --help shows one with everything in it
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// What a load has beside the options of each of its calls.
#[derive(Debug, Args)]
pub struct LoadArgs {
    #[command(flatten)]
    options: Options,
    /// How many calls
    #[arg(long, default_value_t = 10)]
    calls: u32,
    /// Calls started a second
    #[arg(long, default_value_t = 10.0)]
    rate: f64,
    /// Packets of a stream sent at once: 5 every 100 ms is cheap, 1 is paced
    #[arg(long, default_value_t = 5)]
    burst: u32,
    /// One SSRC and SRTP key a side for all calls: each packet is encrypted once. Tests only
    #[arg(long)]
    shared_key: bool,
    /// Offer rtcp-mux: half as many sockets at the recorder
    #[arg(long)]
    rtcp_mux: bool,
    /// No sound: set sessions up, hold them for the duration, end them; measures signaling
    #[arg(long)]
    setup_only: bool,
    /// Connections (UDP: ports) that the sessions of --setup-only are spread over
    #[arg(long, default_value_t = 2, value_name = "N")]
    connections: u32,
}

/// Parses the arguments of the process, runs the command and says how it went.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_env("REPLICATOR_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(cause) => return fail(&CallError::Media(format!("no runtime: {cause}"))),
    };
    match runtime.block_on(run(cli.command)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(cause) => fail(&cause),
    }
}

/// Runs one command and prints its report; false when something in it did not go as planned.
async fn run(command: Command) -> Result<bool, CallError> {
    match command {
        Command::Call(options) => {
            let options = resolve::with_config(*options)?;
            let report = call::run(resolve::call_spec(&options)?).await?;
            print::call(&report, options.json);
            Ok(report.ok)
        }
        Command::Serve(ServeArgs { config }) => {
            let report = serve::run(Scenario::read(&config)?).await?;
            print::json(&report);
            Ok(report.ok)
        }
        Command::Load(args) => {
            let LoadArgs { options, calls, rate, burst, shared_key, rtcp_mux, setup_only, connections } = *args;
            let options = resolve::with_config(options)?;
            let mut call = resolve::call_spec(&options)?;
            if options.setup.is_none() {
                call.dtls = call.dtls.map(|_| Setup::Active);
            }
            let spec = LoadSpec { call, calls, rate, burst, shared_key, rtcp_mux };
            let report = if setup_only { load::set_up(spec, connections).await? } else { load::run(spec).await? };
            print::load(&report, options.json);
            Ok(report.failed == 0 && report.send_errors == 0)
        }
    }
}

fn fail(cause: &CallError) -> ExitCode {
    eprintln!("replicator: {cause}");
    ExitCode::from(if matches!(cause, CallError::Usage(_)) { 2 } else { 1 })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::{CommandFactory, error::ErrorKind};

    use super::*;
    use crate::call::{Layout, Profile};

    fn options(line: &str) -> Options {
        match Cli::try_parse_from(line.split(' ')).unwrap().command {
            Command::Call(options) => *options,
            Command::Load(args) => args.options,
            Command::Serve(_) => panic!("no call"),
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_target_has_several_names_but_one_place() {
        for line in ["call h:1", "call --to h:1", "call --target h:1", "call --recorder h:1", "load h:1 --calls 3"] {
            let options = options(&format!("replicator {line}")).or(Options::default());
            assert_eq!(options.to.as_deref(), Some("h:1"), "{line}");
        }
        let both = Cli::try_parse_from(["replicator", "call", "h:1", "--to", "h:2"]).unwrap_err();
        assert_eq!(both.kind(), ErrorKind::ArgumentConflict);
    }

    #[test]
    fn a_full_command_line_becomes_a_specification() {
        let line = "replicator call --to sip:h:5071 --profile genesys-msr --layout single --transport tls \
                    --srtp AEAD_AES_256_GCM --insecure --duration 1500ms --caller 1 --agent 2 --record-id R --law pcma \
                    --pause-at 500ms --pause-for 250ms --leg-gap 100 --media-source 127.0.0.1 --dtmf-at 1s --json";
        let options = options(&line.split_whitespace().collect::<Vec<_>>().join(" ")).or(Options::default());
        let spec = resolve::call_spec(&options).unwrap();
        assert_eq!((spec.profile, spec.layout, spec.port()), (Profile::GenesysMsr, Layout::Single, 5071));
        assert_eq!((spec.duration, spec.leg_gap), (Duration::from_millis(1500), Duration::from_millis(100)));
        assert_eq!(spec.dtmf, Some((Duration::from_secs(1), "1234".to_owned())));
    }

    #[test]
    fn wrong_words_are_refused_by_the_parser() {
        for (line, wrong) in [
            ("replicator call h --profile nice", "nice"),
            ("replicator call h --transport sctp", "sctp"),
            ("replicator call h --duration soon", "soon"),
            ("replicator call h --colour red", "--colour"),
            ("replicator call h --ca a.pem --insecure", "--insecure"),
            ("replicator serve", "--config"),
        ] {
            let refused = Cli::try_parse_from(line.split(' ')).unwrap_err();
            assert_eq!(refused.exit_code(), 2, "{line}");
            assert!(refused.to_string().contains(wrong), "{refused}");
        }
    }
}
