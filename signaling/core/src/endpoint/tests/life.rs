//! Lost messages, timers, cancellation, draining, overload, take-over and noise.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{event::Offered, limits};

#[test]
fn options_says_what_we_are_and_503_while_draining() {
    let mut rig = Rig::new(Transport::Tcp, "auto");
    let sent = rig.send(vector!("519-options-ping"));
    let headers = &last(&sent).headers;
    assert_eq!(last(&sent).status, 200);
    for kind in ["application/sdp", "multipart/mixed", "application/rs-metadata+xml", "application/rs-metadata"] {
        assert!(headers.lists("Accept", kind));
    }
    for tag in ["siprec", "timer", "replaces"] {
        assert!(headers.lists("Supported", tag));
    }
    assert!(headers.get("Contact").unwrap().contains("+sip.srs"));
    // Without PRACK nobody may send a reliable provisional response (RFC 3262 3).
    assert!(!headers.lists("Supported", "100rel") && !headers.lists("Allow", "PRACK"));
    assert!(headers.lists("Allow", "UPDATE"));
    rig.endpoint.drain(true);
    rig.now += limits::TRANSACTION * 2;
    rig.pass(Duration::ZERO);
    let sent = rig.send(vector!("519-options-ping"));
    assert_eq!((last(&sent).status, last(&sent).headers.get("Retry-After")), (503, Some("7")));
    let sent = rig.send(vector!("001-baseline-rfc7866"));
    assert_eq!((last(&sent).status, last(&sent).headers.get("Retry-After")), (503, Some("7")));
}

#[test]
fn live_sessions_go_on_while_draining() {
    let mut rig = Rig::new(Transport::Tcp, "auto");
    rig.established();
    rig.endpoint.drain(true);
    let sent = rig.send(&in_dialog("OPTIONS", 2, ""));
    assert_eq!(last(&sent).status, 200);
    sdp_of(&mut rig, vector!("500b-hold-both-inactive"), Some(2));
}

#[test]
fn a_cancelled_invite_gets_487_and_leaves_nothing() {
    let mut rig = Rig::new(Transport::Tcp, "auto");
    let offered = rig.offered(vector!("500a-setup"));
    let text = String::from_utf8(vector!("500a-setup").to_vec()).unwrap();
    let head: String = text
        .split("\r\n\r\n")
        .next()
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with("Content-"))
        .fold(String::new(), |head, line| {
            head + &line.replace("INVITE sip", "CANCEL sip").replace("1 INVITE", "1 CANCEL") + "\r\n"
        });
    let sent = rig.send((head + "Content-Length: 0\r\n\r\n").as_bytes());
    let answers: Vec<(u16, &Method)> =
        sent.iter().map(response).map(|answer| (answer.status, &answer.method)).collect();
    assert_eq!(answers, [(200, &Method::Cancel), (487, &Method::Invite)]);
    let ended = Event::Ended { dialog: offered.dialog, cause: Ended::NotEstablished, reason: None, metadata: None };
    assert_eq!(rig.events(), [ended]);
    assert!(rig.command(Command::Accept { dialog: offered.dialog, lines: Vec::new() }).is_empty(), "too late");
    assert_eq!(rig.endpoint.stats().late_commands, 1);
}

#[test]
fn the_200_is_repeated_until_the_ack_even_over_tcp_and_then_bye() {
    let mut rig = Rig::new(Transport::Tcp, "auto");
    let offered = rig.offered(vector!("500a-setup"));
    rig.accept(offered.dialog, &offered.offer);
    let sent = rig.pass(Duration::from_secs(40));
    let repeated: Vec<u128> =
        sent.iter().filter(|(_, m)| matches!(m, Message::Response(_))).map(|(at, _)| *at).collect();
    assert_eq!(repeated, [500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]);
    let bye = request(&sent.last().unwrap().1);
    assert_eq!((&bye.method, sent[repeated.len()].0), (&Method::Bye, 32_000));
    assert!(matches!(rig.events()[..], [Event::Ended { cause: Ended::NotEstablished, .. }]));
}

#[test]
fn a_repeated_invite_over_udp_makes_one_session() {
    let mut rig = Rig::new(Transport::Udp, "auto");
    let offered = rig.offered(vector!("212-udp-oversize-complete"));
    assert!(offered.warnings.iter().any(|warning| warning.name == "large_udp_request"));
    let again = rig.send(vector!("212-udp-oversize-complete"));
    assert_eq!(last(&again).status, 100, "the provisional answer again");
    assert_eq!(rig.events(), []);
    rig.accept(offered.dialog, &offered.offer);
    assert!(rig.send(vector!("212-udp-oversize-complete")).is_empty(), "absorbed: the dialog repeats the 200");
    let other = String::from_utf8(vector!("212-udp-oversize-complete").to_vec())
        .unwrap()
        .replace("branch=z9hG4bK", "branch=z9hG4bKother");
    let sent = rig.send(other.as_bytes());
    assert_eq!(last(&sent).status, 482, "the same request by another path");
}

#[test]
fn datagrams_short_and_long() {
    let mut rig = Rig::new(Transport::Udp, "auto");
    let (status, events) = rig.turned_away(vector!("211-udp-truncated-body"));
    assert_eq!((status, rig.endpoint.stats().truncated_datagrams), (400, 1));
    assert!(matches!(&events[..], [Event::TurnedAway { status: 400, .. }]));
    rig.offered(vector!("213-udp-trailing-bytes"));
    let mut clear = Rig::new(Transport::Udp, "auto");
    let sent = clear.send(vector!("407-sdes-over-udp"));
    assert_eq!(last(&sent).status, 488);
    assert!(last(&sent).headers.get("Warning").unwrap().starts_with("399 "));
}

#[test]
fn sdes_over_tls_is_offered_and_contact_is_sips() {
    let mut rig = Rig::new(Transport::Tls, "auto");
    let offered = rig.offered(vector!("400-sdes-two-suites"));
    let answer = rig.accept(offered.dialog, &offered.offer);
    assert_eq!(body(&answer).matches("a=crypto:").count(), 2);
    assert!(answer.headers.get("Contact").unwrap().starts_with("<sips:srs@"));
}

#[test]
fn bodies_beyond_the_cap_get_413() {
    let mut rig = Rig::new(Transport::Tcp, "auto");
    let text = String::from_utf8(vector!("001-baseline-rfc7866").to_vec()).unwrap();
    let head =
        text.split_inclusive("\r\n\r\n").next().unwrap().replace("Content-Length: 2553", "Content-Length: 300000");
    let flow = rig.flow.clone();
    rig.endpoint.receive_too_large(&flow, head.as_bytes(), rig.now, &mut |out| out.fill(5));
    let sent = rig.sent();
    assert_eq!(last(&sent).status, 413);
}

#[test]
fn we_refresh_at_half_time_and_end_a_dead_session() {
    let mut rig = Rig::new(Transport::Tcp, "auto");
    let text = String::from_utf8(vector!("500a-setup").to_vec()).unwrap();
    let invite = text.replace("Supported: timer", "Session-Expires: 90;refresher=uas\r\nSupported: timer");
    let offered = rig.offered(invite.as_bytes());
    let answer = rig.accept(offered.dialog, &offered.offer);
    assert_eq!(answer.headers.get("Session-Expires"), Some("90;refresher=uas"));
    assert!(answer.headers.lists("Require", "timer"));
    rig.send(&ack(1));
    let sent = rig.pass(Duration::from_secs(50));
    let [(45_000, update)] = &sent[..] else { panic!("{sent:?}") };
    let update = request(update);
    assert_eq!((&update.method, update.headers.get("Session-Expires")), (&Method::Update, Some("90;refresher=uac")));
    rig.send(&ok(update, "Session-Expires: 90;refresher=uac\r\n"));
    let sent = rig.pass(Duration::from_secs(45));
    assert_eq!(request(&sent[0].1).cseq, update.cseq + 1, "and again");
    rig.events();
    rig.send(&answer_of(&sent[0].1));
    assert!(matches!(rig.events()[..], [Event::Ended { cause: Ended::SessionTimer, .. }]));
}

fn answer_of(message: &Message) -> Vec<u8> {
    answer(request(message), "481 Gone", "")
}

#[test]
fn a_peer_that_stops_refreshing_is_hung_up() {
    let mut rig = Rig::new(Transport::Tcp, "auto");
    rig.established();
    rig.send(vector!("500e-update-refresh-no-body"));
    rig.events();
    assert!(rig.pass(Duration::from_secs(1_700)).is_empty());
    let sent = rig.pass(Duration::from_secs(100));
    assert_eq!(request(&sent[0].1).method, Method::Bye);
    assert_eq!(sent[0].0, 68_000, "32 s before 1800 s are over");
    assert!(matches!(rig.events()[..], [Event::Ended { cause: Ended::SessionTimer, .. }]));
}

#[test]
fn a_peer_without_timers_is_not_asked_for_any() {
    let mut rig = Rig::new(Transport::Tcp, "auto");
    let offered = rig.offered(vector!("512-session-timer-no-support"));
    let answer = rig.accept(offered.dialog, &offered.offer);
    assert_eq!((answer.headers.get("Session-Expires"), answer.headers.get("Require")), (None, None));
}

#[test]
fn a_second_offer_while_one_is_open_is_refused() {
    let mut rig = Rig::new(Transport::Tcp, "auto");
    let first = rig.established();
    rig.send(vector!("500b-hold-both-inactive"));
    let sent = rig.send(vector!("500c-resume"));
    assert_eq!(last(&sent).status, 500);
    assert!(last(&sent).headers.get("Retry-After").unwrap().parse::<u32>().unwrap() <= 10);
    let sent = rig.command(Command::Refuse { dialog: first.dialog, status: 488, retry_after_s: None, warning: None });
    assert_eq!((last(&sent).status, last(&sent).cseq), (488, 2));
    assert_eq!(rig.endpoint.stats().dialogs, 1, "the session goes on");
}

#[test]
fn an_offer_that_nobody_decides_is_refused_with_500() {
    let mut rig = Rig::new(Transport::Tcp, "auto");
    rig.offered(vector!("001-baseline-rfc7866"));
    let sent = rig.pass(limits::DECISION);
    assert_eq!(response(&sent[0].1).status, 500);
    assert!(matches!(rig.events()[..], [Event::Ended { cause: Ended::NotEstablished, .. }]));
}

#[test]
fn a_refusal_carries_retry_after_and_warning() {
    let mut rig = Rig::new(Transport::Tcp, "auto");
    let offered = rig.offered(vector!("001-baseline-rfc7866"));
    let refuse = Command::Refuse {
        dialog: offered.dialog,
        status: 503,
        retry_after_s: Some(30),
        warning: Some("disk \"full\"".into()),
    };
    let sent = rig.command(refuse);
    let headers = &last(&sent).headers;
    assert_eq!(headers.get("Retry-After"), Some("30"));
    assert_eq!(headers.get("Warning"), Some("399 recorder \"disk 'full'\""));
    assert_eq!(rig.endpoint.stats().dialogs, 0);
}

#[test]
fn hanging_up_waits_for_the_ack() {
    let mut rig = Rig::new(Transport::Tcp, "auto");
    let offered = rig.offered(vector!("500a-setup"));
    rig.accept(offered.dialog, &offered.offer);
    assert!(rig.command(Command::HangUp { dialog: offered.dialog }).is_empty());
    let sent = rig.send(&ack(1));
    let bye = request(&sent[0]);
    assert_eq!((&bye.method, bye.uri.as_str()), (&Method::Bye, "sip:src@192.0.2.10:5060;transport=tcp"));
    assert_eq!((bye.to.tag(), bye.cseq), (Some("d500"), 1));
    assert!(matches!(rig.events()[..], [Event::Established { .. }, Event::Ended { cause: Ended::HungUp, .. }]));
}

#[test]
fn a_stray_tag_in_the_contact_uri_is_not_echoed() {
    let mut rig = Rig::new(Transport::Tcp, "auto");
    let offered = rig.offered(vector!("102-feature-tag-inside-uri"));
    rig.accept(offered.dialog, &offered.offer);
    let sent = rig.pass(limits::TRANSACTION);
    let bye = request(&sent.iter().find(|(_, message)| matches!(message, Message::Request(_))).unwrap().1);
    assert_eq!(bye.uri, "sip:ses-src@192.0.2.10:5060;transport=tcp");
}

#[test]
fn a_snapshot_is_asked_for_once() {
    let mut rig = Rig::new(Transport::Tcp, "auto");
    let first = rig.established();
    let sent = rig.command(Command::RequestSnapshot { dialog: first.dialog });
    let update = request(&sent[0]);
    assert_eq!(update.method, Method::Update);
    assert_eq!(update.headers.get("Content-Disposition"), Some("recording-session"));
    assert_eq!(update.headers.get("Content-Type"), Some("application/rs-metadata+xml"));
    assert!(
        update.headers.get("Contact").is_some_and(|contact| contact.contains("+sip.srs")),
        "in requests of ours too"
    );
    let body = String::from_utf8_lossy(&update.body);
    assert!(body.contains("<requestsnapshot xmlns=\"urn:ietf:params:xml:ns:recording:1\"") && !body.contains("v=0"));
    assert!(rig.command(Command::RequestSnapshot { dialog: first.dialog }).is_empty());
}

#[test]
fn replaces_takes_a_session_over() {
    let mut rig = Rig::new(Transport::Tcp, "auto");
    let first = rig.established();
    let text = String::from_utf8(vector!("515-replaces-unknown").to_vec()).unwrap();
    let replaces = format!("500-dlg@192.0.2.10;to-tag={};from-tag=d500", rig.tag);
    let invite = text.replace("nope@192.0.2.99;to-tag=a;from-tag=b", &replaces);
    let second = rig.offered(invite.as_bytes());
    let sent = rig.command(Command::Accept { dialog: second.dialog, lines: grants(&second.offer) });
    assert_eq!((response(&sent[0]).status, &request(&sent[1]).method), (200, &Method::Bye));
    let ended = Event::Ended { dialog: first.dialog, cause: Ended::HungUp, reason: None, metadata: None };
    assert_eq!(rig.events(), [ended]);
}

#[test]
fn a_stranger_cannot_take_a_session_over() {
    let mut rig = Rig::new(Transport::Tcp, "auto");
    rig.established();
    rig.flow.remote = "203.0.113.5:5060".parse().unwrap();
    let text = String::from_utf8(vector!("515-replaces-unknown").to_vec()).unwrap();
    let replaces = format!("500-dlg@192.0.2.10;to-tag={};from-tag=d500", rig.tag);
    let invite = text.replace("nope@192.0.2.99;to-tag=a;from-tag=b", &replaces);
    assert_eq!(rig.turned_away(invite.as_bytes()).0, 403);
    assert_eq!(rig.endpoint.stats().dialogs, 1);
}

#[test]
fn events_that_nobody_fetches_refuse_new_sessions_first() {
    let mut rig = Rig::new(Transport::Tcp, "auto");
    let text = String::from_utf8(vector!("105-plain-call-not-siprec").to_vec()).unwrap();
    for at in 0..=limits::EVENT_BACKLOG {
        rig.send(
            text.replace("105-", &format!("{at}-"))
                .replace("branch=z9hG4bK-", &format!("branch=z9hG4bK-{at}"))
                .as_bytes(),
        );
    }
    let sent = rig.send(vector!("001-baseline-rfc7866"));
    assert_eq!(last(&sent).status, 503);
    assert!(rig.endpoint.stats().dropped_events > 0);
    assert_eq!(rig.endpoint.backlog(), limits::EVENT_BACKLOG);
}

#[test]
fn a_re_invite_or_update_from_elsewhere_moves_where_our_requests_go() {
    for (vector, cseq) in [(vector!("500d-reinvite-same-version"), 4), (vector!("500f-update-with-offer"), 0)] {
        let mut rig = Rig::new(Transport::Tcp, "auto");
        let first = rig.established();
        let text = String::from_utf8(vector.to_vec()).unwrap();
        let contact = text.lines().find(|line| line.starts_with("Contact:")).unwrap();
        let moved = text.replace(contact, "Contact: <sip:moved@192.0.2.77:5070;transport=tcp>;+sip.src");
        rig.send(moved.as_bytes());
        let events = rig.events();
        let Some(Event::Reoffered { dialog, offer, .. }) = events.last() else { panic!("{events:?}") };
        rig.accept(*dialog, offer);
        if cseq > 0 {
            rig.send(&ack(cseq));
        }
        let sent = rig.command(Command::HangUp { dialog: first.dialog });
        assert_eq!(request(&sent[0]).uri, "sip:moved@192.0.2.77:5070;transport=tcp", "RFC 3261 12.2");
    }
}

#[test]
fn a_2xx_that_names_no_interval_ends_the_timer() {
    let mut rig = Rig::new(Transport::Tcp, "auto");
    let text = String::from_utf8(vector!("500a-setup").to_vec()).unwrap();
    let invite = text.replace("Supported: timer", "Session-Expires: 90;refresher=uas\r\nSupported: timer");
    let offered = rig.offered(invite.as_bytes());
    rig.accept(offered.dialog, &offered.offer);
    rig.send(&ack(1));
    let sent = rig.pass(Duration::from_secs(46));
    rig.events();
    rig.send(&ok(request(&sent[0].1), ""));
    assert!(rig.pass(Duration::from_secs(86_400)).is_empty(), "neither refreshed nor ended (RFC 4028 7.2)");
    assert_eq!((rig.events(), rig.endpoint.stats().dialogs), (vec![], 1));
}

#[test]
fn requests_of_ours_follow_the_route() {
    let mut rig = Rig::new(Transport::Tcp, "auto");
    let text = String::from_utf8(vector!("500a-setup").to_vec()).unwrap();
    let routed =
        text.replace("Max-Forwards: 70", "Record-Route: <sip:p2.example;lr>, <sip:p1.example;lr>\r\nMax-Forwards: 70");
    let offered = rig.offered(routed.as_bytes());
    let answer = rig.accept(offered.dialog, &offered.offer);
    let record: Vec<&str> = answer.headers.all("Record-Route").collect();
    assert_eq!(record, ["<sip:p2.example;lr>", "<sip:p1.example;lr>"]);
    rig.send(&ack(1));
    let sent = rig.command(Command::HangUp { dialog: offered.dialog });
    let bye = request(&sent[0]);
    assert_eq!(bye.headers.all("Route").collect::<Vec<_>>(), ["<sip:p2.example;lr>", "<sip:p1.example;lr>"]);
}

#[test]
fn answers_over_udp_go_where_rfc_3261_and_3581_say() {
    let destination = |via: &str| {
        let mut rig = Rig::new(Transport::Udp, "auto");
        let text = String::from_utf8(vector!("519-options-ping").to_vec()).unwrap();
        let octets = text.replace("SIP/2.0/TCP 192.0.2.10:5060", via);
        rig.endpoint.receive(&rig.flow, octets.as_bytes(), rig.now, &mut |out| out.fill(1));
        rig.endpoint.transmit().unwrap().flow.remote.to_string()
    };
    assert_eq!(destination("SIP/2.0/UDP 192.0.2.10:5080"), "192.0.2.10:5080", "sent-by");
    assert_eq!(destination("SIP/2.0/UDP 192.0.2.10"), "192.0.2.10:5060", "its default port");
    assert_eq!(destination("SIP/2.0/UDP 192.0.2.10:5080;rport"), "192.0.2.10:40404", "rport: the source");
    assert_eq!(destination("SIP/2.0/UDP 10.0.0.1:5080"), "192.0.2.10:40404", "behind a translator");
}

#[test]
fn a_contact_beyond_repair_does_not_spoil_the_requests_of_ours() {
    let text = String::from_utf8(vector!("001-baseline-rfc7866").to_vec()).unwrap();
    for contact in ["<sip:src >x@192.0.2.10>;+sip.src", "<;;>;+sip.src", "<sip:a\"b@192.0.2.10>;+sip.src"] {
        let mut rig = Rig::new(Transport::Udp, "auto");
        rig.send(text.replace("<sip:src@192.0.2.10:5060;transport=tcp>;+sip.src", contact).as_bytes());
        for event in rig.events() {
            if let Event::Offered(offered) = event {
                rig.accept(offered.dialog, &offered.offer);
            }
        }
        // Never acknowledged: a BYE of ours follows, and the rig reads whatever is sent.
        rig.pass(Duration::from_secs(60));
    }
}

/// Dialog 317: an INVITE without an offer.
fn delayed(profile: &str) -> (Rig, Offered) {
    let mut rig = Rig::new(Transport::Tcp, profile);
    let offered = rig.offered(vector!("317a-cucm-bib-near-delayed-offer"));
    (rig, offered)
}

#[test]
fn an_invite_without_an_offer_gets_ours_and_the_ack_answers_it() {
    let (mut rig, offered) = delayed("cucm-bib");
    assert_eq!((offered.profile.as_str(), offered.offer.lines.len()), ("cucm-bib", 1));
    assert_eq!((offered.offer.lines[0].address, &offered.offer.lines[0].state), (None, &LineState::Active));
    let join = offered.join.clone().expect("the other end can find it");
    assert_eq!((join.key.0.as_str(), join.legs.as_slice()), ("cucm-bib:27001", &["near".to_owned()][..]));
    let ours = rig.accept(offered.dialog, &offered.offer);
    assert!(body(&ours).contains("m=audio 30000 RTP/AVP 0 8 9 101\r\n") && body(&ours).contains("a=recvonly"));
    assert!(rig.send(vector!("317b-cucm-bib-ack-with-answer")).is_empty(), "an ACK is not answered");
    let events = rig.events();
    let [Event::Established { .. }, Event::Reoffered { offer, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!((offer.lines[0].address, offer.lines[0].port), ("192.0.2.10".parse().ok(), 24_580));
    let lines = grants(offer);
    assert!(rig.command(Command::Accept { dialog: offered.dialog, lines }).is_empty(), "nothing is left to say");
    assert!(rig.pass(Duration::from_secs(40)).is_empty(), "the 200 is not repeated");
}

#[test]
fn an_ack_without_an_answer_leaves_a_named_warning_and_too_many_lines_are_cut() {
    let ack = |body: &str| {
        let text = String::from_utf8(vector!("317b-cucm-bib-ack-with-answer").to_vec()).unwrap();
        let head = text.split_once("Content-Type").unwrap().0;
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!("{head}{kind}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    };
    for answer in ["", "v=0\r\nnonsense", "v=0\r\nm=audio 4 RTP/AVP 99\r\na=rtpmap:99 X/1\r\n"] {
        let (mut rig, offered) = delayed("cucm-bib");
        rig.accept(offered.dialog, &offered.offer);
        rig.send(&ack(answer));
        let events = rig.events();
        let [Event::Established { .. }, Event::PartsReceived { warnings, .. }] = &events[..] else {
            panic!("{events:?}")
        };
        assert_eq!(warnings[0].name, "no_answer_in_ack", "{answer}");
    }
    let (mut rig, offered) = delayed("cucm-bib");
    rig.accept(offered.dialog, &offered.offer);
    rig.send(&ack(&format!("v=0\r\nc=IN IP4 192.0.2.10\r\n{}", "m=audio 4000 RTP/AVP 0\r\n".repeat(3))));
    let events = rig.events();
    let Some(Event::Reoffered { offer, .. }) = events.last() else { panic!("{events:?}") };
    assert_eq!(offer.lines.len(), 1);
}

#[test]
fn a_cancelled_invite_without_an_offer_leaves_nothing_and_silence_ends_it() {
    let (mut rig, offered) = delayed("cucm-bib");
    rig.accept(offered.dialog, &offered.offer);
    let sent = rig.pass(Duration::from_secs(40));
    assert_eq!(request(&sent.last().unwrap().1).method, Method::Bye, "no ACK within 64*T1");
    let (mut rig, _) = delayed("cucm-bib");
    let text = String::from_utf8(vector!("317a-cucm-bib-near-delayed-offer").to_vec()).unwrap();
    let cancel = text.replace("INVITE sip", "CANCEL sip").replace("1 INVITE", "1 CANCEL");
    let sent = rig.send(cancel.as_bytes());
    assert_eq!(sent.iter().map(|message| response(message).status).collect::<Vec<_>>(), [200, 487]);
    assert_eq!(rig.endpoint.stats().dialogs, 0);
    let (status, _) = Rig::new(Transport::Tcp, "auto").turned_away(vector!("317a-cucm-bib-near-delayed-offer"));
    assert_eq!(status, 403, "other profiles");
}

#[test]
fn a_vendors_header_controls_only_where_its_profile_knows_it() {
    for (profile, action) in [("audiocodes", Some(crate::event::Action::Pause)), ("auto", None)] {
        let mut rig = Rig::new(Transport::Tcp, profile);
        let first = rig.established();
        let sent = rig.send(vector!("523-info-ac-action-pause"));
        assert_eq!(last(&sent).status, 200);
        let expected = action.map(|action| Event::Controlled { dialog: first.dialog, action });
        assert_eq!(rig.events(), expected.into_iter().collect::<Vec<_>>());
        let sent = rig.send(&in_dialog("INFO", 40, "X-AC-Action: dance\r\n"));
        assert_eq!((last(&sent).status, rig.events()), (200, vec![]));
        let package = "X-AC-Action: pause-siprec\r\nInfo-Package: nobody-knows\r\n";
        let sent = rig.send(&in_dialog("INFO", 41, package));
        assert_eq!((last(&sent).status, rig.events()), (469, vec![]));
    }
}

#[test]
fn msml_pauses_and_resumes_under_a_prefix_that_nobody_declared() {
    let info = |cseq, body: &str| {
        let head = format!(
            "Content-Type: application/vnd.radisys.msml+xml;charset=utf-8\r\nContent-Length: {}\r\n",
            body.len()
        );
        let empty = in_dialog("INFO", cseq, &head);
        let head = String::from_utf8(empty).unwrap().replacen("Content-Length: 0\r\n", "", 1);
        [head.as_bytes(), body.as_bytes()].concat()
    };
    let msml = |state: &str| {
        format!(
            r#"<msml version="1.1"><modifyconference id="c"><gvp:recorder/><gvp:recorder state="{state}"/></modifyconference></msml>"#
        )
    };
    let mut rig = Rig::new(Transport::Tcp, "genesys-msr");
    let invite = String::from_utf8(vector!("500a-setup").to_vec()).unwrap();
    let line = invite.lines().next().unwrap();
    let first =
        rig.offered(invite.replacen(line, "INVITE sip:record=R1@198.51.100.20;calluuid=U SIP/2.0", 1).as_bytes());
    rig.accept(first.dialog, &first.offer);
    rig.send(&ack(1));
    rig.events();
    use crate::event::Action;
    let said =
        [("pause", Action::Pause), ("RESUME", Action::Resume), ("start", Action::Resume), ("stop", Action::Stop)];
    for (cseq, (state, action)) in (40..).zip(said) {
        assert_eq!(last(&rig.send(&info(cseq, &msml(state)))).status, 200);
        assert_eq!(rig.events(), [Event::Controlled { dialog: first.dialog, action }], "{state}");
    }
    for (cseq, body) in (50..).zip([msml("dance"), "<msml".into(), "no xml".into(), String::new()]) {
        assert_eq!((last(&rig.send(&info(cseq, &body))).status, rig.events()), (200, vec![]), "{body}");
    }
}

#[test]
fn why_an_invite_is_read_as_it_is_can_be_asked() {
    let rig = Rig::new(Transport::Tcp, "auto");
    let why = |octets: &[u8]| {
        let choice = rig.endpoint.explain(&rig.flow, octets).expect("an INVITE");
        (choice.profile.name.clone(), choice.rule, choice.recognised)
    };
    let (name, rule, recognised) = why(vector!("304a-broadworks-root-element"));
    assert_eq!((name.as_str(), rule), ("broadworks", Some(0)));
    assert_eq!(recognised.as_deref(), Some("document element recording_metadata"));
    assert_eq!(why(vector!("001-baseline-rfc7866")).0, "rfc7866");
    assert_eq!(why(vector!("216-no-boundary-parameter")).0, "rfc7866", "a body that cannot be read");
    assert!(rig.endpoint.explain(&rig.flow, vector!("519-options-ping")).is_none());
    assert!(rig.endpoint.explain(&rig.flow, b"nonsense").is_none());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_mutation_of_a_message_panics_and_every_answer_can_be_read(
        which in 0usize..6,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..3), 1..12),
    ) {
        let sources = [
            vector!("001-baseline-rfc7866"), vector!("500g-reinvite-delayed-offer"), vector!("519-options-ping"),
            vector!("520-cancel"), vector!("330d-bye-with-metadata"), vector!("400-sdes-two-suites"),
        ];
        let mut octets = sources[which].to_vec();
        for (at, value, kind) in edits {
            if octets.is_empty() { break }
            let at = at.index(octets.len());
            match kind {
                0 => octets[at] = value,
                1 => { octets.remove(at); }
                _ => octets.insert(at, value),
            }
        }
        for transport in [Transport::Udp, Transport::Tls] {
            let mut rig = Rig::new(transport, "auto");
            rig.send(&octets);
            for event in rig.events() {
                if let Event::Offered(offered) = event {
                    rig.accept(offered.dialog, &offered.offer);
                }
            }
            rig.pass(Duration::from_secs(60));
        }
    }
}
