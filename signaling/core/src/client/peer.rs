//! Requests of the peer: BYE, OPTIONS, UPDATE, INFO inside our calls, and whatever else it tries.

use super::{ALLOW, CallId, Client, ClientEvent, EndCause};
use crate::{
    endpoint::Moment,
    flow::Flow,
    session_timer,
    sip::{
        Method, NameAddr, Request,
        layer::{Arrival, ServerId},
        write::Reply,
    },
};

impl Client {
    pub(super) fn on_request(&mut self, flow: &Flow, request: Box<Request>, tag: String, at: &mut Moment<'_>) {
        // Nobody counts what a client answers.
        self.layer.take_answered();
        let Arrival::New(tx) = self.layer.request(flow, request.clone().into(), tag, at.now) else { return };
        let id = request.to.tag().and_then(|tag| self.tags.get(tag)).copied();
        let is_ours = |id: &CallId| {
            self.calls.get(id).is_some_and(|call| {
                call.call_id == request.call_id && call.remote_tag == request.from.tag().unwrap_or_default()
            })
        };
        match id.filter(is_ours) {
            Some(id) => self.inside(id, tx, &request, at),
            None => {
                let reply = match (&request.method, request.to.tag()) {
                    (Method::Options, None) => Reply::new(200).with("Allow", ALLOW).with("Supported", "timer, siprec"),
                    // This client places calls; SRS-initiated sessions (RFC 7866 7.2) are not taken.
                    (Method::Invite, None) => Reply::new(403),
                    (Method::Other(_), None) => Reply::new(405).with("Allow", ALLOW),
                    _ => Reply::new(481),
                };
                self.layer.respond(tx, &reply, at.now);
            }
        }
    }

    fn inside(&mut self, id: CallId, tx: ServerId, request: &Request, at: &mut Moment<'_>) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if call.remote_seq.is_some_and(|last| request.cseq < last) {
            self.layer.respond(tx, &Reply::new(500), at.now);
            return;
        }
        call.remote_seq = Some(request.cseq);
        if let Some(contact) = request.headers.list("Contact").next().and_then(NameAddr::parse)
            && request.method == Method::Update
        {
            call.target = contact.uri;
        }
        let contact = call.contact.clone();
        let has_offer = request.headers.get("Content-Type").is_some_and(|kind| kind.contains("sdp"));
        let reply = match request.method {
            Method::Bye | Method::Options | Method::Info => Reply::new(200).with("Allow", ALLOW),
            Method::Update if !has_offer => {
                match session_timer::agree(&request.headers, call.timer.as_ref(), None, at.now) {
                    Ok(timer) => {
                        call.timer = timer;
                        let mut reply = Reply::new(200).with("Contact", contact).with("Allow", ALLOW);
                        timer.iter().for_each(|timer| timer.answer(&mut reply.headers));
                        reply
                    }
                    Err(reply) => reply,
                }
            }
            Method::Other(_) => Reply::new(405).with("Allow", ALLOW),
            // A recorder's offer may not add streams (RFC 7866 7.2); this client takes none.
            Method::Invite | Method::Update | Method::Ack | Method::Cancel => Reply::new(488),
        };
        self.layer.respond(tx, &reply, at.now);
        self.reschedule(id);
        if request.method == Method::Bye {
            self.bury(id);
            let reason = request.headers.get("Reason").map(str::to_owned);
            self.events.push_back(ClientEvent::Ended { call: id, cause: EndCause::PeerHungUp, reason });
        } else {
            let (headers, body) = (request.headers.clone(), request.body.clone());
            let method = request.method.as_str().to_owned();
            self.events.push_back(ClientEvent::RequestReceived { call: id, method, headers, body });
        }
    }
}
