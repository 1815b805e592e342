//! One recording session of a call: its INVITE, what the answer gave for each line, and what is said in it later.

use std::net::{IpAddr, SocketAddr};

use crypto::{dtls::Engine, srtp::Inbound};
use signaling_core::{
    negotiate::{self, AnsweredLine},
    sdp::{Direction, SessionDescription, build::OfferDtls},
};
use tokio::{net::UdpSocket, sync::watch};

use super::{
    legs::{self, LegOffer, Port, Side},
    report::{DialogReport, LineReport},
    signal::{Connection, Dialog},
    spec::{CallSpec, Profile},
};
use crate::{
    call::metadata::Narrator,
    error::CallError,
    identity::Identity,
    stream::{
        dtls::{self, Handshake},
        line::Line,
        packets::{Beginning, Packetiser},
        ports::{self, PortPair},
        protect::Protector,
        said::Said,
        schedule::Digits,
    },
    tape::{OCTETS_PER_MS, Tape},
    world,
};

/// What all sessions of a call share.
pub(crate) struct Media {
    /// Sound of the left and the right side.
    pub(crate) tapes: [Tape; 2],
    /// Digits that are pressed on either side.
    pub(crate) said: [watch::Sender<Said>; 2],
    /// Our address in the offers.
    pub(crate) address: IpAddr,
    /// Our certificate, on a DTLS-SRTP call.
    engine: Option<Engine>,
    remote: IpAddr,
    cname: String,
}

impl Media {
    /// Media leaves from the chosen address, else from the one that routes to the recorder.
    pub(crate) fn new(spec: &CallSpec, connection: &Connection, tapes: [Tape; 2]) -> Result<Self, CallError> {
        let remote = connection.remote();
        let address = match spec.media_source {
            Some(address) => address,
            None => ports::local_address(remote)?,
        };
        let name: String = world::entropy::<6>()?.iter().map(|octet| format!("{octet:02x}")).collect();
        let (engine, cname) = (spec.dtls.map(|_| dtls::engine()).transpose()?, format!("{name}@replicator"));
        Ok(Self { tapes, said: Default::default(), address, engine, remote: remote.ip(), cname })
    }
}

/// A session that was answered 200.
pub(crate) struct Established {
    /// The dialog.
    pub(crate) dialog: Dialog,
    /// What about the answer was not as it should be, without ending the call.
    pub(crate) problems: Vec<String>,
    offer: LegOffer,
    narrator: Narrator,
    lines: Vec<Answered>,
    call_id: String,
    status: u16,
    setup_ms: u64,
}

/// One line and what the answer gave for it.
struct Answered {
    side: Side,
    label: Option<String>,
    answer: AnsweredLine,
    ports: Option<PortPair>,
    local_port: u16,
    beginning: Beginning,
    shaken: Option<Shaken>,
}

/// What came of the handshakes of a DTLS-SRTP line. Holds keys: no `Debug`.
struct Shaken {
    protectors: [Protector; 2],
    /// Of the recorder's RTCP.
    inbound: Inbound,
    handshakes: [Handshake; 2],
}

/// A stream ready to run, and the sockets it runs on.
pub(crate) type Ready = (Line, PortPair);

impl Established {
    /// Sends the INVITE of a session and reads its answer.
    pub(crate) async fn place(
        spec: &CallSpec,
        identity: &Identity,
        connection: &Connection,
        media: &Media,
        sides: &[Side],
    ) -> Result<Self, CallError> {
        let pairs = sides.iter().map(|_| PortPair::open(media.address)).collect::<Result<Vec<_>, _>>()?;
        let ports: Vec<Port> =
            sides.iter().zip(&pairs).map(|(side, pair)| Port { side: *side, port: pair.port }).collect();
        let mut offer = LegOffer::new(spec, &ports, media.address, None)?;
        if let Some((engine, setup)) = media.engine.as_ref().zip(spec.dtls) {
            offer.shake_hands(OfferDtls { own: engine.fingerprint(), setup });
        }
        let narrator = Narrator::new(identity)?;
        let began = world::now();
        let accepted = connection.invite(invite(spec, identity, &offer, &narrator)).await?;
        let setup_ms = world::now().saturating_duration_since(began).as_millis() as u64;
        let answers = match read_answer(&offer, &accepted.body) {
            Ok(answers) => answers,
            Err(cause) => {
                // RFC 3261 13.2.2.4: an answer that cannot be used is acknowledged and the dialog ended.
                drop(accepted.dialog.bye().await);
                return Err(cause);
            }
        };
        let mut session = Self {
            dialog: accepted.dialog,
            problems: Vec::new(),
            offer,
            narrator,
            lines: Vec::new(),
            call_id: accepted.call_id,
            status: accepted.status,
            setup_ms,
        };
        for ((port, pair), answer) in ports.iter().zip(pairs).zip(answers) {
            session.take_answer(spec, (port.side, pair), answer)?;
        }
        Ok(session)
    }

    fn take_answer(&mut self, spec: &CallSpec, ours: (Side, PortPair), answer: AnsweredLine) -> Result<(), CallError> {
        let (side, pair) = ours;
        let label = self.offer.offer.lines[self.lines.len()].label.clone();
        if !answer.accepted {
            self.problems.push(format!("{} line: rejected by the recorder", side.name()));
        } else if answer.label.is_some() && answer.label != label {
            self.problems.push(format!("{} line: answered with another label; bound by position", side.name()));
        }
        let taken: Vec<u32> = self.lines.iter().map(|line| line.beginning.ssrc).collect();
        let mut beginning = Beginning::new(world::entropy()?).unlike(&taken);
        beginning.sequence = spec.first_sequence.unwrap_or(beginning.sequence);
        let (local_port, ports) = (pair.port, Some(pair));
        self.lines.push(Answered { side, label, local_port, ports, answer, beginning, shaken: None });
        Ok(())
    }

    /// The handshakes of a DTLS-SRTP call, line by line; there is nothing to do on any other.
    pub(crate) async fn shake_hands(&mut self, media: &Media) -> Result<(), CallError> {
        let Some(engine) = &media.engine else { return Ok(()) };
        for line in self.lines.iter_mut().filter(|line| line.answer.accepted) {
            line.shake_hands(engine, media.remote).await?;
        }
        Ok(())
    }

    /// The streams of the accepted lines, each with the number of its line; the second time there is nothing to take.
    pub(crate) fn take_streams(&mut self, spec: &CallSpec, media: &Media) -> Result<Vec<(usize, Ready)>, CallError> {
        let mut streams = Vec::new();
        for (number, line) in self.lines.iter_mut().enumerate().filter(|(_, line)| line.answer.accepted) {
            if let Some(ports) = line.ports.take() {
                streams.push((number, (line.stream(spec, media, self.offer.key(number))?, ports)));
            }
        }
        Ok(streams)
    }

    /// Re-INVITE with every line turned to `direction`.
    pub(crate) async fn turn(&mut self, direction: Direction) -> Result<(), CallError> {
        self.offer.turn(direction);
        self.refresh().await
    }

    /// Re-INVITE with the current offer.
    pub(crate) async fn refresh(&mut self) -> Result<(), CallError> {
        let answer = self.dialog.reinvite(self.offer.sdp()).await?;
        read_answer(&self.offer, &answer).map(drop)
    }

    /// UPDATE: a metadata snapshot alone (RFC 7866 9.1), or for Genesys the current offer.
    pub(crate) async fn update(&mut self, spec: &CallSpec) -> Result<(), CallError> {
        match spec.profile {
            Profile::Rfc7866 => self.dialog.tell(self.narrator.snapshot()).await,
            Profile::GenesysMsr => {
                let answer = self.dialog.update(self.offer.sdp()).await?;
                read_answer(&self.offer, &answer).map(drop)
            }
        }
    }

    /// The report of the session, before its streams have said what they sent.
    pub(crate) fn report(&self) -> DialogReport {
        DialogReport {
            call_id: self.call_id.clone(),
            status: self.status,
            setup_ms: self.setup_ms,
            lines: self.lines.iter().map(Answered::report).collect(),
        }
    }
}

/// The INVITE of a session.
pub(crate) fn invite(
    spec: &CallSpec,
    identity: &Identity,
    offer: &LegOffer,
    narrator: &Narrator,
) -> super::signal::Invite {
    let uri = legs::request_uri(spec, identity, &offer.sides);
    match spec.profile {
        Profile::Rfc7866 => narrator.invite(uri, offer),
        Profile::GenesysMsr => super::signal::Invite {
            uri,
            is_siprec: false,
            headers: vec![("X-Genesys-CallUUID".to_owned(), identity.call_uuid.clone())],
            content_type: "application/sdp".to_owned(),
            body: offer.sdp(),
        },
    }
}

/// Reads an answer against our offer; an answer that accepts no line at all is an error too.
pub(crate) fn read_answer(offer: &LegOffer, answer: &[u8]) -> Result<Vec<AnsweredLine>, CallError> {
    let bad = |cause: &dyn std::fmt::Display| CallError::BadAnswer(cause.to_string());
    let offered = SessionDescription::parse(&offer.sdp()).map_err(|cause| bad(&cause))?;
    let answered = SessionDescription::parse(answer).map_err(|cause| bad(&cause))?;
    let lines = negotiate::read_answer(&offered, &answered).map_err(|cause| bad(&cause))?;
    if lines.iter().any(|line| line.accepted) { Ok(lines) } else { Err(bad(&"every line was rejected")) }
}

/// RTP and RTCP address of an accepted line; an answer without a usable address means where its SIP came from.
pub(crate) fn remote(answer: &AnsweredLine, fallback: IpAddr) -> (SocketAddr, SocketAddr) {
    let address = answer.address.filter(|address| !address.is_unspecified()).unwrap_or(fallback);
    let rtp = SocketAddr::new(address, answer.port);
    let rtcp = answer.rtcp.unwrap_or_else(|| SocketAddr::new(address, answer.port.saturating_add(1)));
    (rtp, rtcp)
}

impl Answered {
    async fn shake_hands(&mut self, engine: &Engine, fallback: IpAddr) -> Result<(), CallError> {
        let failed = |cause: std::io::Error| CallError::Media(cause.to_string());
        let (Some(ports), Some(agreed)) = (&self.ports, &self.answer.dtls) else { return Ok(()) };
        let socket = |socket: &std::net::UdpSocket| socket.try_clone().and_then(UdpSocket::from_std).map_err(failed);
        let sockets = [socket(&ports.rtp)?, socket(&ports.rtcp)?];
        let (rtp, rtcp) = remote(&self.answer, fallback);
        let mut handshakes = [Handshake::new(engine, agreed, rtp)?, Handshake::new(engine, agreed, rtcp)?];
        let [of_rtp, of_rtcp] = &mut handshakes;
        let (rtp, rtcp) = tokio::try_join!(of_rtp.keys(&sockets[0]), of_rtcp.keys(&sockets[1]))?;
        let protectors = [dtls::protector(&rtp)?, dtls::protector(&rtcp)?];
        self.shaken = Some(Shaken { protectors, inbound: dtls::inbound(&rtcp)?, handshakes });
        Ok(())
    }

    fn stream(&mut self, spec: &CallSpec, media: &Media, key: Option<&[u8]>) -> Result<Line, CallError> {
        let (remote, remote_rtcp) = remote(&self.answer, media.remote);
        let samples = spec.ptime_ms * OCTETS_PER_MS as u32;
        let digits = spec.dtmf.as_ref().filter(|_| self.side == Side::Left).and_then(|(at, digits)| {
            Digits::new(digits, at.as_nanos().div_ceil(spec.ptime().as_nanos()) as u64, spec.ptime())
        });
        let mut line = Line {
            packetiser: Packetiser::new(self.beginning, spec.law.payload_type(), samples),
            tape: media.tapes[self.side.index()].clone(),
            digits,
            said: media.said[self.side.index()].subscribe(),
            remote,
            remote_rtcp,
            protector: spec.srtp.zip(key).map(|(suite, key)| Protector::new(suite, key)).transpose()?,
            rtcp_protector: None,
            handshakes: [None, None],
            inbound: self.inbound(spec)?,
            cname: media.cname.clone(),
        };
        if let Some(Shaken { protectors: [rtp, rtcp], inbound, handshakes }) = self.shaken.take() {
            (line.protector, line.rtcp_protector, line.inbound) = (Some(rtp), Some(rtcp), Some(inbound));
            line.handshakes = handshakes.map(Some);
        }
        Ok(line)
    }

    fn inbound(&self, spec: &CallSpec) -> Result<Option<Inbound>, CallError> {
        let keys = spec.srtp.zip(self.answer.crypto.as_ref());
        keys.map(|(suite, sdes)| {
            let mki = sdes.mki.as_ref().map_or(0, |(_, length)| usize::from(*length));
            Inbound::new(suite, &sdes.key_salt, mki)
                .map_err(|cause| CallError::BadAnswer(format!("{} line: {cause}", self.side.name())))
        })
        .transpose()
    }

    fn report(&self) -> LineReport {
        LineReport {
            side: self.side.name(),
            label: self.label.clone(),
            accepted: self.answer.accepted,
            dtls: self.answer.dtls.as_ref().map(|agreed| if agreed.is_client { "client" } else { "server" }),
            ssrc: self.beginning.ssrc,
            first_sequence: self.beginning.sequence,
            first_timestamp: self.beginning.timestamp,
            packets: 0,
            octets: 0,
            send_errors: 0,
            local_port: self.local_port,
            remote: self.answer.accepted.then(|| match self.answer.address {
                Some(address) => SocketAddr::new(address, self.answer.port).to_string(),
                None => self.answer.port.to_string(),
            }),
            receiver_reports: 0,
            lost: None,
            sent: Vec::new(),
        }
    }
}
