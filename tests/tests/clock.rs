//! The wall clock of the recorder steps while calls go on: sound stays exact, no gap is made up, durations are those of
//! the call, no session ends by it.

use recorder_tests::{
    Call, Node,
    call::{Way, wait_live},
    chaos::{Shim, clerk::Clerk},
    heard, wait,
};

/// An hour and a minute and a half, there and back, both ways.
const STEPS_MS: [i64; 8] = [3_600_000, 0, 90_000, 0, -90_000, 0, -3_600_000, 0];

#[test]
fn steps_of_the_clock_change_no_sound_and_end_no_session() {
    let mut node = Node::prepare("");
    let shim = Shim::new(node.folder.path());
    // The shim moves the stamps that `recvmmsg` brings; a ring of the kernel it does not see.
    let mut environment = shim.clock_environment();
    environment.push(("RECORDER__MEDIA__RECEIVE", "sweep"));
    node.launch_with(&environment);
    let client = node.client("compliance-officer");
    let start = |(index, way): (usize, Way)| {
        Call::start(&node, &format!("555{index:04}"), way, &["--duration", "10s", "--reinvite-at", "5s"])
    };
    let calls: Vec<Call> = Way::ALL.into_iter().enumerate().map(start).collect();
    wait_live(&node, 4);
    let mut across = Vec::new();
    for (number, step) in STEPS_MS.into_iter().enumerate() {
        let packets = || node.metric("recorder_rtp_packets_total");
        let before = packets();
        wait::until(10, "a second of four calls", || packets() > before + 350.0);
        shim.clock(step);
        let entry = Clerk::new(node.sip).session(&format!("step{number}"), std::time::Duration::ZERO);
        assert!(entry.hung_up.is_some(), "a session after step {number}: {entry:?}");
        if number < 2 {
            // One begins in an hour that never was, and ends before it began.
            across.push(Call::start(&node, &format!("556{number:04}"), Way::Tcp, &["--duration", "2s"]));
        }
    }
    for (call, seconds) in calls.into_iter().map(|call| (call, 10)).chain(across.into_iter().map(|call| (call, 2))) {
        let sent = call.finish();
        let recording = node.archived(&client, &format!("dn={}", sent.caller));
        for track in recording["tracks"].as_array().expect("tracks") {
            assert_eq!(track["gaps"], serde_json::json!([]), "{recording}");
        }
        heard::assert_exact(&client, &recording, &sent, "7002");
        let duration = recording["duration_ms"].as_u64().expect("a duration");
        assert!((seconds * 1000 - 500..seconds * 1000 + 3_000).contains(&duration), "{duration} ms: {recording}");
    }
    let (code, output, errors) = node.run(&["verify"]);
    assert_eq!(code, 0, "{output}{errors}");
}
