//! The client against a server that is played line by line, on a clock of the tests' own.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::*;
use crate::tlib::event::{CallEvent, CallKind, ControlEvent, Outcome, RecordControl};

const NOTIFICATIONS: &str = "/api/v2/notifications";
const CALLS: &str = "/v2/me/calls";

struct Played {
    client: Client,
    now: Instant,
    events: Vec<CtiEvent>,
    losses: Vec<&'static str>,
    posts: Vec<Post>,
}

impl Played {
    #[expect(clippy::disallowed_methods, reason = "where the tests' own clock begins")]
    fn new(api: Api) -> Self {
        let now = Instant::now();
        let config = Config {
            link: 3,
            api,
            notifications: NOTIFICATIONS.into(),
            channel: CALLS.into(),
            dn: Some("7001".into()),
        };
        let (events, losses, posts) = (Vec::new(), Vec::new(), Vec::new());
        Self { client: Client::new(config, now), now, events, losses, posts }
    }

    fn up(api: Api) -> Self {
        let mut played = Self::new(api);
        played.greet();
        played
    }

    fn greet(&mut self) {
        self.time();
        self.reply(json!({ "channel": "/meta/handshake", "successful": true, "clientId": "c1" }));
        self.reply(json!({ "channel": "/meta/connect", "successful": true, "advice": { "timeout": 30_000 } }));
        self.reply(json!({ "channel": "/meta/subscribe", "successful": true, "subscription": CALLS }));
    }

    fn collect(&mut self) {
        while let Some(output) = self.client.output() {
            match output {
                Output::Post(post) => self.posts.push(post),
                Output::Lost { reason, .. } => self.losses.push(reason),
                Output::Event(event) => self.events.push(event),
            }
        }
    }

    /// Lets the time pass until the client has something to do.
    fn time(&mut self) -> Duration {
        let due = self.client.next_timeout().expect("something to do later");
        let passed = due.saturating_duration_since(self.now);
        self.now = self.now.max(due);
        self.client.timeout(self.now);
        self.collect();
        passed
    }

    fn post(&mut self) -> Post {
        if self.posts.is_empty() {
            self.time();
        }
        self.posts.remove(0)
    }

    fn answer(&mut self, number: u64, answer: Result<Answer, &'static str>) {
        self.client.answered(number, answer, self.now);
        self.collect();
    }

    fn raw(&mut self, status: u16, body: &[u8]) -> Post {
        let post = self.post();
        let cookies = vec!["BAYEUX_BROWSER=b1; Path=/; HttpOnly".to_owned()];
        self.answer(post.number, Ok(Answer { status, cookies, body: body.to_vec() }));
        post
    }

    fn reply(&mut self, message: Value) -> Post {
        self.raw(200, Value::Array(vec![message]).to_string().as_bytes())
    }

    /// A poll comes back with this.
    fn notify(&mut self, data: &Value) {
        self.now += Duration::from_secs(1);
        let connect = json!({ "channel": "/meta/connect", "successful": true });
        let body = json!([{ "channel": CALLS, "data": data }, connect]).to_string();
        self.raw(200, body.as_bytes());
    }

    fn call(&mut self, kind: &str, fields: Value) {
        let mut call = json!({ "id": "CALL1", "callUuid": "UUID1", "connId": "0071" });
        call.as_object_mut().expect("an object").extend(fields.as_object().expect("an object").clone());
        self.notify(&json!({ "notificationType": kind, "phoneNumber": "7002", "call": call }));
    }

    fn told(&mut self) -> Vec<CallEvent> {
        let calls = self.events.iter().filter_map(|event| match event {
            CtiEvent::Call(call) => Some((**call).clone()),
            _ => None,
        });
        calls.collect()
    }

    fn controls(&self) -> Vec<(RecordControl, bool)> {
        let controls = self.events.iter().filter_map(|event| match event {
            CtiEvent::Control(control) => Some(&**control),
            _ => None,
        });
        controls.map(|ControlEvent { what, is_state, .. }| (*what, *is_state)).collect()
    }
}

fn body(post: &Post) -> Value {
    serde_json::from_str::<Value>(&post.body).expect("JSON")[0].clone()
}

#[test]
fn a_session_is_a_handshake_a_first_connect_a_subscription_and_polls() {
    let mut played = Played::new(Api::V2);
    let post = played.reply(json!({ "channel": "/meta/handshake", "successful": true, "clientId": "c1" }));
    assert_eq!((post.path.as_str(), post.is_handshake, post.cookies.is_none()), (NOTIFICATIONS, true, true));
    assert_eq!(body(&post)["supportedConnectionTypes"], json!(["long-polling"]));
    let post = played.reply(json!({ "channel": "/meta/connect", "successful": true, "advice": { "timeout": 30_000 } }));
    assert_eq!((&body(&post)["clientId"], &body(&post)["advice"]), (&json!("c1"), &json!({ "timeout": 0 })));
    assert_eq!(post.cookies.as_deref(), Some("BAYEUX_BROWSER=b1"), "the session goes by its cookie too");
    assert!(!played.client.is_up());
    let post = played.reply(json!({ "channel": "/meta/subscribe", "successful": true }));
    assert_eq!(body(&post)["subscription"], CALLS);
    assert!(played.client.is_up() && played.events == [CtiEvent::LinkUp { link: 3 }]);
    let post = played.post();
    assert_eq!(body(&post)["advice"], Value::Null);
    assert_eq!(post.within, Duration::from_secs(40), "as long as the server holds it, and the way");
}

#[test]
fn a_call_is_told_from_ringing_to_its_end() {
    let mut played = Played::up(Api::V2);
    let data = json!({ "Segment": "gold", "Case": { "Number": 7 }, "GSIP_REC_FN": "rec-1" });
    let more = json!({ "dnis": "8001", "ani": "5550100", "callType": "Inbound", "participants": [{ "phoneNumber": "5550100" }] });
    for (state, extra) in [
        ("Ringing", more),
        ("Established", json!({ "userData": data })),
        ("Held", json!({})),
        ("Established", json!({})),
        ("Established", json!({})),
        ("Released", json!({})),
    ] {
        let mut fields = extra;
        fields["state"] = json!(state);
        played.call("StatusChange", fields);
    }
    let told = played.told();
    let kinds: Vec<_> = told.iter().map(|call| call.kind).collect();
    use CallKind::{Established, Held, Released, Retrieved, Ringing};
    assert_eq!(kinds, [Ringing, Established, Held, Retrieved, Released], "what says nothing new is not told");
    let call = &told[0];
    assert_eq!((call.link, call.this_dn.as_deref(), call.other_dn.as_deref()), (3, Some("7002"), Some("5550100")));
    assert_eq!(
        (call.dnis.as_deref(), call.ani.as_deref(), call.call_type.as_deref()),
        (Some("8001"), Some("5550100"), Some("Inbound"))
    );
    assert_eq!((call.ids.call_uuid.as_deref(), call.ids.conn_id.as_deref()), (Some("UUID1"), Some("0071")));
    let flat = told[1].user_data.clone().expect("user data");
    assert_eq!((flat["Segment"].as_str(), flat["Case/Number"].as_str()), ("gold", "7"));
    assert_eq!(told[1].ids.record_id.as_deref(), Some("rec-1"));
    played.call("AttachedDataChanged", json!({ "state": "Released", "userData": { "Mood": "good" } }));
    let late = played.told().pop().expect("an event");
    assert_eq!((late.kind, late.this_dn), (CallKind::Attached, None), "who left is asked no more");
    assert_eq!(played.client.counts(), Counts { received: 7, refused: 0, unknown: 0 });
}

#[test]
fn recording_states_become_control() {
    let mut played = Played::up(Api::V2);
    for word in ["Recording", "Paused", "Recording", "Stopped", "Stopped", "Recording", "Dreaming"] {
        played.call("CallRecordingStateChange", json!({ "state": "Established", "recordingState": word }));
    }
    use RecordControl::{Pause, Resume, Start, Stop};
    assert_eq!(
        played.controls(),
        [(Resume, true), (Pause, true), (Resume, true), (Stop, false), (Start, false)],
        "that it is recorded keeps nothing, that it is again after a stop does"
    );
    assert_eq!(played.client.counts().unknown, 1, "a word that nobody documented is no control");
    played.call("StatusChange", json!({ "state": "Held", "userData": { "GSIP_RECORD": "PAUSED" } }));
    assert_eq!(played.controls().last(), Some(&(Pause, true)), "user data says it as well");
}

#[test]
fn control_is_asked_for_by_the_id_of_the_call() {
    for (api, path, sent, yes) in [
        (
            Api::V2,
            "/api/v2/me/calls/CALL1",
            json!({ "operationName": "PauseCallRecording" }),
            &br#"{"statusCode":0}"#[..],
        ),
        (Api::V3, "/workspace/v3/voice/calls/CALL1/pause-recording", json!({}), b""),
    ] {
        let mut played = Played::new(api);
        assert_eq!(played.client.request(RecordControl::Pause, "0071"), Err(NotSent::LinkDown));
        played.greet();
        assert_eq!(played.client.request(RecordControl::Pause, "0071"), Err(NotSent::NotWatched), "not told of yet");
        played.call("StatusChange", json!({ "state": "Established" }));
        played.posts.clear();
        let number = played.client.request(RecordControl::Pause, "0071").expect("a request");
        played.collect();
        let post = played.post();
        assert_eq!((post.path.as_str(), serde_json::from_str(&post.body).ok()), (path, Some(sent)));
        played.answer(number, Ok(Answer { status: 200, body: yes.to_vec(), ..Answer::default() }));
        let outcome = Outcome::Accepted;
        assert_eq!(played.events.last(), Some(&CtiEvent::Answered { link: 3, reference: number, outcome }));
        let before = played.events.len();
        played.answer(number, Err("no_answer"));
        assert_eq!(played.events.len(), before, "an answer that comes twice says nothing");
    }
}

#[test]
fn a_request_that_is_not_carried_out_says_so() {
    let mut played = Played::up(Api::V2);
    played.call("StatusChange", json!({ "state": "Established" }));
    let body = |body: &[u8]| Answer { status: 200, body: body.to_vec(), ..Answer::default() };
    for (answer, expected) in [
        (Ok(body(br#"{"statusCode":2}"#)), Outcome::Refused { code: Some(2) }),
        (Ok(body(b"rubbish")), Outcome::Refused { code: None }),
        (Ok(Answer { status: 404, ..Answer::default() }), Outcome::Refused { code: Some(404) }),
        (Err("no_answer"), Outcome::Unanswered),
    ] {
        let number = played.client.request(RecordControl::Start, "0071").expect("a request");
        played.answer(number, answer);
        let outcome = CtiEvent::Answered { link: 3, reference: number, outcome: expected };
        assert_eq!(played.events.last(), Some(&outcome));
    }
    played.call("CallRecordingStateChange", json!({ "recordingState": "Recording" }));
    assert_eq!(played.controls(), [(RecordControl::Resume, true)], "a start that was refused starts nothing");
    played.client.request(RecordControl::Start, "0071").expect("a request");
    played.posts.clear();
    played.collect();
    played.posts.clear();
    for _ in 1..limits::OPEN_REQUESTS {
        played.client.request(RecordControl::Pause, "0071").expect("a request");
    }
    assert_eq!(played.client.request(RecordControl::Pause, "0071"), Err(NotSent::TooMany));
    assert!(played.client.is_up(), "the session is another matter");
}

#[test]
fn a_session_that_the_server_forgot_is_begun_anew() {
    for (reply, reason) in [
        (json!({ "channel": "/meta/connect", "successful": false, "error": "402::Unknown client" }), "unknown_client"),
        (
            json!({ "channel": "/meta/connect", "successful": false, "advice": { "reconnect": "handshake" } }),
            "advised_handshake",
        ),
        (json!({ "channel": "/meta/connect", "successful": false, "advice": { "reconnect": "none" } }), "advised_none"),
        (json!({ "channel": "/meta/connect", "successful": false, "error": "500::no" }), "refused"),
        (json!({ "channel": "/meta/other" }), "no_reply"),
    ] {
        let mut played = Played::up(Api::V2);
        played.reply(reply);
        let down = CtiEvent::LinkDown { link: 3, reason: reason.into() };
        assert_eq!((&played.losses[..], played.events.last()), (&[reason][..], Some(&down)));
        assert_eq!(played.time(), limits::BACK_OFF);
        let post = played.posts.last().expect("a post");
        assert!(post.is_handshake && post.cookies.is_none(), "nothing of the old session is left");
        played.greet_posts();
        assert!(played.client.is_up());
    }
}

impl Played {
    /// The rest of a greeting whose handshake is posted already.
    fn greet_posts(&mut self) {
        self.reply(json!({ "channel": "/meta/handshake", "successful": true, "clientId": "c2" }));
        self.reply(json!({ "channel": "/meta/connect", "successful": true }));
        self.reply(json!({ "channel": "/meta/subscribe", "successful": true }));
    }
}

#[test]
fn a_server_that_does_not_want_us_is_asked_ever_more_rarely() {
    let mut played = Played::new(Api::V2);
    let waits: Vec<Duration> = (0..9)
        .map(|_| {
            played.raw(401, b"");
            played.client.next_timeout().expect("a next try") - played.now
        })
        .collect();
    assert_eq!((waits[0], waits[1], waits[8]), (limits::BACK_OFF, limits::BACK_OFF * 2, limits::BACK_OFF_MOST));
    assert!(played.losses.iter().all(|reason| *reason == "unauthorised") && played.events.is_empty());
}

#[test]
fn rubbish_and_too_much_end_the_session_and_not_the_client() {
    let long = vec![b' '; limits::BODY_OCTETS + 1];
    let many = format!("[{}{{}}]", "{},".repeat(limits::MESSAGES));
    for (status, body, reason) in [
        (200, &b"<html>"[..], "rubbish"),
        (200, b"{}", "rubbish"),
        (200, b"[[[[[[[[", "rubbish"),
        (200, &long, "answer_too_long"),
        (200, many.as_bytes(), "too_many_messages"),
        (200, b"[]", "no_reply"),
        (302, b"[]", "http_status"),
        (500, b"", "http_status"),
    ] {
        let mut played = Played::up(Api::V2);
        played.raw(status, body);
        assert_eq!(played.losses, [reason]);
        assert!(played.client.next_timeout().is_some());
    }
    let mut played = Played::new(Api::V2);
    played.reply(json!({ "channel": "/meta/handshake", "successful": true }));
    assert_eq!(played.losses, ["no_client_id"]);
}

#[test]
fn a_notification_that_breaks_a_bound_is_refused_and_the_next_one_is_not() {
    let mut played = Played::up(Api::V2);
    let deep = (0..20).fold(json!("x"), |inner, _| json!({ "l": inner }));
    let wide: serde_json::Map<String, Value> = (0..2_000).map(|no| (no.to_string(), json!(no))).collect();
    for wrong in [
        json!({ "dnis": "8".repeat(limits::TEXT_OCTETS + 1) }),
        json!({ "state": 7 }),
        json!({ "userData": deep }),
        json!({ "userData": wide }),
    ] {
        played.call("StatusChange", wrong);
    }
    played.notify(&json!("nothing"));
    assert_eq!(played.client.counts().refused, 5);
    played.call("StatusChange", json!({ "id": "../../users", "state": "Ringing" }));
    assert_eq!(played.told().len(), 1, "told");
    assert_eq!(
        played.client.request(RecordControl::Stop, "0071"),
        Err(NotSent::NotWatched),
        "and no path of its making"
    );
    assert!(played.client.is_up());
}

#[test]
fn advice_sets_the_pace_within_bounds() {
    let mut played = Played::up(Api::V2);
    let advice = json!({ "interval": 2_000, "timeout": 9_999_999 });
    played.reply(json!({ "channel": "/meta/connect", "successful": true, "advice": advice }));
    assert_eq!(played.time(), Duration::from_secs(2));
    assert_eq!(played.posts.last().map(|post| post.within), Some(limits::POLL_MOST + limits::ANSWER));
    let advice = json!({ "interval": 0 });
    played.reply(json!({ "channel": "/meta/connect", "successful": true, "advice": advice }));
    assert_eq!(played.time(), limits::POLLS_APART, "a server that holds nothing is not hammered");
}

#[test]
fn calls_are_bounded() {
    let mut played = Played::up(Api::V2);
    for no in 0..=limits::CALLS {
        played
            .call("StatusChange", json!({ "id": format!("CALL-{no}"), "connId": no.to_string(), "state": "Ringing" }));
    }
    assert_eq!(played.client.calls.len(), limits::CALLS);
    assert_eq!(played.client.request(RecordControl::Stop, "0"), Err(NotSent::NotWatched), "the oldest made room");
    assert!(played.client.request(RecordControl::Stop, "1").is_ok());
}
