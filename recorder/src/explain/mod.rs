//! `recorder explain`: what would come of SIP messages, without a network. The same cores as in the daemon decide; the
//! shells are played: every port is free, every track closes at once.

mod bench;
mod policy;
mod report;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use signaling_core::{
    event::Transport,
    flow::Flow,
    sip::{header, typed::Via},
};

use crate::{
    cli::{self, Common},
    config::Config,
    fault::Fault,
};
use bench::Bench;
pub(crate) use policy::{PolicyArguments, explain_policy};

/// `recorder explain FILE...`
#[derive(Args)]
pub(crate) struct Arguments {
    /// SIP messages in the order in which they arrive; those behind the first may belong to its dialog.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where the messages come from; without it the address in the first Via, or 127.0.0.1.
    #[arg(long, value_name = "ADDRESS")]
    peer: Option<IpAddr>,
    /// How they come; without it the transport in the first Via.
    #[arg(long, value_enum)]
    transport: Option<By>,
    /// Subject name of the client certificate that is shown.
    #[arg(long, value_name = "NAME")]
    identity: Option<String>,
    /// JSON: an object for one file, an array for several.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    common: Common,
}

/// A transport on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum By {
    Udp,
    Tcp,
    Tls,
}

/// Explains every file in turn.
pub(crate) fn explain(arguments: &Arguments) -> Result<(), Fault> {
    let config = cli::load(&arguments.common)?;
    let mut bench = Bench::new(&config)?;
    let mut reports = Vec::with_capacity(arguments.files.len());
    for path in &arguments.files {
        let message = read(path)?;
        let flow = flow(arguments, &config, &message);
        let name = path.display().to_string();
        reports.push(bench.take(name, &flow, &message)?);
    }
    let text = match (arguments.json, &reports[..]) {
        (false, reports) => reports.iter().map(report::words).collect::<Vec<_>>().join("\n"),
        (true, [one]) => json(one)?,
        (true, several) => json(&several)?,
    };
    println!("{text}");
    Ok(())
}

fn json(value: &impl serde::Serialize) -> Result<String, Fault> {
    serde_json::to_string_pretty(value).map_err(|error| Fault::Failed(error.to_string()))
}

fn read(path: &Path) -> Result<Vec<u8>, Fault> {
    let octets = std::fs::read(path).map_err(|error| Fault::Usage(format!("{}: {error}", path.display())))?;
    Ok(on_the_wire(octets))
}

/// A file that an editor wrote has bare line feeds: they are made what the wire has.
fn on_the_wire(octets: Vec<u8>) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(&octets) else { return octets };
    if text.contains("\r\n") {
        return octets;
    }
    let whole = text.replace('\n', "\r\n");
    let Some((head, body)) = whole.split_once("\r\n\r\n") else { return whole.into_bytes() };
    let is_length = |line: &&str| {
        let name = line.split(':').next().unwrap_or_default().trim();
        header::long_name(name).eq_ignore_ascii_case("Content-Length")
    };
    let head: Vec<&str> = head.split("\r\n").filter(|line| !is_length(line)).collect();
    format!("{}\r\nContent-Length: {}\r\n\r\n{body}", head.join("\r\n"), body.len()).into_bytes()
}

/// The way the message is taken to have come.
fn flow(arguments: &Arguments, config: &Config, message: &[u8]) -> Flow {
    let text = String::from_utf8_lossy(message);
    let field =
        |line: &str| line.split_once(':').map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
    let mut fields = text.lines().take_while(|line| !line.is_empty()).filter_map(field);
    let via = fields.find(|(name, _)| header::long_name(name).eq_ignore_ascii_case("Via")).map(|(_, value)| value);
    let first = via.as_deref().and_then(Via::parse);
    let transport = match arguments.transport {
        Some(By::Udp) => Transport::Udp,
        Some(By::Tcp) => Transport::Tcp,
        Some(By::Tls) => Transport::Tls,
        None => transport_of(via.as_deref().unwrap_or_default()),
    };
    let address = arguments.peer.or_else(|| first.as_ref()?.address()).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let port = first.and_then(|via| via.port).unwrap_or(5_060);
    let listener = match transport {
        Transport::Udp => &config.sip.udp,
        Transport::Tcp => &config.sip.tcp,
        Transport::Tls => &config.sip.tls,
    };
    let local = listener.parse().unwrap_or(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5_060));
    let remote = SocketAddr::new(address, port);
    Flow { id: 1, transport, local, remote, identity: arguments.identity.clone() }
}

fn transport_of(via: &str) -> Transport {
    let sent = via.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    match sent.rsplit('/').next() {
        Some("TLS") => Transport::Tls,
        Some("UDP") => Transport::Udp,
        _ => Transport::Tcp,
    }
}

#[cfg(test)]
mod tests;
