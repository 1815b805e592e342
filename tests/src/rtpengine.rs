//! Debian's rtpengine, told by its ng protocol: a call that it relays, and its SIPREC subscription to that call.

use std::{net::UdpSocket, path::Path, process::Command, time::Duration};

use serde_json::{Value, json};

use crate::{Process, Slot, wait};

/// A running rtpengine, without its kernel module.
#[derive(Debug)]
pub struct Engine {
    control: UdpSocket,
    asked: u32,
    calls: Vec<String>,
    /// Its media ports.
    _slot: Slot,
    process: Process,
}

impl Engine {
    /// Starts one that logs below `folder` and waits until it answers.
    ///
    /// # Panics
    /// When it is not installed or does not answer.
    pub fn start(folder: &Path) -> Self {
        let mut slot = Slot::new();
        let (port, (low, high)) = (slot.port(), slot.media());
        // A peer that is stopped with live calls dumps core.
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -c 0; exec rtpengine \"$@\"", "rtpengine", "--foreground", "--log-stderr"]);
        command.args(["--table=-1", "--interface=127.0.0.1", "--delete-delay=0", "--num-threads=2", "--log-level=5"]);
        command.arg(format!("--listen-ng=127.0.0.1:{port}"));
        command.args([format!("--port-min={low}"), format!("--port-max={high}")]);
        let process = Process::start(&mut command, &folder.join("rtpengine.log"));
        let control = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        control.connect(("127.0.0.1", port)).expect("an address");
        control.set_read_timeout(Some(Duration::from_millis(200))).expect("a time-out");
        let mut engine = Self { control, asked: 0, calls: Vec::new(), _slot: slot, process };
        wait::until(20, "rtpengine", || engine.try_ask(&json!({"command": "ping"})).is_some());
        engine.control.set_read_timeout(Some(Duration::from_secs(5))).expect("a time-out");
        engine
    }

    /// Carries out one command.
    ///
    /// # Panics
    /// When it is refused.
    pub fn ask(&mut self, what: &Value) -> Value {
        let answer = self.try_ask(what).unwrap_or_else(|| panic!("no answer to {what}:\n{}", self.process.output()));
        assert!(matches!(answer["result"].as_str(), Some("ok" | "pong")), "{what}: {answer}");
        answer
    }

    fn try_ask(&mut self, what: &Value) -> Option<Value> {
        self.asked += 1;
        let cookie = format!("{}-{} ", std::process::id(), self.asked);
        self.control.send(format!("{cookie}{what}").as_bytes()).ok()?;
        let mut buffer = vec![0; 65_536];
        loop {
            let length = self.control.recv(&mut buffer).ok()?;
            // Late answers to an earlier ping are not ours.
            if let Some(answer) = buffer[..length].strip_prefix(cookie.as_bytes()) {
                return serde_json::from_slice(answer).ok();
            }
        }
    }

    /// Relays a call between two sides that receive on these ports; returns the ports to which they are to send.
    pub fn relay(&mut self, call: &str, ports: [u16; 2]) -> [u16; 2] {
        self.calls.push(call.to_owned());
        let offer =
            json!({"command": "offer", "call-id": call, "from-tag": "a", "sdp": sdp(ports[0]), "ICE": "remove"});
        let right = port(&self.ask(&offer));
        let answer = json!({"command": "answer", "call-id": call, "from-tag": "a", "to-tag": "b", "sdp": sdp(ports[1]), "ICE": "remove"});
        [port(&self.ask(&answer)), right]
    }

    /// Subscribes to both sides as a recorder: the offer for it, and the tag that names the subscription.
    pub fn subscribe(&mut self, call: &str, protocol: &str) -> (String, String) {
        let answer = self.ask(&json!({
            "command": "subscribe request", "call-id": call, "flags": ["all", "siprec"], "ICE": "remove",
            "transport protocol": protocol, "DTLS": "off",
        }));
        let text = |key: &str| answer[key].as_str().unwrap_or_else(|| panic!("no {key}: {answer}")).to_owned();
        (text("sdp"), text("to-tag"))
    }

    /// Hands it the recorder's answer.
    pub fn subscribed(&mut self, call: &str, tag: &str, sdp: &str) {
        self.ask(&json!({"command": "subscribe answer", "call-id": call, "to-tag": tag, "sdp": sdp}));
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        for call in std::mem::take(&mut self.calls) {
            self.try_ask(&json!({"command": "delete", "call-id": call, "delete-delay": 0}));
        }
    }
}

fn sdp(port: u16) -> String {
    format!(
        "v=0\r\no=side 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 101\r\n\
         a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n"
    )
}

fn port(answer: &Value) -> u16 {
    let sdp = answer["sdp"].as_str().unwrap_or_default();
    let line = sdp.lines().find_map(|line| line.strip_prefix("m=audio "));
    line.and_then(|line| line.split(' ').next()?.parse().ok()).unwrap_or_else(|| panic!("no port: {answer}"))
}
