//! Target of the T-Library link: what a server, or a stranger in its place, sends after its greeting.

use std::time::Duration;

use signaling_core::tlib::{
    client::{Client, Config, Output},
    event::CtiEvent,
    lines::Lines,
    list::{Charset, List},
    message::{Attributes, Broken, Message, Name, Role, Time},
};

use crate::endpoint::START;

pub(crate) const WORDS: &[&str] = &[
    "\n",
    "\r\n",
    "{\"message\":\"EventRinging\",",
    "{\"message\":\"EventRegistered\",\"ReferenceID\":1,\"Calls\":[",
    "\"EventSequenceNumber\":18446744073709551615",
    "\"time\":{\"sec\":18446744073709551615,\"usec\":4294967295}",
    "\"UserData\":[{\"key\":\"k\",\"value\":[]}]",
    "{\"text\":\"//8=\"}",
    "{\"binary\":\"AAE=\"}",
    "\"PrivateMsgID\":3015",
    "\"key\":\"GSIP_RECORD\",\"value\":\"PAUSED\"",
    "\"Role\":\"backup\"",
    "\"Charset\":\"utf-16\"",
    "\\ud800",
    "null",
    "[[[[[[[[[[[[[[[[",
];

/// The first octet says in which pieces the rest arrives at a link that has greeted and registered one DN.
pub(crate) fn tlib(octets: &[u8]) {
    let Some((pieces, octets)) = octets.split_first() else { return };
    let whole = lines(octets, octets.len().max(1));
    assert!(whole == lines(octets, usize::from(*pieces) + 1), "what a stream holds does not depend on its pieces");
    let mut link = Link::greeted();
    for line in &whole {
        if let Ok(message) = Message::parse(line) {
            let again = Message::parse(message.line().trim_end().as_bytes());
            assert!(again.is_ok_and(|again| again == message), "what was read can be written and read");
        }
        link.hear(line);
    }
}

fn lines(octets: &[u8], piece: usize) -> Vec<Vec<u8>> {
    let (mut lines, mut whole) = (Lines::default(), Vec::new());
    for piece in octets.chunks(piece) {
        lines.push(piece);
        // Beyond the longest line the connection is closed: how much was read by then is the network's doing.
        while let Ok(Some(line)) = lines.pull() {
            whole.push(line.to_vec());
        }
    }
    whole
}

struct Link {
    client: Client,
    is_closed: bool,
}

impl Link {
    fn greeted() -> Self {
        let charset = Charset::by_name("windows-1252").expect("a charset");
        let config = Config { link: 0, servers: 1, charset, dns: ["7001".to_owned()].into() };
        let mut link = Self { client: Client::new(config, *START), is_closed: false };
        link.client.timeout(*START);
        link.client.connected(*START);
        for said in [greeting(), Message::new(Name::EventLinkConnected)] {
            link.hear(said.line().trim_end().as_bytes());
        }
        link
    }

    fn hear(&mut self, line: &[u8]) {
        self.client.receive(line, *START);
        while let Some(output) = self.client.output() {
            match output {
                Output::Send(line) => {
                    assert!(!self.is_closed, "nothing is said after the end");
                    assert!(line.ends_with('\n') && Message::parse(line.trim_end().as_bytes()).is_ok(), "{line}");
                }
                Output::Close(_) => self.is_closed = true,
                Output::Event(CtiEvent::Call(_)) => assert!(!self.is_closed, "nothing is believed after the end"),
                Output::Event(_) | Output::Connect(_) => {}
            }
        }
        assert!(self.client.registered() <= 1, "one DN was asked for");
        let is_rubbish = Message::parse(line) == Err(Broken::Rubbish) && !line.trim_ascii().is_empty();
        assert!(self.is_closed || !is_rubbish, "who speaks something else is cut");
        let due = self.client.next_timeout();
        assert!(due.is_some_and(|due| due <= *START + Duration::from_secs(3_600)), "a link never waits for ever");
    }
}

fn greeting() -> Message {
    Message::new(Name::EventServerInfo).with(|a| {
        (a.version, a.role, a.heartbeat) = (Some(1), Some(Role::Primary), Some(5_000));
    })
}

/// A call as a switch tells it, with user data of every kind, control, agents, and what a break leaves behind.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let data = List::default().with("GSIP_RECORD", "PAUSED").with("GSIP_REC_FN", "id").with("k", "v");
    let call = |name: Name, number: u64| {
        let data = data.clone();
        Message::new(name).with(|a| {
            (a.event_sequence_number, a.time) = (Some(number), Some(Time { sec: 1_795_267_231, usec: 120_000 }));
            (a.this_dn, a.other_dn) = (Some("7001".into()), Some("+4930123".into()));
            (a.conn_id, a.call_uuid) =
                (Some("0071023821aec000".into()), Some("00ABCDEFGHIJKLMNOPQRSTUV01234567".into()));
            a.user_data = Some(data);
        })
    };
    let registered = Message::new(Name::EventRegistered).with(|a| {
        (a.reference_id, a.this_dn, a.agent_id) = (Some(1), Some("7001".into()), Some("a17".into()));
        a.calls = vec![Attributes { state: Some(Name::EventHeld), ..*call(Name::EventHeld, 1).attributes }];
    });
    let control = call(Name::EventPrivateInfo, 3).with(|a| {
        (a.private_msg_id, a.extensions) = (Some(3015), Some(List::default().with("Id", "id")));
    });
    let changed = call(Name::EventPartyChanged, 9).with(|a| a.previous_conn_id = Some("0071023821aec001".into()));
    let all = [
        registered,
        call(Name::EventRinging, 1),
        call(Name::EventEstablished, 2),
        control,
        changed,
        Message::new(Name::EventAgentLogout).with(|a| a.this_dn = Some("7001".into())),
        Message::new(Name::EventError).with(|a| (a.reference_id, a.error_code) = (Some(1), Some(59))),
        Message::new(Name::EventLinkDisconnected),
        greeting(),
    ];
    let seed = |messages: &[Message]| {
        let text: String = messages.iter().map(Message::line).collect();
        [&[7], text.as_bytes()].concat()
    };
    let octets = r#"{"message":"EventHeld","UserData":[{"key":"a","value":{"text":"TfxsbGVy"}},{"key":"b","value":{"binary":"AAE="}},{"key":"l","value":[{"key":"n","value":-7}]}]}"#;
    let mut seeds: Vec<Vec<u8>> = all.chunks(1).map(seed).collect();
    seeds.extend([seed(&all), [&[3], octets.as_bytes(), b"\r\n"].concat()]);
    seeds.push(b"\x10HTTP/1.1 400 Bad Request\r\n\r\n".to_vec());
    seeds
}
