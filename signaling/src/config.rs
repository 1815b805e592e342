//! `[sip]`: the section of the configuration that belongs to this crate.

use std::{io, net::SocketAddr, path::PathBuf};

use serde::Deserialize;

/// `[sip]`. Every key is optional.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address of the UDP listener, or `off`.
    pub udp: String,
    /// Address of the TCP listener, or `off`.
    pub tcp: String,
    /// Address of the TLS listener, or `off`.
    pub tls: String,
    /// Certificate chain (PEM); a self-signed one is made without it.
    pub cert: Option<PathBuf>,
    /// Its private key (PEM).
    pub key: Option<PathBuf>,
    /// CAs whose certificates peers must show (mutual TLS).
    pub client_ca: Option<PathBuf>,
    /// Host in our Contact and Via instead of the address a message came in on.
    pub advertise: Option<String>,
    /// A folder with peer profiles of one's own, `*.toml` (signaling/core/profiles/README.md).
    pub profiles: Option<PathBuf>,
    /// TCP and TLS connections at once; further ones are closed at once.
    pub max_connections: usize,
    /// Seconds without a message after which a connection is closed; 0 never does.
    pub idle_s: u64,
    /// Session interval in seconds to ask for where a peer supports timers but asks for none; 0 asks for none.
    pub session_expires_s: u32,
    /// Retry-After of a 503, in seconds.
    pub retry_after_s: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            udp: "127.0.0.1:5060".into(),
            tcp: "127.0.0.1:5060".into(),
            tls: "127.0.0.1:5061".into(),
            cert: None,
            key: None,
            client_ca: None,
            advertise: None,
            profiles: None,
            max_connections: 4_096,
            idle_s: 7_200,
            session_expires_s: 0,
            retry_after_s: 10,
        }
    }
}

impl Config {
    /// Says what cannot work without opening anything.
    ///
    /// # Errors
    /// [`StartError`] naming the key at fault.
    pub fn check(&self) -> Result<(), StartError> {
        for (key, text) in [("sip.udp", &self.udp), ("sip.tcp", &self.tcp), ("sip.tls", &self.tls)] {
            Self::address(key, text)?;
        }
        Ok(())
    }

    /// The address of a listener, `None` when it is off.
    pub(crate) fn address(key: &'static str, text: &str) -> Result<Option<SocketAddr>, StartError> {
        if text == "off" {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|_| StartError::Address { key, text: text.to_owned() })
    }
}

/// Why signaling cannot start; says which key is at fault.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Not an address.
    #[error("{key}: {text:?} is neither an address like \"127.0.0.1:5060\" nor \"off\"")]
    Address {
        /// Configuration key.
        key: &'static str,
        /// What stands there.
        text: String,
    },
    /// The port is in use, or may not be opened.
    #[error("{key}: cannot listen on {address}: {cause}")]
    Listen {
        /// Configuration key.
        key: &'static str,
        /// Address.
        address: SocketAddr,
        /// Why.
        cause: io::Error,
    },
    /// TLS is on and there is no certificate.
    #[error("sip.tls: no certificate was given; set sip.cert and sip.key, or sip.tls = \"off\"")]
    NoCertificate,
    /// A value out of range.
    #[error("{key}: {rule}")]
    Value {
        /// Configuration key.
        key: &'static str,
        /// What it must be.
        rule: &'static str,
    },
    /// A metric of this name exists already.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}
