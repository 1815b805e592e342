//! The console in a real browser: log in, search, look at a recording, hear it, log out.

use std::{io::Write, process::Stdio};

use recorder_tests::{
    Node,
    call::{Way, place},
    heard,
    process::run,
    script,
};

#[test]
fn a_person_finds_and_hears_a_recording() {
    let node = Node::start("");
    let client = node.client("compliance-officer");
    place(&node, "5550100", Way::Udp, &["--profile", "genesys-msr", "--duration", "4s"]);
    place(&node, "5550199", Way::Udp, &["--profile", "genesys-msr", "--duration", "1s"]);
    node.archived(&client, "dn=5550199");
    let recording = node.archived(&client, "dn=5550100");
    let password = "correct horse battery";
    let mut add = node.command(&["user", "add", "officer", "--role", "compliance-officer"]);
    let mut add = add.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("the recorder command");
    add.stdin.take().expect("a pipe").write_all(format!("{password}\n").as_bytes()).expect("written");
    assert!(add.wait().expect("its end").success());

    let screenshot = node.folder.path().join("console.png");
    let mut browser = std::process::Command::new("node");
    browser.arg(script::path("browser/console.mjs")).current_dir(script::path("browser")).envs([
        ("CONSOLE_URL", format!("https://127.0.0.1:{}/", node.https)),
        ("CONSOLE_USER", "officer".to_owned()),
        ("CONSOLE_PASSWORD", password.to_owned()),
        ("CONSOLE_RECORDING", heard::id(&recording).to_owned()),
        ("CONSOLE_NUMBER", "5550100".to_owned()),
        ("CONSOLE_SCREENSHOT", screenshot.display().to_string()),
        ("CONSOLE_PROFILE", node.folder.path().join("browser").display().to_string()),
    ]);
    let (code, output, errors) = run(&mut browser);
    assert_eq!(code, 0, "{output}{errors}");
    assert!(std::fs::metadata(&screenshot).is_ok_and(|file| file.len() > 10_000), "no screenshot");
}
