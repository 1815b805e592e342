//! What a call is to be: everything the library needs to place one, checked before anything is sent.

use std::{fmt, net::IpAddr, path::PathBuf, str::FromStr, time::Duration};

use crypto::srtp::Suite;
use signaling_core::{event::Transport, sdp::dtls::Setup};

use crate::{error::CallError, identity::Chosen, limits, stream::schedule::Digits};

/// Which kind of SRC we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// RFC 7866: multipart body with rs-metadata, one session with a line per party.
    Rfc7866,
    /// Genesys Media Server: plain SDP, metadata in the Request-URI.
    GenesysMsr,
}

/// How the lines of a Genesys call are spread over recording sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// Two INVITEs with one recording id, one line each.
    PerParty,
    /// One INVITE with two lines.
    Single,
}

/// The G.711 law that goes over the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Law {
    /// Payload type 0.
    Pcmu,
    /// Payload type 8.
    Pcma,
}

impl Law {
    /// Static payload type (RFC 3551).
    pub const fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
        }
    }

    /// Encoding name of the rtpmap.
    pub const fn encoding(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// The octet that decodes to silence.
    pub const fn silence(self) -> u8 {
        self.codec().silence()
    }

    /// The codec behind it.
    pub const fn codec(self) -> media::codec::Law {
        match self {
            Self::Pcmu => media::codec::Law::Mu,
            Self::Pcma => media::codec::Law::A,
        }
    }
}

/// Where the recorder listens: `[sip:|sips:][user@]host[:port]`; an IPv6 host stands in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// User part of the Request-URI of an RFC 7866 call.
    pub user: Option<String>,
    /// Host name or address, without brackets.
    pub host: String,
    /// Port; 5060, or 5061 over TLS, when absent.
    pub port: Option<u16>,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let broken = || format!("`{text}` is not [sip:][user@]host[:port]");
        let rest = text.strip_prefix("sips:").or_else(|| text.strip_prefix("sip:")).unwrap_or(text);
        let (user, rest) = match rest.split_once('@') {
            Some((user, rest)) => (Some(user.to_owned()), rest),
            None => (None, rest),
        };
        let (host, port) = match rest.strip_prefix('[') {
            Some(bracketed) => {
                let (host, rest) = bracketed.split_once(']').ok_or_else(broken)?;
                (host, rest.strip_prefix(':').or(if rest.is_empty() { None } else { Some("") }))
            }
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        let port = port.map(|port| port.parse().map_err(|_| broken())).transpose()?;
        let is_host = |octet: u8| octet.is_ascii_alphanumeric() || b".-_:".contains(&octet);
        if host.is_empty() || !host.bytes().all(is_host) || user.as_deref() == Some("") {
            return Err(broken());
        }
        Ok(Self { user, host: host.to_owned(), port })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?
        } else {
            f.write_str(&self.host)?
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// Where the sound of one side comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audio {
    /// A WAV file: G.711 or 16-bit PCM at 8 kHz; of a stereo file each side takes its own channel.
    Wav(PathBuf),
    /// Built-in speech-like test audio.
    Speech {
        /// Different seeds give different voices.
        seed: u64,
    },
}

/// Which server certificate the TLS transport believes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// The roots of this PEM file.
    Ca(PathBuf),
    /// Any: for tests, and only on demand.
    Insecure,
}

/// A span in which nothing is replicated: re-INVITE `inactive`, later `sendonly`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// From the beginning of the call.
    pub at: Duration,
    /// How long.
    pub length: Duration,
}

/// One call to place. Fill what differs: `CallSpec { transport, ..CallSpec::new(target) }`.
#[derive(Debug, Clone)]
pub struct CallSpec {
    /// The recorder.
    pub target: Target,
    /// Which kind of SRC we are.
    pub profile: Profile,
    /// Genesys layout; an RFC 7866 call is always one session.
    pub layout: Layout,
    /// SIP transport.
    pub transport: Transport,
    /// Must be given for TLS.
    pub trust: Option<Trust>,
    /// SDES suite of every line; plain RTP when absent.
    pub srtp: Option<Suite>,
    /// DTLS-SRTP on every line, and who begins the handshakes; `srtp` must be absent.
    pub dtls: Option<Setup>,
    /// How long sound is sent.
    pub duration: Duration,
    /// Caller side.
    pub left: Audio,
    /// Agent side.
    pub right: Audio,
    /// Law on the wire.
    pub law: Law,
    /// Milliseconds a packet.
    pub ptime_ms: u32,
    /// Names of the call that are not made up.
    pub chosen: Chosen,
    /// Pause and resume.
    pub pause: Option<Pause>,
    /// Send an unchanged re-INVITE at this time.
    pub reinvite_at: Option<Duration>,
    /// Send an UPDATE at this time: metadata for RFC 7866, the unchanged offer for Genesys.
    pub update_at: Option<Duration>,
    /// Digits (RFC 4733) on the left line at this time.
    pub dtmf: Option<(Duration, String)>,
    /// Time between the two INVITEs of the per-party layout. With a gap the first leg does not wait for the second.
    pub leg_gap: Duration,
    /// Agent's INVITE first.
    pub reverse_legs: bool,
    /// Local address of the media; the one that routes to the recorder when absent.
    pub media_source: Option<IpAddr>,
    /// Sequence number of the first packet of every line; random when absent.
    pub first_sequence: Option<u16>,
    /// Write what was sent as `left.ulaw`, `left.wav`, `right.ulaw`, `right.wav` (`.alaw` for PCMA) into this folder.
    pub dump_sent: Option<PathBuf>,
}

impl CallSpec {
    /// A five-second RFC 7866 call over UDP with plain RTP and test speech.
    pub fn new(target: Target) -> Self {
        Self {
            target,
            profile: Profile::Rfc7866,
            layout: Layout::Single,
            transport: Transport::Udp,
            trust: None,
            srtp: None,
            dtls: None,
            duration: Duration::from_secs(5),
            left: Audio::Speech { seed: 1 },
            right: Audio::Speech { seed: 2 },
            law: Law::Pcmu,
            ptime_ms: 20,
            chosen: Chosen::default(),
            pause: None,
            reinvite_at: None,
            update_at: None,
            dtmf: None,
            leg_gap: Duration::ZERO,
            reverse_legs: false,
            media_source: None,
            first_sequence: None,
            dump_sent: None,
        }
    }

    /// Names the first thing that makes no sense.
    pub fn check(&self) -> Result<(), CallError> {
        let wrong = |what: &str| Err(CallError::Usage(what.to_owned()));
        if self.profile == Profile::Rfc7866 && self.layout == Layout::PerParty {
            return wrong("layout: per-party belongs to genesys-msr; rfc7866 replicates both parties in one session");
        }
        if self.transport == Transport::Tls && self.trust.is_none() {
            return wrong("transport: TLS needs --ca FILE, or --insecure to believe any certificate");
        }
        if self.dtls.is_some() && self.srtp.is_some() {
            return wrong("srtp: one suite, or the handshake that chooses it");
        }
        if self.duration.is_zero() || self.duration > limits::CALL_DURATION {
            return wrong("duration: more than 0 and at most 24h");
        }
        if self.ptime_ms == 0 || self.ptime_ms > 100 {
            return wrong("ptime: 1 to 100 milliseconds");
        }
        if let Some((_, digits)) = &self.dtmf
            && Digits::new(digits, 0, self.ptime()).is_none()
        {
            return wrong("dtmf: digits are 0-9 * # A-D");
        }
        for (name, value) in self.chosen.named() {
            if value.is_empty() || value.bytes().any(|octet| octet.is_ascii_control() || octet == b' ') {
                return Err(CallError::Usage(format!("{name}: empty, or with spaces or control characters")));
            }
        }
        Ok(())
    }

    /// The length of a packet as time.
    pub const fn ptime(&self) -> Duration {
        Duration::from_millis(self.ptime_ms as u64)
    }

    /// The port of the recorder: as given, or by transport.
    pub fn port(&self) -> u16 {
        self.target.port.unwrap_or(if self.transport == Transport::Tls { 5061 } else { 5060 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> CallSpec {
        CallSpec::new("127.0.0.1".parse().unwrap())
    }

    #[test]
    fn a_target_is_a_host_with_or_without_the_trimmings() {
        let target: Target = "sip:rec@recorder.example:5070".parse().unwrap();
        assert_eq!(
            (target.user.as_deref(), target.host.as_str(), target.port),
            (Some("rec"), "recorder.example", Some(5070))
        );
        assert_eq!("[::1]:5060".parse::<Target>().unwrap().to_string(), "[::1]:5060");
        assert_eq!("127.0.0.1".parse::<Target>().unwrap().port, None);
        for wrong in ["", "sip:", "host:port", "[::1", "[::1]x", "a b", "@host", "host;x=y"] {
            assert!(wrong.parse::<Target>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_default_port_follows_the_transport() {
        assert_eq!(spec().port(), 5060);
        assert_eq!(CallSpec { transport: Transport::Tls, ..spec() }.port(), 5061);
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        assert_eq!(spec().check(), Ok(()));
        for (wrong, name) in [
            (CallSpec { layout: Layout::PerParty, ..spec() }, "layout"),
            (CallSpec { transport: Transport::Tls, ..spec() }, "transport"),
            (CallSpec { srtp: Some(Suite::AeadAes128Gcm), dtls: Some(Setup::ActPass), ..spec() }, "srtp"),
            (CallSpec { duration: Duration::ZERO, ..spec() }, "duration"),
            (CallSpec { ptime_ms: 0, ..spec() }, "ptime"),
            (CallSpec { dtmf: Some((Duration::ZERO, "12x".to_owned())), ..spec() }, "dtmf"),
            (CallSpec { chosen: Chosen { caller: Some("7 1".to_owned()), ..Chosen::default() }, ..spec() }, "caller"),
        ] {
            let CallError::Usage(said) = wrong.check().unwrap_err() else { panic!("{name}") };
            assert!(said.starts_with(name), "{said}");
        }
    }
}
