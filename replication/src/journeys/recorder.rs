//! A stand-in for the recorder: the real signaling stack in front, ears instead of capture behind.

use std::net::Ipv4Addr;

use crypto::{
    srtp::{Inbound, Suite},
    tls::{self, TlsMaterial},
};
use media::rtp::RtpView;
use signaling::{Config, Signaling, SignalingParts};
use signaling_core::{
    event::{Command, Event, Grant, Line, LineState, Offer, Offered, Transport},
    negotiate::{Policy, SdesOverClear},
};
use tokio::{sync::mpsc, task::JoinHandle};

use crate::{
    call::{CallSpec, Trust},
    stream::ports::PortPair,
};

/// What the stand-in does with what it is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// Accepts everything.
    Kind,
    /// Accepts the first line only.
    Picky,
    /// Refuses with 503.
    Full,
    /// Accepts, and hangs up when the session is established.
    Rude,
    /// Accepts, and asks for a metadata snapshot when the session is established.
    Forgetful,
}

/// A running stand-in.
pub(super) struct Recorder {
    signaling: Signaling,
    ca_pem: String,
    task: JoinHandle<Heard>,
}

/// Everything that reached it.
#[derive(Default)]
pub(super) struct Heard {
    /// New sessions.
    pub(super) offered: Vec<Offered>,
    /// States of the lines of each later offer.
    pub(super) reoffered: Vec<Vec<LineState>>,
    /// Metadata alone.
    pub(super) metadata: usize,
    /// Sessions that ended.
    pub(super) ended: usize,
    ears: Vec<Ear>,
}

/// One line.
struct Ear {
    pair: PortPair,
    line: Line,
}

impl Recorder {
    pub(super) async fn start(manner: Manner) -> Self {
        let identity = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let ca_pem = identity.cert.pem();
        let material = TlsMaterial {
            cert_chain_pem: ca_pem.clone().into_bytes(),
            key_pem: identity.signing_key.serialize_pem().into_bytes().into(),
            client_ca_pem: None,
        };
        let any = "127.0.0.1:0".to_owned();
        let (event_sender, events) = mpsc::channel(64);
        let (commands, command_receiver) = mpsc::channel(64);
        let signaling = Signaling::start(SignalingParts {
            config: Config { udp: any.clone(), tcp: any.clone(), tls: any, ..Config::default() },
            tls: Some(tls::server_config(material, &[]).unwrap()),
            policy: Policy {
                media_address: Ipv4Addr::LOCALHOST.into(),
                srtp_required: false,
                sdes_over_clear: SdesOverClear::Refuse,
                best_effort_srtp: false,
                dtls: None,
            },
            peers: Default::default(),
            events: Box::new(event_sender),
            commands: command_receiver,
            revival: signaling::Revival::default(),
            registry: prometheus::Registry::new(),
        })
        .await
        .unwrap();
        let task = tokio::spawn(Heard::default().listen(manner, events, commands));
        Self { signaling, ca_pem, task }
    }

    /// A short call to it.
    pub(super) fn call(&self, transport: Transport) -> CallSpec {
        let addresses = self.signaling.addresses();
        let address = match transport {
            Transport::Udp => addresses.udp,
            Transport::Tcp => addresses.tcp,
            Transport::Tls => addresses.tls,
        };
        let target = address.unwrap().to_string().parse().unwrap();
        let duration = std::time::Duration::from_millis(300);
        CallSpec { transport, duration, trust: Some(Trust::Insecure), ..CallSpec::new(target) }
    }

    /// Its certificate.
    pub(super) fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Stops and tells what was heard.
    pub(super) async fn stop(self) -> Heard {
        self.signaling.stop().await;
        self.task.await.unwrap()
    }
}

impl Heard {
    async fn listen(
        mut self,
        manner: Manner,
        mut events: mpsc::Receiver<Event>,
        commands: mpsc::Sender<Vec<Command>>,
    ) -> Self {
        while let Some(event) = events.recv().await {
            let command = match event {
                Event::Offered(offered) if manner == Manner::Full => {
                    let dialog = offered.dialog;
                    Some(Command::Refuse { dialog, status: 503, retry_after_s: Some(7), warning: None })
                }
                Event::Offered(offered) => {
                    let lines = self.grants(manner, &offered.offer);
                    let dialog = offered.dialog;
                    self.offered.push(*offered);
                    Some(Command::Accept { dialog, lines })
                }
                Event::Reoffered { dialog, offer, .. } => {
                    let lines = self.repeat(&offer);
                    self.reoffered.push(offer.lines.into_iter().map(|line| line.state).collect());
                    Some(Command::Accept { dialog, lines })
                }
                Event::Established { dialog } if manner == Manner::Rude => Some(Command::HangUp { dialog }),
                Event::Established { dialog } if manner == Manner::Forgetful => {
                    Some(Command::RequestSnapshot { dialog })
                }
                Event::MetadataReceived { .. } => {
                    self.metadata += 1;
                    None
                }
                Event::Ended { .. } => {
                    self.ended += 1;
                    None
                }
                Event::Established { .. }
                | Event::TurnedAway { .. }
                | Event::Unreachable { .. }
                | Event::PartsReceived { .. }
                | Event::Controlled { .. } => None,
            };
            if let Some(command) = command {
                commands.send(vec![command]).await.unwrap();
            }
        }
        self
    }

    fn grants(&mut self, manner: Manner, offer: &Offer) -> Vec<Grant> {
        let accepted = if manner == Manner::Picky { 1 } else { offer.lines.len() };
        let mut grants = vec![Grant::Reject; offer.lines.len()];
        for (grant, line) in grants.iter_mut().zip(&offer.lines).take(accepted) {
            let pair = PortPair::open(Ipv4Addr::LOCALHOST.into()).unwrap();
            *grant = granted(pair.port, line);
            self.ears.push(Ear { pair, line: line.clone() });
        }
        grants
    }

    /// The same ports again; the stand-in is not asked to tell its sessions apart, offered ports do that.
    fn repeat(&self, offer: &Offer) -> Vec<Grant> {
        let ear = |line: &Line| self.ears.iter().find(|ear| ear.line.port == line.port);
        offer.lines.iter().map(|line| ear(line).map_or(Grant::Reject, |ear| granted(ear.pair.port, line))).collect()
    }

    /// The sound of line `number`, in the order of the offers, decrypted, packet by packet.
    pub(super) fn sound(&self, number: usize) -> Vec<u8> {
        let ear = &self.ears[number];
        let mut inbound = ear
            .line
            .sdes
            .as_ref()
            .map(|sdes| Inbound::new(Suite::from_name(&sdes.suite).unwrap(), &sdes.key_salt, 0).unwrap());
        let mut buffer = [0; 2048];
        let mut sound = Vec::new();
        while let Ok(mut length) = ear.pair.rtp.recv(&mut buffer) {
            if let Some(inbound) = &mut inbound {
                length = inbound.unprotect_rtp(&mut buffer[..length]).unwrap();
            }
            sound.extend_from_slice(RtpView::parse(&buffer[..length]).unwrap().payload());
        }
        sound
    }

    /// How many lines there were.
    pub(super) fn lines(&self) -> usize {
        self.ears.len()
    }
}

/// A key of the length of the suite; the stand-in sends nothing, so it needs no secret.
fn granted(port: u16, line: &Line) -> Grant {
    let length = |sdes: &signaling_core::event::Sdes| sdes.key_salt.len();
    Grant::Accept { port, key_salt: line.sdes.as_ref().map(|sdes| vec![7; length(sdes)]) }
}
