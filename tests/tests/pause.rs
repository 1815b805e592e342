//! Nothing of a paused span exists anywhere: a PIN spoken, pressed and sent while a pause lasts is looked for in the
//! recording, on disk, in logs and in memory, whoever asked for the pause.

use std::{path::PathBuf, process::Command};

use recorder_tests::{
    Client, Node, Switch,
    call::Way,
    heard, live,
    node::files,
    pin, script,
    switch::{Place, wait_up},
    wait,
    wav::Wav,
};
use serde_json::{Value, json};

const CALL: &str = "PIN00000000000000000000000000001";

/// A call in which the PIN is said, with more steps; what is left when it is over.
struct Said {
    node: Node,
    client: Client,
    report: Value,
    recording: Value,
    /// Traces in memory when all was said, and again when the recording was archived.
    in_memory: Vec<String>,
}

/// Plays it; `pause` is called when a second was recorded, `resume` when all was said.
fn play(steps: &str, pause: impl FnOnce(&Client, &Value), resume: impl FnOnce(&Client, &Value)) -> Said {
    play_over(Way::Udp, steps, pause, resume)
}

/// The same with SIP over this transport.
fn play_over(way: Way, steps: &str, pause: impl FnOnce(&Client, &Value), resume: impl FnOnce(&Client, &Value)) -> Said {
    let place = Place::new();
    let mut node = Node::start(&place.link("7001"));
    let (client, desk) = (node.client("compliance-officer"), node.client("integration"));
    let text = std::fs::read_to_string(script::path("scenarios/pin.toml")).expect("a scenario");
    let text = text.replace("to = \"127.0.0.1:5060\"\n", &recorder(&node, way));
    let switch = Switch::play(&node, &place, &format!("{text}{steps}"));
    wait_up(&node, 1);
    let recording = live::one(&client);
    wait::until(10, "a second of sound", || node.metric("recorder_rtp_packets_total") > 99.5);
    pause(&desk, &recording);
    wait::until(20, "the end of the digits", || live::one(&client)["user_data"]["Stage"] == "said");
    let dumps = tempfile::tempdir().expect("a folder");
    let said = pin::memory(node.process().pid(), &dumps.path().join("said"));
    resume(&desk, &recording);
    let report = switch.finish();
    let recording = node.archived(&client, &format!("call_uuid={CALL}"));
    let archived = pin::memory(node.process().pid(), &dumps.path().join("archived"));
    let in_memory = [said, archived].iter().flatten().flat_map(|dump| pin::found(dump, &pin::traces())).collect();
    Said { node, client, report, recording, in_memory }
}

/// Where the recording goes, as a scenario says it.
fn recorder(node: &Node, way: Way) -> String {
    match way {
        Way::Tls(suite) => format!(
            "to = \"127.0.0.1:{}\"\ntransport = \"tls\"\nca = {:?}\nsrtp = {suite:?}\n",
            node.sips,
            node.certificate()
        ),
        Way::Tcp => format!("to = \"127.0.0.1:{}\"\ntransport = \"tcp\"\n", node.sip),
        Way::Udp => format!("to = \"127.0.0.1:{}\"\n", node.sip),
    }
}

fn pause_steps(pause: &str, resume: &str) -> String {
    format!("\n[[step]]\nat = \"3s\"\ncall = \"A\"\n{pause}\n\n[[step]]\nat = \"8500ms\"\ncall = \"A\"\n{resume}\n")
}

impl Said {
    fn wav(&self) -> Wav {
        heard::wav(&self.client, &self.recording)
    }

    /// Digits heard in each channel of the WAV and of the MP3.
    fn spoken(&self) -> Vec<String> {
        let wav = self.wav();
        let mut heard: Vec<String> = (0..2).map(|channel| pin::heard(&heard::samples(&wav, channel))).collect();
        heard.extend(
            heard::mp3(&self.client, &self.recording, self.node.folder.path()).iter().map(|side| pin::heard(side)),
        );
        heard
    }

    /// The packets as they were kept, opened by another program.
    fn packets(&self) -> Vec<u8> {
        let archive = self.node.data().join("archive");
        let id = heard::id(&self.recording);
        let is_it = |path: &PathBuf| path.ends_with(format!("{id}/tracks.sealed"));
        let object = files(&archive).into_iter().find(is_it).expect("packets");
        let mut python = Command::new("/usr/bin/python3");
        python.arg(script::workspace("crypto/unseal.py")).arg(self.node.data().join("keys/master.key"));
        let output = python.arg(archive.join(format!("keys/{id}.json"))).arg(object).output().expect("python3");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Everything that the product says of it: the API, its export, its log, its folders.
    fn traces(&self) -> Vec<String> {
        let (code, _, errors) = self.node.run(&["export", heard::id(&self.recording), "--to", "exported"]);
        assert_eq!(code, 0, "{errors}");
        let folder = self.node.folder.path();
        std::fs::write(folder.join("exported/packets"), self.packets()).expect("a file");
        std::fs::write(folder.join("exported/recording.json"), self.recording.to_string()).expect("a file");
        let places = [self.node.data(), folder.join("log"), folder.join("exported")];
        places.iter().flat_map(|place| pin::found(place, &pin::traces())).collect()
    }

    /// The PIN is nowhere, and the timeline is as long as the call was.
    fn assert_clean(&self) {
        assert_eq!(self.spoken(), [""; 4], "digits are heard: {:#}", self.recording);
        assert_eq!(pin::events(&self.packets()), "", "telephone-events are kept");
        assert_eq!(self.traces(), [""; 0], "on disk");
        assert_eq!(self.in_memory, [""; 0], "in memory");
        for track in self.recording["tracks"].as_array().expect("tracks") {
            let gaps = track["gaps"].as_array().expect("gaps");
            assert_eq!(gaps.len(), 1, "{track:#}");
            assert_eq!(gaps[0]["cause"], "paused", "{track:#}");
            let (from, to) = (gaps[0]["from_ms"].as_u64(), gaps[0]["to_ms"].as_u64());
            assert!(from.is_some_and(|from| from > 900) && to.is_some_and(|to| to > 7_000), "{track:#}");
        }
        self.assert_length();
    }

    fn assert_length(&self) {
        let dialogs = &self.report["recordings"][0]["call"]["dialogs"];
        let dialogs = dialogs.as_array().unwrap_or_else(|| panic!("{:#}", self.report));
        let lines = dialogs.iter().flat_map(|dialog| dialog["lines"].as_array().into_iter().flatten());
        let spans: Vec<&Value> = lines.flat_map(|line| line["sent"].as_array().into_iter().flatten()).collect();
        let first = spans.iter().filter_map(|span| span["from_ms"].as_i64()).min().expect("a span");
        let last = spans.iter().filter_map(|span| span["to_ms"].as_i64()).max().expect("a span");
        let wav = self.wav();
        let length = (wav.channel(0).len() / 8) as i64;
        assert!((length - (last - first)).abs() <= 20, "{length} ms of {} ms", last - first);
    }
}

#[test]
fn without_a_pause_the_search_finds_what_it_looks_for() {
    let said = play("", |_, _| {}, |_, _| {});
    let spoken = said.spoken();
    assert!(spoken.iter().filter(|digits| digits.as_str() == pin::PIN).count() >= 2, "WAV and MP3: {spoken:?}");
    assert_eq!(pin::events(&said.packets()), pin::PIN);
    let traces = said.traces();
    assert!(traces.iter().any(|trace| trace.ends_with("exported/packets:sound")), "{traces:?}");
    // Digits of an INFO are never kept, pause or not.
    assert!(!traces.iter().any(|trace| trace.contains("Signal=")), "{traces:?}");
    said.assert_length();
}

#[test]
fn the_search_finds_digits_in_files_and_in_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let secret = format!("number {}", pin::PIN);
    std::fs::write(folder.path().join("log"), &secret).expect("a file");
    let found = pin::found(folder.path(), &pin::traces());
    assert!(found.len() == 1 && found[0].ends_with(pin::PIN), "{found:?}");
    let dump = pin::memory(std::process::id(), &folder.path().join("memory")).expect("our own memory");
    assert!(!pin::found(&dump, &pin::traces()).is_empty());
    assert_eq!(secret.len(), 23);
}

fn ask(what: &'static str) -> impl FnOnce(&Client, &Value) {
    move |desk: &Client, recording: &Value| {
        assert_eq!(desk.post(&format!("/recordings/{}/{what}", heard::id(recording))).status, 200);
    }
}

#[test]
fn a_pause_asked_for_by_the_api_keeps_nothing() {
    play("", ask("pause"), ask("resume")).assert_clean();
}

#[test]
fn a_pause_keeps_nothing_in_the_buffers_of_tcp() {
    play_over(Way::Tcp, "", ask("pause"), ask("resume")).assert_clean();
}

#[test]
fn a_pause_keeps_nothing_in_the_buffers_of_tls() {
    play_over(Way::Tls("AEAD_AES_256_GCM"), "", ask("pause"), ask("resume")).assert_clean();
}

#[test]
fn a_pause_asked_for_by_the_call_keeps_nothing() {
    let ask = |what: &'static str| {
        move |desk: &Client, _: &Value| assert_eq!(desk.post(&format!("/calls/{CALL}/{what}")).status, 202)
    };
    let said = play("", ask("pause"), ask("resume"));
    said.assert_clean();
    let words: Vec<&Value> =
        said.report["requests"].as_array().expect("requests").iter().map(|ask| &ask["what"]).collect();
    assert_eq!(words, [&json!("pause"), &json!("resume")], "the switch was asked as well");
}

#[test]
fn a_pause_that_the_switch_tells_keeps_nothing() {
    let steps = pause_steps(
        "do = \"private\"\nwhat = \"pause\"\ndata = { why = \"PIN\" }",
        "do = \"private\"\nwhat = \"resume\"",
    );
    play(&steps, |_, _| {}, |_, _| {}).assert_clean();
}

#[test]
fn a_pause_in_the_session_description_keeps_nothing_although_sound_goes_on() {
    let steps = pause_steps("do = \"record-pause\"\nleg = \"inactive-with-sound\"", "do = \"record-resume\"");
    play(&steps, |_, _| {}, |_, _| {}).assert_clean();
}

#[test]
fn a_pause_by_msml_keeps_nothing() {
    let steps = pause_steps("do = \"record-pause\"\nleg = \"msml\"", "do = \"record-resume\"");
    play(&steps, |_, _| {}, |_, _| {}).assert_clean();
}

#[test]
fn no_core_dump_is_ever_written() {
    let mut node = Node::start("");
    let status = std::fs::read_to_string(format!("/proc/{}/limits", node.process().pid())).expect("limits");
    let core = status.lines().find(|line| line.starts_with("Max core file size")).expect("a limit");
    assert!(core.split_whitespace().nth(4) == Some("0"), "{core}");
}

#[test]
fn what_the_ring_needed_is_given_up_before_the_first_thread_begins() {
    const CAP_BPF: u32 = 39;
    let mut node = Node::start("");
    let tasks = std::fs::read_dir(format!("/proc/{}/task", node.process().pid())).expect("threads");
    let mut threads = 0;
    for task in tasks {
        let status = std::fs::read_to_string(task.expect("a thread").path().join("status")).expect("a status");
        for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
            let held = status.lines().find_map(|line| line.strip_prefix(set)).expect("a set");
            let held = u64::from_str_radix(held.trim(), 16).expect("hex");
            assert_eq!(held >> CAP_BPF & 1, 0, "{status}");
        }
        threads += 1;
    }
    assert!(threads > 4, "{threads}");
}
