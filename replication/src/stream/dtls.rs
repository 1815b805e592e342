//! DTLS-SRTP of the client side (RFC 5763, 5764): a certificate for the whole call, a handshake on each transport of a line,
//! and the keys that come of it.

use std::{net::SocketAddr, time::Duration};

use crypto::{
    dtls::{Association, Engine, Fingerprint, Identity, Keys, Progress, Role, is_dtls},
    srtp::Inbound,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256};
use signaling_core::sdp::dtls::Answered;
use tokio::{net::UdpSocket, time::sleep_until};

use super::protect::Protector;
use crate::{error::CallError, limits, world};

/// The handshake of one transport, and who it is with.
pub struct Handshake {
    association: Association,
    remote: SocketAddr,
}

/// How long a moment that has come already is waited for: a timer that stands still must not become a loop.
const TICK: Duration = Duration::from_millis(1);

/// A new certificate that vouches for itself and names nobody; its fingerprint stands in the offers.
///
/// # Errors
/// [`CallError::Media`] when no key can be made.
pub fn engine() -> Result<Engine, CallError> {
    let failed = |cause: &dyn std::fmt::Display| CallError::Media(format!("DTLS certificate: {cause}"));
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|cause| failed(&cause))?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let certificate = params.self_signed(&key).map_err(|cause| failed(&cause))?.der().to_vec();
    Engine::new(Identity { certificate, key: key.serialize_der().into() }).map_err(|cause| failed(&cause))
}

impl Handshake {
    /// As the answer agreed, with the recorder at `remote`.
    ///
    /// # Errors
    /// [`CallError::BadAnswer`] when a fingerprint is none.
    pub fn new(engine: &Engine, agreed: &Answered, remote: SocketAddr) -> Result<Self, CallError> {
        let print = |octets: &signaling_core::event::Fingerprint| Fingerprint::new(octets.0.clone());
        let prints: Option<Vec<Fingerprint>> = agreed.fingerprints.iter().map(print).collect();
        let prints = prints.ok_or_else(|| CallError::BadAnswer("a fingerprint of no hash".to_owned()))?;
        let role = if agreed.is_client { Role::Client } else { Role::Server };
        Ok(Self { association: engine.begin(role, prints, world::now()), remote })
    }

    /// Shakes hands. What came before it waits in the socket's buffer; what is not DTLS is dropped.
    ///
    /// # Errors
    /// [`CallError::Media`] when the recorder is not who its answer says, or nothing comes of it in time.
    pub async fn keys(&mut self, socket: &UdpSocket) -> Result<Keys, CallError> {
        let mut buffer = vec![0; limits::DTLS_OCTETS];
        let deadline = world::now() + limits::DTLS_HANDSHAKE;
        while world::now() < deadline {
            let due = self.association.due().unwrap_or(deadline).min(deadline).max(world::now() + TICK);
            let mut flight = Vec::new();
            let progress = tokio::select! {
                received = socket.recv_from(&mut buffer) => match received {
                    Ok((length, _)) if is_dtls(&buffer[..length]) => {
                        self.association.datagram(&buffer[..length], world::now(), &mut flight)
                    }
                    _ => Progress::Open,
                },
                () = sleep_until(due.into()) => self.association.tick(world::now(), &mut flight),
            };
            if let Progress::Mismatch = progress {
                return Err(failed("the recorder shows another certificate than its answer names"));
            }
            send(socket, self.remote, flight).await;
            match progress {
                Progress::Open | Progress::Mismatch => {}
                Progress::Keyed(keys) => return Ok(keys),
                Progress::Failed(cause) => return Err(failed(cause)),
                Progress::Closed => return Err(failed("closed by the recorder")),
            }
        }
        Err(failed("timeout"))
    }

    /// What came after the keys: the recorder may not have got our last flight, and repeats its own.
    pub async fn answer(&mut self, socket: &UdpSocket, datagram: &[u8]) {
        if is_dtls(datagram) {
            let mut flight = Vec::new();
            // The keys are there: nothing that it could come to changes them.
            drop(self.association.datagram(datagram, world::now(), &mut flight));
            send(socket, self.remote, flight).await;
        }
    }
}

async fn send(socket: &UdpSocket, remote: SocketAddr, flight: Vec<Vec<u8>>) {
    for octets in flight {
        // What is lost on its way is repeated, and so is what did not leave.
        drop(socket.send_to(&octets, remote).await);
    }
}

/// Our side of the keys.
///
/// # Errors
/// [`CallError::Media`] when they have an impossible length.
pub fn protector(keys: &Keys) -> Result<Protector, CallError> {
    Protector::new(keys.suite, &keys.local)
}

/// The recorder's side of them.
///
/// # Errors
/// [`CallError::Media`] when they have an impossible length.
pub fn inbound(keys: &Keys) -> Result<Inbound, CallError> {
    Inbound::new(keys.suite, &keys.remote, 0).map_err(|cause| CallError::Media(cause.to_string()))
}

fn failed(cause: &str) -> CallError {
    CallError::Media(format!("DTLS: {cause}"))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    async fn socket() -> (UdpSocket, SocketAddr) {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = socket.local_addr().unwrap();
        (socket, address)
    }

    fn agreed(is_client: bool, other: &Engine) -> Answered {
        Answered { is_client, fingerprints: vec![signaling_core::event::Fingerprint(other.fingerprint().to_vec())] }
    }

    #[tokio::test]
    async fn both_ends_have_the_same_keys_the_other_way_round() {
        let (ours, theirs) = (engine().unwrap(), engine().unwrap());
        let ((here, at), (there, to)) = (socket().await, socket().await);
        let mut client = Handshake::new(&ours, &agreed(true, &theirs), to).unwrap();
        let mut server = Handshake::new(&theirs, &agreed(false, &ours), at).unwrap();
        // Something else on the port is no reason to fail.
        there.send_to(&[0x80; 40], at).await.unwrap();
        let (mine, yours) = tokio::join!(client.keys(&here), server.keys(&there));
        let (mine, yours) = (mine.unwrap(), yours.unwrap());
        assert_eq!(mine.suite, yours.suite);
        assert!(mine.local[..] == yours.remote[..] && mine.remote[..] == yours.local[..]);
        let report = [&[0x80, 200, 0, 6][..], &[0x11; 24]].concat();
        let mut sealed = protector(&mine).unwrap().rtcp(&report).unwrap().to_vec();
        assert_eq!(inbound(&yours).unwrap().unprotect_rtcp(&mut sealed), Ok(report.len()));
    }

    #[tokio::test]
    async fn another_certificate_than_the_answer_names_is_refused() {
        let (ours, theirs) = (engine().unwrap(), engine().unwrap());
        let ((here, at), (there, to)) = (socket().await, socket().await);
        let mut client = Handshake::new(&ours, &agreed(true, &ours), to).unwrap();
        let mut server = Handshake::new(&theirs, &agreed(false, &ours), at).unwrap();
        let refused = tokio::select! {
            refused = client.keys(&here) => refused.map(|_| ()).unwrap_err(),
            _ = server.keys(&there) => panic!("keys with a stranger"),
        };
        assert!(refused.to_string().contains("another certificate"), "{refused}");
    }
}
