//! One call of the companion, as a process of its own: an honest client that knows of the recorder only what is on the wire.

use std::{
    env,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use signaling::Addresses;
use tokio::time::Instant;

use super::{Config, LOOK, Means};

/// Seconds of sound.
const DURATION: &str = "2s";

/// The command line of one call; no secret is in it.
pub(super) fn command(
    config: &Config,
    means: &Means,
    caller: &str,
    folder: &Path,
    run: u64,
) -> Result<Command, String> {
    let mut command = Command::new(program(&config.replicator));
    command.args(["call", "--json", "--duration", DURATION, "--caller", caller, "--agent", &config.caller]);
    command.args(["--seed", &(run % 1_000).to_string(), "--dump-sent"]).arg(folder);
    let is_told = |name: &str| config.options.iter().any(|option| option.split('=').next() == Some(name));
    if !["--to", "--target", "--recorder"].into_iter().any(is_told) {
        let Addresses { udp, tcp, tls } = means.addresses;
        let ways = if means.needs_srtp { vec![("tls", tls)] } else { vec![("tcp", tcp), ("udp", udp), ("tls", tls)] };
        let found = ways.into_iter().find_map(|(way, address)| Some((way, reachable(address?))));
        let (way, address) = found.ok_or("no SIP listener to call; name one with canary.options --to")?;
        command.args(["--transport", way, "--to", &address.to_string()]);
        if way == "tls" {
            command.args(["--srtp", "AES_CM_128_HMAC_SHA1_80", "--ca"]).arg(&means.certificate);
        }
    }
    command.args(&config.options);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command)
}

/// Who listens on every address is called on this machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = if address.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { address.ip() };
    SocketAddr::new(ip, address.port())
}

/// A bare name stands for the companion beside this program, where it is installed.
fn program(name: &Path) -> PathBuf {
    let is_bare = name.components().count() == 1;
    let beside = env::current_exe().ok().and_then(|own| Some(own.parent()?.join(name)));
    beside.filter(|beside| is_bare && beside.is_file()).unwrap_or_else(|| name.to_owned())
}

/// Runs it to its end, which must be a good one.
pub(super) async fn place(mut command: Command, until: Instant) -> Result<(), String> {
    let mut child = command.spawn().map_err(|error| format!("the replicator cannot be started: {error}"))?;
    loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(format!("the replicator ended with {status}")),
            None if Instant::now() >= until => {
                // It may have ended just now.
                let _ = child.kill();
                let _ = child.wait();
                return Err("the call did not end in time".to_owned());
            }
            None => tokio::time::sleep(LOOK / 5).await,
        }
    }
}
