//! The way a message came, and the way an answer goes back.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::event::{Peer, Transport};

/// One connection, or one peer address of a datagram socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// The shell's handle: a connection, or the listening socket for datagrams.
    pub id: u64,
    /// How it travels.
    pub transport: Transport,
    /// Our address, as the peer sees it.
    pub local: SocketAddr,
    /// The peer's address.
    pub remote: SocketAddr,
    /// Subject name of the peer's client certificate.
    pub identity: Option<String>,
}

impl Flow {
    /// The same, as the session core knows it.
    pub fn peer(&self) -> Peer {
        Peer { transport: self.transport, address: self.remote, identity: self.identity.clone() }
    }
}

/// Octets that must leave on a flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// Where.
    pub flow: Flow,
    /// One whole message.
    pub octets: Vec<u8>,
}

/// A source of octets that nobody can predict, owned by the shell.
pub type Entropy<'a> = &'a mut dyn FnMut(&mut [u8]);

/// A fresh token of 128 bits: tags, branches, Call-IDs.
pub fn token(entropy: Entropy<'_>) -> String {
    let mut octets = [0; 16];
    entropy(&mut octets);
    octets.iter().fold(String::with_capacity(32), |mut text, octet| {
        for digit in [octet >> 4, octet & 15] {
            text.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
        }
        text
    })
}
