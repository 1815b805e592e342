//! One handshake with one peer: what comes of each datagram and each moment, until there are keys or there never will be.

use std::time::Instant;

use dimpl::{Dtls, Error, KeyingMaterial, Output, SrtpProfile};
use zeroize::Zeroizing;

use super::{Fingerprint, Role};
use crate::{limits, srtp::Suite};

/// What a datagram or a moment has led to.
pub enum Progress {
    /// Nothing yet, or nothing new.
    Open,
    /// The peer is who signaling said, and these are the keys. Told once.
    Keyed(Keys),
    /// The peer has another certificate than signaling said: its media must be torn down (RFC 5763 5).
    Mismatch,
    /// It did not come about, for this reason; another one may.
    Failed(&'static str),
    /// The peer closed it.
    Closed,
}

/// The keys of both directions (RFC 5764 4.2).
pub struct Keys {
    /// The negotiated suite.
    pub suite: Suite,
    /// Master key || salt that the peer protects with.
    pub remote: Zeroizing<Vec<u8>>,
    /// Master key || salt that we protect with.
    pub local: Zeroizing<Vec<u8>>,
}

/// See the contract of the module.
pub struct Association {
    dtls: Dtls,
    role: Role,
    fingerprints: Vec<Fingerprint>,
    due: Option<Instant>,
    /// The certificate was shown, and it is the right one.
    is_peer: bool,
    /// The handshake is complete.
    is_connected: bool,
    is_keyed: bool,
}

impl Association {
    pub(super) fn new(dtls: Dtls, role: Role, fingerprints: Vec<Fingerprint>, now: Instant) -> Self {
        // Nothing happens by itself before a client's first flight, which is due now.
        let due = (role == Role::Client).then_some(now);
        Self { dtls, role, fingerprints, due, is_peer: false, is_connected: false, is_keyed: false }
    }

    /// When [`Association::tick`] is due; `None` while nothing happens by itself.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether keys were told.
    pub fn is_keyed(&self) -> bool {
        self.is_keyed
    }

    /// Takes a datagram that came at `now`; what has to be sent is put into `out`.
    pub fn datagram(&mut self, octets: &[u8], now: Instant, out: &mut Vec<Vec<u8>>) -> Progress {
        let taken = self.dtls.handle_timeout(now).and_then(|()| self.dtls.handle_packet(octets));
        self.ended(taken).unwrap_or_else(|| self.drain(out))
    }

    /// Repeats a flight whose time has come, or gives up; what has to be sent is put into `out`.
    pub fn tick(&mut self, now: Instant, out: &mut Vec<Vec<u8>>) -> Progress {
        let taken = self.dtls.handle_timeout(now);
        self.ended(taken).unwrap_or_else(|| self.drain(out))
    }

    fn ended(&self, taken: Result<(), Error>) -> Option<Progress> {
        let error = taken.err()?;
        Some(match error {
            Error::ConnectionClosed => Progress::Closed,
            error => Progress::Failed(reason(&error)),
        })
    }

    fn drain(&mut self, out: &mut Vec<Vec<u8>>) -> Progress {
        let mut buffer = vec![0; limits::DTLS_DATAGRAM];
        let mut keys = None;
        loop {
            match self.dtls.poll_output(&mut buffer) {
                Output::Packet(octets) => out.push(octets.to_vec()),
                Output::BufferTooSmall { needed } if needed <= limits::DTLS_OUTPUT => buffer.resize(needed, 0),
                Output::BufferTooSmall { .. } => return Progress::Failed("oversize"),
                Output::Timeout(due) => {
                    self.due = Some(due);
                    return self.judged(keys);
                }
                Output::Connected => self.is_connected = true,
                Output::PeerCert(certificate) => {
                    // Before anything derived from it is told, and before our next flight leaves.
                    self.is_peer = self.fingerprints.iter().fold(false, |is, one| one.is_of(certificate) | is);
                    if !self.is_peer {
                        return Progress::Mismatch;
                    }
                }
                Output::KeyingMaterial(material, profile) => keys = Some(self.split(&material, profile)),
                Output::CloseNotify => return Progress::Closed,
                // Nothing is expected there, and future kinds of output are none that concern keys.
                _ => {}
            }
        }
    }

    fn judged(&mut self, keys: Option<Option<Keys>>) -> Progress {
        match keys {
            Some(_) if !self.is_peer => Progress::Mismatch,
            Some(Some(keys)) => {
                self.is_keyed = true;
                Progress::Keyed(keys)
            }
            Some(None) => Progress::Failed("unknown_profile"),
            // RFC 5764 4.1: without a common profile there is no SRTP, and so nothing to keep.
            None if self.is_connected && !self.is_keyed => Progress::Failed("no_srtp_profile"),
            None => Progress::Open,
        }
    }

    /// RFC 5764 4.2: client key, server key, client salt, server salt. `None` for a profile we have no suite for.
    fn split(&self, material: &KeyingMaterial, profile: SrtpProfile) -> Option<Keys> {
        let suite = match profile {
            SrtpProfile::AES128_CM_SHA1_80 => Suite::AesCm128Sha1_80,
            SrtpProfile::AEAD_AES_128_GCM => Suite::AeadAes128Gcm,
            SrtpProfile::AEAD_AES_256_GCM => Suite::AeadAes256Gcm,
            _ => return None,
        };
        let (key, salt) = (suite.key_len(), suite.salt_len());
        if material.len() < 2 * (key + salt) {
            return None;
        }
        let (keys, salts) = material.split_at(2 * key);
        let of = |at: usize| {
            let parts = [&keys[at * key..(at + 1) * key], &salts[at * salt..(at + 1) * salt]];
            Zeroizing::new(parts.concat())
        };
        let (client, server) = (of(0), of(1));
        Some(match self.role {
            Role::Client => Keys { suite, remote: server, local: client },
            Role::Server => Keys { suite, remote: client, local: server },
        })
    }
}

/// A stable word for metrics and warnings.
fn reason(error: &Error) -> &'static str {
    match error {
        Error::Timeout(_) => "timeout",
        Error::CertificateError(_) => "certificate",
        Error::SecurityError(_) => "security",
        Error::CryptoError(_) => "crypto",
        Error::ReceiveQueueFull | Error::TransmitQueueFull | Error::TransmitHistoryFull => "queue_full",
        Error::RenegotiationAttempt => "renegotiation",
        _ => "protocol",
    }
}
