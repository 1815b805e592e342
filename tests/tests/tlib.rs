//! The T-Library link over real sockets: it comes up, goes down and comes back, cuts and refuses, and never touches a recording.

use recorder_tests::{
    Call, Node, Switch,
    call::{Way, wait_live},
    heard,
    pki::{Authority, Identity},
    switch::{Place, wait_metric, wait_up},
    wait,
};

/// A server on which nothing happens but what `steps` say, one call `A`, ten DNs.
fn scenario(server: &str, steps: &[&str]) -> String {
    let mut text = format!(
        "[server]\nlisten = \"127.0.0.1:7007\"\nheartbeat = \"1s\"\n{server}\n[[dn]]\ndn = \"7001-7010\"\nagent = \"a17\"\n\
         [[call]]\nname = \"A\"\nani = \"+4930123456\"\n"
    );
    for step in steps {
        text += &format!("[[step]]\n{}\n", step.replace("; ", "\n"));
    }
    text
}

const UP: &str = "recorder_tlib_links{state=\"up\"}";
const DNS: &str = "recorder_tlib_dns_registered";

/// Every DN is registered over a link that is up.
fn wait_registered(node: &Node) {
    wait_up(node, 1);
    wait::until(10, "ten registered DNs", || (node.metric(DNS) - 10.0).abs() < 0.5);
}

/// Plays a fault `after` which the link is cut for `reason`, and comes up again while the scenario goes on.
fn assert_cut_and_back(steps: &[&str], reason: &str) {
    let place = Place::new();
    let node = Node::start(&place.link("7001-7010"));
    let switch = Switch::play(&node, &place, &scenario("for = \"9s\"", steps));
    wait_metric(&node, &format!("recorder_tlib_cuts_total{{reason=\"{reason}\"}}"), 1.0);
    wait_registered(&node);
    let report = switch.finish();
    let links = report["links"].as_array().expect("links");
    assert_eq!(links.len(), 2, "{report:#}");
    assert!(links.iter().all(|link| link["registered"] == 10), "{report:#}");
    assert!(report["refused"].as_array().expect("refusals").contains(&reason.into()), "{report:#}");
    assert!(node.log().contains(&format!("tlib link cut link=0 server=0 reason=\"{reason}\"")), "{}", node.log());
}

#[test]
fn a_plain_link_comes_up_registers_its_dns_and_counts_events() {
    let place = Place::new();
    let node = Node::start(&place.link("7001-7010"));
    assert!(node.metric("recorder_tlib_links{state=\"down\"}") > 0.5, "nobody listens yet");
    let call =
        ["at = \"0s\"; do = \"ring\"; call = \"A\"; dn = \"7001\"", "at = \"100ms\"; do = \"answer\"; call = \"A\""];
    let switch = Switch::play(&node, &place, &scenario("for = \"3s\"", &call));
    wait_registered(&node);
    // Greeting, link connected, ten registrations, two events.
    wait_metric(&node, "recorder_tlib_messages_total{link=\"0\",result=\"received\"}", 14.0);
    let report = switch.finish();
    assert_eq!(report["sent"]["EventRinging"], 1, "{report:#}");
    assert_eq!(report["received"]["RequestRegisterAddress"], 10);
    wait::until(10, "a link that is down", || node.metric(UP) < 0.5 && node.metric(DNS) < 0.5);
    assert_eq!(node.metric("recorder_tlib_messages_total{link=\"0\",result=\"refused\"}"), 0.0);
    assert!(!node.log().contains("4930123456"), "numbers are none of the log's business");
}

/// `[[tlib.link]]` over TLS, with what is needed for it.
fn secure_link(place: &Place, authority: &Authority, identity: &Identity) -> String {
    let plain = place.link("7001-7010").replace("tls = false\n", "");
    format!("{plain}ca = {:?}\ncert = {:?}\nkey = {:?}\n", authority.certificate(), identity.cert, identity.key)
}

fn secure_server(authority: &Authority, identity: &Identity) -> String {
    format!("cert = {:?}\nkey = {:?}\nca = {:?}\n", identity.cert, identity.key, authority.certificate())
}

#[test]
fn a_link_over_mutual_tls_comes_up_and_a_wrong_certificate_does_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let (ours, other) = (Authority::new(folder.path(), "ours"), Authority::new(folder.path(), "other"));
    let (client, server, stranger) = (ours.vouch("recorder"), ours.vouch("switch"), other.vouch("stranger"));
    let place = Place::new();
    let mut node = Node::start(&secure_link(&place, &ours, &client));
    let text = scenario(&format!("{}for = \"2s\"", secure_server(&ours, &server)), &[]);
    let switch = Switch::play(&node, &place, &text);
    wait_registered(&node);
    switch.finish();
    assert_eq!(node.stop(), Some(0));

    // The recorder shows a certificate of an authority that the server does not know.
    let place = Place::new();
    let node = Node::start(&secure_link(&place, &ours, &stranger));
    let text = scenario(&format!("{}patience = \"4s\"", secure_server(&ours, &server)), &[]);
    let report = Switch::play(&node, &place, &text).ended();
    let problems = report["problems"].to_string();
    assert!(problems.contains("handshake") && problems.contains("did not come"), "{report:#}");
    assert!(report["received"].as_object().expect("counts").is_empty(), "nothing was said: {report:#}");
    assert!(node.metric(UP) < 0.5);
    let log = node.log();
    assert!(log.contains("tlib") && log.contains("alert"), "the log says that TLS refused us: {log}");

    // The server shows one that the recorder does not know.
    let place = Place::new();
    let node = Node::start(&secure_link(&place, &ours, &client));
    let text = scenario(&format!("{}patience = \"3s\"", secure_server(&ours, &stranger)), &[]);
    let report = Switch::play(&node, &place, &text).ended();
    assert_eq!(report["ok"], false, "{report:#}");
    let log = node.log();
    assert!(log.contains("tlib link not connected") && log.contains("UnknownIssuer"), "{log}");
    assert!(node.metric(UP) < 0.5);
}

#[test]
fn servers_that_come_to_us_are_let_in_by_their_certificate() {
    let folder = tempfile::tempdir().expect("a folder");
    let (ours, other) = (Authority::new(folder.path(), "ours"), Authority::new(folder.path(), "other"));
    let (own, sidecar, stranger) = (ours.vouch("recorder"), ours.vouch("sidecar"), other.vouch("stranger"));
    let place = Place::new();
    let node = Node::start(&format!(
        "[tlib]\nlisten = \"127.0.0.1:{}\"\ncert = {:?}\nkey = {:?}\nclient_ca = {:?}\ndns = [\"7001-7010\"]\n",
        place.port,
        own.cert,
        own.key,
        ours.certificate()
    ));
    let coming = |identity: &Identity, rest: &str| {
        let server = format!("{}{rest}", secure_server(&ours, identity));
        scenario(&server, &[]).replace("listen = ", "connect = ")
    };
    let report = Switch::play(&node, &place, &coming(&stranger, "patience = \"2s\"")).ended();
    assert_eq!(report["ok"], false, "{report:#}");
    assert!(node.metric("recorder_tlib_cuts_total{reason=\"handshake\"}") > 0.5);
    assert!(node.log().contains("tlib: a server that came was not let in"), "{}", node.log());
    let switch = Switch::play(&node, &place, &coming(&sidecar, "for = \"2s\""));
    wait_registered(&node);
    switch.finish();
}

#[test]
fn recording_goes_on_while_the_link_is_down_and_the_link_comes_back() {
    let place = Place::new();
    let node = Node::start(&place.link("7001-7010"));
    let client = node.client("compliance-officer");
    let switch = Switch::play(&node, &place, &scenario("for = \"60s\"", &[]));
    wait_registered(&node);
    let call = Call::start(&node, "5550100", Way::Udp, &["--duration", "5s"]);
    wait_live(&node, 1);
    switch.kill();
    wait::until(10, "a link that is down", || node.metric(UP) < 0.5);
    assert!(node.metric("recorder_recordings_live") > 0.5, "the recording goes on");
    let switch = Switch::play(&node, &place, &scenario("for = \"1s\"", &[]));
    wait_registered(&node);
    switch.finish();
    let sent = call.finish();
    let recording = node.archived(&client, "dn=5550100");
    heard::assert_exact(&client, &recording, &sent, "7002");
    assert!(recording["tracks"].as_array().expect("tracks").iter().all(|track| track["gaps"] == serde_json::json!([])));
}

#[test]
fn the_standby_takes_over() {
    let place = Place::new();
    let node = Node::start(&place.pair("7001-7010"));
    let server = "standby = \"127.0.0.1:7008\"\nfor = \"9s\"";
    let switch = Switch::play(&node, &place, &scenario(server, &["at = \"1s\"; do = \"switch\""]));
    wait_registered(&node);
    wait::until(10, "a link that is down", || node.metric(UP) < 0.5);
    wait_registered(&node);
    let report = switch.finish();
    let links = report["links"].as_array().expect("links");
    let used = |server: u64| links.iter().any(|link| link["server"] == server && link["registered"] == 10);
    assert!(used(0) && used(1), "{report:#}");
}

#[test]
fn a_backup_server_is_not_used_while_the_primary_is_away() {
    let place = Place::new();
    // The recorder knows the standby alone, and the standby says `backup`.
    let node = Node::start(&place.link("7001-7010").replace(&place.port.to_string(), &place.standby.to_string()));
    let server = "standby = \"127.0.0.1:7008\"\npatience = \"3s\"";
    let report = Switch::play(&node, &place, &scenario(server, &[])).ended();
    assert_eq!(report["ok"], false, "{report:#}");
    assert!(node.metric("recorder_tlib_cuts_total{reason=\"backup_server\"}") > 0.5);
    assert!(report["received"]["RequestRegisterAddress"].is_null(), "{report:#}");
}

#[test]
fn rubbish_is_cut_with_a_reason_and_the_link_comes_back() {
    assert_cut_and_back(&["at = \"1s\"; do = \"rubbish\""], "rubbish");
}

#[test]
fn a_line_without_end_is_cut_and_the_link_comes_back() {
    assert_cut_and_back(&["at = \"1s\"; do = \"endless\""], "line_too_long");
}

#[test]
fn a_server_that_falls_silent_is_cut_and_the_link_comes_back() {
    // Three heart-beats of a second each are missed, and one attempt to connect meets silence as well: the greeting is lost.
    let place = Place::new();
    let node = Node::start(&place.link("7001-7010"));
    let steps = ["at = \"500ms\"; do = \"silence\"; for = \"3500ms\""];
    let switch = Switch::play(&node, &place, &scenario("for = \"8s\"", &steps));
    wait_metric(&node, "recorder_tlib_cuts_total{reason=\"no_heartbeat\"}", 1.0);
    switch.ended();
    assert!(node.log().contains("no_heartbeat"), "{}", node.log());
}

#[test]
fn an_oversized_message_is_refused_by_name_and_the_link_stays() {
    let place = Place::new();
    let node = Node::start(&place.link("7001-7010"));
    let steps = ["at = \"500ms\"; do = \"oversize\"", "at = \"1s\"; do = \"ring\"; call = \"A\"; dn = \"7001\""];
    let switch = Switch::play(&node, &place, &scenario("for = \"3s\"", &steps));
    wait_metric(&node, "recorder_tlib_messages_total{link=\"0\",result=\"refused\"}", 1.0);
    let report = switch.finish();
    assert_eq!(report["refused"], serde_json::json!(["EventHeld: attribute_too_long"]), "{report:#}");
    assert_eq!(report["links"].as_array().map(Vec::len), Some(1), "the same connection: {report:#}");
    assert_eq!(node.metric("recorder_tlib_cuts_total"), 0.0);
}

#[test]
fn missing_events_are_noticed_and_what_there_is_now_is_read_again() {
    let place = Place::new();
    let node = Node::start(&place.link("7001-7010"));
    let steps = [
        "at = \"0s\"; do = \"ring\"; call = \"A\"; dn = \"7001\"",
        "at = \"500ms\"; do = \"gap\"; count = 5",
        "at = \"600ms\"; do = \"answer\"; call = \"A\"",
    ];
    let switch = Switch::play(&node, &place, &scenario("for = \"3s\"", &steps));
    wait_metric(&node, "recorder_tlib_events_missed_total", 5.0);
    let report = switch.finish();
    assert_eq!(node.metric("recorder_tlib_events_missed_total"), 5.0);
    assert_eq!(report["received"]["RequestRegisterAddress"], 20, "every DN once more: {report:#}");
    assert_eq!(report["links"].as_array().map(Vec::len), Some(1), "the same connection: {report:#}");
}

#[test]
fn a_dn_that_the_server_does_not_know_is_refused_and_the_others_are_watched() {
    let place = Place::new();
    let node = Node::start(&place.link("7001-7011"));
    let switch = Switch::play(&node, &place, &scenario("for = \"2s\"", &[]));
    wait_registered(&node);
    let report = switch.finish();
    assert_eq!(report["sent"]["EventError"], 1, "{report:#}");
}

#[test]
fn a_switch_that_its_server_loses_is_a_link_that_is_down() {
    let place = Place::new();
    let node = Node::start(&place.link("7001-7010"));
    let steps = ["at = \"1s\"; do = \"switch-lost\"", "at = \"3s\"; do = \"switch-back\""];
    let switch = Switch::play(&node, &place, &scenario("for = \"6s\"", &steps));
    wait_registered(&node);
    wait::until(10, "a link that is connected and not up", || {
        node.metric("recorder_tlib_links{state=\"connected\"}") > 0.5 && node.metric(UP) < 0.5
    });
    wait_registered(&node);
    let report = switch.finish();
    assert_eq!(report["links"].as_array().map(Vec::len), Some(1), "the same connection: {report:#}");
}
