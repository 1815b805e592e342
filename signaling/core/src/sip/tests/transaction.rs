//! Timers of the transaction machines, in simulated time.

use std::time::Duration;

use super::*;
use crate::simulated::start;

fn octets() -> Arc<[u8]> {
    Arc::from(&b"message"[..])
}

/// Runs a machine's timers for `seconds` and says when it sent, in milliseconds, and how it ended.
fn run(
    mut due: impl FnMut() -> Option<Instant>,
    mut expire: impl FnMut(Instant) -> Expiry,
    from: Instant,
) -> (Vec<u128>, Expiry) {
    let mut sent = Vec::new();
    for _ in 0..100 {
        let Some(at) = due() else { return (sent, Expiry::Nothing) };
        match expire(at) {
            Expiry::Resend(_) => sent.push((at - from).as_millis()),
            Expiry::Nothing => {}
            end => return (sent, end),
        }
    }
    panic!("never ends");
}

#[test]
fn an_invite_over_udp_is_repeated_until_64_t1() {
    let now = start();
    let client = std::cell::RefCell::new(Client::new(true, false, octets(), now));
    let (sent, end) = run(|| client.borrow().due(), |at| client.borrow_mut().expire(at), now);
    assert_eq!(sent, [500, 1500, 3500, 7500, 15500, 31500]);
    assert_eq!(end, Expiry::TimedOut);
}

#[test]
fn nothing_is_repeated_over_tcp() {
    let now = start();
    let client = std::cell::RefCell::new(Client::new(false, true, octets(), now));
    let (sent, end) = run(|| client.borrow().due(), |at| client.borrow_mut().expire(at), now);
    assert_eq!((sent.len(), end), (0, Expiry::TimedOut));
}

#[test]
fn a_refusal_over_udp_is_repeated_until_the_ack() {
    let now = start();
    let mut server = Server::new(true, false);
    server.respond(100, octets(), now);
    assert!(server.repeat().is_some(), "a repeated INVITE gets the 100 again");
    server.respond(488, octets(), now);
    assert!(matches!(server.expire(now + T1), Expiry::Resend(_)));
    assert!(server.acknowledged(now + T1));
    assert_eq!(server.due(), Some(now + T1 + T4));
    assert_eq!(server.expire(now + T1 + T4), Expiry::Done);
}

#[test]
fn an_accepted_invite_absorbs_repetitions_and_leaves_the_ack_to_the_dialog() {
    let now = start();
    let mut server = Server::new(true, false);
    server.respond(200, octets(), now);
    assert_eq!(server.repeat(), None);
    assert!(!server.acknowledged(now));
    assert_eq!(server.expire(now + TRANSACTION), Expiry::Done);
}

#[test]
fn client_acks_repeated_refusals_and_passes_repeated_2xx() {
    let now = start();
    let mut refused = Client::new(true, false, octets(), now);
    assert_eq!(refused.respond(180, now), Verdict::Pass);
    assert_eq!(refused.due(), Some(now + RINGING), "a provisional answer stops timer A");
    assert_eq!(refused.respond(503, now), Verdict::PassAndAck);
    refused.keep_ack(octets());
    assert_eq!(refused.respond(503, now), Verdict::Absorb(Some(octets())));
    let mut accepted = Client::new(true, false, octets(), now);
    assert_eq!(accepted.respond(200, now), Verdict::Pass);
    assert_eq!(accepted.respond(200, now), Verdict::Pass);
    assert_eq!(accepted.expire(now + Duration::from_secs(33)), Expiry::Done);
}

#[test]
fn a_non_invite_answer_is_kept_over_udp_only() {
    let now = start();
    let mut udp = Server::new(false, false);
    udp.respond(200, octets(), now);
    assert_eq!((udp.repeat(), udp.due()), (Some(octets()), Some(now + TRANSACTION)));
    let mut tcp = Server::new(false, true);
    tcp.respond(200, octets(), now);
    assert_eq!(tcp.expire(now), Expiry::Done);
}
