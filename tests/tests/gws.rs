//! GWS as a source of CTI: a recorder beside a local server that speaks the documented messages over HTTP.

use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use crypto::tls::{TlsMaterial, server_config};
use recorder_tests::{
    Call, Node, Slot,
    call::Way,
    live,
    pki::{Authority, Identity},
    switch::{events, wait_metric},
    wait,
};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

const CHANNEL: &str = "/v2/me/calls";
const UUID: &str = "GWSCALL0000000000000000000000001";
const CONN_ID: &str = "007102719818001f";
const PASSWORD: &str = "correct-horse-battery";

/// What the server was told and has to tell.
#[derive(Default)]
struct Desk {
    notices: VecDeque<Value>,
    /// Path and operation of each request for control.
    operations: Vec<(String, String)>,
    /// The session that counts.
    session: u32,
    subscribed: u32,
}

struct Gws {
    port: u16,
    desk: Arc<(Mutex<Desk>, Condvar)>,
    is_open: Arc<AtomicBool>,
    porter: Option<JoinHandle<()>>,
    /// With it https is spoken.
    tls: Option<Arc<ServerConfig>>,
}

impl Gws {
    fn start(port: u16) -> Self {
        Self::start_with(port, None)
    }

    fn start_with(port: u16, identity: Option<&Identity>) -> Self {
        let desk = Arc::new((Mutex::new(Desk::default()), Condvar::new()));
        let mut server = Self { port, desk, is_open: Arc::default(), porter: None, tls: identity.map(secured) };
        server.open();
        server
    }

    fn open(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).expect("a free port");
        self.is_open.store(true, Ordering::SeqCst);
        let (desk, is_open, tls) = (Arc::clone(&self.desk), Arc::clone(&self.is_open), self.tls.clone());
        self.porter = Some(std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if !is_open.load(Ordering::SeqCst) {
                    return;
                }
                let (desk, is_open, tls) = (Arc::clone(&desk), Arc::clone(&is_open), tls.clone());
                std::thread::spawn(move || match tls {
                    None => serve(stream, &desk, &is_open),
                    Some(tls) => {
                        let connection = ServerConnection::new(tls).expect("a server");
                        serve(StreamOwned::new(connection, stream), &desk, &is_open);
                    }
                });
            }
        }));
    }

    /// Nobody answers any more, polls that are held included; sessions are forgotten.
    fn close(&mut self) {
        self.is_open.store(false, Ordering::SeqCst);
        self.desk().subscribed = 0;
        self.desk.1.notify_all();
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        self.porter.take().expect("an open server").join().expect("a good end");
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.0.lock().expect("nobody panicked")
    }

    fn tell(&self, kind: &str, call: &Value) {
        self.desk().notices.push_back(notice(kind, call));
        self.desk.1.notify_all();
    }

    fn wait_operations(&self, expected: &[&str]) {
        wait::until(10, &format!("{expected:?}"), || {
            self.desk().operations.iter().map(|(_, name)| name.as_str()).eq(expected.iter().copied())
        });
    }
}

fn notice(kind: &str, call: &Value) -> Value {
    let mut whole = json!({
        "id": UUID, "callUuid": UUID, "connId": CONN_ID, "dnis": "8001", "callType": "Inbound",
        "participants": [{ "phoneNumber": "5550100", "digits": "5550100", "e164Number": "" }],
        "capabilities": ["Hold"], "duration": "34", "mute": "Off",
    });
    whole.as_object_mut().expect("an object").extend(call.as_object().expect("an object").clone());
    let data = json!({ "notificationType": kind, "call": whole, "phoneNumber": "7001", "messageType": "CallStateChangeMessage" });
    json!({ "channel": CHANNEL, "data": data })
}

fn secured(identity: &Identity) -> Arc<ServerConfig> {
    let read = |path: &Path| std::fs::read(path).expect("a file of ours");
    let (cert_chain_pem, key_pem) = (read(&identity.cert), read(&identity.key).into());
    server_config(TlsMaterial { cert_chain_pem, key_pem, client_ca_pem: None }, &[b"http/1.1"]).expect("a server")
}

/// One request, one answer, one connection. Whoever does not believe our certificate goes away again.
fn serve(stream: impl Read + Write, desk: &(Mutex<Desk>, Condvar), is_open: &AtomicBool) {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        if line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_owned());
    }
    let header = |name: &str| {
        lines
            .iter()
            .filter_map(|line| line.split_once(": "))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.to_owned())
    };
    let mut body = vec![0; header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0)];
    reader.read_exact(&mut body).expect("a body");
    let path = lines[0].split(' ').nth(1).expect("a path").to_owned();
    let right = format!("Basic {}", STANDARD.encode(format!("a17:{PASSWORD}")));
    let (status, answer) = match header("authorization") {
        Some(said) if said == right => (200, answer(&path, &body, header("cookie").as_deref(), desk, is_open)),
        _ => (401, json!({})),
    };
    if !is_open.load(Ordering::SeqCst) {
        return;
    }
    let text = answer.to_string();
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nSet-Cookie: BAYEUX_BROWSER=b1; Path=/\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        text.len()
    );
    // The recorder may have gone.
    let stream = reader.get_mut();
    let _ = stream.write_all(format!("{head}{text}").as_bytes()).and_then(|()| stream.flush());
}

fn answer(
    path: &str,
    body: &[u8],
    cookie: Option<&str>,
    (desk, changed): &(Mutex<Desk>, Condvar),
    is_open: &AtomicBool,
) -> Value {
    let asked: Value = serde_json::from_slice(body).expect("JSON");
    let mut now = desk.lock().expect("nobody panicked");
    if path != "/api/v2/notifications" {
        let name = asked["operationName"].as_str().unwrap_or_default().to_owned();
        let state = if name.starts_with("Pause") { "Paused" } else { "Recording" };
        now.notices
            .push_back(notice("CallRecordingStateChange", &json!({ "state": "Established", "recordingState": state })));
        now.operations.push((path.to_owned(), name));
        changed.notify_all();
        return json!({ "statusCode": 0 });
    }
    let asked = &asked[0];
    let channel = asked["channel"].as_str().expect("a channel");
    if channel == "/meta/handshake" {
        now.session += 1;
        return json!([{ "channel": channel, "version": "1.0", "successful": true, "clientId": now.session.to_string(),
            "supportedConnectionTypes": ["long-polling"], "advice": { "reconnect": "retry", "interval": 0, "timeout": 500 } }]);
    }
    assert_eq!(cookie, Some("BAYEUX_BROWSER=b1"), "the cookie of the handshake comes back");
    if asked["clientId"].as_str() != Some(now.session.to_string().as_str()) {
        return json!([{ "channel": channel, "successful": false, "error": "402::Unknown client", "advice": { "reconnect": "handshake" } }]);
    }
    let reply = json!({ "channel": channel, "successful": true });
    if channel == "/meta/subscribe" {
        assert_eq!(asked["subscription"], CHANNEL);
        now.subscribed = now.session;
    } else if asked["advice"]["timeout"] != 0 {
        let quiet = |desk: &mut Desk| desk.notices.is_empty() && is_open.load(Ordering::SeqCst);
        now = changed.wait_timeout_while(now, Duration::from_millis(500), quiet).expect("nobody panicked").0;
    }
    let mut messages = Vec::new();
    if is_open.load(Ordering::SeqCst) && now.subscribed == now.session {
        messages.extend(now.notices.drain(..));
    }
    messages.push(reply);
    Value::Array(messages)
}

/// A recorder whose user's password is this, and the file that has it.
fn recorder(port: u16, password: &str) -> (Node, PathBuf) {
    recorder_at(&format!("url = \"http://127.0.0.1:{port}\"\n"), password)
}

fn recorder_at(server: &str, password: &str) -> (Node, PathBuf) {
    let server = format!("[[gws.link]]\n{server}");
    let mut node = Node::prepare(&format!("{server}user = \"a17\"\npassword_file = \"password\"\ndns = [\"7001\"]\n"));
    let file = node.folder.path().join("password");
    std::fs::write(&file, format!("{password}\n")).expect("a file");
    node.launch();
    (node, file)
}

fn wait_links(node: &Node, state: &str) {
    wait::until(20, &format!("a link that is {state}"), || {
        node.metric(&format!("recorder_gws_links{{state=\"{state}\"}}")) > 0.5
    });
}

#[test]
fn a_call_is_told_paused_and_told_again_after_the_server_was_away() {
    let mut slot = Slot::new();
    let mut gws = Gws::start(slot.port());
    let (node, _) = recorder(gws.port, PASSWORD);
    let (client, desk) = (node.client("compliance-officer"), node.client("integration"));
    wait_links(&node, "up");
    gws.tell("StatusChange", &json!({ "state": "Ringing" }));
    let call =
        Call::start(&node, "5550100", Way::Udp, &["--call-uuid", UUID, "--conn-id", CONN_ID, "--duration", "12s"]);
    gws.tell("StatusChange", &json!({ "state": "Established", "userData": { "Segment": "gold" } }));
    live::one_when(&client, "user data", |recording| recording["user_data"]["Segment"] == "gold");
    wait::until(10, "a second of sound", || node.metric("recorder_rtp_packets_total") > 99.5);
    let paused = |is_paused: bool| {
        live::one_when(&client, "a pause or its end", |recording| recording["paused"] == is_paused);
    };
    assert_eq!(desk.post(&format!("/calls/{UUID}/pause")).status, 202);
    gws.wait_operations(&["PauseCallRecording"]);
    paused(true);
    assert_eq!(desk.post(&format!("/calls/{UUID}/resume")).status, 202);
    gws.wait_operations(&["PauseCallRecording", "ResumeCallRecording"]);
    assert_eq!(gws.desk().operations[0].0, format!("/api/v2/me/calls/{UUID}"));
    wait_metric(&node, "recorder_gws_requests_total{outcome=\"accepted\",what=\"resume\"}", 1.0);
    paused(false);
    gws.close();
    wait_links(&node, "down");
    gws.open();
    wait_links(&node, "up");
    gws.tell("CallRecordingStateChange", &json!({ "state": "Established", "recordingState": "Paused" }));
    paused(true);
    gws.tell("CallRecordingStateChange", &json!({ "state": "Established", "recordingState": "Recording" }));
    paused(false);
    gws.tell("StatusChange", &json!({ "state": "Released" }));
    wait_metric(&node, "recorder_gws_messages_total{link=\"gws:0\",result=\"received\"}", 7.0);
    call.finish();
    let recording = node.archived(&client, &format!("call_uuid={UUID}"));
    let told = events(&recording);
    assert_eq!((told.first(), told.get(1), told.last()), (Some(&"ringing"), Some(&"established"), Some(&"released")));
    assert!(told.contains(&"record_pause") && told.contains(&"record_resume"), "{told:?}");
    assert!(recording["conn_id"].as_str().is_some_and(|id| id.eq_ignore_ascii_case(CONN_ID)), "{recording:#}");
    assert_eq!(recording["correlation"]["dnis"], "8001");
    let log = node.log();
    for secret in [PASSWORD, "5550100", "gold"] {
        assert!(!log.contains(secret), "{secret} is in the log: {log}");
    }
}

#[test]
fn a_wrong_password_is_told_without_it_and_a_right_one_is_taken_without_a_restart() {
    let mut slot = Slot::new();
    let gws = Gws::start(slot.port());
    let (node, file) = recorder(gws.port, "wrong-horse");
    wait_metric(&node, "recorder_gws_losses_total{reason=\"unauthorised\"}", 1.0);
    wait::until(10, "a word in the log", || node.log().contains("unauthorised") && node.log().contains("401"));
    assert!(node.metric("recorder_gws_links{state=\"up\"}") < 0.5);
    std::fs::write(&file, PASSWORD).expect("a file");
    wait_links(&node, "up");
    let log = node.log();
    assert!(!log.contains("wrong-horse") && !log.contains(PASSWORD), "{log}");
}

#[test]
fn over_https_a_wrong_certificate_is_refused_by_name_until_a_right_one_is_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let (ours, other) = (Authority::new(folder.path(), "ours"), Authority::new(folder.path(), "other"));
    let mut slot = Slot::new();
    let mut gws = Gws::start_with(slot.port(), Some(&other.vouch("stranger")));
    let server = format!("name = \"desk\"\nurl = \"https://127.0.0.1:{}\"\nca = {:?}\n", gws.port, ours.certificate());
    let (node, _) = recorder_at(&server, PASSWORD);
    let (client, desk) = (node.client("compliance-officer"), node.client("integration"));
    // It goes on trying.
    wait_metric(&node, "recorder_gws_losses_total{reason=\"certificate_unknown_issuer\"}", 2.0);
    let log = node.log();
    assert!(log.contains("gws session lost link=\"gws:desk\" reason=\"certificate_unknown_issuer\""), "{log}");
    assert!(node.metric("recorder_gws_links{state=\"up\"}") < 0.5);
    assert_eq!(gws.desk().session, 0, "the password is shown to nobody");
    gws.close();
    gws.tls = Some(secured(&ours.vouch("gws")));
    gws.open();
    wait_links(&node, "up");
    let call =
        Call::start(&node, "5550100", Way::Udp, &["--call-uuid", UUID, "--conn-id", CONN_ID, "--duration", "4s"]);
    gws.tell("StatusChange", &json!({ "state": "Established", "userData": { "Segment": "gold" } }));
    live::one_when(&client, "user data", |recording| recording["user_data"]["Segment"] == "gold");
    assert_eq!(desk.post(&format!("/calls/{UUID}/pause")).status, 202);
    gws.wait_operations(&["PauseCallRecording"]);
    live::one_when(&client, "a pause", |recording| recording["paused"] == true);
    call.finish();
    let recording = node.archived(&client, &format!("call_uuid={UUID}"));
    let history = recording["history"].as_array().expect("a history");
    assert!(!history.is_empty() && history.iter().all(|line| line["source"] == "gws:desk"), "{recording:#}");
    let interaction = client.get(&format!("/interactions/{UUID}")).json();
    let told = interaction["user_data_told"].as_array().expect("user data").clone();
    let segment = told.iter().find(|one| one["key"] == "Segment").expect("what was told");
    assert_eq!((&segment["value"], &segment["sources"]), (&json!("gold"), &json!(["gws:desk"])), "{segment:#}");
    wait_metric(&node, "recorder_gws_messages_total{link=\"gws:desk\",result=\"received\"}", 1.0);
    let log = node.log();
    assert!(
        log.contains("gws link up link=\"gws:desk\"") && log.contains("cti request sent link=\"gws:desk\""),
        "{log}"
    );
    assert!(!log.contains(PASSWORD) && !log.contains("gold"), "{log}");
}

#[test]
fn what_cannot_work_is_named_before_it_starts() {
    let link = "[[gws.link]]\nurl = \"http://gws.example.com\"\nuser = \"a17\"\npassword_file = \"nowhere\"\n";
    let (code, _, errors) = Node::prepare(link).run(&["check-config"]);
    assert!(code != 0 && errors.contains("gws.link[0].url: "), "{code}: {errors}");
    let link = link.replace("gws.example.com", "127.0.0.1:1");
    let (code, _, errors) = Node::prepare(&link).run(&["check-config"]);
    assert!(code != 0 && errors.contains("gws.link[0].password_file: "), "{code}: {errors}");
}
