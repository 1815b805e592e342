//! Queue, schedule, signatures, events; forty days of a dead subscriber in simulated time.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::Timestamp;
use serde_json::Value;

use super::*;
use crate::limits::{PARCELS_AT_ONCE, PARCELS_PER_SUBSCRIBER};

const SCHEDULE: Schedule = Schedule { first_ms: 5_000, last_ms: 3_600_000, patience_ms: 40 * DAY_MS };
const DAY_MS: u64 = 86_400_000;
const NONE: [u64; 0] = [];

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000 + ms)
}

fn parcel(number: u64, subject: &str) -> Parcel {
    Parcel { number, subject: subject.into(), attempts: 0, next_at: Timestamp::default(), raised: at(0) }
}

fn queue(parcels: &[(u64, &str)]) -> Queue {
    let mut queue = Queue::new(SCHEDULE, false);
    parcels.iter().for_each(|(number, subject)| queue.admit(parcel(*number, subject)));
    queue
}

fn failed() -> Outcome {
    Outcome::Failed { cause: "status 500".into(), wait_s: None }
}

fn numbers(queue: &mut Queue, now: Timestamp) -> Vec<u64> {
    std::iter::from_fn(|| queue.next(now).map(|parcel| parcel.number)).collect()
}

#[test]
fn standard_webhooks_example() {
    let secret = read_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
    let at = Timestamp::from_millis(1_614_265_330_999);
    let body = br#"{"test": 2432232314}"#;
    let signed = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    assert_eq!(signature(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, body), signed);
    let other = read_secret(&format!("whsec_{}", STANDARD.encode([7; 32]))).expect("a secret");
    let both = signatures(&[secret, other], "msg_p5jXN8AQM9LWM0D4loKWxJek", at, body);
    let (first, second) = both.split_once(' ').expect("one for each secret");
    assert_eq!(first, signed);
    assert!(second.starts_with("v1,") && second != first);
}

#[test]
fn what_is_no_secret_is_refused_without_being_told() {
    for (text, error) in [
        ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", BadSecret::Form),
        ("whsec_!!", BadSecret::Form),
        ("", BadSecret::Form),
        ("whsec_MfKQ9r8=", BadSecret::Length),
    ] {
        let found = read_secret(text).expect_err(text);
        assert_eq!(found, error, "{text}");
        assert!(text.is_empty() || !found.to_string().contains(text), "{found}");
    }
    let long = format!("whsec_{}", STANDARD.encode([1; 65]));
    assert_eq!(read_secret(&long), Err(BadSecret::Length));
    assert_eq!(format!("{:?}", read_secret(&format!("whsec_{}", STANDARD.encode([1; 64])))), "Ok(Secret(•))");
}

#[test]
fn waiting_doubles_up_to_the_last_and_chance_moves_it_by_a_fifth() {
    let middle = |failures| SCHEDULE.delay_ms(failures, SCHEDULE.delay_ms(failures, 0) / 4);
    assert_eq!([1, 2, 3, 4].map(middle), [5_000, 10_000, 20_000, 40_000]);
    assert_eq!(middle(1_000), 3_600_000);
    for failures in [1, 2, 10, 11, 40, u32::MAX] {
        let planned = middle(failures);
        for chance in [0, 1, 77, u64::MAX, u64::MAX / 3] {
            let delay = SCHEDULE.delay_ms(failures, chance);
            assert!((planned - planned / 5..=planned + planned / 5).contains(&delay), "{failures} {chance}: {delay}");
        }
    }
    let first = Schedule { first_ms: 1, last_ms: 1, patience_ms: 1 };
    assert_eq!(first.delay_ms(u32::MAX, u64::MAX), 1, "no overflow at the edges");
}

#[test]
fn retry_after_is_a_number_or_a_date() {
    let now = Timestamp::parse("1994-11-06T08:49:00Z").expect("a time");
    for (text, seconds) in [
        ("120", Some(120)),
        (" 0 ", Some(0)),
        ("Sun, 06 Nov 1994 08:49:37 GMT", Some(37)),
        ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
        ("Sun, 06 Nev 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 08:49:37", None),
        ("soon", None),
        ("-5", None),
        ("99999999999999999999999", None),
    ] {
        assert_eq!(retry_after_s(text, now), seconds, "{text}");
    }
}

#[test]
fn of_one_interaction_all_goes_in_order_and_others_do_not_wait_for_it() {
    let mut queue = queue(&[(1, "a"), (2, "a"), (3, "b"), (4, "a")]);
    assert_eq!(numbers(&mut queue, at(0)), [1, 3]);
    assert!(matches!(queue.settle(1, failed(), at(0), 0), Verdict::Again { attempts: 1, .. }));
    assert_eq!(queue.settle(3, Outcome::Accepted, at(0), 0), Verdict::Done);
    assert_eq!(numbers(&mut queue, at(3_000)), NONE, "neither 1, which waits, nor 2 and 4 behind it");
    queue.admit(parcel(5, "c"));
    assert_eq!(numbers(&mut queue, at(4_000)), [1, 5], "the failure before was forgotten with the success");
    queue.settle(1, Outcome::Refused { cause: "status 422".into() }, at(4_100), 0);
    queue.settle(5, Outcome::Accepted, at(4_100), 0);
    assert_eq!(numbers(&mut queue, at(4_100)), [2], "a dead letter holds nobody up");
    queue.settle(2, Outcome::Accepted, at(4_200), 0);
    assert_eq!(numbers(&mut queue, at(4_200)), [4]);
    queue.settle(4, Outcome::Dropped, at(4_200), 0);
    assert!(queue.is_empty() && queue.wake_at().is_none());
}

#[test]
fn only_so_many_are_on_the_wire_and_one_while_it_fails() {
    let subjects: Vec<String> = (0..10).map(|n| format!("s{n}")).collect();
    let parcels: Vec<(u64, &str)> = subjects.iter().enumerate().map(|(n, s)| (n as u64, s.as_str())).collect();
    let mut queue = queue(&parcels);
    assert_eq!(numbers(&mut queue, at(0)).len(), PARCELS_AT_ONCE);
    (0..PARCELS_AT_ONCE as u64).for_each(|number| drop(queue.settle(number, failed(), at(0), 0)));
    assert_eq!(numbers(&mut queue, at(5_000)), NONE, "it rests");
    let wake = queue.wake_at().expect("later");
    let [asking] = numbers(&mut queue, wake)[..] else { panic!("one asks whether it is well again") };
    queue.settle(asking, Outcome::Accepted, wake, 0);
    assert_eq!(numbers(&mut queue, at(60_000)).len(), PARCELS_AT_ONCE);
}

#[test]
fn retry_after_is_honoured_for_everything() {
    let mut queue = queue(&[(1, "a"), (2, "b")]);
    assert_eq!(queue.next(at(0)).map(|parcel| parcel.number), Some(1));
    let busy = Outcome::Failed { cause: "status 503".into(), wait_s: Some(600) };
    assert_eq!(queue.settle(1, busy, at(0), 0), Verdict::Again { at: at(600_000), attempts: 1 });
    assert_eq!(numbers(&mut queue, at(599_999)), NONE);
    assert_eq!(numbers(&mut queue, at(600_000)), [1]);
    let absurd = Outcome::Failed { cause: "status 503".into(), wait_s: Some(u64::MAX) };
    assert_eq!(queue.settle(1, absurd, at(600_000), 0), Verdict::Again { at: at(600_000 + DAY_MS), attempts: 2 });
}

#[test]
fn gone_stops_everything_until_somebody_says_so() {
    let mut queue = queue(&[(1, "a"), (2, "b")]);
    queue.next(at(0)).expect("an item");
    assert_eq!(queue.settle(1, Outcome::Gone, at(0), 0), Verdict::Disabled);
    assert_eq!(numbers(&mut queue, at(DAY_MS)), NONE);
    assert_eq!(queue.wake_at(), None);
    queue.enable();
    assert_eq!(numbers(&mut queue, at(DAY_MS)), [1, 2], "nothing was lost");
}

#[test]
fn what_we_are_not_ready_for_is_no_attempt() {
    let mut queue = queue(&[(1, "a"), (2, "b")]);
    queue.next(at(0)).expect("an item");
    assert_eq!(queue.settle(1, Outcome::NotYet, at(0), 0), Verdict::Again { at: at(1_000), attempts: 0 });
    assert_eq!(numbers(&mut queue, at(999)), NONE);
    assert_eq!(numbers(&mut queue, at(1_000)), [1, 2], "and no strain");
}

#[test]
fn there_is_room_for_so_many_and_what_is_in_stays_as_it_is() {
    let mut queue = Queue::new(SCHEDULE, false);
    for number in 0..PARCELS_PER_SUBSCRIBER as u64 {
        queue.admit(parcel(number, &number.to_string()));
    }
    assert_eq!((queue.room(), queue.len()), (0, PARCELS_PER_SUBSCRIBER));
    queue.admit(Parcel { attempts: 9, ..parcel(0, "0") });
    assert_eq!(queue.next(at(0)).map(|parcel| parcel.attempts), Some(0));
}

#[test]
fn a_subscriber_that_is_away_for_a_month_gets_all_of_it_in_order() {
    let mut queue = queue(&[(1, "a"), (2, "a"), (3, "b"), (4, "b"), (5, "c")]);
    let well_at = at(30 * DAY_MS);
    let (mut now, mut attempts, mut got) = (at(0), 0, Vec::new());
    while !queue.is_empty() {
        while let Some(parcel) = queue.next(now) {
            attempts += 1;
            let outcome = if now < well_at { failed() } else { Outcome::Accepted };
            if outcome == Outcome::Accepted {
                got.push(parcel.number);
            }
            let verdict = queue.settle(parcel.number, outcome, now, attempts * 7_919);
            assert!(!matches!(verdict, Verdict::Dead { .. }), "a month is within patience");
        }
        assert!(queue.expire(now).is_empty());
        now = queue.wake_at().unwrap_or(now);
    }
    let place = |number| got.iter().position(|got| *got == number).expect("handed over");
    assert_eq!(got.len(), 5);
    assert!(place(1) < place(2) && place(3) < place(4));
    // Rare enough not to be a burden, often enough to notice within the hour.
    assert!((30 * 24 / 2..30 * 24 * 2 + 50).contains(&attempts), "{attempts} attempts in 30 days");
    assert!(now.millis_since(well_at) < 2 * 3_600_000, "{} ms later", now.millis_since(well_at));
}

#[test]
fn after_forty_days_everything_is_a_dead_letter_tried_or_not() {
    let mut queue = queue(&[(1, "a"), (2, "b"), (3, "b")]);
    let (mut now, mut dead, mut attempts) = (at(0), BTreeMap::new(), 0);
    while !queue.is_empty() {
        for (number, verdict) in queue.expire(now) {
            dead.insert(number, (now, verdict));
        }
        while let Some(parcel) = queue.next(now) {
            attempts += 1;
            let verdict = queue.settle(parcel.number, failed(), now, attempts);
            if matches!(verdict, Verdict::Dead { .. }) {
                dead.insert(parcel.number, (now, verdict));
            }
        }
        now = queue.wake_at().unwrap_or(now);
        assert!(attempts < 10_000, "it ends");
    }
    assert_eq!(dead.keys().copied().collect::<Vec<_>>(), [1, 2, 3]);
    for (number, (when, verdict)) in dead {
        assert!(matches!(verdict, Verdict::Dead { .. }), "{number}: {verdict:?}");
        let days = when.millis_since(at(0)) as f64 / DAY_MS as f64;
        assert!((39.8..40.2).contains(&days), "{number} was given up after {days} days");
    }
}

#[test]
fn an_event_is_cloud_events_with_an_id_that_stays() {
    let notice =
        Notice { kind: Kind::Interaction, subject: "U1".into(), thing: "U1".into(), revision: 2, fact: 77, at: at(0) };
    let id = notice.id("node-1");
    assert_eq!(id, notice.clone().id("node-1"));
    for other in [Notice { revision: 3, ..notice.clone() }, Notice { kind: Kind::Audio, ..notice.clone() }] {
        assert_ne!(id, other.id("node-1"));
    }
    assert_ne!(id, notice.id("node-2"));
    let octets = envelope(&notice, &id, "urn:recorder:node:node-1", &serde_json::json!({ "x": 1 }));
    let event: Value = serde_json::from_slice(&octets).expect("JSON");
    assert_eq!(event["specversion"], "1.0");
    assert_eq!((&event["id"], &event["type"]), (&id.into(), &"interaction.consolidated".into()));
    assert_eq!((&event["subject"], &event["time"]), (&"U1".into(), &at(0).to_string().into()));
    assert_eq!((&event["data"]["x"], &event["datacontenttype"]), (&1.into(), &"application/json".into()));
    assert_eq!(Kind::ALL.map(|kind| Kind::by_name(kind.name())), Kind::ALL.map(Some));
}
