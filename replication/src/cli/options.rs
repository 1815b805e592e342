//! The options of `call` and `load`, the same on the command line and in a TOML file; the command line wins.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use clap::Args;
use serde::{Deserialize, Deserializer};

use crate::call::spec::{Law, Layout, Profile};

/// SIP transport, as a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// UDP
    Udp,
    /// TCP
    Tcp,
    /// TLS (SIPS)
    Tls,
}

/// Everything that describes a call. Every key is optional; `--config FILE` holds the same names.
#[derive(Debug, Clone, Default, PartialEq, Args, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Options {
    /// The recorder: [sip:][user@]host[:port]; port 5060, or 5061 over TLS
    #[arg(value_name = "TARGET")]
    #[serde(skip)]
    pub target: Option<String>,
    /// The recorder, as an option
    #[arg(long, visible_aliases = ["target", "recorder"], value_name = "TARGET", conflicts_with = "target")]
    #[serde(alias = "target", alias = "recorder")]
    pub to: Option<String>,
    /// TOML file with the same keys as these options
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Kind of recording client [default: rfc7866]
    #[arg(long)]
    pub profile: Option<Profile>,
    /// Recording sessions of a genesys-msr call [default: per-party]
    #[arg(long)]
    pub layout: Option<Layout>,
    /// SIP transport [default: tls with --srtp, else udp]
    #[arg(long)]
    pub transport: Option<Transport>,
    /// SRTP suite by its SDP name, e.g. AES_CM_128_HMAC_SHA1_80; or dtls [default: plain RTP]
    #[arg(long, value_name = "SUITE")]
    pub srtp: Option<String>,
    /// Who begins the handshakes of --srtp dtls: actpass, active, passive [default: actpass; of a load: active]
    #[arg(long, value_name = "WHO")]
    pub setup: Option<String>,
    /// Believe the server certificates of this PEM file
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub ca: Option<PathBuf>,
    /// Believe any server certificate: tests only
    #[arg(long)]
    #[serde(default)]
    pub insecure: bool,
    /// How long sound is sent, e.g. 5s, 1500ms, 2m [default: the longer WAV file, else 5s]
    #[arg(long, value_parser = duration)]
    #[serde(default, deserialize_with = "duration_text")]
    pub duration: Option<Duration>,
    /// WAV file of the caller [default: test speech]
    #[arg(long, value_name = "WAV")]
    pub left: Option<PathBuf>,
    /// WAV file of the agent [default: test speech]
    #[arg(long, value_name = "WAV")]
    pub right: Option<PathBuf>,
    /// Voices of the test speech [default: 1]
    #[arg(long)]
    pub seed: Option<u64>,
    /// G.711 law on the wire [default: pcmu]
    #[arg(long)]
    pub law: Option<Law>,
    /// Milliseconds of sound in a packet [default: 20]
    #[arg(long, value_name = "MS")]
    pub ptime: Option<u32>,
    /// Caller: left channel [default: 7001]
    #[arg(long, value_name = "DN")]
    pub caller: Option<String>,
    /// Agent: right channel, recordDN [default: 7002]
    #[arg(long, value_name = "DN")]
    pub agent: Option<String>,
    /// CallUUID [default: made up]
    #[arg(long, value_name = "UUID")]
    pub call_uuid: Option<String>,
    /// Recording id [default: CallUUID_date_time]
    #[arg(long, value_name = "ID")]
    pub record_id: Option<String>,
    /// ConnID [default: made up]
    #[arg(long, value_name = "ID")]
    pub conn_id: Option<String>,
    /// Pause the replication at this time of the call
    #[arg(long, value_name = "TIME", value_parser = duration)]
    #[serde(default, deserialize_with = "duration_text")]
    pub pause_at: Option<Duration>,
    /// ... for this long
    #[arg(long, value_name = "TIME", value_parser = duration)]
    #[serde(default, deserialize_with = "duration_text")]
    pub pause_for: Option<Duration>,
    /// Send an unchanged re-INVITE at this time of the call
    #[arg(long, value_name = "TIME", value_parser = duration)]
    #[serde(default, deserialize_with = "duration_text")]
    pub reinvite_at: Option<Duration>,
    /// Send an UPDATE at this time of the call
    #[arg(long, value_name = "TIME", value_parser = duration)]
    #[serde(default, deserialize_with = "duration_text")]
    pub update_at: Option<Duration>,
    /// Send digits (RFC 4733) on the caller's line at this time of the call
    #[arg(long, value_name = "TIME", value_parser = duration)]
    #[serde(default, deserialize_with = "duration_text")]
    pub dtmf_at: Option<Duration>,
    /// The digits [default: 1234]
    #[arg(long, value_name = "DIGITS")]
    pub dtmf: Option<String>,
    /// Milliseconds between the two INVITEs of a per-party call; the first leg does not wait for the second
    #[arg(long, value_name = "MS")]
    pub leg_gap: Option<u64>,
    /// Agent's INVITE first
    #[arg(long)]
    #[serde(default)]
    pub reverse_legs: bool,
    /// Local address of the media [default: the one that routes to the recorder]
    #[arg(long, value_name = "IP")]
    pub media_source: Option<IpAddr>,
    /// Sequence number of the first packet [default: random]
    #[arg(long, value_name = "N")]
    pub first_sequence: Option<u16>,
    /// Write what was sent into this folder: left.ulaw, left.wav, right.ulaw, right.wav (.alaw for pcma)
    #[arg(long, value_name = "DIR")]
    pub dump_sent: Option<PathBuf>,
    /// Print one JSON object instead of lines
    #[arg(long)]
    #[serde(default)]
    pub json: bool,
}

impl Options {
    /// What is missing here is taken from `file`.
    #[must_use]
    pub fn or(self, file: Self) -> Self {
        let pause = self.pause_at.is_some();
        Self {
            to: self.target.or(self.to).or(file.to),
            target: None,
            config: self.config,
            profile: self.profile.or(file.profile),
            layout: self.layout.or(file.layout),
            transport: self.transport.or(file.transport),
            srtp: self.srtp.or(file.srtp),
            setup: self.setup.or(file.setup),
            insecure: self.insecure || (file.insecure && self.ca.is_none()),
            ca: if self.insecure { None } else { self.ca.or(file.ca) },
            duration: self.duration.or(file.duration),
            left: self.left.or(file.left),
            right: self.right.or(file.right),
            seed: self.seed.or(file.seed),
            law: self.law.or(file.law),
            ptime: self.ptime.or(file.ptime),
            caller: self.caller.or(file.caller),
            agent: self.agent.or(file.agent),
            call_uuid: self.call_uuid.or(file.call_uuid),
            record_id: self.record_id.or(file.record_id),
            conn_id: self.conn_id.or(file.conn_id),
            pause_at: self.pause_at.or(file.pause_at),
            pause_for: if pause { self.pause_for } else { self.pause_for.or(file.pause_for) },
            reinvite_at: self.reinvite_at.or(file.reinvite_at),
            update_at: self.update_at.or(file.update_at),
            dtmf_at: self.dtmf_at.or(file.dtmf_at),
            dtmf: self.dtmf.or(file.dtmf),
            leg_gap: self.leg_gap.or(file.leg_gap),
            reverse_legs: self.reverse_legs || file.reverse_legs,
            media_source: self.media_source.or(file.media_source),
            first_sequence: self.first_sequence.or(file.first_sequence),
            dump_sent: self.dump_sent.or(file.dump_sent),
            json: self.json || file.json,
        }
    }
}

/// Reads `5s`, `1500ms`, `2m`, `1h`; a bare number counts seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("`{text}`: a time is a number with ms, s, m or h")),
    };
    let number: f64 = number.parse().map_err(|_| format!("`{text}`: a time is a number with ms, s, m or h"))?;
    Duration::try_from_secs_f64(number * factor).map_err(|_| format!("`{text}`: too long"))
}

fn duration_text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(from)?;
    duration(&text).map(Some).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_unit() {
        for (text, millis) in
            [("5", 5000), ("5s", 5000), ("1500ms", 1500), ("0.5s", 500), ("2m", 120_000), ("1h", 3_600_000)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for wrong in ["", "s", "5 days", "-1s", "1e99h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_command_line_wins_over_the_file() {
        let file: Options =
            toml::from_str("to = \"a\"\nlaw = \"pcma\"\nduration = \"3s\"\nprofile = \"genesys-msr\"").unwrap();
        let line = Options { target: Some("b".to_owned()), law: Some(Law::Pcmu), ..Options::default() };
        let both = line.or(file);
        assert_eq!(
            (both.to.as_deref(), both.law, both.duration),
            (Some("b"), Some(Law::Pcmu), Some(Duration::from_secs(3)))
        );
        assert_eq!(both.profile, Some(Profile::GenesysMsr));
    }

    #[test]
    fn an_unknown_key_in_the_file_is_named() {
        let wrong = toml::from_str::<Options>("colour = 1").unwrap_err();
        assert!(wrong.to_string().contains("colour"), "{wrong}");
        let wrong = toml::from_str::<Options>("duration = \"soon\"").unwrap_err();
        assert!(wrong.to_string().contains("soon"), "{wrong}");
    }

    #[test]
    fn trust_given_on_the_command_line_replaces_the_files() {
        let file = || toml::from_str::<Options>("insecure = true").unwrap();
        let with_ca = Options { ca: Some("ca.pem".into()), ..Options::default() }.or(file());
        assert_eq!((with_ca.insecure, with_ca.ca), (false, Some("ca.pem".into())));
        assert!(Options::default().or(file()).insecure);
    }
}
