//! Calls of the companion in every profile and over every transport: what comes back is what was sent, octet for octet.

use recorder_tests::{
    Call, Client, Node,
    call::{Way, place, wait_live},
    heard, wait,
};
use reqwest::Method;
use serde_json::{Value, json};

const AGENT: &str = "7002";

/// Places a call of this profile over every way at once, and hears all of them.
fn every_way(arguments: &[&str]) {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    let arguments = [arguments, &["--duration", "3s"]].concat();
    let numbers = (0..Way::ALL.len()).map(|index| format!("55501{index:02}"));
    let calls: Vec<_> = Way::ALL
        .iter()
        .zip(numbers)
        .map(|(way, caller)| {
            let seed = caller.trim_start_matches('5').to_owned();
            (*way, Call::start(&node, &caller, *way, &[&arguments[..], &["--seed", &seed]].concat()))
        })
        .collect();
    for (way, call) in calls {
        let sent = call.finish();
        let recording = node.archived(&client, &format!("dn={}", sent.caller));
        let wav = heard::assert_exact(&client, &recording, &sent, AGENT);
        assert_eq!(wav.tag, 7);
        assert_eq!(heard::channel(&recording, &sent.caller), 0, "{way:?}: the caller is left");
        heard::assert_mp3(&client, &recording, node.folder.path(), &wav);
        assert_shape(&recording, &sent.report, way);
        // RFC 3261 18.1.1: a body with metadata is too large for UDP, and the recorder says so.
        let is_large = way == Way::Udp && arguments.contains(&"rfc7866");
        let warnings = if is_large { json!(["large_udp_request"]) } else { json!([]) };
        assert_eq!(recording["warnings"], warnings, "{recording}");
    }
    assert_ranges(&client);
    let lost = node.metric("recorder_rtp_lost_packets_total");
    assert!(lost.abs() < 0.5, "{lost} packets lost on loopback");
    // Each call once: two legs of a pair are one recording.
    let all = client.get("/recordings?limit=100").json();
    assert_eq!(all["items"].as_array().map(Vec::len), Some(Way::ALL.len()));
}

/// DESIGN section 5.
fn assert_shape(recording: &Value, report: &Value, way: Way) {
    assert_eq!(recording["state"], "archived");
    assert_eq!(recording["call_uuid"], report["call_uuid"], "{recording}");
    assert!(recording["parties"].as_array().is_some_and(|parties| parties.len() == 2), "{recording}");
    let duration = recording["duration_ms"].as_u64().expect("a duration");
    assert!((2900..3300).contains(&duration), "{duration} ms");
    for key in ["id", "record_id", "started_at", "ended_at", "conn_id", "flags", "correlation", "user_data"] {
        assert!(recording.get(key).is_some(), "no {key}: {recording}");
    }
    let tracks = recording["tracks"].as_array().expect("tracks");
    assert_eq!(tracks.len(), 2, "{recording}");
    for track in tracks {
        assert_eq!(
            (&track["codec"], &track["lost"], &track["gaps"]),
            (&json!("PCMU"), &json!(0), &json!([])),
            "{track}"
        );
        assert_eq!((&track["packets"], &track["srtp"]), (&json!(150), &json!(matches!(way, Way::Tls(_)))), "{track}");
    }
    let formats: Vec<_> =
        recording["media"].as_array().expect("media").iter().map(|object| &object["format"]).collect();
    assert!(formats.contains(&&json!("wav")) && formats.contains(&&json!("mp3")), "{formats:?}");
}

fn assert_ranges(client: &Client) {
    let list = client.get("/recordings?limit=1").json();
    let path = format!("/api/v1/recordings/{}/audio?format=wav", heard::id(&list["items"][0]));
    let whole = client.request(Method::GET, &path, &[], None);
    let part = client.request(Method::GET, &path, &[("Range", "bytes=1000-2999")], None);
    assert_eq!(part.status, 206);
    assert_eq!(part.body, whole.body[1000..3000]);
    assert_eq!(part.header("content-range"), format!("bytes 1000-2999/{}", whole.body.len()));
    let tail = client.request(Method::GET, &path, &[("Range", "bytes=-100")], None);
    assert_eq!((tail.status.as_u16(), &tail.body[..]), (206, &whole.body[whole.body.len() - 100..]));
    let beyond = client.request(Method::GET, &path, &[("Range", "bytes=99999999-")], None);
    assert_eq!(beyond.status, 416);
    assert_eq!(beyond.header("content-range"), format!("bytes */{}", whole.body.len()));
}

#[test]
fn rfc7866_comes_back_octet_for_octet() {
    every_way(&["--profile", "rfc7866"]);
}

#[test]
fn genesys_per_party_comes_back_octet_for_octet() {
    every_way(&["--profile", "genesys-msr", "--layout", "per-party"]);
}

#[test]
fn genesys_single_session_comes_back_octet_for_octet() {
    every_way(&["--profile", "genesys-msr", "--layout", "single"]);
}

#[test]
fn a_pair_of_legs_is_one_recording_in_any_order_and_a_law_keeps_its_law() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    let pair = ["--profile", "genesys-msr", "--layout", "per-party", "--duration", "3s"];
    let reversed =
        Call::start(&node, "5550201", Way::Udp, &[&pair[..], &["--reverse-legs", "--leg-gap", "600"]].concat());
    let late = Call::start(&node, "5550202", Way::Tcp, &[&pair[..], &["--leg-gap", "600"]].concat());
    let a_law = Call::start(&node, "5550203", Way::Udp, &[&pair[..], &["--law", "pcma"]].concat());
    for (call, tag) in [(reversed, 7), (late, 7), (a_law, 6)] {
        let sent = call.finish();
        let recording = node.archived(&client, &format!("dn={}", sent.caller));
        let wav = heard::assert_exact(&client, &recording, &sent, AGENT);
        assert_eq!(wav.tag, tag);
    }
}

#[test]
fn a_pause_by_the_api_leaves_silence_of_its_length() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    let desk = node.client("integration");
    let call = Call::start(&node, "5550301", Way::Tls("AEAD_AES_128_GCM"), &["--duration", "5s"]);
    wait_live(&node, 1);
    let packets = |count: f64| wait::until(10, "packets", || node.metric("recorder_rtp_packets_total") > count);
    packets(100.0);
    let live = client.get("/recordings?dn=5550301").json();
    let id = heard::id(&live["items"][0]).to_owned();
    assert_eq!(desk.post(&format!("/recordings/{id}/pause")).status, 200);
    wait::until(10, "dropped packets", || node.metric("recorder_rtp_paused_packets_total") > 99.0);
    assert_eq!(desk.post(&format!("/recordings/{id}/resume")).status, 200);
    let sent = call.finish();
    let recording = node.archived(&client, "dn=5550301");
    let wav = heard::wav(&client, &recording);
    for (side, number) in [("left", "5550301"), ("right", AGENT)] {
        let channel = heard::channel(&recording, number);
        let gap = &recording["tracks"][channel]["gaps"][0];
        assert_eq!(gap["cause"], "paused", "{recording}");
        let at = |key: &str| gap[key].as_u64().expect("a time") as usize * 8;
        assert!(at("to_ms") - at("from_ms") > 8 * 800, "{gap}");
        assert_paused(&wav.channel(channel), &sent.octets(side), at("from_ms"), at("to_ms"));
    }
}

/// Before and after the gap the same octets at the same distance: nothing was cut out.
fn assert_paused(kept: &[u8], sent: &[u8], from: usize, to: usize) {
    const MARGIN: usize = 800;
    assert!(kept.len().abs_diff(sent.len()) < MARGIN, "{} octets of {}", kept.len(), sent.len());
    let before = &sent[..from - MARGIN];
    let shift = kept.windows(before.len()).position(|window| window == before).expect("what was said before the pause");
    assert_eq!(kept[shift + to + MARGIN..][..sent.len() - to - 2 * MARGIN], sent[to + MARGIN..sent.len() - MARGIN]);
    assert!(kept[from + MARGIN..to - MARGIN].iter().all(|octet| *octet == 0xff), "sound within the pause");
}

#[test]
fn a_pause_by_re_invite_leaves_silence_of_its_length() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    let pause = ["--duration", "4s", "--pause-at", "1500ms", "--pause-for", "1s"];
    let single = ["--profile", "genesys-msr", "--layout", "single"];
    let rfc = Call::start(&node, "5550401", Way::Tcp, &pause);
    let genesys = Call::start(&node, "5550402", Way::Tls("AES_CM_128_HMAC_SHA1_32"), &[&pause[..], &single].concat());
    for call in [rfc, genesys] {
        let sent = call.finish();
        let recording = node.archived(&client, &format!("dn={}", sent.caller));
        // The timestamps of the client go on through its pause: its dump has silence there, and so has the recording.
        heard::assert_exact(&client, &recording, &sent, AGENT);
        for track in recording["tracks"].as_array().expect("tracks") {
            let gap = &track["gaps"][0];
            assert_eq!(gap["cause"], "paused", "{recording}");
            let at = |key: &str| gap[key].as_u64().expect("a time");
            assert!((900..1200).contains(&(at("to_ms") - at("from_ms"))), "{gap}");
        }
    }
}

#[test]
fn a_call_goes_on_through_refreshes() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    let refresh = ["--duration", "3s", "--reinvite-at", "1s", "--update-at", "2s"];
    let sent = place(&node, "5550501", Way::Udp, &refresh);
    let recording = node.archived(&client, "dn=5550501");
    heard::assert_exact(&client, &recording, &sent, AGENT);
    assert_eq!(recording["tracks"].as_array().map(Vec::len), Some(2), "{recording}");
}
