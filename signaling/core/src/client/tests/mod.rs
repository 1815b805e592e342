//! Client against endpoint, over a pipe, in simulated time.

use std::time::Duration;

use super::*;
use crate::{
    endpoint::{Endpoint, EndpointConfig, Peers},
    event::{Command, DialogId, Ended, Event, Grant, Transport},
    negotiate::{Policy, SdesOverClear},
    simulated::{Noise, start},
};

const SDP: &[u8] = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 0\r\na=label:1\r\na=sendonly\r\n";

/// A client and a recorder with a wire between them.
struct Pair {
    client: Client,
    recorder: Endpoint,
    now: Instant,
    noise: Noise,
    there: Flow,
    here: Flow,
    /// Messages to the recorder, and to the client, that get lost.
    lose: (usize, usize),
    decides: bool,
    events: Vec<Event>,
}

impl Pair {
    fn new(transport: Transport) -> Self {
        let (a, b) = ("192.0.2.1:5070".parse().unwrap(), "192.0.2.9:5060".parse().unwrap());
        let flow = |local, remote| Flow { id: 1, transport, local, remote, identity: None };
        let policy = Policy {
            media_address: "192.0.2.9".parse().unwrap(),
            srtp_required: false,
            sdes_over_clear: SdesOverClear::Refuse,
            best_effort_srtp: false,
            dtls: None,
        };
        let config = EndpointConfig {
            product: "recorder".into(),
            advertise: None,
            peers: Peers::default(),
            policy,
            session_expires_s: None,
            retry_after_s: 9,
        };
        Self {
            client: Client::new("client"),
            recorder: Endpoint::new(config),
            now: start(),
            noise: Noise(7),
            here: flow(a, b),
            there: flow(b, a),
            lose: (0, 0),
            decides: true,
            events: Vec::new(),
        }
    }

    /// Moves messages until the wire is empty, deciding offers on the way.
    fn settle(&mut self) {
        loop {
            let noise = &mut self.noise;
            let mut entropy = |out: &mut [u8]| noise.fill(out);
            if let Some(transmit) = self.client.transmit() {
                if self.lose.0 > 0 {
                    self.lose.0 -= 1;
                } else {
                    self.recorder.receive(&self.there, &transmit.octets, self.now, &mut entropy);
                }
            } else if let Some(transmit) = self.recorder.transmit() {
                if self.lose.1 > 0 {
                    self.lose.1 -= 1;
                } else {
                    self.client.receive(&self.here, &transmit.octets, self.now, &mut entropy);
                }
            } else if let Some(event) = self.recorder.event() {
                let decided = match &event {
                    Event::Offered(offered) => Some((offered.dialog, offered.offer.lines.len())),
                    Event::Reoffered { dialog, offer, .. } => Some((*dialog, offer.lines.len())),
                    _ => None,
                };
                if let Some((dialog, count)) = decided.filter(|_| self.decides) {
                    let lines = vec![Grant::Accept { port: 30_000, key_salt: None }; count];
                    self.recorder.command(Command::Accept { dialog, lines }, self.now, &mut entropy);
                }
                self.events.push(event);
            } else {
                return;
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        self.settle();
        loop {
            let due = [self.client.next_timeout(), self.recorder.next_timeout()].into_iter().flatten().min();
            let Some(due) = due.filter(|due| *due <= until) else { break };
            self.now = due.max(self.now);
            let noise = &mut self.noise;
            self.client.timeout(self.now, &mut |out| noise.fill(out));
            self.recorder.timeout(self.now, &mut |out| noise.fill(out));
            self.settle();
        }
        self.now = until;
    }

    fn invite(&mut self, session_expires_s: Option<u32>) -> CallId {
        let spec = InviteSpec {
            request_uri: "sip:srs@192.0.2.9".into(),
            from: "<sip:src@192.0.2.1>".into(),
            contact_user: "src".into(),
            contact_params: ";+sip.src".into(),
            headers: Headers::new().with("Require", "siprec"),
            body: Some(Body::sdp(SDP.to_vec())),
            session_expires_s,
            ..InviteSpec::default()
        };
        let noise = &mut self.noise;
        self.client.invite(&self.here, spec, self.now, &mut |out| noise.fill(out)).unwrap()
    }

    fn ask(&mut self, call: CallId, kind: Kind, body: Option<Body>) {
        let noise = &mut self.noise;
        let question = Question { kind, headers: Headers::new(), body };
        self.client.ask(call, question, self.now, &mut |out| noise.fill(out)).unwrap();
    }

    fn told(&mut self) -> Vec<ClientEvent> {
        std::iter::from_fn(|| self.client.event()).collect()
    }

    fn dialog(&self) -> DialogId {
        match &self.events[0] {
            Event::Offered(offered) => offered.dialog,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_call_lives_from_invite_to_bye_over_every_transport() {
    for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
        let mut pair = Pair::new(transport);
        let call = pair.invite(None);
        pair.settle();
        let told = pair.told();
        let [ClientEvent::Answered { status: 200, body, .. }] = &told[..] else { panic!("{told:?}") };
        assert!(String::from_utf8_lossy(body).contains("m=audio 30000"));
        assert!(matches!(pair.events[..], [Event::Offered(_), Event::Established { .. }]));
        pair.ask(call, Kind::Invite, Some(Body::sdp(SDP.to_vec())));
        pair.settle();
        pair.ask(call, Kind::Update, Some(Body::sdp(SDP.to_vec())));
        pair.settle();
        pair.ask(call, Kind::Info, None);
        pair.settle();
        let kinds: Vec<(Kind, u16)> = pair
            .told()
            .into_iter()
            .map(|event| match event {
                ClientEvent::Response { kind, status, .. } => (kind, status),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(kinds, [(Kind::Invite, 200), (Kind::Update, 200), (Kind::Info, 200)]);
        pair.ask(call, Kind::Bye, None);
        pair.settle();
        let told = pair.told();
        assert!(matches!(
            told[..],
            [
                ClientEvent::Response { kind: Kind::Bye, status: 200, .. },
                ClientEvent::Ended { cause: EndCause::HungUp, .. }
            ]
        ));
        assert!(matches!(pair.events.last(), Some(Event::Ended { cause: Ended::Bye, .. })));
        pair.pass(Duration::from_secs(70));
        assert_eq!(pair.recorder.stats().transactions, 0, "every transaction ends");
    }
}

#[test]
fn lost_datagrams_are_sent_again_both_ways() {
    let mut pair = Pair::new(Transport::Udp);
    pair.invite(None);
    pair.lose = (2, 3);
    pair.pass(Duration::from_secs(20));
    assert!(matches!(pair.told()[..], [ClientEvent::Answered { .. }]));
    assert_eq!(pair.events.iter().filter(|event| matches!(event, Event::Offered(_))).count(), 1);
    assert!(matches!(pair.events.last(), Some(Event::Established { .. })), "the ACK too");
}

#[test]
fn nobody_there_fails_with_408() {
    let mut pair = Pair::new(Transport::Udp);
    pair.invite(None);
    pair.lose = (usize::MAX, 0);
    pair.pass(Duration::from_secs(40));
    assert!(matches!(pair.told()[..], [ClientEvent::Failed { status: 408, .. }]));
}

#[test]
fn a_full_recorder_says_when_to_come_back() {
    let mut pair = Pair::new(Transport::Tcp);
    pair.recorder.drain(true);
    let call = pair.invite(None);
    pair.settle();
    let told = pair.told();
    assert!(matches!(&told[..], [ClientEvent::Failed { status: 503, retry_after_s: Some(9), .. }]), "{told:?}");
    let bye = Question { kind: Kind::Bye, headers: Headers::new(), body: None };
    assert_eq!(pair.client.ask(call, bye, pair.now, &mut |_| ()), Err(ClientError::Gone));
}

#[test]
fn a_cancelled_call_fails_with_487() {
    let mut pair = Pair::new(Transport::Tcp);
    pair.decides = false;
    let call = pair.invite(None);
    pair.client.cancel(call, pair.now, &mut |out| out.fill(3));
    pair.settle();
    assert!(matches!(pair.told()[..], [ClientEvent::Failed { status: 487, .. }]));
    assert!(matches!(pair.events.last(), Some(Event::Ended { cause: Ended::NotEstablished, .. })));
}

#[test]
fn the_caller_refreshes_and_the_recorder_stays() {
    let mut pair = Pair::new(Transport::Tcp);
    pair.invite(Some(90));
    pair.pass(Duration::from_secs(1_000));
    assert!(matches!(pair.told()[..], [ClientEvent::Answered { .. }]));
    assert_eq!(pair.recorder.stats().dialogs, 1);
    pair.lose = (usize::MAX, 0);
    pair.pass(Duration::from_secs(100));
    assert_eq!(pair.recorder.stats().dialogs, 0);
    assert!(matches!(pair.events.last(), Some(Event::Ended { cause: Ended::SessionTimer, .. })));
    assert!(matches!(pair.told()[..], [ClientEvent::Ended { .. }]));
}

#[test]
fn the_recorder_may_hang_up_and_ask_for_a_snapshot() {
    let mut pair = Pair::new(Transport::Tcp);
    pair.invite(None);
    pair.settle();
    pair.told();
    let dialog = pair.dialog();
    pair.recorder.command(Command::RequestSnapshot { dialog }, pair.now, &mut |out| out.fill(4));
    pair.settle();
    let told = pair.told();
    let [ClientEvent::RequestReceived { method, body, .. }] = &told[..] else { panic!("{told:?}") };
    assert_eq!(method, "UPDATE");
    assert!(String::from_utf8_lossy(body).contains("requestsnapshot"));
    pair.recorder.command(Command::HangUp { dialog }, pair.now, &mut |out| out.fill(5));
    pair.settle();
    assert!(matches!(pair.told()[..], [ClientEvent::Ended { cause: EndCause::PeerHungUp, .. }]));
}

#[test]
fn a_lost_connection_ends_its_calls() {
    let mut pair = Pair::new(Transport::Tcp);
    pair.invite(None);
    pair.settle();
    pair.told();
    pair.invite(None);
    pair.client.flow_lost(1);
    let mut told = pair.told();
    told.sort_by_key(|event| matches!(event, ClientEvent::Failed { .. }));
    assert!(matches!(
        told[..],
        [ClientEvent::Ended { cause: EndCause::ConnectionLost, .. }, ClientEvent::Failed { status: 503, .. }]
    ));
}

#[test]
fn a_connection_made_anew_keeps_the_calls_that_stand() {
    let mut pair = Pair::new(Transport::Tcp);
    pair.invite(None);
    pair.settle();
    pair.told();
    pair.invite(None);
    pair.client.flow_broken(1);
    assert!(matches!(pair.told()[..], [ClientEvent::Failed { status: 503, .. }]), "only what was being placed");
    assert!(!pair.client.is_idle());
    pair.client.flow_lost(1);
    assert!(matches!(pair.told()[..], [ClientEvent::Ended { cause: EndCause::ConnectionLost, .. }]));
    assert!(pair.client.is_idle());
}
