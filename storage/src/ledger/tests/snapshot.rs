//! A start from a snapshot finds what a start without one finds, whatever became of the snapshot.

use model::Actor;

use super::*;
use crate::disk::Disk;

/// Commits the facts, and writes a snapshot of what they come to, as whoever commits folded them.
fn snapshot(dir: &TempDir, ledger: &mut Ledger, views: &mut Unfinished, facts: &[Fact], second: u64) {
    ledger.commit(facts, at(second)).expect("committed");
    facts.iter().for_each(|fact| views.apply(fact));
    let snapshots = Snapshots::new(&Disk::unwatched(), dir.path(), signer());
    snapshots.write(&ledger.mark(), &views.all()).expect("written");
}

fn file(dir: &TempDir) -> PathBuf {
    dir.path().join("ledger/SNAPSHOT")
}

/// What a start finds, and what it finds without the snapshot.
fn both(dir: &TempDir) -> [String; 2] {
    let told =
        |(ledger, recovered): (Ledger, Recovered)| format!("{:?} {} {recovered:?}", ledger.chain, ledger.unsigned);
    let with = told(open(dir));
    let kept = fs::read(file(dir)).ok();
    let _ = fs::remove_file(file(dir));
    let without = told(open(dir));
    if let Some(kept) = kept {
        fs::write(file(dir), kept).expect("written");
    }
    [with, without]
}

fn ended(number: u8) -> Fact {
    Fact::RecordingEnded { recording: id(number), ended_at: at(3), duration_ms: 5, cause: EndCause::Bye }
}

/// A ledger with a snapshot in the middle of it and facts behind it.
fn snapshotted() -> TempDir {
    let dir = TempDir::new().expect("a folder");
    let (mut ledger, _) = open(&dir);
    let facts = [opened(1), opened(2), opened(3), ended(2)];
    snapshot(&dir, &mut ledger, &mut Unfinished::default(), &facts, 1);
    let failed = Fact::RecordingFailed { recording: id(3), cause: "lost".into() };
    ledger.commit(&[ended(1), failed, opened(4)], at(2)).expect("committed");
    dir
}

#[test]
fn a_start_reads_on_from_the_snapshot_and_finds_the_same() {
    let dir = snapshotted();
    let [with, without] = both(&dir);
    assert_eq!(with.replace("snapshot_no: 4,", "snapshot_no: 0,"), without);
    // What stands before the line that it names is not read again: a change there is found by `verify` alone.
    let text = fs::read_to_string(path(&dir)).expect("text");
    fs::write(path(&dir), text.replacen("rfc7866", "rfc7867", 1)).expect("written");
    let (_, recovered) = open(&dir);
    assert_eq!(recovered.damaged_lines, 0);
    assert!(!findings(&dir).is_empty());
    fs::remove_file(file(&dir)).expect("derivable");
    assert_eq!(open(&dir).1.damaged_lines, 1);
}

#[test]
fn one_after_the_other_each_holds_what_a_start_would_read() {
    let dir = TempDir::new().expect("a folder");
    let (mut ledger, recovered) = open(&dir);
    assert_eq!(recovered.snapshot_no, 0);
    let mut views = Unfinished::default();
    let held = |number| Fact::RecordingHeld { recording: id(number), actor: Actor::system(), reason: None };
    let failed = Fact::RecordingFailed { recording: id(2), cause: "lost".into() };
    let many = vec![held(1); crate::limits::FACTS_BETWEEN_CHECKPOINTS as usize];
    let deleted = Fact::RecordingDeleted { recording: id(1), actor: Actor::system(), reason: None };
    for facts in [&[opened(1), opened(2)][..], &[ended(2), failed], &many, &[deleted, opened(3)]] {
        // One that holds the views of before sees them unchanged.
        let before = views.all();
        let told = format!("{before:?}");
        snapshot(&dir, &mut ledger, &mut views, facts, 2);
        assert_eq!(format!("{before:?}"), told);
        let mark = ledger.mark();
        drop(ledger);
        let [with, without] = both(&dir);
        // All but where it was read from.
        let read_from = |told: &str, no: u64| told.replace(&format!("snapshot_no: {no},"), "");
        assert_eq!(read_from(&with, mark.fact()), read_from(&without, 0));
        assert_ne!(with, without, "the snapshot was read");
        ledger = open(&dir).0;
    }
}

#[test]
fn a_snapshot_that_lies_is_not_believed() {
    let dir = snapshotted();
    let truth = fs::read_to_string(file(&dir)).expect("text");
    let (body, seal) = truth.trim_end().split_once('\n').expect("two lines");
    let signed = |body: &str, by: &Signer| {
        let signature =
            by.sign(format!("recorder-ledger-snapshot-v1:{}", crypto::digest::sha256_hex(body.as_bytes())).as_bytes());
        format!("{body}\n{{\"public\":\"{}\",\"signature\":\"{signature}\"}}\n", by.public_hex())
    };
    assert_eq!(signed(body, &signer()), truth, "the lies below are refused for what they say, not for their form");
    let other = Signer::from_seed([2; 32]);
    let without_views = format!("{}\"views\":[]}}", body.split("\"views\"").next().expect("views"));
    for (what, lie) in [
        ("signed by another", signed(body, &other)),
        ("changed after it was signed", format!("{without_views}\n{seal}\n")),
        ("another line", signed(&without_views.replacen("\"n\":4", "\"n\":5", 1), &signer())),
        ("another place", signed(&body.replacen("\"octets\":", "\"octets\":1", 1), &signer())),
        ("another version", signed(&without_views.replacen("\"version\":1", "\"version\":2", 1), &signer())),
        ("no place at all", signed(&without_views.replacen("\"octets\":", "\"octets\":0,\"x\":", 1), &signer())),
        ("torn", truth[..truth.len() / 2].to_owned()),
        ("one line", format!("{body}\n")),
        ("nothing", "\n".to_owned()),
        ("no text", "\u{1}".repeat(3)),
    ] {
        fs::write(file(&dir), &lie).expect("written");
        let [with, without] = both(&dir);
        assert_eq!(with, without, "{what}");
        assert!(with.contains("next_no: 8"), "{what}: {with}");
    }
}

#[test]
fn a_ledger_that_was_cut_below_its_snapshot_is_read_as_a_whole() {
    let dir = snapshotted();
    let text = fs::read_to_string(path(&dir)).expect("text");
    let cut: String = text.split_inclusive('\n').take(2).collect();
    fs::write(path(&dir), cut).expect("written");
    let (_, recovered) = open(&dir);
    assert!(recovered.is_disputed);
    assert_eq!(recovered.next_no, 3);
    assert_eq!(recovered.unfinished.iter().map(|view| view.id).collect::<Vec<_>>(), [id(1), id(2)]);
}

#[test]
fn a_head_older_than_the_snapshot_is_no_dispute() {
    let dir = TempDir::new().expect("a folder");
    let (mut ledger, _) = open(&dir);
    let mut views = Unfinished::default();
    snapshot(&dir, &mut ledger, &mut views, &[opened(1)], 1);
    let head = fs::read(dir.path().join("ledger/HEAD")).expect("a head");
    snapshot(&dir, &mut ledger, &mut views, &[opened(2)], 2);
    drop(ledger);
    fs::write(dir.path().join("ledger/HEAD"), head).expect("a power cut took the newer one");
    let (_, recovered) = open(&dir);
    assert!(!recovered.is_disputed);
    assert_eq!((recovered.next_no, recovered.unfinished.len()), (3, 2));
}
