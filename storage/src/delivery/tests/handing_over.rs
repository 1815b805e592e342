//! What a subscriber gets, how often, in which order, and what becomes of what it does not take.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use crypto::digest::hmac_sha256;

use super::{
    receiver::{Got, Receiver},
    *,
};

const SECRET: [u8; 32] = [7; 32];

/// A subscriber of that receiver; `more` are further keys in JSON.
fn config(world: &World, subscribers: &[(&str, &Receiver, serde_json::Value)]) -> DeliveryConfig {
    let secret = world.dir.path().join("secret");
    std::fs::write(&secret, format!("whsec_{}\n", STANDARD.encode(SECRET))).expect("a file");
    let subscriber = |(name, receiver, more): &(&str, &Receiver, serde_json::Value)| {
        let mut keys =
            serde_json::json!({ "name": name, "url": receiver.url, "secret_files": [secret], "timeout_s": 2 });
        keys.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(keys).expect("keys of a subscriber")
    };
    DeliveryConfig {
        retry_first_ms: 100,
        retry_last_s: 1,
        subscriber: subscribers.iter().map(subscriber).collect(),
        ..DeliveryConfig::default()
    }
}

fn none() -> serde_json::Value {
    serde_json::json!({})
}

/// What a receiver does that has the secret.
fn is_signed(got: &Got, content: &[u8]) -> bool {
    let mut signed = format!("{}.{}.", got.header("webhook-id"), got.header("webhook-timestamp")).into_bytes();
    signed.extend_from_slice(content);
    let expected = format!("v1,{}", STANDARD.encode(hmac_sha256(&SECRET, &signed)));
    got.header("webhook-signature").split(' ').any(|signature| signature == expected)
}

fn revisions(got: &[Got]) -> Vec<(String, u64)> {
    let of = |got: &Got| {
        let event = got.json();
        (event["subject"].as_str().unwrap().to_owned(), event["data"]["revision"].as_u64().unwrap_or_default())
    };
    got.iter().map(of).collect()
}

/// Time goes on while somebody waits.
async fn until_taken(world: &World, receiver: &Receiver, count: usize) {
    until(&format!("{count} taken"), async || {
        world.pass(20);
        receiver.taken().len() >= count
    })
    .await;
}

#[tokio::test]
async fn a_document_is_handed_over_once_signed_and_on_record() {
    let mut world = World::new();
    let receiver = Receiver::start().await;
    let running = world.couriers(&config(&world, &[("lake", &receiver, none())]));
    world.happen(&whole(1, "U1")).await;
    world.settle().await;
    until_taken(&world, &receiver, 1).await;
    let got = receiver.taken().remove(0);
    assert!(is_signed(&got, &got.body) && !is_signed(&got, b"other"));
    assert_eq!(got.header("content-type"), "application/cloudevents+json");
    let event = got.json();
    assert_eq!((&event["type"], &event["subject"]), (&"interaction.consolidated".into(), &"U1".into()));
    assert_eq!(
        (&event["id"], &event["source"]),
        (&got.header("webhook-id").into(), &"urn:recorder:node:node-1".into())
    );
    assert_eq!((&event["data"]["revision"], &event["data"]["state"]), (&1.into(), &"complete".into()));
    assert_eq!(event["data"]["recordings"][0]["id"], id(1).to_string());
    let audits = world.witness.0.lock().unwrap().clone();
    assert_eq!((audits.len(), audits[0].actor.id.as_str(), audits[0].action.as_str()), (1, "delivery:lake", "deliver"));
    drop(running);
    // Another process: what is handed over stays handed over, and a late fact is the next revision.
    let _running = world.couriers(&config(&world, &[("lake", &receiver, none())]));
    world.happen(&[attached(1, "customer", "4711")]).await;
    world.settle().await;
    until_taken(&world, &receiver, 2).await;
    assert_eq!(revisions(&receiver.all()), [("U1".into(), 1), ("U1".into(), 2)]);
    assert_eq!(receiver.taken()[1].json()["data"]["supersedes"], 1);
}

#[tokio::test]
async fn failures_are_retried_under_the_same_id_in_order_over_a_restart() {
    let mut world = World::new();
    let receiver = Receiver::start().await;
    receiver.answers(|_| (500, ""));
    let wants = serde_json::json!({ "events": ["recording.archived", "interaction.consolidated"] });
    let config = config(&world, &[("lake", &receiver, wants)]);
    let running = world.couriers(&config);
    world.happen(&whole(1, "U1")).await;
    world.settle().await;
    until("three attempts", async || {
        world.pass(20);
        receiver.all().len() >= 3
    })
    .await;
    drop(running);
    receiver.answers(|_| (204, ""));
    let _running = world.couriers(&config);
    until_taken(&world, &receiver, 2).await;
    let all = receiver.all();
    let kinds: Vec<_> = all.iter().map(|got| got.json()["type"].as_str().unwrap().to_owned()).collect();
    let (last, before) = kinds.split_last().expect("requests");
    assert_eq!(last, "interaction.consolidated", "nothing of a call goes before what came before it: {kinds:?}");
    assert!(before.iter().all(|kind| kind == "recording.archived"));
    let first = all[0].header("webhook-id");
    assert!(all[..all.len() - 1].iter().all(|got| got.header("webhook-id") == first));
    assert_eq!(world.witness.0.lock().unwrap().len(), 2, "on record once, however often it was tried");
}

#[tokio::test]
async fn a_refused_item_is_a_dead_letter_that_can_be_tried_again() {
    let mut world = World::new();
    let receiver = Receiver::start().await;
    receiver.answers(|got| if got.json()["subject"] == "U1" { (422, "") } else { (204, "") });
    let _running = world.couriers(&config(&world, &[("lake", &receiver, none())]));
    world.happen(&whole(1, "U1")).await;
    world.happen(&whole(2, "U2")).await;
    world.settle().await;
    until_taken(&world, &receiver, 1).await;
    let desk = world.desk(&["lake"]);
    until("a dead letter", async || !desk.dead_letters(0, 10).await.unwrap().is_empty()).await;
    let letter = desk.dead_letters(0, 10).await.unwrap().remove(0);
    assert_eq!((letter.notice.thing.as_str(), letter.attempts, letter.error.as_str()), ("U1", 1, "status 422"));
    assert_eq!(desk.dead_letters(letter.number, 10).await.unwrap(), [], "behind it there is none");
    receiver.answers(|_| (204, ""));
    assert_eq!(desk.retry(Some("lake".into()), Some(letter.number + 1)).await.unwrap(), 0);
    assert_eq!(desk.retry(Some("lake".into()), None).await.unwrap(), 1);
    until_taken(&world, &receiver, 2).await;
    until("an empty list", async || {
        let view = desk.subscribers().await.unwrap().remove(0);
        (view.dead, view.waiting, view.delivered) == (0, 0, 2)
    })
    .await;
}

#[tokio::test]
async fn one_that_is_down_does_not_hold_up_another_and_one_that_is_gone_is_asked_again_only_on_demand() {
    let mut world = World::new();
    let (well, gone) = (Receiver::start().await, Receiver::start().await);
    gone.answers(|_| (410, ""));
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port that never answers");
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let subscribers =
        [("well", &well, none()), ("gone", &gone, none()), ("silent", &well, serde_json::json!({ "url": url }))];
    let _running = world.couriers(&config(&world, &subscribers));
    for number in 1..=5 {
        world.happen(&whole(number, &format!("U{number}"))).await;
    }
    world.settle().await;
    until_taken(&world, &well, 5).await;
    let desk = world.desk(&["gone"]);
    until("a disabled subscriber", async || desk.subscribers().await.unwrap()[0].disabled_at.is_some()).await;
    let asked = gone.all().len();
    world.pass(10_000_000);
    world.happen(&whole(6, "U6")).await;
    world.settle().await;
    until_taken(&world, &well, 6).await;
    assert_eq!(gone.all().len(), asked, "it said that it wants nothing");
    gone.answers(|_| (204, ""));
    desk.retry(Some("gone".into()), None).await.unwrap();
    until_taken(&world, &gone, 6).await;
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_retry_after_is_honoured() {
    let mut world = World::new();
    let (receiver, other) = (Receiver::start().await, Receiver::start().await);
    let location: &'static str = Box::leak(format!("location: {}\r\n", other.url).into_boxed_str());
    receiver.answers(move |_| (307, location));
    let _running = world.couriers(&config(&world, &[("lake", &receiver, none())]));
    world.happen(&whole(1, "U1")).await;
    world.settle().await;
    until("two attempts", async || {
        world.pass(20);
        receiver.all().len() >= 2
    })
    .await;
    assert_eq!(other.all().len(), 0);
    receiver.answers(|_| (503, "retry-after: 3600\r\n"));
    until("a wish to wait", async || {
        world.pass(20);
        receiver.all().last().is_some_and(|got| got.status == 503)
    })
    .await;
    let desk = world.desk(&["lake"]);
    until("that it is written down", async || desk.subscribers().await.unwrap()[0].waiting == 1).await;
    receiver.answers(|_| (204, ""));
    let before = world.now.load(Ordering::SeqCst);
    until("the end of the hour", async || {
        world.pass(60_000);
        !receiver.taken().is_empty()
    })
    .await;
    assert!(world.now.load(Ordering::SeqCst) - before >= 3_600_000 - 60_000);
}

#[tokio::test]
async fn sound_comes_after_the_document_whole_and_with_its_digest() {
    let mut world = World::new();
    let receiver = Receiver::start().await;
    let _running = world.couriers(&config(&world, &[("lake", &receiver, serde_json::json!({ "audio": "wav" }))]));
    world.happen(&whole(1, "U1")).await;
    world.settle().await;
    until_taken(&world, &receiver, 2).await;
    let [words, heard] = <[Got; 2]>::try_from(receiver.all()).expect("two requests");
    assert_eq!(words.json()["type"], "interaction.consolidated");
    assert!(heard.body == sound(), "{} octets", heard.body.len());
    let digest = heard.header("content-digest").to_owned();
    assert_eq!(digest, format!("sha-256=:{}:", STANDARD.encode(crypto::digest::sha256(&sound()))));
    assert!(is_signed(&heard, digest.as_bytes()), "the signature is over the digest");
    assert_eq!((heard.header("content-type"), heard.header("ce-type")), ("audio/wav", "recording.audio"));
    assert_eq!(heard.header("ce-subject"), id(1).to_string());
    let audits = world.witness.0.lock().unwrap().clone();
    assert_eq!(audits.iter().map(|audit| audit.recording).collect::<Vec<_>>(), [None, Some(id(1))]);
}

#[tokio::test]
async fn a_subscriber_gets_of_an_interaction_only_its_partitions() {
    let mut world = World::new();
    let receiver = Receiver::start().await;
    let wants =
        serde_json::json!({ "partitions": ["sales"], "events": ["interaction.consolidated", "recording.archived"] });
    let _running = world.couriers(&config(&world, &[("lake", &receiver, wants)]));
    let mut facts = whole(1, "U1");
    facts.extend(whole(2, "U1"));
    facts.extend(whole(3, "U3"));
    facts.push(learned(1, "partition", "sales"));
    facts.push(learned(2, "partition", "hr"));
    world.happen(&facts).await;
    world.settle().await;
    until_taken(&world, &receiver, 2).await;
    world.happen(&[attached(1, "last", "1")]).await;
    world.settle().await;
    until_taken(&world, &receiver, 3).await;
    let subjects: Vec<_> = revisions(&receiver.all()).into_iter().map(|(subject, _)| subject).collect();
    assert_eq!(
        subjects,
        [id(1).to_string(), "U1".into(), "U1".into()],
        "neither the other recording nor the other call"
    );
    let document = receiver.all()[1].json();
    assert_eq!(document["data"]["recordings"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_new_subscriber_gets_what_is_not_too_old_and_since_limits_it() {
    let mut world = World::new();
    world.happen(&whole(1, "U1")).await;
    world.settle().await;
    world.pass(41 * 86_400_000);
    world.happen(&whole(2, "U2")).await;
    world.settle().await;
    let since = (world.clock())().to_string();
    world.pass(1_000);
    world.happen(&whole(3, "U3")).await;
    world.settle().await;
    let (all, late) = (Receiver::start().await, Receiver::start().await);
    let subscribers = [("all", &all, none()), ("late", &late, serde_json::json!({ "since": since }))];
    let _running = world.couriers(&config(&world, &subscribers));
    until_taken(&world, &all, 2).await;
    until_taken(&world, &late, 1).await;
    let mut got = revisions(&all.all());
    got.sort();
    assert_eq!(got, [("U2".into(), 1), ("U3".into(), 1)]);
    assert_eq!(revisions(&late.all()), [("U3".into(), 1)]);
}
