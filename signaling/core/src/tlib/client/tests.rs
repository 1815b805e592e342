//! The link against a server played by the test, on a clock of its own.

use std::time::{Duration, Instant};

use super::*;
use crate::tlib::{
    event::{CallKind, CtiEvent, Outcome, RecordControl},
    list::List,
    message::{Attributes, Role},
};

struct World {
    client: Client,
    now: Instant,
}

impl World {
    fn new(servers: u8, dns: &[&str]) -> Self {
        let dns = dns.iter().map(|dn| (*dn).to_owned()).collect();
        let now = crate::simulated::start();
        let config = Config { link: 3, servers, charset: Charset::by_name("windows-1252").unwrap(), dns };
        Self { client: Client::new(config, now), now }
    }

    /// A link that is up with all its DNs registered.
    fn up(dns: &[&str]) -> Self {
        let mut world = Self::new(1, dns);
        world.wait(Duration::ZERO);
        world.greet();
        world
    }

    fn greet(&mut self) {
        self.client.connected(self.now);
        self.say(Message::new(Name::EventServerInfo).with(|a| a.version = Some(1)));
        let asked = self.say(Message::new(Name::EventLinkConnected));
        self.accept(&asked);
    }

    /// Plays a server that accepts every registration.
    fn accept(&mut self, asked: &[Output]) {
        let mut open = requests(asked);
        while let Some(request) = open.pop() {
            let Attributes { reference_id, this_dn, .. } = *request.attributes;
            let answer =
                Message::new(Name::EventRegistered).with(|a| (a.reference_id, a.this_dn) = (reference_id, this_dn));
            open.extend(requests(&self.say(answer)));
        }
    }

    fn say(&mut self, message: Message) -> Vec<Output> {
        self.line(message.line().trim_end().as_bytes())
    }

    fn line(&mut self, line: &[u8]) -> Vec<Output> {
        self.client.receive(line, self.now);
        self.take()
    }

    fn wait(&mut self, time: Duration) -> Vec<Output> {
        self.now += time;
        self.client.timeout(self.now);
        self.take()
    }

    fn take(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.client.output()).collect()
    }
}

fn requests(outputs: &[Output]) -> Vec<Message> {
    let sent = |output: &Output| match output {
        Output::Send(line) => Message::parse(line.trim_end().as_bytes()).ok(),
        _ => None,
    };
    outputs.iter().filter_map(sent).filter(|message| message.message.text().starts_with("Request")).collect()
}

fn events(outputs: &[Output]) -> Vec<CtiEvent> {
    let event = |output: &Output| if let Output::Event(event) = output { Some(event.clone()) } else { None };
    outputs.iter().filter_map(event).collect()
}

fn closed(outputs: &[Output]) -> Option<&'static str> {
    outputs.iter().find_map(|output| if let Output::Close(reason) = output { Some(*reason) } else { None })
}

fn event(name: Name) -> Message {
    Message::new(name).with(|a| (a.this_dn, a.conn_id) = (Some("7001".into()), Some("00".into())))
}

#[test]
fn a_link_connects_registers_and_tells_calls_in_our_words() {
    let mut world = World::new(1, &["7001", "7002"]);
    assert_eq!(world.wait(Duration::ZERO), [Output::Connect(0)]);
    world.client.connected(world.now);
    assert_eq!(world.say(Message::new(Name::EventServerInfo)), []);
    assert!(!world.client.is_up(), "the switch is not reached yet");
    let up = world.say(Message::new(Name::EventLinkConnected));
    assert_eq!(events(&up), [CtiEvent::LinkUp { link: 3 }]);
    let dns: Vec<_> = requests(&up).iter().map(|request| request.attributes.this_dn.clone().unwrap()).collect();
    assert_eq!(dns, ["7001", "7002"]);
    world.accept(&up);
    assert_eq!(world.client.registered(), 2);

    let octets = r#"[{"key":"name","value":{"text":"TfxsbGVy"}}]"#;
    let data: List = serde_json::from_str(octets).unwrap();
    let ringing =
        event(Name::EventRinging).with(|a| (a.call_uuid, a.user_data) = (Some("U".into()), Some(data.clone())));
    let told = events(&world.say(ringing));
    let [CtiEvent::Call(call)] = &told[..] else { panic!("{told:?}") };
    assert_eq!((call.kind, call.ids.call_uuid.as_deref()), (CallKind::Ringing, Some("U")));
    assert_eq!(call.user_data.as_ref().unwrap()["name"], "Müller", "decoded by the charset of the link");
    assert_eq!(call.raw_user_data.as_ref(), Some(&data), "and the octets are kept");
    assert!(!format!("{told:?}").contains("7001"));
}

#[test]
fn fifty_thousand_dns_are_registered_without_a_flood() {
    let names: Vec<String> = (0..1_000).map(|dn| dn.to_string()).collect();
    let mut world = World::new(1, &names.iter().map(String::as_str).collect::<Vec<_>>());
    world.wait(Duration::ZERO);
    world.client.connected(world.now);
    world.say(Message::new(Name::EventServerInfo));
    let first = world.say(Message::new(Name::EventLinkConnected));
    assert_eq!(requests(&first).len(), limits::REGISTRATIONS_AT_ONCE);
    world.accept(&first);
    assert_eq!(world.client.registered(), 1_000);
}

#[test]
fn silence_is_noticed_and_a_beat_is_life() {
    let mut world = World::up(&[]);
    let beat = world.wait(limits::HEARTBEAT);
    assert!(matches!(&beat[..], [Output::Send(line)] if line.contains("Heartbeat")), "{beat:?}");
    world.say(Message::new(Name::Heartbeat));
    world.wait(limits::HEARTBEAT);
    assert_eq!(closed(&world.wait(limits::HEARTBEAT)), None, "heard two beats ago");
    let lost = world.wait(limits::HEARTBEAT);
    assert_eq!(closed(&lost), Some("no_heartbeat"));
    assert_eq!(events(&lost), [CtiEvent::LinkDown { link: 3, reason: "no_heartbeat".into() }]);
}

#[test]
fn a_lost_link_comes_back_with_longer_and_longer_waits_and_reads_all_again() {
    let mut world = World::up(&["7001"]);
    world.client.closed(world.now);
    assert_eq!(events(&world.take()), [CtiEvent::LinkDown { link: 3, reason: "connection_lost".into() }]);
    let mut waits = Vec::new();
    for _ in 0..9 {
        let due = world.client.next_timeout().unwrap();
        waits.push((due - world.now).as_millis());
        assert_eq!(world.wait(due - world.now), [Output::Connect(0)]);
        world.client.closed(world.now);
        assert_eq!(world.take(), [], "down is told once");
    }
    assert_eq!(waits, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
    world.wait(Duration::from_secs(30));
    world.greet();
    assert_eq!((world.client.is_up(), world.client.registered()), (true, 1));
    let call = Attributes { conn_id: Some("00AA".into()), state: Some(Name::EventHeld), ..Attributes::default() };
    let snapshot = Message::new(Name::EventRegistered).with(|a| {
        (a.this_dn, a.calls) = (Some("7001".into()), vec![call]);
    });
    let told = events(&world.say(snapshot));
    let [CtiEvent::Call(call)] = &told[..] else { panic!("{told:?}") };
    assert_eq!((call.kind, call.is_snapshot, call.this_dn.as_deref()), (CallKind::Held, true, Some("7001")));
}

#[test]
fn a_standby_is_used_when_it_says_that_it_is_primary() {
    let mut world = World::new(2, &["7001"]);
    assert_eq!(world.wait(Duration::ZERO), [Output::Connect(0)]);
    world.greet();
    world.client.closed(world.now);
    world.take();
    assert_eq!(world.wait(limits::BACK_OFF), [Output::Connect(1)], "the other of the pair");
    world.client.connected(world.now);
    let backup = world.say(Message::new(Name::EventServerInfo).with(|a| a.role = Some(Role::Backup)));
    assert_eq!(closed(&backup), Some("backup_server"), "it has not taken over yet");
    assert_eq!(world.wait(limits::BACK_OFF), [Output::Connect(0)]);
    world.client.closed(world.now);
    assert_eq!(world.wait(limits::BACK_OFF * 2), [Output::Connect(1)]);
    world.greet();
    assert!(world.client.is_up());
}

#[test]
fn missed_events_are_told_and_what_there_is_is_read_again() {
    let mut world = World::up(&["7001"]);
    let numbered = |number| event(Name::EventHeld).with(|a| a.event_sequence_number = Some(number));
    world.say(numbered(5));
    assert_eq!(events(&world.say(numbered(6))).len(), 1);
    let told = world.say(numbered(9));
    assert_eq!(events(&told)[0], CtiEvent::EventsMissed { link: 3, expected: 7, got: 9 });
    assert_eq!(requests(&told).len(), 1, "the DN is read again");
    assert_eq!(world.client.counts().missed, 2);
    assert_eq!(requests(&world.say(numbered(3))).len(), 0, "a server that begins anew has missed nothing");
}

#[test]
fn rubbish_is_cut_with_a_reason() {
    for (line, reason) in [(&b"HTTP/1.1 400 Bad Request"[..], "rubbish"), (b"\x16\x03\x01", "rubbish")] {
        let mut world = World::up(&[]);
        let cut = world.line(line);
        assert!(matches!(&cut[0], Output::Send(said) if said.contains(reason)), "{cut:?}");
        assert_eq!(closed(&cut), Some(reason));
        assert!(matches!(world.wait(limits::BACK_OFF)[..], [Output::Connect(0)]), "and it connects again");
    }
    let mut world = World::up(&[]);
    world.client.endless_line(world.now);
    assert_eq!(closed(&world.take()), Some("line_too_long"));
}

#[test]
fn a_server_that_does_not_greet_or_speaks_another_version_is_cut() {
    let mut silent = World::new(1, &[]);
    silent.wait(Duration::ZERO);
    silent.client.connected(silent.now);
    assert_eq!(closed(&silent.wait(limits::ANSWER)), Some("no_greeting"));
    let greetings = [
        (Message::new(Name::EventServerInfo).with(|a| a.version = Some(2)), "unknown_version"),
        (Message::new(Name::EventServerInfo).with(|a| a.charset = Some("klingon".into())), "unknown_charset"),
        (event(Name::EventRinging), "no_greeting"),
    ];
    for (greeting, reason) in greetings {
        let mut world = World::new(1, &[]);
        world.wait(Duration::ZERO);
        world.client.connected(world.now);
        assert_eq!(closed(&world.say(greeting)), Some(reason));
    }
}

#[test]
fn a_message_over_a_bound_is_refused_by_name_and_the_link_stays() {
    let mut world = World::up(&[]);
    let long = event(Name::EventHeld).with(|a| a.ani = Some("1".repeat(limits::ATTRIBUTE_OCTETS + 1)));
    let refused = world.say(long.clone());
    assert!(matches!(&refused[..], [Output::Send(said)] if said.contains("EventHeld: attribute_too_long")));
    assert_eq!(events(&world.say(event(Name::EventHeld))).len(), 1);
    let mut last = Vec::new();
    for _ in 0..limits::REFUSED_IN_A_ROW {
        last = world.say(long.clone());
    }
    assert_eq!(closed(&last), Some("nothing_but_refused_messages"));
}

#[test]
fn a_request_ends_with_its_answer_a_refusal_a_timeout_or_the_link() {
    let mut world = World::up(&["7001"]);
    let request = Request { this_dn: "7001".into(), conn_id: "00AA".into(), ..Request::default() };
    let ask = |world: &mut World| {
        let reference = world.client.request(RecordControl::Start, request.clone(), world.now).unwrap();
        let sent = requests(&world.take());
        assert_eq!(sent[0].attributes.private_msg_id, Some(3013));
        reference
    };
    let answered = |reference, outcome| CtiEvent::Answered { link: 3, reference, outcome };
    let (first, second) = (ask(&mut world), ask(&mut world));
    let ack = Message::new(Name::EventACK).with(|a| a.reference_id = Some(first));
    assert_eq!(events(&world.say(ack.clone())), [answered(first, Outcome::Accepted)]);
    assert_eq!(events(&world.say(ack)), [], "an answer counts once");
    let error = Message::new(Name::EventError).with(|a| (a.reference_id, a.error_code) = (Some(second), Some(50)));
    assert_eq!(events(&world.say(error)), [answered(second, Outcome::Refused { code: Some(50) })]);
    let third = ask(&mut world);
    for _ in 0..9 {
        world.say(Message::new(Name::Heartbeat));
        world.wait(Duration::from_secs(1));
    }
    assert_eq!(events(&world.wait(Duration::from_secs(1))), [answered(third, Outcome::Unanswered)]);
    let fourth = ask(&mut world);
    world.client.closed(world.now);
    assert!(events(&world.take()).contains(&answered(fourth, Outcome::Unanswered)));
    assert_eq!(world.client.request(RecordControl::Stop, request.clone(), world.now), Err(NotSent::LinkDown));
    let mut world = World::up(&["7002"]);
    let asked = world.client.request(RecordControl::Stop, request.clone(), world.now);
    assert_eq!(asked, Err(NotSent::NotWatched), "the server would not know who asks");
}

#[test]
fn what_comes_after_a_cut_says_nothing() {
    let mut world = World::up(&["7001"]);
    assert!(closed(&world.line(b"rubbish")).is_some());
    assert_eq!((world.say(event(Name::EventHeld)), world.client.registered()), (vec![], 0));
    assert_eq!(world.say(Message::new(Name::EventLinkConnected)), []);
    assert!(!world.client.is_up());
}

#[test]
fn a_silence_in_which_we_did_not_listen_is_not_the_servers() {
    let mut world = World::up(&[]);
    for _ in 0..limits::MISSED_HEARTBEATS + 1 {
        world.client.not_listening(world.now);
        assert_eq!(closed(&world.wait(limits::HEARTBEAT)), None);
    }
    world.client.broken("write_stalled", world.now);
    assert_eq!(events(&world.take()), [CtiEvent::LinkDown { link: 3, reason: "write_stalled".into() }]);
}

#[test]
fn control_by_others_is_told_once_or_as_a_state() {
    let mut world = World::up(&["7001"]);
    let done = event(Name::EventPrivateInfo).with(|a| {
        a.private_msg_id = Some(3015);
        a.extensions = Some(List::default().with("Id", "REC1"));
        a.reasons = Some(List::default().with("why", "PIN"));
    });
    let told = events(&world.say(done));
    let [CtiEvent::Control(control)] = &told[..] else { panic!("{told:?}") };
    assert_eq!((control.what, control.is_state), (RecordControl::Pause, false));
    assert_eq!((control.ids.record_id.as_deref(), control.reasons["why"].as_str()), (Some("REC1"), "PIN"));
    let state = event(Name::EventAttachedDataChanged)
        .with(|a| a.user_data = Some(List::default().with("GSIP_RECORD", "PAUSED")));
    let told = events(&world.say(state));
    let [CtiEvent::Call(_), CtiEvent::Control(control)] = &told[..] else { panic!("{told:?}") };
    assert_eq!((control.what, control.is_state), (RecordControl::Pause, true));
    let foreign = event(Name::EventPrivateInfo).with(|a| a.private_msg_id = Some(1));
    assert_eq!(events(&world.say(foreign)), []);
}

#[test]
fn dns_come_and_go_on_demand() {
    let mut world = World::up(&[]);
    assert!(world.client.watch("7009", world.now));
    let asked = world.take();
    assert_eq!(requests(&asked)[0].message, Name::RequestRegisterAddress);
    world.accept(&asked);
    assert_eq!(world.client.registered(), 1);
    assert!(world.client.watch("7009", world.now) && world.take().is_empty(), "once is enough");
    world.client.unwatch("7009", world.now);
    assert_eq!(requests(&world.take())[0].message, Name::RequestUnregisterAddress);
    assert_eq!(world.client.registered(), 0);
}

#[test]
fn agents_are_told_by_login_and_by_registration() {
    let mut world = World::up(&["7001"]);
    let login = |name| Message::new(name).with(|a| (a.this_dn, a.agent_id) = (Some("7001".into()), Some("a1".into())));
    let agent = |agent: Option<&str>| CtiEvent::Agent { link: 3, dn: "7001".into(), agent: agent.map(str::to_owned) };
    assert_eq!(events(&world.say(login(Name::EventAgentLogin))), [agent(Some("a1"))]);
    assert_eq!(events(&world.say(login(Name::EventAgentLogout))), [agent(None)]);
    assert_eq!(events(&world.say(login(Name::EventRegistered))), [agent(Some("a1"))]);
}

#[test]
fn a_server_that_comes_to_us_is_not_dialled() {
    let mut world = World::new(0, &["7001"]);
    assert_eq!((world.wait(Duration::from_secs(60)), world.client.next_timeout()), (vec![], None));
    world.greet();
    assert!(world.client.is_up());
}
