//! The endpoint driven by the shared vectors, in simulated time.

macro_rules! vector {
    ($name:literal) => {
        &include_bytes!(concat!("../../../../../tests/vectors/", $name, ".sip"))[..]
    };
}

mod life;
mod overload;
mod replaces;
mod restore;
mod rig;

use rig::*;

use super::*;
use crate::{
    event::{Ended, LineState},
    sip::message::Message,
};

#[test]
fn the_baseline_is_answered_as_rfc_7866_draws_it() {
    let mut rig = Rig::new(Transport::Tcp, "auto");
    let offered = rig.offered(vector!("001-baseline-rfc7866"));
    assert_eq!((offered.profile.as_str(), offered.warnings.as_slice()), ("rfc7866", &[][..]));
    assert_eq!(offered.offer.lines.len(), 2);
    assert!(offered.metadata.is_some());
    let answer = rig.accept(offered.dialog, &offered.offer);
    assert_eq!(answer.headers.get("Contact"), Some("<sip:srs@198.51.100.20:5060;transport=tcp>;+sip.srs"));
    assert_eq!(answer.headers.get("Content-Type"), Some("application/sdp"));
    assert!(answer.headers.lists("Supported", "siprec") && answer.headers.lists("Allow", "UPDATE"));
    for part in ["m=audio 30000 RTP/AVP 0 101", "m=audio 30002 RTP/AVP 0 101", "a=label:1", "a=label:2", "a=recvonly"] {
        assert!(body(&answer).contains(part), "{part} in {}", body(&answer));
    }
    assert_eq!(answer.headers.get("Session-Expires"), None, "no timer unless somebody wants one");
}

#[test]
fn every_tolerated_invite_is_offered_with_its_named_warning() {
    let none: &[&str] = &[];
    for (octets, warnings) in [
        (vector!("002-type-without-xml-suffix"), none),
        (vector!("003-type-params-and-case"), none),
        (vector!("005-compact-headers"), none),
        (vector!("006-disposition-missing-on-both-parts"), none),
        (vector!("100-no-require-siprec"), &["no_require_siprec"]),
        (vector!("101-contact-param-src-short"), &["contact_param_src_short"]),
        (vector!("102-feature-tag-inside-uri"), &["feature_tag_in_uri"]),
        (vector!("103-contact-unclosed-angle"), &["contact_repaired"]),
        (vector!("200-metadata-first-tight-headers"), none),
        (vector!("202-space-before-boundary-param"), none),
        (vector!("203-preamble-epilogue-trailing-space"), none),
        (vector!("204-final-delimiter-missing"), &["unterminated_multipart"]),
        (vector!("205-third-part-optional-signal"), none),
        (vector!("208-bare-lf-inside-parts"), none),
        (vector!("209-base64-transfer-encoding"), none),
        (vector!("343-metadata-over-64k"), none),
        (vector!("345-callid-hostile"), none),
        (vector!("512-session-timer-no-support"), none),
        (vector!("518-same-session-second-src"), none),
    ] {
        let mut rig = Rig::new(Transport::Tcp, "auto");
        let offered = rig.offered(octets);
        let names: Vec<&str> = offered.warnings.iter().map(|warning| warning.name).collect();
        assert_eq!(names, warnings, "{}", offered.call_id);
        let answer = rig.accept(offered.dialog, &offered.offer);
        assert_eq!((answer.status, body(&answer).matches("a=label:").count()), (200, 2), "{}", offered.call_id);
    }
}

#[test]
fn what_is_not_for_us_is_turned_away_by_status_and_leaves_a_trace() {
    for (octets, status) in [
        (vector!("105-plain-call-not-siprec"), 403),
        (vector!("106-require-unknown-tag"), 420),
        (vector!("107-srs-tag-to-srs"), 403),
        (vector!("206-third-part-required-unknown"), 415),
        (vector!("214-two-sdp-parts"), 400),
        (vector!("216-no-boundary-parameter"), 400),
        (vector!("316a-cisco-nbr-two-lines"), 403),
        (vector!("424-no-common-codec"), 488),
        (vector!("510-session-timer-too-small"), 422),
        (vector!("513-reinvite-unknown-dialog"), 481),
        (vector!("515-replaces-unknown"), 481),
        (vector!("517-two-replaces"), 400),
    ] {
        let mut rig = Rig::new(Transport::Tcp, "auto");
        let (answered, events) = rig.turned_away(octets);
        assert_eq!(answered, status);
        assert!(matches!(&events[..], [Event::TurnedAway { status: told, .. }] if *told == status), "{events:?}");
        assert_eq!(rig.endpoint.stats().dialogs, 0);
    }
}

#[test]
fn refusals_say_what_would_do() {
    let mut rig = Rig::new(Transport::Tcp, "auto");
    let sent = rig.send(vector!("106-require-unknown-tag"));
    assert_eq!(last(&sent).headers.get("Unsupported"), Some("example-unknown"));
    let sent = rig.send(vector!("206-third-part-required-unknown"));
    for kind in ["multipart/mixed", "application/sdp", "application/rs-metadata", "application/rs-metadata+xml"] {
        assert!(last(&sent).headers.lists("Accept", kind), "{kind}");
    }
    assert_eq!(last(&sent).headers.get("Accept-Encoding"), Some("identity"));
    let sent = rig.send(vector!("510-session-timer-too-small"));
    assert_eq!(last(&sent).headers.get("Min-SE"), Some("90"));
    let sent = rig.send(vector!("524-register"));
    assert_eq!((last(&sent).status, last(&sent).headers.lists("Allow", "INVITE")), (405, true));
    let sent = rig.send(vector!("525-publish"));
    assert_eq!(last(&sent).status, 405);
    let sent = rig.send(vector!("424-no-common-codec"));
    assert!(last(&sent).headers.get("Warning").unwrap().starts_with("305 "));
    let sent = rig.send(vector!("520-cancel"));
    assert_eq!(last(&sent).status, 481);
}

#[test]
fn a_strict_peer_is_read_by_the_letter() {
    for (octets, status) in [
        (vector!("100-no-require-siprec"), 403),
        (vector!("101-contact-param-src-short"), 403),
        (vector!("102-feature-tag-inside-uri"), 403),
        (vector!("103-contact-unclosed-angle"), 400),
        (vector!("204-final-delimiter-missing"), 400),
    ] {
        let mut rig = Rig::new(Transport::Tcp, "rfc7866-strict");
        assert_eq!(rig.turned_away(octets).0, status);
    }
    let mut rig = Rig::new(Transport::Tcp, "rfc7866-strict");
    assert_eq!(rig.offered(vector!("001-baseline-rfc7866")).profile, "rfc7866-strict");
}

#[test]
fn genesys_invites_come_by_their_request_uri_and_only_where_allowed() {
    let text = String::from_utf8(vector!("105-plain-call-not-siprec").to_vec()).unwrap();
    let uri = "INVITE sip:record=0AB_2026@198.51.100.20;calluuid=0AB;dn=7001;recordDN=7001 SIP/2.0";
    let invite = text.replace("INVITE sip:srs@recorder.example.net SIP/2.0", uri);
    for profile in ["auto", "genesys-msr"] {
        let offered = Rig::new(Transport::Tcp, profile).offered(invite.as_bytes());
        let call = offered.genesys.expect("call facts");
        assert_eq!((offered.profile.as_str(), call.record_id.as_str()), ("genesys-msr", "0AB_2026"));
        assert_eq!(call.dn.as_deref(), Some("7001"));
    }
    assert_eq!(Rig::new(Transport::Tcp, "rfc7866").turned_away(invite.as_bytes()).0, 403);
    let mut rig = Rig::new(Transport::Tcp, "genesys-msr");
    assert_eq!(rig.turned_away(vector!("001-baseline-rfc7866")).0, 403);
}

#[test]
fn dialog_500_from_set_up_to_bye() {
    let mut rig = Rig::new(Transport::Tcp, "auto");
    let first = rig.established();
    for (octets, cseq, states, direction) in [
        (vector!("500b-hold-both-inactive"), 2, LineState::Inactive, "a=inactive"),
        (vector!("500c-resume"), 3, LineState::Active, "a=recvonly"),
    ] {
        rig.send(octets);
        let events = rig.events();
        let [Event::Reoffered { dialog, offer, metadata, .. }] = &events[..] else { panic!("{events:?}") };
        assert_eq!(*dialog, first.dialog);
        assert!(offer.lines.iter().all(|line| line.state == states));
        assert!(metadata.is_some());
        let answer = rig.accept(*dialog, offer);
        assert_eq!(body(&answer).matches(direction).count(), 2);
        assert!(rig.send(&ack(cseq)).is_empty());
        assert_eq!(rig.events(), [], "Established is said once");
    }
    let resumed = sdp_of(&mut rig, vector!("500d-reinvite-same-version"), Some(4));
    let sent = rig.send(vector!("500e-update-refresh-no-body"));
    let refreshed = last(&sent);
    assert_eq!((refreshed.status, refreshed.body.len()), (200, 0));
    assert_eq!(refreshed.headers.get("Session-Expires"), Some("1800;refresher=uac"));
    assert!(refreshed.headers.lists("Require", "timer"));
    let moved = sdp_of(&mut rig, vector!("500f-update-with-offer"), None);
    assert!(moved.contains("a=label:2"), "UPDATE with an offer is answered with SDP");
    let sent = rig.send(vector!("500g-reinvite-delayed-offer"));
    let ours = last(&sent);
    assert_eq!((ours.status, body(ours).matches("m=audio 3000").count()), (200, 2));
    assert!(body(ours).contains("a=label:1") && body(ours).contains("a=label:2"));
    rig.send(&ack(7));
    assert_eq!(rig.events(), []);
    let (status, events) = rig.turned_away(vector!("500h-reinvite-bad-codec"));
    assert_eq!((status, events.len()), (488, 0), "the session goes on");
    rig.send(&ack(8));
    let sent = rig.send(vector!("514-cseq-lower"));
    assert_eq!(last(&sent).status, 500);
    assert!(!resumed.is_empty());
    let sent = rig.send(vector!("500i-bye-reason"));
    assert_eq!(last(&sent).status, 200);
    let events = rig.events();
    let [Event::Ended { cause: Ended::Bye, reason: Some(reason), .. }] = &events[..] else { panic!("{events:?}") };
    assert!(reason.contains("cause=200"));
    assert_eq!(rig.endpoint.stats().dialogs, 0);
}

/// Sends an offer, accepts it, returns the answer's SDP.
fn sdp_of(rig: &mut Rig, octets: &[u8], acked: Option<u32>) -> String {
    rig.send(octets);
    let events = rig.events();
    let [Event::Reoffered { dialog, offer, .. }] = &events[..] else { panic!("{events:?}") };
    let answer = rig.accept(*dialog, offer);
    assert_eq!(answer.status, 200);
    acked.map(|cseq| rig.send(&ack(cseq)));
    body(&answer).to_owned()
}

#[test]
fn an_unchanged_offer_gets_the_identical_answer() {
    let mut rig = Rig::new(Transport::Tcp, "auto");
    rig.established();
    let third = sdp_of(&mut rig, vector!("500c-resume"), Some(3));
    let fourth = sdp_of(&mut rig, vector!("500d-reinvite-same-version"), Some(4));
    assert_eq!(third, fourth);
}

#[test]
fn info_in_a_dialog() {
    let mut rig = Rig::new(Transport::Tcp, "auto");
    rig.established();
    for octets in
        [vector!("521-info-media-control"), vector!("522-info-dtmf-relay"), vector!("523-info-ac-action-pause")]
    {
        let sent = rig.send(octets);
        assert_eq!(last(&sent).status, 200);
    }
    let sent = rig.send(&in_dialog("INFO", 30, "Info-Package: nobody-knows\r\n"));
    assert_eq!(last(&sent).status, 469);
    let sent = rig.send(&in_dialog("NOTIFY", 31, ""));
    assert_eq!(last(&sent).status, 405);
    assert_eq!(rig.events(), []);
}

#[test]
fn partial_metadata_in_re_invites_and_with_the_bye() {
    let mut rig = Rig::new(Transport::Tcp, "auto");
    let offered = rig.offered(vector!("330a-complete"));
    assert!(offered.metadata.as_ref().is_some_and(|metadata| metadata.complete));
    rig.accept(offered.dialog, &offered.offer);
    rig.send(vector!("330b-partial-join-with-third-stream"));
    let events = rig.events();
    let Some(Event::Reoffered { offer, metadata: Some(partial), .. }) = events.last() else { panic!("{events:?}") };
    assert_eq!((offer.lines.len(), partial.complete), (3, false));
    assert_eq!(body(&rig.accept(offered.dialog, offer)).matches("m=audio").count(), 3);
    rig.send(vector!("330d-bye-with-metadata"));
    let events = rig.events();
    let Some(Event::Ended { metadata: Some(_), reason: Some(reason), .. }) = events.last() else {
        panic!("{events:?}")
    };
    assert!(reason.contains("cause=16"));
}
