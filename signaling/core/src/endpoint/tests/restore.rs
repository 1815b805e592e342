//! Dialogs that outlive the process: written down, read back by another endpoint, and used by the peer as if nothing was.

use std::time::Duration;

use super::*;
use crate::{event::Offered, limits, sip::Response};

/// The process ends and the next one begins, with the states written so far. The peer comes from `remote` now.
fn restart(rig: &mut Rig, states: Vec<DialogState>, remote: &str) -> Vec<bool> {
    let flow = Flow { id: 77, remote: remote.parse().unwrap(), ..rig.flow.clone() };
    let config = rig.endpoint.config.clone();
    rig.endpoint = Endpoint::new(config);
    rig.flow = flow.clone();
    states.into_iter().map(|state| rig.endpoint.restore(state, flow.clone(), rig.now)).collect()
}

fn states(rig: &mut Rig) -> Vec<DialogState> {
    std::iter::from_fn(|| rig.endpoint.changed()).collect()
}

/// An established dialog whose process was replaced.
fn restored(transport: Transport) -> (Rig, Offered) {
    let mut rig = Rig::new(transport, "auto");
    let offered = rig.established();
    let states = states(&mut rig);
    assert_eq!(states.len(), 1);
    assert_eq!(restart(&mut rig, states, "192.0.2.10:50505"), [true]);
    (rig, offered)
}

#[test]
fn bye_after_a_restart_is_answered_on_the_new_connection() {
    let (mut rig, offered) = restored(Transport::Tcp);
    let sent = rig.send(&in_dialog("BYE", 2, "Reason: Q.850;cause=16\r\n"));
    assert_eq!(last(&sent).status, 200);
    let ended = Event::Ended {
        dialog: offered.dialog,
        cause: Ended::Bye,
        reason: Some("Q.850;cause=16".into()),
        metadata: None,
    };
    assert_eq!(rig.events(), [ended]);
    assert_eq!(rig.endpoint.stats().dialogs, 0);
    // Of another call it is not.
    let (mut rig, _) = restored(Transport::Tcp);
    let foreign = String::from_utf8(in_dialog("BYE", 2, "")).unwrap().replace("500-dlg", "501-dlg");
    assert_eq!(last(&rig.send(foreign.as_bytes())).status, 481);
}

#[test]
fn a_re_invite_after_a_restart_is_negotiated_with_what_stood_and_the_version_rises() {
    let (mut rig, offered) = restored(Transport::Tcp);
    let version = |response: &Response| {
        let origin = body(response).lines().find(|line| line.starts_with("o=")).unwrap().to_owned();
        let words: Vec<u64> = origin.split(' ').filter_map(|word| word.parse().ok()).collect();
        (words[0], words[1])
    };
    // Without an offer: ours is what was said last.
    let sent = rig.send(&in_dialog("INVITE", 2, ""));
    let (session, first) = version(last(&sent));
    let Some(Event::Established { dialog }) = rig.events().first().cloned() else { panic!("it shows life") };
    assert_eq!(dialog, offered.dialog);
    rig.send(&ack(2));
    let hold = vector!("500b-hold-both-inactive");
    let hold = replaced(hold, b"CSeq: 2 INVITE", b"CSeq: 3 INVITE");
    rig.send(&hold);
    let Some(Event::Reoffered { offer, .. }) = rig.events().pop() else { panic!("an offer") };
    assert!(offer.lines.iter().all(|line| line.state == crate::event::LineState::Inactive));
    let answer = rig.accept(offered.dialog, &offer);
    assert_eq!((answer.status, version(&answer)), (200, (session, first + 1)));
    assert_eq!(states(&mut rig).len(), 1, "and is written down again");
}

#[test]
fn our_requests_rise_above_those_before_and_handles_are_not_used_twice() {
    let (mut rig, offered) = restored(Transport::Udp);
    let sent = rig.command(Command::HangUp { dialog: offered.dialog });
    let bye = request(sent.last().unwrap());
    assert_eq!((&bye.method, bye.cseq), (&Method::Bye, limits::RESTORED_CSEQ_LEAP + 1));
    let (mut rig, offered) = restored(Transport::Udp);
    let other = rig.offered(vector!("001-baseline-rfc7866"));
    assert!(other.dialog > offered.dialog);
}

#[test]
fn the_session_timer_begins_anew_and_still_ends_a_dead_session() {
    let mut rig = Rig::new(Transport::Tcp, "auto");
    rig.endpoint.config.session_expires_s = Some(90);
    let setup = replaced(vector!("500a-setup"), b"CSeq: 1 INVITE", b"Supported: timer\r\nCSeq: 1 INVITE");
    let offered = rig.offered(&setup);
    rig.accept(offered.dialog, &offered.offer);
    rig.send(&ack(1));
    let written = states(&mut rig);
    rig.events();
    rig.now += Duration::from_secs(60);
    restart(&mut rig, written, "192.0.2.10:50505");
    // Nobody answers our refreshes: the connection is gone. The peer has until the end of the interval to come back.
    let refreshes = rig.pass(Duration::from_secs(80));
    assert!(refreshes.iter().any(|(_, message)| request(message).method == Method::Update));
    assert_eq!(rig.events(), []);
    rig.pass(Duration::from_secs(10));
    assert!(matches!(rig.events()[..], [Event::Ended { cause: Ended::SessionTimer, .. }]));
}

#[test]
fn the_answer_to_a_refresh_shows_life_and_an_unknown_dialog_ends_it() {
    for (status, further) in [("200 OK", "Session-Expires: 90;refresher=uac\r\n"), ("481 Gone", "")] {
        let mut rig = Rig::new(Transport::Tcp, "auto");
        rig.endpoint.config.session_expires_s = Some(90);
        let setup = replaced(vector!("500a-setup"), b"CSeq: 1 INVITE", b"Supported: timer\r\nCSeq: 1 INVITE");
        let offered = rig.offered(&setup);
        rig.accept(offered.dialog, &offered.offer);
        rig.send(&ack(1));
        let written = states(&mut rig);
        rig.events();
        restart(&mut rig, written, "192.0.2.10:50505");
        let sent = rig.pass(Duration::from_secs(46));
        let update = request(&sent.last().unwrap().1).clone();
        rig.send(&answer(&update, status, further));
        let events = rig.events();
        let lives = matches!(events[..], [Event::Established { .. }]);
        let ends = matches!(events[..], [Event::Ended { cause: Ended::SessionTimer, .. }]);
        assert_eq!((lives, ends), (!further.is_empty(), further.is_empty()), "{events:?}");
    }
}

#[test]
fn only_answered_dialogs_have_a_state_and_none_is_taken_up_twice() {
    let mut rig = Rig::new(Transport::Tcp, "auto");
    let offered = rig.offered(vector!("500a-setup"));
    assert!(states(&mut rig).is_empty());
    rig.accept(offered.dialog, &offered.offer);
    let written = states(&mut rig);
    assert_eq!(written.len(), 1);
    let twice = vec![written[0].clone(), written[0].clone()];
    assert_eq!(restart(&mut rig, twice, "192.0.2.10:50505"), [true, false]);
    rig.send(&ack(1));
    assert_eq!(last(&rig.send(&in_dialog("BYE", 2, ""))).status, 200);
}

#[test]
fn the_way_back_is_the_contact_or_the_first_route_if_it_is_an_address() {
    let mut rig = Rig::new(Transport::Tls, "auto");
    rig.established();
    let mut state = states(&mut rig).remove(0);
    let mut way = |target: &str, route: Option<&str>| {
        state.retarget(target, route);
        state.way_back().map(|way| way.to_string())
    };
    assert_eq!(way("sip:src@192.0.2.10:5070;transport=tcp", None).as_deref(), Some("192.0.2.10:5070"));
    assert_eq!(way("sips:192.0.2.10", None).as_deref(), Some("192.0.2.10:5061"));
    assert_eq!(way("sip:src@[2001:db8::1]", None).as_deref(), Some("[2001:db8::1]:5061"));
    assert_eq!(way("sip:src@[2001:db8::1]:9", None).as_deref(), Some("[2001:db8::1]:9"));
    assert_eq!(way("sip:src@192.0.2.10", Some("<sip:198.51.100.1;lr>")).as_deref(), Some("198.51.100.1:5061"));
    assert_eq!(way("sip:src@sbc.example.com", None), None);
}
