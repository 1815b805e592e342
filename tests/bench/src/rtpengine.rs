//! Debian's rtpengine as a recorder: started without its kernel module, told by its ng protocol to record to pcap.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use crypto::srtp::Suite;
use replication::load::feed::Destination;
use serde_json::{Value, json};

use crate::{
    cli::Bench,
    failure::{Failure, Outcome},
    limits,
    node::free_port,
    process::Running,
    world,
};

/// A running rtpengine.
pub(crate) struct Engine {
    pub(crate) process: Running,
    folder: PathBuf,
    control: UdpSocket,
    calls: Vec<String>,
}

/// Our address and its.
const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Keys of both sides, as SDES carries them.
type Keys<'a> = Option<&'a (Suite, [Vec<u8>; 2])>;

impl Engine {
    /// Starts one and waits until it answers.
    pub(crate) fn start(bench: &Bench, path: &Path) -> Outcome<Self> {
        let folder = bench.folder.join("rtpengine");
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(folder.join("spool")).map_err(|cause| Failure::file(&folder, &cause))?;
        let port = free_port()?;
        let (listen, spool) =
            (format!("--listen-ng=127.0.0.1:{port}"), format!("--recording-dir={}", folder.join("spool").display()));
        let (first, last) = bench.ports.split_once('-').unwrap_or(("33000", "60999"));
        let ports = [format!("--port-min={first}"), format!("--port-max={last}")];
        let mut arguments =
            vec!["--foreground", "--log-stderr", "--log-level=3", "--table=-1", "--interface=127.0.0.1"];
        arguments.extend(["--recording-method=pcap", "--recording-format=raw", "--delete-delay=0", "--num-threads=2"]);
        arguments.extend([&listen, &spool, &ports[0], &ports[1]].map(String::as_str));
        let process = Running::start(path, &arguments, &folder.join("log"), None)?;
        let control = UdpSocket::bind((LOCALHOST, 0))?;
        control.connect((LOCALHOST, port))?;
        let mut engine = Self { process, folder, control, calls: Vec::new() };
        engine.control.set_read_timeout(Some(Duration::from_millis(200)))?;
        world::until("rtpengine", limits::START, Duration::from_millis(50), || {
            engine.process.check()?;
            Ok(engine.ask(&json!({"command": "ping"})).ok())
        })?;
        engine.control.set_read_timeout(Some(Duration::from_secs(5)))?;
        Ok(engine)
    }

    /// Opens a recorded call whose sides send from `ports`; where each of them is to send to.
    pub(crate) fn open(&mut self, ports: [u16; 2], keys: Keys<'_>) -> Outcome<[Destination; 2]> {
        let call = format!("bench-{}", self.calls.len());
        self.calls.push(call.clone());
        let offer = sdp(ports[0], keys.map(|(suite, keys)| (1, suite.name(), keys[0].as_slice())));
        let ask = json!({"command": "offer", "call-id": call, "from-tag": "a", "sdp": offer, "record call": "on", "ICE": "remove"});
        let for_right = text(&self.ask(&ask)?)?;
        let chosen = keys.map(|(suite, keys)| (tag(&for_right, suite.name()), suite.name(), keys[1].as_slice()));
        let answer = sdp(ports[1], chosen);
        let ask = json!({"command": "answer", "call-id": call, "from-tag": "a", "to-tag": "b", "sdp": answer, "ICE": "remove"});
        let for_left = text(&self.ask(&ask)?)?;
        // It is to record, as a recorder does, not to relay what it records.
        self.ask(&json!({"command": "block media", "call-id": call, "all": "all"}))?;
        Ok([destination(&for_left)?, destination(&for_right)?])
    }

    /// Ends all calls: stopped with live ones it dumps core.
    pub(crate) fn close(&mut self) -> Outcome<()> {
        for call in std::mem::take(&mut self.calls) {
            self.ask(&json!({"command": "delete", "call-id": call, "delete-delay": 0}))?;
        }
        Ok(())
    }

    /// Stops it; where its pcap files are.
    pub(crate) fn stop(self) -> PathBuf {
        self.process.stop();
        self.folder.join("spool/pcaps")
    }

    fn ask(&self, what: &Value) -> Outcome<Value> {
        let cookie = what["command"].as_str().unwrap_or_default().replace(' ', "-");
        let cookie = format!("{cookie}-{}", what["call-id"].as_str().unwrap_or_default());
        self.control.send(format!("{cookie} {what}").as_bytes())?;
        let mut buffer = vec![0; 65_536];
        loop {
            let length = self.control.recv(&mut buffer)?;
            // Late answers to an earlier ping are not ours.
            let Some(answer) = buffer[..length].strip_prefix(format!("{cookie} ").as_bytes()) else { continue };
            let answer: Value = serde_json::from_slice(answer).map_err(Failure::new)?;
            return match answer["result"].as_str() {
                Some("ok" | "pong") => Ok(answer),
                _ => Err(Failure::new(format!("rtpengine: {answer}"))),
            };
        }
    }
}

/// A description with one audio line.
fn sdp(port: u16, key: Option<(u32, &str, &[u8])>) -> String {
    let profile = if key.is_some() { "RTP/SAVP" } else { "RTP/AVP" };
    let crypto = key.map(|(tag, suite, key)| format!("a=crypto:{tag} {suite} inline:{}\r\n", STANDARD.encode(key)));
    format!(
        "v=0\r\no=bench 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} {profile} 0\r\n\
         a=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n{}",
        crypto.unwrap_or_default()
    )
}

fn text(answer: &Value) -> Outcome<String> {
    answer["sdp"].as_str().map(str::to_owned).ok_or_else(|| Failure::new("rtpengine: no SDP"))
}

/// The tag under which it offers that suite.
fn tag(sdp: &str, suite: &str) -> u32 {
    let mut lines = sdp.lines().filter_map(|line| line.strip_prefix("a=crypto:"));
    let found = lines.find_map(|line| line.split_once(' ').filter(|(_, rest)| rest.starts_with(&format!("{suite} "))));
    found.and_then(|(tag, _)| tag.parse().ok()).unwrap_or(1)
}

/// RTP and RTCP address.
fn destination(sdp: &str) -> Outcome<Destination> {
    let after =
        |prefix: &str| sdp.lines().find_map(|line| line.strip_prefix(prefix)?.split(' ').next()?.parse::<u16>().ok());
    let port = after("m=audio ").ok_or_else(|| Failure::new("rtpengine: no port"))?;
    let rtcp = after("a=rtcp:").unwrap_or(port + 1);
    Ok((SocketAddr::new(LOCALHOST, port), SocketAddr::new(LOCALHOST, rtcp)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_where_to_send_and_which_key_was_taken() {
        let answer = "v=0\r\nm=audio 30000 RTP/SAVP 0\r\na=crypto:7 AEAD_AES_256_GCM inline:x\r\n\
                      a=crypto:9 AES_CM_128_HMAC_SHA1_80 inline:y\r\na=rtcp:30001\r\n";
        assert_eq!(tag(answer, "AES_CM_128_HMAC_SHA1_80"), 9);
        let (rtp, rtcp) = destination(answer).unwrap();
        assert_eq!((rtp.port(), rtcp.port()), (30_000, 30_001));
        assert!(destination("v=0\r\n").is_err());
    }
}
