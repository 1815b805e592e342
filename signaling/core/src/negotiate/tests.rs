//! Offers of the vectors, the answers they get, and the other side of the table.

use proptest::prelude::*;

use super::*;
use crate::{
    event::{Grant, LineState, Offer, Warning},
    sdp::{
        Direction, SessionDescription,
        build::{self, OfferCodec, OfferKey, OfferLine},
    },
    siprec::vector::{self, vector},
};

fn policy() -> Policy {
    let media_address = "198.51.100.20".parse().expect("an address");
    let sdes_over_clear = SdesOverClear::Refuse;
    Policy { media_address, srtp_required: false, sdes_over_clear, best_effort_srtp: false, dtls: Some([0xab; 32]) }
}

fn description(message: &[u8]) -> SessionDescription {
    let parts = vector::split(message, false).expect("a body");
    SessionDescription::parse(&parts.sdp.expect("SDP")).expect("SDP")
}

fn text(lines: &str) -> SessionDescription {
    SessionDescription::parse(
        format!("v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=5 9\n{lines}").as_bytes(),
    )
    .expect("SDP")
}

type Read = (Result<Offer, Refusal>, Vec<&'static str>);

fn read(sdp: &SessionDescription, secure: bool) -> Read {
    let mut warnings = Vec::new();
    let offer = offer(sdp, &policy(), secure, None, &mut warnings);
    (offer, warnings.into_iter().map(|warning| warning.name).collect())
}

/// Grants every line a port from 30000 on, SRTP lines a key of the right length.
fn grants(offer: &Offer) -> Vec<Grant> {
    let grant = |(at, line): (usize, &crate::event::Line)| match line.state.is_kept() {
        true => Grant::Accept {
            port: 30_000 + 2 * at as u16,
            key_salt: line.sdes.as_ref().map(|sdes| vec![at as u8 + 1; sdes.key_salt.len()]),
        },
        false => Grant::Reject,
    };
    offer.lines.iter().enumerate().map(grant).collect()
}

/// Reads the offer, answers it, checks the answer against the oracle and as the peer would, and gives its text.
fn answered(sdp: &SessionDescription, secure: bool) -> String {
    let offer = read(sdp, secure).0.expect("kept");
    let octets = answer(sdp, &offer, &grants(&offer), &mut LocalSession::new(77, policy().media_address));
    let oracle = sdp_types::Session::parse(&octets).expect("valid by the oracle");
    assert_eq!(oracle.medias.len(), sdp.media.len());
    let mut rewritten = Vec::new();
    oracle.write(&mut rewritten).expect("written");
    assert_eq!(String::from_utf8_lossy(&rewritten), String::from_utf8_lossy(&octets), "the oracle writes it the same");
    let again = SessionDescription::parse(&octets).expect("our own answer");
    read_answer(sdp, &again).expect("an answer to the offer");
    for (line, media) in offer.lines.iter().zip(&again.media) {
        assert_eq!(media.label(), line.label.as_deref(), "labels are echoed, none invented");
        assert_eq!(media.port != 0, line.state.is_kept());
    }
    String::from_utf8(octets).expect("text")
}

#[test]
fn the_baseline_answer_word_for_word() {
    let line = |port, label| {
        format!(
            "m=audio {port} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
             a=fmtp:101 0-15\r\na=ptime:20\r\na=label:{label}\r\na=recvonly\r\n"
        )
    };
    let head = "v=0\r\no=recorder 77 1 IN IP4 198.51.100.20\r\ns=-\r\nc=IN IP4 198.51.100.20\r\nt=0 0\r\n";
    let expected = format!("{head}{}{}", line(30_000, 1), line(30_002, 2));
    assert_eq!(answered(&description(vector!("001-baseline-rfc7866")), false), expected);
    assert_eq!(read(&description(vector!("001-baseline-rfc7866")), false).1, [""; 0]);
}

#[test]
fn every_plain_vector_is_answered_line_by_line() {
    for message in [
        vector!("300-oracle-legacy-namespace"),
        vector!("303c-avaya-reinvite-second-stream"),
        vector!("306-metaswitch-mixed-no-rtpmap"),
        vector!("310-labels-words-direction-both"),
        vector!("316a-cisco-nbr-two-lines"),
        vector!("330c-partial-leave"),
        vector!("403-avp-with-crypto"),
        vector!("409-ice-bundle-offer"),
        vector!("410-avpf-feedback"),
        vector!("411-sendrecv-offer"),
        vector!("414-no-session-c-line"),
        vector!("417-odd-rtp-ports"),
        vector!("418-video-msrp-text"),
        vector!("419-bfcp-application-line"),
        vector!("420-image-t38-line"),
        vector!("422-opus-fmtp-spaces"),
        vector!("423-g729-annexb-ptime40"),
        vector!("425-one-line-no-common-codec"),
        vector!("429-zero-mlines"),
        vector!("500b-hold-both-inactive"),
    ] {
        let answer = answered(&description(message), false);
        for unwanted in ["candidate", "BUNDLE", "crypto", "rtcp-fb", "sendonly", "sendrecv"] {
            assert!(!answer.contains(unwanted), "{unwanted} in {answer}");
        }
    }
}

#[test]
fn channels_and_fmtp_come_back_as_they_came() {
    let answer = answered(&description(vector!("422-opus-fmtp-spaces")), false);
    // What we render comes first: most peers send the first codec of the answer.
    assert!(answer.contains("m=audio 30000 RTP/AVP 0 111 110 101\r\n"), "{answer}");
    assert!(answer.contains("a=rtpmap:111 opus/48000/2\r\n"));
    assert!(answer.contains("a=fmtp:111 maxplaybackrate=16000; sprop-maxcapturerate=16000; useinbandfec=1\r\n"));
    let answer = answered(&text("m=audio 4 RTP/AVP 8 18\na=ptime:40\na=rtcp-mux\na=recvonly"), false);
    assert!(answer.contains("t=5 9\r\n") && answer.contains("a=rtpmap:18 G729/8000\r\n"));
    assert!(answer.contains("a=ptime:40\r\na=rtcp-mux\r\na=inactive\r\n"));
}

#[test]
fn states_follow_direction_address_port_and_medium() {
    let states = |message| {
        read(&description(message), true).0.expect("kept").lines.into_iter().map(|l| l.state).collect::<Vec<_>>()
    };
    assert_eq!(states(vector!("412-session-level-direction")), [LineState::Active, LineState::Inactive]);
    assert_eq!(states(vector!("304c-broadworks-pause-zero-address")), [LineState::Hold, LineState::Hold]);
    assert_eq!(states(vector!("330c-partial-leave")), [LineState::Active, LineState::Removed, LineState::Active]);
    assert_eq!(states(vector!("526-stop-with-all-ports-zero")), [LineState::Removed, LineState::Removed]);
    assert_eq!(states(vector!("500b-hold-both-inactive")), [LineState::Inactive, LineState::Inactive]);
    let video = LineState::Unusable("not_audio");
    assert_eq!(states(vector!("418-video-msrp-text"))[2..], [video.clone(), video.clone(), video]);
}

#[test]
fn sources_are_where_the_nearest_c_line_says_unless_it_is_unusable() {
    let lines = |message| read(&description(message), true).0.expect("kept").lines;
    let addresses =
        |message| lines(message).into_iter().map(|line| line.address.map(|a| a.to_string())).collect::<Vec<_>>();
    let expected = ["192.0.2.11", "192.0.2.12"].map(|address| Some(address.to_owned()));
    assert_eq!(addresses(vector!("415-media-c-overrides-session")), expected);
    assert_eq!(addresses(vector!("427-loopback-c-line")), [None, None]);
    let rtcp: Vec<_> =
        lines(vector!("414-no-session-c-line")).iter().map(|line| line.rtcp.map(|to| to.port())).collect();
    assert_eq!(rtcp, [Some(40_001), Some(40_011)]);
    let on_loopback = Policy { media_address: "127.0.0.1".parse().expect("an address"), ..policy() };
    let local = offer(&description(vector!("427-loopback-c-line")), &on_loopback, true, None, &mut Vec::new());
    assert!(local.expect("kept").lines[0].address.is_some_and(|address| address.is_loopback()));
    let named = text("m=audio 4 RTP/AVP 0\nc=IN IP4 sbc.example.com\na=rtcp:9 IN IP4 127.0.0.1");
    let line = read(&named, true).0.expect("kept").lines.remove(0);
    assert_eq!((line.address, line.rtcp), (None, None), "reports go to nobody's loopback");
}

#[test]
fn srtp_lines_are_answered_with_the_chosen_tag_and_a_key_of_our_own() {
    let sdp = description(vector!("400-sdes-two-suites"));
    let answer = answered(&sdp, true);
    let keys: Vec<_> =
        answer.lines().filter(|line| line.starts_with("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:")).collect();
    assert_eq!(keys.len(), 2);
    assert_ne!(keys[0], keys[1]);
    assert!(answer.contains("RTP/SAVP 0 101"));
    let offered = read(&description(vector!("401-sdes-gcm-first")), true).0.expect("kept");
    let sdes = offered.lines[0].sdes.as_ref().expect("a key");
    assert_eq!((sdes.tag, sdes.suite.as_str(), sdes.key_salt.len()), (1, "AEAD_AES_256_GCM", 44));
    let params = read(&description(vector!("406-sdes-session-params")), true).0.expect("kept");
    assert_eq!(params.lines[0].sdes.as_ref().map(|sdes| sdes.tag), Some(2));
    let keyless = vec![Grant::Accept { port: 30_000, key_salt: None }; 2];
    let octets = super::answer(
        &sdp,
        &read(&sdp, true).0.expect("kept"),
        &keyless,
        &mut LocalSession::new(1, policy().media_address),
    );
    assert!(String::from_utf8_lossy(&octets).contains("m=audio 0 RTP/SAVP"), "never SRTP without a key of ours");
}

#[test]
fn bad_keys_cost_their_line_and_clear_signaling_the_offer() {
    let (offer, warnings) = read(&description(vector!("405-sdes-bad-key-length")), true);
    let states: Vec<_> = offer.expect("kept").lines.into_iter().map(|line| line.state).collect();
    assert_eq!(states, [LineState::Unusable("no_usable_crypto"), LineState::Active]);
    assert_eq!(warnings, ["crypto_unusable", "partial_media"]);
    let refused = |message, secure| read(&description(message), secure).0.expect_err("refused");
    let clear = refused(vector!("407-sdes-over-udp"), false);
    assert_eq!(clear.status, 488);
    assert!(clear.warning.expect("a warning").starts_with("399 "));
    let lenient = Policy { sdes_over_clear: SdesOverClear::Warn, ..policy() };
    let mut warnings = Vec::new();
    let kept = super::offer(&description(vector!("407-sdes-over-udp")), &lenient, false, None, &mut warnings);
    assert!(kept.is_ok());
    assert_eq!(warnings[0].name, "sdes_over_clear_signaling");
    assert_eq!(read(&description(vector!("403-avp-with-crypto")), true).1[0], "crypto_on_plain_line");
}

#[test]
fn m1_m3_dtls_lines_are_answered_active_with_our_fingerprint_and_never_plain() {
    let sdp = description(vector!("408-dtls-srtp"));
    let answer = answered(&sdp, true);
    assert_eq!(answer.matches("UDP/TLS/RTP/SAVPF 0 101\r\n").count(), 2);
    let ours = format!("a=setup:active\r\na=fingerprint:sha-256 {}\r\na=rtcp-mux\r\n", ["AB"; 32].join(":"));
    assert_eq!(answer.matches(&ours).count(), 2, "{answer}");
    assert!(!answer.contains("crypto") && !answer.contains("a=connection"));
    let without = Policy { dtls: None, ..policy() };
    let refusal = offer(&sdp, &without, true, None, &mut Vec::new()).expect_err("refused");
    assert_eq!(
        (refusal.status, refusal.warning.as_deref()),
        (488, Some("302 recorder \"DTLS-SRTP is not supported\""))
    );
    assert_eq!(read(&sdp, true).1, [""; 0]);
    assert_eq!(read(&sdp, false).1, ["dtls_over_clear_signaling"], "M9");
}

#[test]
fn m1_m2_each_dtls_line_is_decided_by_itself() {
    let print = format!("a=fingerprint:sha-256 {}\n", ["0C"; 32].join(":"));
    let sdes = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n";
    let lines = format!(
        "m=audio 4 RTP/AVP 0\n{print}m=audio 6 RTP/SAVP 0\n{sdes}{print}m=audio 8 UDP/TLS/RTP/SAVP 0\n{sdes}{print}a=setup:passive\n\
         m=audio 10 UDP/TLS/RTP/SAVP 0\na=setup:actpass\nm=audio 9 UDP/TLS/RTP/SAVP 0\n{print}a=setup:actpass\n\
         m=audio 12 RTP/SAVPF 0\n{print}a=setup:active\nm=audio 14 UDP/TLS/RTP/SAVP 0\n{print}a=setup:holdconn\n\
         m=audio 16 TCP/TLS/RTP/SAVP 0\n{print}"
    );
    let sdp = text(&lines);
    let (read, warnings) = read(&sdp, true);
    let read = read.expect("kept");
    let how: Vec<_> = read
        .lines
        .iter()
        .map(|line| (line.sdes.is_some(), line.dtls.as_ref().map(|dtls| dtls.is_client), line.state.is_kept()))
        .collect();
    let expected = [
        (false, None, true),
        (true, None, true),
        (false, Some(true), true),
        (false, None, false),
        (false, Some(false), true),
        (false, Some(false), true),
        (false, None, false),
        (false, None, false),
    ];
    assert_eq!(how, expected);
    assert_eq!(warnings, ["dtls_unusable", "dtls_on_savp_line", "partial_media"]);
    let answer = answered(&sdp, true);
    assert_eq!(answer.matches("a=crypto").count(), 1, "keys only where they count");
    let bare = offer(&text("m=audio 4 UDP/TLS/RTP/SAVP 0"), &policy(), true, None, &mut Vec::new());
    let refused = bare.expect_err("no fingerprint");
    assert_eq!(refused.warning.as_deref(), Some("399 recorder \"No usable fingerprint or setup\""));
}

#[test]
fn nothing_in_common_is_488_with_the_reason() {
    let refused = |sdp: &SessionDescription| read(sdp, true).0.expect_err("refused").warning.expect("a warning");
    assert!(refused(&description(vector!("424-no-common-codec"))).starts_with("305 "));
    assert!(refused(&description(vector!("500h-reinvite-bad-codec"))).starts_with("305 "));
    assert!(refused(&text("m=video 4 RTP/AVP 96")).starts_with("304 "));
    assert!(refused(&text("m=audio 4 TCP/RTP/AVP 0")).starts_with("302 "));
    assert!(refused(&text(&"m=audio 4 RTP/AVP 0\n".repeat(65))).starts_with("399 "));
    let strict = Policy { srtp_required: true, ..policy() };
    let plain = offer(&text("m=audio 4 RTP/AVP 0"), &strict, true, None, &mut Vec::new()).expect_err("refused");
    assert_eq!(plain.warning.as_deref(), Some("302 recorder \"SRTP is required\""));
    let (many, warnings) = read(&text(&"m=audio 4 RTP/AVP 0\n".repeat(20)), true);
    assert_eq!(warnings, ["partial_media"], "once per name");
    let many = many.expect("sixteen are kept");
    assert_eq!(many.lines.iter().filter(|line| line.state.is_kept()).count(), 16);
}

#[test]
fn the_version_rises_exactly_when_the_description_changes() {
    let first = description(vector!("500a-setup"));
    let offered = read(&first, true).0.expect("kept");
    let mut local = LocalSession::new(5, policy().media_address);
    let one = answer(&first, &offered, &grants(&offered), &mut local);
    assert_eq!(answer(&first, &offered, &grants(&offered), &mut local), one);
    assert_eq!(own_offer(&first, &offered, &grants(&offered), &mut local), one);
    assert_eq!(local.version, 1);
    let hold = description(vector!("500b-hold-both-inactive"));
    let held = read(&hold, true).0.expect("kept");
    let two = answer(&hold, &held, &grants(&held), &mut local);
    assert!(String::from_utf8_lossy(&two).contains("o=recorder 5 2 IN") && local.version == 2);
    assert_eq!(local.last(), Some(two.as_slice()));
}

#[test]
fn moved_labels_and_vanished_lines_of_a_reoffer_are_noted() {
    let before = read(&description(vector!("500a-setup")), true).0.expect("kept");
    let notes = |sdp: &SessionDescription| {
        let mut warnings: Vec<Warning> = Vec::new();
        offer(sdp, &policy(), true, Some(&before), &mut warnings).expect("kept");
        warnings.into_iter().map(|warning| warning.name).collect::<Vec<_>>()
    };
    assert_eq!(notes(&description(vector!("527-label-moves"))), ["label_swap"]);
    assert_eq!(notes(&text("m=audio 4 RTP/AVP 0\na=label:1")), ["fewer_media_lines"]);
    assert_eq!(notes(&description(vector!("500d-reinvite-same-version"))), [""; 0]);
}

#[test]
fn the_client_reads_what_it_was_answered_and_refuses_what_breaks_the_rules() {
    let key = |tag| OfferKey { tag, suite: "AEAD_AES_128_GCM".to_owned(), key_salt: vec![7; 28] };
    let mut line =
        OfferLine::audio(40_000, "a", vec![OfferCodec::narrowband(0, "PCMU"), OfferCodec::telephone_event(101)]);
    line.crypto = vec![key(3)];
    let plain = OfferLine { crypto: Vec::new(), label: Some("b".to_owned()), ..line.clone() };
    let ours = build::Offer {
        session_id: 1,
        version: 1,
        address: "192.0.2.10".parse().expect("one"),
        lines: vec![line, plain],
    };
    let ours = SessionDescription::parse(&ours.write()).expect("our offer");
    let kept = read(&ours, true).0.expect("kept");
    let mut grants = grants(&kept);
    grants[1] = Grant::Reject;
    let reply = answer(&ours, &kept, &grants, &mut LocalSession::new(1, policy().media_address));
    let reply_text = String::from_utf8(reply).expect("text");
    let parse = |text: &str| SessionDescription::parse(text.as_bytes()).expect("SDP");
    let lines = read_answer(&ours, &parse(&reply_text)).expect("an answer");
    assert_eq!((lines[0].accepted, lines[0].port, lines[0].direction), (true, 30_000, Direction::RecvOnly));
    assert_eq!(lines[0].crypto.as_ref().map(|sdes| (sdes.tag, sdes.key_salt.len())), Some((3, 28)));
    assert_eq!((lines[1].accepted, lines[1].label.as_deref()), (false, Some("b")));
    assert_eq!(read_answer(&ours, &parse(&reply_text.replace("crypto:3", "crypto:4"))), Err(AnswerError::Crypto(1)));
    assert_eq!(read_answer(&ours, &parse(&reply_text.replace("SAVP", "AVP"))), Err(AnswerError::Mismatch(1)));
    let fewer = description(vector!("608-src-answer-fewer-lines"));
    assert_eq!(read_answer(&ours, &fewer), Err(AnswerError::LineCount { offered: 2, answered: 1 }));
    let unlabelled = description(vector!("606-src-answer-without-label"));
    assert!(unlabelled.media.iter().all(|media| media.label().is_none()));
}

proptest! {
    #[test]
    fn whatever_can_be_read_can_be_answered(at in 0_usize..600, with in any::<u8>(), secure in any::<bool>()) {
        let parts = vector::split(vector!("400-sdes-two-suites"), false).expect("a body");
        let mut octets = parts.sdp.expect("SDP");
        let at = at.min(octets.len() - 1);
        octets[at] = with;
        if let Ok(sdp) = SessionDescription::parse(&octets)
            && let (Ok(offer), _) = read(&sdp, secure)
        {
            let reply = answer(&sdp, &offer, &grants(&offer), &mut LocalSession::new(1, policy().media_address));
            let again = SessionDescription::parse(&reply).expect("our own answer");
            prop_assert_eq!(again.media.len(), sdp.media.len());
        }
    }
}
