//! One call of the `replicator` against a node: placed, and what it says it sent.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{Node, Process, wait};

/// A call that is going on.
#[derive(Debug)]
pub struct Call {
    process: Process,
    folder: PathBuf,
    caller: String,
}

/// What was sent.
#[derive(Debug)]
pub struct Sent {
    /// The report of the client.
    pub report: Value,
    /// The number of the caller, by which the recording is found.
    pub caller: String,
    folder: PathBuf,
}

/// How a call reaches the recorder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// SIP over UDP, plain RTP.
    Udp,
    /// SIP over TCP, plain RTP.
    Tcp,
    /// SIP over TLS, SRTP of this suite.
    Tls(&'static str),
}

impl Way {
    /// The four ways every profile is tried by.
    pub const ALL: [Self; 4] =
        [Self::Udp, Self::Tcp, Self::Tls("AES_CM_128_HMAC_SHA1_80"), Self::Tls("AEAD_AES_256_GCM")];
}

impl Call {
    /// Starts a call from `caller`, a number that no other call of this node has.
    pub fn start(node: &Node, caller: &str, way: Way, arguments: &[&str]) -> Self {
        let folder = node.folder.path().join(format!("call-{caller}"));
        let mut command = node.replicator(&["call", "--json", "--caller", caller, "--dump-sent"]);
        command.arg(&folder).args(arguments);
        match way {
            Way::Udp => command.args(["--transport", "udp", "--to", &format!("127.0.0.1:{}", node.sip)]),
            Way::Tcp => command.args(["--transport", "tcp", "--to", &format!("127.0.0.1:{}", node.sip)]),
            Way::Tls(suite) => command
                .args(["--transport", "tls", "--srtp", suite, "--to", &format!("127.0.0.1:{}", node.sips), "--ca"])
                .arg(node.certificate()),
        };
        let log = node.folder.path().join(format!("call-{caller}.log"));
        Self { process: Process::start(&mut command, &log), folder, caller: caller.to_owned() }
    }

    /// Waits for its end, which must be a good one.
    ///
    /// # Panics
    /// When the call failed.
    pub fn finish(mut self) -> Sent {
        let status = self.process.wait(60);
        let output = self.process.output();
        assert!(status.success(), "the call of {} ended with {status}:\n{output}", self.caller);
        let json = output.lines().find(|line| line.starts_with('{')).expect("a report");
        let report: Value = serde_json::from_str(json).expect("a report in JSON");
        assert_eq!(report["ok"], true, "{report}");
        Sent { report, caller: self.caller, folder: self.folder }
    }

    /// Waits for its end, whatever it is: exit code and output.
    pub fn ended(mut self) -> (Option<i32>, String) {
        let status = self.process.wait(60);
        (status.code(), self.process.output())
    }

    /// Whether it still goes on.
    pub fn is_live(&mut self) -> bool {
        self.process.status().is_none()
    }
}

/// Places a call and waits for its end.
pub fn place(node: &Node, caller: &str, way: Way, arguments: &[&str]) -> Sent {
    Call::start(node, caller, way, arguments).finish()
}

/// The octets of a side as sent, from its first packet to its last.
impl Sent {
    /// `side` is `left` or `right`.
    ///
    /// # Panics
    /// When the report or the dump lacks the side.
    pub fn octets(&self, side: &str) -> Vec<u8> {
        let line = self.line(side);
        let spans = line["sent"].as_array().expect("spans");
        let at =
            |span: Option<&Value>, key: &str| span.and_then(|span| span[key].as_u64()).expect("a span") as usize * 8;
        let all = self.dump(side);
        all[at(spans.first(), "from_ms")..at(spans.last(), "to_ms").min(all.len())].to_vec()
    }

    /// The report of the line of a side.
    ///
    /// # Panics
    /// When there is none.
    pub fn line(&self, side: &str) -> &Value {
        let dialogs = self.report["dialogs"].as_array().expect("dialogs");
        let mut lines = dialogs.iter().flat_map(|dialog| dialog["lines"].as_array().into_iter().flatten());
        lines.find(|line| line["side"] == side).unwrap_or_else(|| panic!("no {side} line: {}", self.report))
    }

    fn dump(&self, side: &str) -> Vec<u8> {
        let read = |suffix| std::fs::read(self.folder.join(format!("{side}.{suffix}")));
        read("ulaw").or_else(|_| read("alaw")).unwrap_or_else(|error| panic!("{}: {error}", self.folder.display()))
    }
}

/// Waits until the node feeds `count` recordings.
pub fn wait_live(node: &Node, count: u32) {
    wait::until(20, &format!("{count} live recordings"), || {
        (node.metric("recorder_recordings_live") - f64::from(count)).abs() < 0.5
    });
}

/// Any 160 octets of `sent` that are no silence, which must not be found in any file below `folders`.
///
/// # Panics
/// When they are.
pub fn assert_sealed(folders: &[PathBuf], sent: &[Vec<u8>]) {
    let needles: Vec<&[u8]> = sent.iter().flat_map(|octets| octets.chunks_exact(160)).collect();
    let loud = |needle: &&&[u8]| needle.iter().any(|octet| *octet != needle[0]);
    let needles: Vec<&[u8]> = needles.iter().filter(loud).copied().collect();
    assert!(needles.len() > 50, "too little sound to look for");
    let files: Vec<PathBuf> = folders.iter().flat_map(|folder| crate::node::files(folder)).collect();
    assert!(!files.is_empty(), "{folders:?} hold nothing");
    for file in files {
        assert_clear_of(&file, &needles);
    }
}

fn assert_clear_of(file: &Path, needles: &[&[u8]]) {
    // A file of a store may be gone again: compaction, journals.
    let Ok(octets) = std::fs::read(file) else { return };
    let heads: std::collections::HashSet<&[u8]> = needles.iter().map(|needle| &needle[..16]).collect();
    for (at, head) in octets.windows(16).enumerate() {
        let is_clear = heads.contains(head) && needles.iter().any(|needle| octets[at..].starts_with(needle));
        assert!(!is_clear, "{}: sound in clear at {at}", file.display());
    }
}
