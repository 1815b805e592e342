//! TLS as another implementation (OpenSSL) sees it: which versions are spoken, and who is let in where clients must show a
//! certificate, against the real recorder.

use std::{path::Path, process::Command};

use recorder_tests::{
    Node,
    pki::{Authority, Identity},
    process::run,
    wait,
};

/// Whether the handshake succeeds, and what OpenSSL says of it.
fn shaken(node: &Node, trusted: &Path, arguments: &[&str], identity: Option<&Identity>) -> (bool, String) {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-brief", "-verify_return_error", "-cipher", "ALL:@SECLEVEL=0", "-connect"]);
    command.arg(format!("127.0.0.1:{}", node.sips)).arg("-CAfile").arg(trusted).args(arguments);
    if let Some(identity) = identity {
        command.arg("-cert").arg(&identity.cert).arg("-key").arg(&identity.key);
    }
    let (code, output, errors) = run(&mut command);
    (code == 0, output + &errors)
}

#[test]
fn tls_1_2_and_1_3_are_spoken_and_nothing_older() {
    let node = Node::start("");
    let certificate = node.certificate();
    for (flag, version) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let (is_up, said) = shaken(&node, &certificate, &[flag], None);
        assert!(is_up && said.contains(version), "{flag}: {said}");
    }
    let failed = || node.metric("recorder_sip_failed_handshakes_total");
    let before = failed();
    let (is_up, said) = shaken(&node, &certificate, &["-tls1_1"], None);
    assert!(!is_up, "{said}");
    wait::until(10, "a refused handshake", || failed() > before + 0.5);
}

#[test]
fn where_clients_must_show_a_certificate_only_those_of_their_authority_come_in() {
    let mut node = Node::prepare("");
    let folder = node.folder.path().join("pki");
    let (ours, theirs) = (Authority::new(&folder, "ours"), Authority::new(&folder, "theirs"));
    let (known, stranger) = (ours.vouch("known"), theirs.vouch("stranger"));
    let ca = ours.certificate();
    node.launch_with(&[("RECORDER__SIP__CLIENT_CA", ca.to_str().expect("a path"))]);
    let certificate = node.certificate();
    let failed = || node.metric("recorder_sip_failed_handshakes_total");
    // In TLS 1.2 the client hears of it within its handshake.
    for (identity, is_let_in) in [(Some(&known), true), (Some(&stranger), false), (None, false)] {
        let before = failed();
        let (is_up, said) = shaken(&node, &certificate, &["-tls1_2"], identity);
        assert_eq!(is_up, is_let_in, "{said}");
        if !is_let_in {
            wait::until(10, "a refused handshake", || failed() > before + 0.5);
        }
    }
}
