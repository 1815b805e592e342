//! When a document is issued, and when again.

use model::{Actor, AuditResult};

use super::*;

fn document(id: &str, revision: i64) -> (String, String, i64) {
    ("interaction.consolidated".into(), id.into(), revision)
}

async fn documents(world: &World) -> Vec<(String, String, i64)> {
    world.notices().await.into_iter().filter(|(kind, ..)| kind == "interaction.consolidated").collect()
}

#[tokio::test]
async fn an_interaction_is_issued_once_when_all_is_finished_and_quiet() {
    let mut world = World::new();
    world.happen(&whole(1, "u1")).await;
    world.happen(&[opened(2, "u1")]).await;
    world.settle().await;
    world.settle().await;
    assert_eq!(documents(&world).await, [], "a recording of it goes on");
    world.happen(&archived(2)).await;
    world.consolidate().await;
    world.pass(SETTLE_MS - 1);
    world.consolidate().await;
    assert_eq!((documents(&world).await, world.revision("U1").await), (vec![], Some(0)), "it may go on");
    world.pass(1);
    world.consolidate().await;
    assert_eq!((documents(&world).await, world.revision("u1").await), (vec![document("U1", 1)], Some(1)));
    world.settle().await;
    assert_eq!(documents(&world).await, [document("U1", 1)], "nothing new, nothing issued");
}

#[tokio::test]
async fn a_late_fact_is_a_new_revision_and_what_nobody_sees_is_none() {
    let mut world = World::new();
    world.happen(&whole(1, "U1")).await;
    world.settle().await;
    let audit = Fact::Audited(Audit {
        at: Timestamp::from_millis(START),
        actor: Actor::system(),
        action: "play".into(),
        recording: Some(id(1)),
        detail: None,
        source: None,
        result: AuditResult::Allowed,
    });
    let held = Fact::RecordingHeld { recording: id(1), actor: Actor::system(), reason: None };
    world.happen(&[audit, held]).await;
    world.settle().await;
    assert_eq!(documents(&world).await, [document("U1", 1)]);
    world.happen(&[attached(1, "customer", "4711")]).await;
    world.settle().await;
    assert_eq!(documents(&world).await, [document("U1", 2)], "the newer one takes the place of the older one");
    world.happen(&[Fact::RecordingDeleted { recording: id(1), actor: Actor::system(), reason: None }]).await;
    world.settle().await;
    assert_eq!(documents(&world).await, [document("U1", 3)], "whoever has it is told to forget");
}

#[tokio::test]
async fn who_talks_without_end_is_issued_all_the_same() {
    let mut world = World::new();
    world.happen(&whole(1, "U1")).await;
    world.consolidate().await;
    for n in 0..25 {
        world.happen(&[attached(1, "n", &n.to_string())]).await;
        world.consolidate().await;
        world.pass(SETTLE_MS - 1);
        world.consolidate().await;
    }
    assert!(world.revision("U1").await >= Some(1), "after twenty settling times");
}

#[tokio::test]
async fn calls_that_become_one_leave_word_where_they_went() {
    let mut world = World::new();
    world.happen(&whole(1, "U1")).await;
    world.happen(&whole(2, "U2")).await;
    world.settle().await;
    assert_eq!(documents(&world).await, [document("U1", 1), document("U2", 1)]);
    world.happen(&[learned(2, "interaction", "U1")]).await;
    world.settle().await;
    let mut found = documents(&world).await;
    found.sort();
    assert_eq!(found, [document("U1", 2), document("U2", 2)]);
    let known = world.desk(&[]).interaction("u2").await.expect("an answer").expect("a trace of it");
    assert_eq!((known.gathered.views.len(), known.merged_into.as_deref()), (0, Some("U1")));
    let known = world.desk(&[]).interaction("u1").await.expect("an answer").expect("the interaction");
    assert_eq!((known.gathered.views.len(), known.merged_into), (2, None));
}

#[tokio::test]
async fn a_call_that_never_came_to_be_is_nobodys_business() {
    let mut world = World::new();
    let cancelled = Fact::RecordingEnded {
        recording: id(1),
        ended_at: Timestamp::from_millis(START),
        duration_ms: 0,
        cause: EndCause::NotEstablished,
    };
    world.happen(&[opened(1, "U1"), cancelled]).await;
    world.settle().await;
    assert_eq!((world.notices().await, world.revision("U1").await), (vec![], None));
}

#[tokio::test]
async fn a_restart_at_any_step_changes_nothing_and_a_new_table_says_it_again_under_the_same_numbers() {
    let mut world = World::new();
    for number in 1..=3 {
        world.happen(&whole(number, "U1")).await;
        world.consolidator().step().await.expect("a step of a consolidator that then ends");
    }
    world.settle().await;
    let before = world.notices().await;
    assert_eq!(before.len(), 3 + 1 + 3, "each recording, the document, each sound: {before:?}");
    world.store = DeliveryStore::open(TempDir::new().expect("a folder").path()).expect("new tables");
    world.settle().await;
    assert_eq!(world.notices().await, before);
}

#[tokio::test]
async fn what_the_catalog_does_not_know_yet_waits() {
    let mut world = World::new();
    let now = (world.clock())();
    world.ledger.commit(&whole(1, "U1"), now).expect("committed");
    world.ledger.show(now);
    world.settle().await;
    assert_eq!(documents(&world).await, []);
    let facts: Vec<(u64, Fact)> = (1..).zip(whole(1, "U1")).collect();
    world.catalog.follow(&facts).await.expect("followed");
    world.consolidate().await;
    assert_eq!(documents(&world).await, [document("U1", 1)]);
}
