//! The console in a real browser: log in, search, look at a recording, hear it, log out; and look after a day.

use std::{io::Write, path::Path, process::Stdio};

use recorder_tests::{
    Node,
    call::{Way, place},
    heard, node,
    process::run,
    script, wait,
};

const PASSWORD: &str = "correct horse battery";

/// A compliance officer walks the journey of that script, which ends with a screenshot.
fn walk(node: &Node, journey: &str, more: &[(&str, String)]) {
    let mut add = node.command(&["user", "add", "officer", "--role", "compliance-officer"]);
    let mut add = add.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("the recorder command");
    add.stdin.take().expect("a pipe").write_all(format!("{PASSWORD}\n").as_bytes()).expect("written");
    assert!(add.wait().expect("its end").success());

    let screenshot = node.folder.path().join("console.png");
    let mut browser = std::process::Command::new("node");
    browser.arg(script::path(journey)).current_dir(script::path("browser")).envs([
        ("CONSOLE_URL", format!("https://127.0.0.1:{}/", node.https)),
        ("CONSOLE_USER", "officer".to_owned()),
        ("CONSOLE_PASSWORD", PASSWORD.to_owned()),
        ("CONSOLE_SCREENSHOT", screenshot.display().to_string()),
        ("CONSOLE_PROFILE", node.folder.path().join("browser").display().to_string()),
    ]);
    let (code, output, errors) = run(browser.envs(more.iter().cloned()));
    assert_eq!(code, 0, "{output}{errors}");
    assert!(std::fs::metadata(&screenshot).is_ok_and(|file| file.len() > 10_000), "no screenshot");
}

#[test]
fn a_person_finds_and_hears_a_recording() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    place(&node, "5550100", Way::Udp, &["--profile", "genesys-msr", "--duration", "4s"]);
    place(&node, "5550199", Way::Udp, &["--profile", "genesys-msr", "--duration", "1s"]);
    node.archived(&client, "dn=5550199");
    let recording = node.archived(&client, "dn=5550100");
    let more = [("CONSOLE_RECORDING", heard::id(&recording).to_owned()), ("CONSOLE_NUMBER", "5550100".to_owned())];
    walk(&node, "browser/console.mjs", &more);
}

/// Yesterday (UTC) as a day.
fn yesterday(now: &str) -> String {
    let now = model::Timestamp::parse(now).expect("a time");
    model::Timestamp::from_millis(now.millis() - 86_400_000).to_string()[..10].to_owned()
}

/// A day of five calls: one that was recorded (another day's recording will not do), two lost ones, one that was not to be
/// recorded, one that nobody answered.
fn write_cdrs(path: &Path, day: &str, recording: &str) {
    let line = |uuid: &str, dn: &str, hour: u8, answered: bool, record: &str| {
        let answered = if answered { format!("{day} {hour}:00:05") } else { String::new() };
        format!("{uuid},{dn},0301230099,{day} {hour}:00:00,{answered},{day} {hour}:05:00,{record},")
    };
    let lines = [
        "CallUUID,DN,ANI,Start Time,Answer Time,End Time,Record,Recording ID".to_owned(),
        line("LOST", "7003", 10, true, "yes"),
        line("GONE", "7005", 11, true, "yes"),
        line("QUIET", "7004", 12, true, "no"),
        line("RUNG", "7004", 13, false, "yes"),
        recording.to_owned(),
    ];
    std::fs::write(path, lines.join("\n") + "\n").expect("a file");
}

#[test]
fn a_compliance_officer_looks_after_the_calls_that_were_not_recorded() {
    let extra = "[assurance]\nreport_after_s = 0\nusers = [\"7009\"]\n[assurance.cdr.pbx]\nzone = \"UTC\"\n";
    let node = Node::start(extra);
    let client = node.client("compliance-officer");
    place(&node, "5550100", Way::Udp, &["--profile", "genesys-msr", "--duration", "1s"]);
    let recording = node.archived(&client, "dn=5550100");
    let text = |key: &str| recording[key].as_str().expect("text").to_owned();
    let day = yesterday(&text("started_at"));
    // The call that was recorded rang before midnight.
    let (started, ended) = (format!("{day}T23:59:59Z"), text("ended_at"));
    let recorded =
        format!("{},7002,5550100,{started},{},{ended},yes,{}", text("call_uuid"), text("started_at"), text("id"));
    let file = node.folder.path().join("cdrs.csv");
    write_cdrs(&file, &day, &recorded);
    let (code, told, errors) = node.run(&["cdr", "import", file.to_str().expect("a path"), "--source", "pbx"]);
    assert_eq!(code, 0, "{told}{errors}");
    let archive = node.data().join("archive/assurance");
    wait::until(30, "the report of yesterday", || !node::files(&archive).is_empty());
    let report = node.folder.path().join("downloaded.json");
    let more = [("CONSOLE_DAY", day), ("CONSOLE_REPORT", report.display().to_string())];
    walk(&node, "browser/assurance.mjs", &more);
    let (code, told, errors) = node.run(&["assurance", "verify", report.to_str().expect("a path")]);
    assert_eq!(code, 0, "what the browser saved verifies: {told}{errors}");
}
