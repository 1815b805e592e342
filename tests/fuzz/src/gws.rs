//! Target of the GWS link: what a server, or a stranger in its place, answers to polls and to requests for control.

use std::time::Duration;

use serde_json::Value;
use signaling_core::{
    gws::{
        client::{Answer, Api, Client, Config, Output, Post},
        limits,
    },
    tlib::event::{CtiEvent, RecordControl},
};

use crate::endpoint::START;

pub(crate) const WORDS: &[&str] = &[
    "\n",
    "500 ",
    "401 ",
    "cut ",
    "[{\"channel\":\"/meta/connect\",\"successful\":true}",
    "[{\"channel\":\"/v2/me/calls\",\"data\":{\"notificationType\":\"StatusChange\",\"call\":{\"id\":\"1\",\"state\":\"Ringing\"}}}",
    "\"channel\":\"/meta/handshake\"",
    "\"advice\":{\"reconnect\":\"handshake\",\"interval\":18446744073709551615,\"timeout\":0}",
    "\"error\":\"402::Unknown client\"",
    "\"id\":\"../../admin\"",
    "\"connId\":\"0071023821aec000\"",
    "\"recordingState\":\"Paused\"",
    "\"userData\":{\"GSIP_REC_FN\":\"id\",\"k\":[[[[",
    "\"participants\":[{\"number\":\"7002\"}]",
    "\"statusCode\":0",
    "\\ud800",
    "null",
    "[[[[[[[[[[[[[[[[",
];

const NOTIFICATIONS: &str = "/api/v2/notifications";
const CHANNEL: &str = "/v2/me/calls";
const CONN_ID: &str = "0071023821aec000";

/// The first octet chooses the interface, and whether a session stands already. Each line is the answer to whatever was
/// posted last: a status and a space before its body, `cut ` for none at all; else its status is 200.
pub(crate) fn gws(octets: &[u8]) {
    let Some((first, octets)) = octets.split_first() else { return };
    let api = if first & 1 == 0 { Api::V2 } else { Api::V3 };
    let mut link = Link::new(api);
    if first & 2 != 0 {
        GREETING.iter().for_each(|line| link.answer(line.as_bytes()));
        assert!(link.client.is_up(), "a server that greets is heard");
    }
    for line in octets.split(|octet| *octet == b'\n') {
        link.answer(line);
        for what in [RecordControl::Start, RecordControl::Pause, RecordControl::Resume, RecordControl::Stop] {
            let _ = link.client.request(what, CONN_ID);
        }
        link.collect();
    }
}

struct Link {
    client: Client,
    /// What was posted and not answered.
    posts: Vec<Post>,
    is_up: bool,
    now: std::time::Instant,
}

impl Link {
    fn new(api: Api) -> Self {
        let (notifications, channel) = (NOTIFICATIONS.to_owned(), CHANNEL.to_owned());
        let config = Config { link: 1, api, notifications, channel, dn: Some("7001".into()) };
        let mut link = Self { client: Client::new(config, *START), posts: Vec::new(), is_up: false, now: *START };
        link.collect();
        link
    }

    fn answer(&mut self, line: &[u8]) {
        let Some(post) = self.posts.pop() else { return };
        let (head, body) = match line.split_at_checked(4) {
            Some((head, body)) if head[3] == b' ' => (&head[..3], body),
            _ => (&b"200"[..], line),
        };
        let status = std::str::from_utf8(head).ok().and_then(|head| head.parse().ok());
        let cookies = vec![String::from_utf8_lossy(body).chars().filter(|c| !c.is_control()).take(80).collect()];
        let answer = match (head, status) {
            (b"cut", _) => Err("cut"),
            (_, Some(status)) => Ok(Answer { status, cookies, body: body.to_vec() }),
            (_, None) => Ok(Answer { status: 200, cookies, body: line.to_vec() }),
        };
        self.client.answered(post.number, answer, self.now);
        self.collect();
    }

    /// Takes what the client wants, and lets the time pass where it waits for nobody.
    fn collect(&mut self) {
        self.take();
        if let Some(due) = self.client.next_timeout() {
            let most = limits::INTERVAL_MOST.max(limits::BACK_OFF_MOST) + Duration::from_secs(1);
            assert!(due <= self.now + most, "a link never rests for ever");
            self.now = self.now.max(due);
            self.client.timeout(self.now);
            self.take();
            assert!(self.client.next_timeout().is_none(), "whoever waited goes on");
        }
        assert!(self.posts.len() <= limits::OPEN_REQUESTS + 1, "requests are bounded");
        assert_eq!(self.is_up, self.client.is_up(), "what is told of the link is what it is");
    }

    fn take(&mut self) {
        while let Some(output) = self.client.output() {
            match output {
                Output::Post(post) => {
                    check(&post);
                    // What belongs to a session stands below what asks for control: it is answered when those are.
                    let place = if post.path == NOTIFICATIONS { 0 } else { self.posts.len() };
                    self.posts.insert(place, post);
                }
                Output::Event(CtiEvent::LinkUp { .. }) => assert!(!std::mem::replace(&mut self.is_up, true)),
                Output::Event(CtiEvent::LinkDown { .. }) => assert!(std::mem::replace(&mut self.is_up, false)),
                Output::Event(_) | Output::Lost { .. } => {}
            }
        }
    }
}

/// Whatever a server named is no way to another path, and no second header.
fn check(post: &Post) {
    assert!(serde_json::from_str::<Value>(&post.body).is_ok(), "a body is JSON: {}", post.body);
    let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"/-_~".contains(&octet);
    assert!(post.path.bytes().all(is_plain) && !post.path.contains("//"), "{}", post.path);
    assert!(post.within <= limits::POLL_MOST + limits::ANSWER, "no answer is waited for for ever");
    let cookies = post.cookies.as_deref().unwrap_or_default();
    assert!(cookies.len() <= limits::COOKIES * (limits::COOKIE_OCTETS + 2), "cookies are bounded");
}

const GREETING: [&str; 3] = [
    r#"[{"channel":"/meta/handshake","successful":true,"clientId":"c1","supportedConnectionTypes":["long-polling"]}]"#,
    r#"[{"channel":"/meta/connect","successful":true,"advice":{"reconnect":"retry","interval":0,"timeout":30000}}]"#,
    r#"[{"channel":"/meta/subscribe","successful":true,"subscription":"/v2/me/calls"}]"#,
];

/// A session, a call with control and its end, advice, refusals, and what is no answer of such a server.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let connect = r#"{"channel":"/meta/connect","successful":true}"#;
    let call = |state: &str, more: &str| {
        format!(
            r#"[{{"channel":"/v2/me/calls","data":{{"notificationType":"StatusChange","phoneNumber":"7001","call":{{"id":"C-1","callUuid":"00ABCDEF","connId":"{CONN_ID}","state":"{state}","ani":"+4930123","dnis":"800","callType":"Inbound","participants":[{{"number":"+4930123"}},{{"phoneNumber":"7002"}}],"userData":{{"k":"v","GSIP_REC_FN":"id"}}{more}}}}}}},{connect}]"#
        )
    };
    let change = |state: &str| {
        format!(
            r#"[{{"channel":"/v2/me/calls","data":{{"notificationType":"CallRecordingStateChange","call":{{"id":"C-1","connId":"{CONN_ID}","recordingState":"{state}"}}}}}},{connect}]"#
        )
    };
    let whole = [
        call("Ringing", ""),
        call("Established", r#","recordingState":"Stopped""#),
        r#"{"statusCode":0}"#.to_owned(),
        r#"{"statusCode":5,"statusMessage":"no"}"#.to_owned(),
        "500 ".to_owned(),
        "cut ".to_owned(),
        change("Recording"),
        change("Paused"),
        call("Released", ""),
    ]
    .join("\n");
    let advice = r#"[{"channel":"/meta/connect","successful":false,"error":"402::Unknown client","advice":{"reconnect":"handshake"}}]"#;
    let mut seeds = vec![
        [&[0], GREETING.join("\n").as_bytes(), b"\n", whole.as_bytes()].concat(),
        [&[2], whole.as_bytes()].concat(),
        [&[3], whole.as_bytes()].concat(),
        [&[2], advice.as_bytes(), b"\n", GREETING.join("\n").as_bytes()].concat(),
        b"\x02401 \n[]\n[{}]\n{}".to_vec(),
        b"\x00<html>\n[{\"channel\":\"/meta/handshake\",\"successful\":true,\"clientId\":\"\"}]".to_vec(),
    ];
    let many: Vec<String> = (0..40).map(|number| call("Ringing", "").replace("C-1", &format!("C-{number}"))).collect();
    seeds.push([&[2], many.join("\n").as_bytes()].concat());
    seeds
}
