//! Every kind of archive: what is kept there is heard again, nothing in it is in clear, and a store that is away only
//! makes the queue wait.

use std::{path::PathBuf, process::Command};

use recorder_tests::{
    Node, Slot,
    call::{Sent, Way, assert_sealed, place},
    heard,
    node::files,
    process::run,
    script,
    servers::{self, Server},
    wait,
};
use serde_json::Value;

const CALL: [&str; 2] = ["--duration", "2s"];

/// How a store is away.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Away {
    /// Nobody listens.
    Down,
    /// It takes requests and never answers.
    Frozen,
}

/// A call while the store is there, one while it is away, and what lies in it.
fn journey(mut store: Server, away: Away, first: impl FnOnce(&Server)) {
    store.start();
    first(&store);
    let mut node = Node::start(&store.section);
    let client = node.client("compliance-officer");
    let up = place(&node, "5550100", Way::Udp, &CALL);
    heard::assert_exact(&client, &node.archived(&client, "dn=5550100"), &up, "7002");

    if away == Away::Down {
        store.kill()
    } else {
        store.freeze()
    }
    let down = place(&node, "5550200", Way::Tls("AEAD_AES_256_GCM"), &CALL);
    wait::until(20, "a recording that waits", || node.metric("recorder_archive_pending") > 0.5);
    // The catalog follows the ledger at its own pace.
    wait::until(10, "a recording that is being finished", || {
        client.get("/recordings?dn=5550200").json()["items"][0]["state"] == "finalizing"
    });
    if away == Away::Down {
        store.start()
    } else {
        store.thaw()
    }
    let recording = node.archived(&client, "dn=5550200");
    wait::until(10, "an empty queue", || node.metric("recorder_archive_pending") < 0.5);
    heard::assert_exact(&client, &recording, &down, "7002");

    let sent: Vec<_> = [&up, &down].iter().flat_map(|sent| ["left", "right"].map(|side| sent.octets(side))).collect();
    assert_sealed(&[node.data(), store.folder.clone()], &sent);
    let (code, output, errors) = node.run(&["verify"]);
    assert_eq!(code, 0, "{output}{errors}");
    assert_eq!(node.stop(), Some(0));
}

#[test]
fn an_s3_bucket_keeps_recordings() {
    let (mut slot, folder) = (Slot::new(), tempfile::tempdir().expect("a folder"));
    let store = servers::s3(&mut slot, folder.path());
    journey(store, Away::Frozen, servers::make_bucket);
}

#[test]
fn a_webdav_tree_keeps_recordings() {
    let (mut slot, folder) = (Slot::new(), tempfile::tempdir().expect("a folder"));
    let store = servers::webdav(&mut slot, folder.path());
    journey(store, Away::Down, |_| {});
}

#[test]
fn a_folder_keeps_recordings_that_another_program_can_open() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    let sent = place(&node, "5550100", Way::Tls("AES_256_CM_HMAC_SHA1_80"), &CALL);
    let recording = node.archived(&client, "dn=5550100");
    heard::assert_exact(&client, &recording, &sent, "7002");
    let octets = ["left", "right"].map(|side| sent.octets(side));
    assert_sealed(&[node.data()], &octets);
    // The search itself is no blind one: the dump of what was sent, one folder higher, is in clear.
    let dump = [node.folder.path().to_owned()];
    assert!(std::panic::catch_unwind(|| assert_sealed(&dump, &octets)).is_err(), "sound in clear is not found");

    let wav = client.get(&format!("/recordings/{}/audio?format=wav", heard::id(&recording))).body;
    assert!(unsealed(&node, &recording, "audio.wav.sealed") == wav, "another program reads another WAV");
    assert_packets(&unsealed(&node, &recording, "tracks.sealed"), &sent);
    let manifest = unsealed(&node, &recording, "manifest.json.sealed");
    let manifest: Value = serde_json::from_slice(&manifest).expect("a manifest in JSON");
    assert!(manifest.to_string().contains(heard::id(&recording)), "{manifest}");
}

/// What `crypto/unseal.py`, made from `crypto/SEALED.md` alone, makes of an object.
fn unsealed(node: &Node, recording: &Value, part: &str) -> Vec<u8> {
    let archive = node.data().join("archive");
    let id = heard::id(recording);
    let is_it = |path: &PathBuf| path.ends_with(format!("{id}/{part}"));
    let object = files(&archive).into_iter().find(is_it).unwrap_or_else(|| panic!("no {part} of {id}"));
    let mut python = Command::new("/usr/bin/python3");
    python.arg(script::workspace("crypto/unseal.py")).arg(node.data().join("keys/master.key"));
    python.arg(archive.join(format!("keys/{id}.json"))).arg(object);
    let output = python.output().expect("python3");
    assert!(output.status.success(), "{part}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The opened chunks hold every packet: each 20 ms that was sent stand in them as they were on the wire.
fn assert_packets(chunks: &[u8], sent: &Sent) {
    for side in ["left", "right"] {
        let octets = sent.octets(side);
        let missing = octets.chunks_exact(160).position(|packet| !chunks.windows(160).any(|window| window == packet));
        assert_eq!(missing, None, "{side}: a packet is not in the sealed track");
    }
}

#[test]
fn a_sealed_recording_is_noise_under_another_key() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    place(&node, "5550100", Way::Udp, &["--duration", "1s"]);
    let recording = node.archived(&client, "dn=5550100");
    let key = node.data().join("keys/master.key");
    let text = std::fs::read_to_string(&key).expect("the master key");
    let other = node.folder.path().join("other.key");
    std::fs::write(&other, text.replace(|c: char| c.is_ascii_digit(), "7").replace("-v7", "-v1")).expect("a file");
    let object = files(&node.data().join("archive")).into_iter().find(|path| path.ends_with("audio.wav.sealed"));
    let mut python = Command::new("/usr/bin/python3");
    python.arg(script::workspace("crypto/unseal.py")).arg(&other);
    python
        .arg(node.data().join(format!("archive/keys/{}.json", heard::id(&recording))))
        .arg(object.expect("an object"));
    let (code, output, errors) = run(&mut python);
    assert!(code != 0 && output.is_empty() && errors.contains("InvalidTag"), "{code} {errors}");
}
