//! Recording assurance of a real recorder: a file of call detail records with bad lines, verdicts, an annotation, and
//! the signed report, which verifies until somebody touches it.

use std::path::Path;

use recorder_tests::{Call, Client, Node, call::Way, node::files, wait};
use reqwest::Method;
use serde_json::{Value, json};

const DAY_S: u64 = 86_400;
/// Of a call that nobody recorded.
const LOST: &str = "0301230099";

/// Today and yesterday as the recorder counts days: by the beginning of a recording, and a day before it.
fn days(started_at: &str) -> (String, String) {
    let at = model::Timestamp::parse(started_at).expect("a time");
    let before = model::Timestamp::from_nanos(at.nanos() - DAY_S * 1_000_000_000);
    (started_at[..10].to_owned(), before.to_string()[..10].to_owned())
}

/// A file of three calls and two lines that are none.
fn write_cdrs(path: &Path, recording: &Value, yesterday: &str) {
    let text = |key: &str| recording[key].as_str().expect("text").to_owned();
    let (uuid, started, ended) = (text("call_uuid"), text("started_at"), text("ended_at"));
    let lines = [
        "CallUUID,DN,ANI,Start Time,Answer Time,End Time,Record".to_owned(),
        format!("{uuid},7002,5550100,{started},{started},{ended},yes"),
        format!("LOST,7003,{LOST},{yesterday} 10:00:00,{yesterday} 10:00:05,{yesterday} 10:05:00,yes"),
        format!("QUIET,7004,{LOST},{yesterday} 11:00:00,{yesterday} 11:00:05,{yesterday} 11:05:00,no"),
        format!("BAD,7005,{LOST},half past ten,,{yesterday} 11:05:00,yes"),
        "SHORT,7005".to_owned(),
    ];
    std::fs::write(path, lines.join("\n") + "\n").expect("a file");
}

fn calls(client: &Client, day: &str) -> Vec<Value> {
    let answer = client.get(&format!("/assurance/calls?day={day}"));
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    answer.json()["items"].as_array().expect("items").clone()
}

fn of<'a>(calls: &'a [Value], uuid: &str) -> &'a Value {
    calls.iter().find(|call| call["call_uuid"] == uuid).unwrap_or_else(|| panic!("no {uuid} in {calls:?}"))
}

#[test]
fn a_file_is_held_against_the_recordings_and_the_signed_report_verifies_until_it_is_altered() {
    let mut node = Node::start("[assurance]\nreport_after_s = 0\n[assurance.cdr.pbx]\nzone = \"UTC\"\n");
    let client = node.client("compliance-officer");
    let sent = Call::start(&node, "5550100", Way::Tcp, &["--duration", "1s"]).finish();
    let recording = node.archived(&client, &format!("dn={}", sent.caller));
    let (today, yesterday) = days(recording["started_at"].as_str().expect("a time"));
    let file = node.folder.path().join("cdrs.csv");
    write_cdrs(&file, &recording, &yesterday);
    let name = file.to_str().expect("a path");

    // The good lines count, the bad ones are named; the same file again brings nothing.
    let (code, told, errors) = node.run(&["cdr", "import", name, "--source", "pbx"]);
    assert_eq!(code, 1, "{told}{errors}");
    assert!(told.contains("5 lines, 3 new, 0 known, 2 bad"), "{told}");
    assert!(errors.contains("line 5: `started_at` is no time") && errors.contains("line 6: 2 columns"), "{errors}");
    assert!(!errors.contains(LOST), "no number in what is said: {errors}");
    let (_, again, _) = node.run(&["cdr", "import", name, "--source", "pbx"]);
    assert!(again.contains("5 lines, 0 new, 3 known, 2 bad"), "{again}");
    let (code, _, errors) = node.run(&["cdr", "import", name, "--source", "other"]);
    assert!(code == 2 && errors.contains("assurance.cdr.other"), "{errors}");

    let of_today = calls(&client, &today);
    let call = of(&of_today, recording["call_uuid"].as_str().expect("a CallUUID"));
    assert_eq!((&call["verdict"], &call["recordings"][0]), (&json!("compliant"), &recording["id"]), "{call}");
    let of_yesterday = calls(&client, &yesterday);
    let lost = of(&of_yesterday, "LOST");
    assert_eq!((&lost["verdict"], &lost["severity"]), (&json!("not_recorded"), &json!("critical")), "{lost}");
    assert_eq!(of(&of_yesterday, "QUIET")["verdict"], "intentionally_not_recorded");

    // It is told: in the metrics, in the log by its id, and never by a number.
    let incident = lost["incident"].as_str().expect("a name").to_owned();
    wait::until(30, "the alert", || node.metric("recorder_assurance_unrecorded_total") > 0.5);
    wait::until(10, "the alert in the log", || node.log().contains(&incident));
    assert!(!node.log().contains(LOST) && !node.log().contains("7003"));

    let archive = node.data().join("archive/assurance");
    wait::until(30, "the report of yesterday", || !files(&archive).is_empty());
    let stored = files(&archive).remove(0);
    assert!(stored.ends_with(format!("{}/report-1.json.sealed", yesterday.replace('-', "/"))), "{stored:?}");
    assert_verifies(&node, &stored);

    let path = format!("/api/v1/assurance/incidents/{incident}");
    let note = json!({ "cause": "switch", "note": "the port was not monitored" });
    let answer = client.request(Method::POST, &path, &[], Some(note));
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    assert_eq!(of(&calls(&client, &yesterday), "LOST")["cause"], "switch");

    let signed = node.folder.path().join("report.json");
    let arguments = ["assurance", "report", "--day", &yesterday, "--signed", signed.to_str().expect("a path")];
    let (code, figures, errors) = node.run(&arguments);
    assert!(code == 1 && errors.contains("1 call(s) were not recorded"), "{errors}");
    assert!(figures.contains(&format!("{incident} {yesterday}T10:00:00.000Z not_recorded no_recording switch")));
    assert_verifies(&node, &signed);
    // It is all in the ledger: another life of the process says the same.
    assert_eq!(node.stop(), Some(0));
    node.launch();
    wait::until(30, "the verdicts after a start", || {
        client.get(&format!("/assurance/calls?day={yesterday}")).status == 200
    });
    assert_eq!(of(&calls(&client, &yesterday), "LOST")["cause"], "switch");
    let (code, told, _) = node.run(&["verify"]);
    assert_eq!(code, 0, "{told}");
}

/// As it is it verifies; with one octet changed, or by another key, it does not.
fn assert_verifies(node: &Node, document: &Path) {
    let verify = |path: &Path, more: &[&str]| {
        node.run(&[&["assurance", "verify", path.to_str().expect("a path")], more].concat())
    };
    let (code, told, errors) = verify(document, &[]);
    assert_eq!(code, 0, "{told}{errors}");
    let (code, _, errors) = verify(document, &["--public", &"0".repeat(64)]);
    assert!(code == 1 && errors.contains("signed by another key"), "{errors}");
    let octets = std::fs::read(document).expect("a document");
    let mut altered = octets.clone();
    let place = octets.len() / 2;
    altered[place] ^= 1;
    std::fs::write(document, &altered).expect("written");
    assert_eq!(verify(document, &[]).0, 1, "altered at {place}");
    std::fs::write(document, &octets).expect("written");
}

#[test]
fn without_a_server_the_command_line_writes_the_ledger_itself() {
    let mut node = Node::prepare("");
    let file = node.folder.path().join("cdrs.json");
    let line =
        json!({ "calluuid": "U1", "dn": "7001", "start": "2026-01-02T10:00:00Z", "duration": 60, "record": true });
    std::fs::write(&file, format!("{line}\n")).expect("a file");
    let name = file.to_str().expect("a path").to_owned();
    for expected in ["1 lines, 1 new, 0 known, 0 bad", "1 lines, 0 new, 1 known, 0 bad"] {
        let (code, told, errors) = node.run(&["cdr", "import", &name]);
        assert!(code == 0 && told.contains(expected), "{told}{errors}");
    }
    let (code, report, _) = node.run(&["assurance", "report", "--day", "2026-01-02", "--json"]);
    let report: Value = serde_json::from_str(&report).expect("JSON");
    assert_eq!((code, &report["summary"]["verdicts"]["not_recorded"]), (1, &json!(1)));
    let (code, _, errors) = node.run(&["assurance", "report", "--day", "2026-02-30"]);
    assert!(code == 2 && errors.contains("--day"), "{errors}");
    std::fs::write(&file, b"PK\x03\x04\xff\xfe").expect("a file");
    let (code, _, errors) = node.run(&["cdr", "import", &name]);
    assert!(code == 1 && errors.contains("not UTF-8"), "{errors}");
    // A server starts on that ledger.
    node.launch();
    assert_eq!(node.run(&["verify"]).0, 0);
}
