//! An endpoint on a bench: vectors in, answers and events out, time as told.

use std::time::Duration;

use super::super::*;
use crate::{
    event::{Grant, Offer, Offered},
    negotiate::{Policy, SdesOverClear},
    simulated::{Noise, start},
    sip::{Response, message::Message},
};

pub(super) struct Rig {
    pub(super) endpoint: Endpoint,
    pub(super) now: Instant,
    pub(super) flow: Flow,
    pub(super) noise: Noise,
    pub(super) tag: String,
}

impl Rig {
    pub(super) fn new(transport: Transport, profile: &str) -> Self {
        let policy = Policy {
            media_address: "192.0.2.99".parse().unwrap(),
            srtp_required: false,
            sdes_over_clear: SdesOverClear::Refuse,
            best_effort_srtp: false,
            dtls: None,
        };
        let config = EndpointConfig {
            product: "test/1".into(),
            advertise: None,
            peers: vec![PeerRule::new("0.0.0.0/0", profile).unwrap()].into(),
            policy,
            session_expires_s: None,
            retry_after_s: 7,
        };
        let flow = Flow {
            id: 3,
            transport,
            local: "198.51.100.20:5060".parse().unwrap(),
            remote: "192.0.2.10:40404".parse().unwrap(),
            identity: None,
        };
        Self { endpoint: Endpoint::new(config), now: start(), flow, noise: Noise(1), tag: String::new() }
    }

    /// Sends octets, with the placeholder tag replaced by the one we were given last; returns what came back.
    pub(super) fn send(&mut self, octets: &[u8]) -> Vec<Message> {
        let octets = replaced(octets, b"uas-tag-placeholder", self.tag.as_bytes());
        let (flow, noise) = (self.flow.clone(), &mut self.noise);
        self.endpoint.receive(&flow, &octets, self.now, &mut |out| noise.fill(out));
        self.sent()
    }

    pub(super) fn sent(&mut self) -> Vec<Message> {
        let mut sent = Vec::new();
        while let Some(transmit) = self.endpoint.transmit() {
            let message = match crate::sip::parse::parse(&transmit.octets) {
                Ok(message) => message,
                // An answer copies the headers of its request, broken ones included.
                Err(_) if self.endpoint.stats().malformed > 0 => continue,
                Err(malformed) => panic!("we write what we can read: {malformed:?}"),
            };
            if let Message::Response(response) = &message
                && let Some(tag) = response.to.tag()
            {
                self.tag = tag.to_owned();
            }
            sent.push(message);
        }
        sent
    }

    pub(super) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.endpoint.event()).collect()
    }

    pub(super) fn command(&mut self, command: Command) -> Vec<Message> {
        let noise = &mut self.noise;
        self.endpoint.command(command, self.now, &mut |out| noise.fill(out));
        self.sent()
    }

    /// Lets time pass, running every timer on its way; returns what was sent, with milliseconds since now.
    pub(super) fn pass(&mut self, time: Duration) -> Vec<(u128, Message)> {
        let (from, until) = (self.now, self.now + time);
        let mut all = Vec::new();
        while let Some(due) = self.endpoint.next_timeout().filter(|due| *due <= until) {
            self.now = due.max(self.now);
            let noise = &mut self.noise;
            self.endpoint.timeout(self.now, &mut |out| noise.fill(out));
            let at = (self.now - from).as_millis();
            all.extend(self.sent().into_iter().map(|message| (at, message)));
        }
        self.now = until;
        all
    }

    /// The final status that a vector is turned away with, and what was told of it.
    pub(super) fn turned_away(&mut self, octets: &[u8]) -> (u16, Vec<Event>) {
        let sent = self.send(octets);
        let status = last(&sent).status;
        (status, self.events())
    }

    /// Sends an INVITE that must be offered.
    pub(super) fn offered(&mut self, octets: &[u8]) -> Offered {
        let sent = self.send(octets);
        let statuses: Vec<u16> = sent.iter().map(|message| response(message).status).collect();
        assert_eq!(statuses, [100], "100 at once, nothing final before the decision");
        match self.events().as_slice() {
            [Event::Offered(offered)] => (**offered).clone(),
            other => panic!("not offered: {other:?}"),
        }
    }

    pub(super) fn accept(&mut self, dialog: DialogId, offer: &Offer) -> Response {
        let sent = self.command(Command::Accept { dialog, lines: grants(offer) });
        last(&sent).clone()
    }

    /// Set-up of dialog 500 to the ACK.
    pub(super) fn established(&mut self) -> Offered {
        let offered = self.offered(vector!("500a-setup"));
        assert_eq!(self.accept(offered.dialog, &offered.offer).status, 200);
        assert!(self.send(&ack(1)).is_empty());
        assert_eq!(self.events(), [Event::Established { dialog: offered.dialog }]);
        offered
    }
}

pub(super) fn replaced(octets: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    match octets.windows(from.len()).position(|window| window == from) {
        Some(at) => [&octets[..at], to, &octets[at + from.len()..]].concat(),
        None => octets.to_vec(),
    }
}

pub(super) fn grants(offer: &Offer) -> Vec<Grant> {
    let grant = |(at, line): (usize, &crate::event::Line)| match line.state.is_kept() {
        true => Grant::Accept {
            port: 30_000 + 2 * at as u16,
            key_salt: line.sdes.as_ref().map(|sdes| vec![at as u8 + 1; sdes.key_salt.len()]),
        },
        false => Grant::Reject,
    };
    offer.lines.iter().enumerate().map(grant).collect()
}

pub(super) fn response(message: &Message) -> &Response {
    match message {
        Message::Response(response) => response,
        Message::Request(request) => panic!("a request: {}", request.method),
    }
}

pub(super) fn request(message: &Message) -> &Request {
    match message {
        Message::Request(request) => request,
        Message::Response(response) => panic!("a response: {}", response.status),
    }
}

pub(super) fn last(sent: &[Message]) -> &Response {
    response(sent.last().expect("an answer"))
}

pub(super) fn ack(cseq: u32) -> Vec<u8> {
    in_dialog("ACK", cseq, "")
}

pub(super) fn in_dialog(method: &str, cseq: u32, further: &str) -> Vec<u8> {
    format!(
        "{method} sip:srs@198.51.100.20 SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.10:5060;branch=z9hG4bK-{method}{cseq}\r\n\
         From: <sip:src@sbc.example.com>;tag=d500\r\nTo: <sip:srs@recorder.example.net>;tag=uas-tag-placeholder\r\n\
         Call-ID: 500-dlg@192.0.2.10\r\nCSeq: {cseq} {method}\r\n{further}Content-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

/// A 200 to a request of ours.
pub(super) fn ok(request: &Request, further: &str) -> Vec<u8> {
    answer(request, "200 OK", further)
}

pub(super) fn answer(request: &Request, status: &str, further: &str) -> Vec<u8> {
    let value = |name| request.headers.get(name).unwrap();
    format!(
        "SIP/2.0 {status}\r\nVia: {}\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {}\r\n{further}Content-Length: 0\r\n\r\n",
        value("Via"),
        value("From"),
        value("To"),
        value("Call-ID"),
        value("CSeq")
    )
    .into_bytes()
}

pub(super) fn body(response: &Response) -> &str {
    std::str::from_utf8(&response.body).unwrap()
}
