//! The ledger on a real disk: what commits survives, what is torn is repaired, what is altered is named.

mod disk;
mod seek;
mod snapshot;

use std::{fs, path::PathBuf};

use model::{EndCause, RecordingId, RecordingOpened};
use storage_core::{ledger::Finding, view::State};
use tempfile::TempDir;

use super::*;

fn signer() -> Signer {
    Signer::from_seed([1; 32])
}

fn at(second: u64) -> Timestamp {
    Timestamp::from_millis(second * 1_000)
}

fn id(number: u8) -> RecordingId {
    RecordingId::from_bytes([number; 16])
}

fn opened(number: u8) -> Fact {
    Fact::RecordingOpened(RecordingOpened {
        recording: id(number),
        record_id: None,
        call_uuid: None,
        conn_id: None,
        profile: "rfc7866".into(),
        at: at(1),
    })
}

fn open(dir: &TempDir) -> (Ledger, Recovered) {
    Ledger::open(dir.path(), signer(), at(0)).expect("a ledger")
}

fn findings(dir: &TempDir) -> Vec<Finding> {
    verify(dir.path(), &signer().public_hex()).expect("readable").findings
}

fn path(dir: &TempDir) -> PathBuf {
    dir.path().join("ledger/ledger.jsonl")
}

/// A closed ledger with four facts.
fn closed() -> TempDir {
    let dir = TempDir::new().expect("a folder");
    let (mut ledger, _) = open(&dir);
    ledger.commit(&[opened(1), opened(2)], at(1)).expect("committed");
    ledger.commit(&[opened(3)], at(2)).expect("committed");
    ledger.commit(&[opened(4)], at(3)).expect("committed");
    ledger.close(at(4)).expect("closed");
    dir
}

#[test]
fn what_was_committed_is_there_after_a_kill() {
    let dir = TempDir::new().expect("a folder");
    let (mut ledger, recovered) = open(&dir);
    assert_eq!(recovered.next_no, 1);
    assert_eq!(ledger.commit(&[opened(1), opened(2)], at(1)).expect("committed"), 1..3);
    let ended = Fact::RecordingEnded { recording: id(2), ended_at: at(3), duration_ms: 5, cause: EndCause::Bye };
    let archived = |id| Fact::RecordingArchived {
        recording: id,
        objects: vec![],
        duration_ms: 5,
        flags: vec![],
        audio_from: None,
    };
    assert_eq!(ledger.commit(&[ended, opened(3), archived(id(3))], at(2)).expect("committed"), 3..6);
    drop(ledger);
    let (ledger, recovered) = open(&dir);
    assert_eq!((recovered.next_no, ledger.next_no()), (6, 6));
    let states: Vec<_> = recovered.unfinished.iter().map(|view| (view.id, view.state)).collect();
    assert_eq!(states, [(id(1), State::Live), (id(2), State::Finalizing)]);
    assert!(!recovered.is_disputed && recovered.torn_octets == 0 && recovered.damaged_lines == 0);
    drop(ledger);
    assert_eq!(findings(&dir), []);
}

#[test]
fn a_second_recorder_is_told_so() {
    let dir = TempDir::new().expect("a folder");
    let (_ledger, _) = open(&dir);
    let error = Ledger::open(dir.path(), signer(), at(0)).err().expect("refused");
    assert!(matches!(error, LedgerError::InUse(_)));
    assert!(error.to_string().starts_with("another recorder uses "), "{error}");
    assert_eq!(findings(&dir), [], "verifying beside the writer is allowed");
}

#[test]
fn a_torn_tail_is_cut_kept_aside_and_nothing_else() {
    let dir = closed();
    let before = fs::read(path(&dir)).expect("a ledger");
    let mut torn = before.clone();
    torn.extend_from_slice(b"{\"n\":5,\"at\":77,\"prev\":\"");
    fs::write(path(&dir), &torn).expect("written");
    assert_eq!(findings(&dir), [Finding::Torn { line: 6 }]);
    let (mut ledger, recovered) = open(&dir);
    assert_eq!((recovered.next_no, recovered.torn_octets), (5, 23));
    assert!(!recovered.is_disputed);
    assert_eq!(fs::read(path(&dir)).expect("a ledger"), before);
    let aside = fs::read(dir.path().join(format!("ledger/ledger.torn-{}", before.len()))).expect("kept aside");
    assert_eq!(aside, &torn[before.len()..]);
    ledger.commit(&[opened(5)], at(5)).expect("committed");
    ledger.close(at(6)).expect("closed");
    assert_eq!(findings(&dir), []);
}

#[test]
fn an_altered_line_is_named_and_stays_named_after_a_restart() {
    let dir = closed();
    let text = fs::read_to_string(path(&dir)).expect("a ledger");
    fs::write(path(&dir), text.replacen("rfc7866", "rfc7867", 1)).expect("written");
    let found = findings(&dir);
    assert!(matches!(found[..], [Finding::Damaged { line: 1, .. }]), "{found:?}");
    let (ledger, recovered) = open(&dir);
    assert_eq!(recovered.damaged_lines, 1);
    ledger.close(at(6)).expect("closed");
    assert_eq!(findings(&dir).len(), 1);
}

#[test]
fn lost_and_swapped_lines_are_found() {
    let dir = closed();
    let text = fs::read_to_string(path(&dir)).expect("a ledger");
    let lines: Vec<&str> = text.lines().collect();
    fs::write(path(&dir), [&lines[..1], &lines[2..]].concat().join("\n") + "\n").expect("written");
    assert_eq!(findings(&dir), [Finding::Broken { line: 2 }]);
    fs::write(path(&dir), [lines[1], lines[0], lines[2], lines[3], lines[4]].join("\n") + "\n").expect("written");
    assert!(findings(&dir).contains(&Finding::Broken { line: 1 }));
}

#[test]
fn a_cut_end_is_found_and_the_evidence_outlives_a_restart() {
    let dir = closed();
    let text = fs::read_to_string(path(&dir)).expect("a ledger");
    let lines: Vec<&str> = text.lines().collect();
    fs::write(path(&dir), lines[..2].join("\n") + "\n").expect("written");
    assert_eq!(findings(&dir), [Finding::Truncated { head: 4, found: 2 }]);
    let (mut ledger, recovered) = open(&dir);
    assert!(recovered.is_disputed);
    ledger.commit(&[opened(9), opened(8), opened(7)], at(9)).expect("recording goes on");
    ledger.close(at(10)).expect("closed");
    assert_eq!(findings(&dir), [Finding::Truncated { head: 4, found: 5 }]);
}

#[test]
fn a_strangers_key_and_a_missing_head_are_found() {
    let dir = closed();
    let stranger = verify(dir.path(), &Signer::from_seed([2; 32]).public_hex()).expect("readable").findings;
    assert_eq!(stranger, [Finding::Signature { line: 5 }, Finding::HeadMissing]);
    fs::remove_file(dir.path().join("ledger/HEAD")).expect("removed");
    assert_eq!(findings(&dir), [Finding::HeadMissing]);
}

#[test]
fn checkpoints_come_by_count_and_by_time() {
    let dir = TempDir::new().expect("a folder");
    let (mut ledger, _) = open(&dir);
    let many: Vec<Fact> = (0..1_000).map(|_| opened(1)).collect();
    ledger.commit(&many, at(1)).expect("committed");
    ledger.commit(&[opened(2)], at(2)).expect("committed");
    ledger.commit(&[opened(3)], at(62)).expect("committed");
    let text = fs::read_to_string(path(&dir)).expect("a ledger");
    assert_eq!(text.lines().filter(|line| line.contains("\"checkpoint\":")).count(), 2);
    assert_eq!(findings(&dir), []);
}

#[test]
fn a_reader_follows_goes_back_and_sees_only_what_is_durable() {
    let dir = TempDir::new().expect("a folder");
    let mut reader = LedgerReader::open(dir.path());
    assert_eq!(reader.read_from(1, 10).expect("no ledger yet").len(), 0);
    let (mut ledger, _) = open(&dir);
    let many: Vec<Fact> = (0..9_000).map(|_| opened(1)).collect();
    ledger.commit(&many, at(1)).expect("committed");
    let numbers = |facts: Vec<(u64, Timestamp, Fact)>| facts.into_iter().map(|(n, ..)| n).collect::<Vec<_>>();
    assert_eq!(numbers(reader.read_from(1, 3).expect("read")), [1, 2, 3]);
    assert_eq!(numbers(reader.read_from(4, 2).expect("read")), [4, 5]);
    assert_eq!(numbers(reader.read_from(8_999, 10).expect("read")), [8_999, 9_000]);
    assert_eq!(numbers(reader.read_from(5_000, 1).expect("back")), [5_000]);
    assert_eq!(numbers(reader.read_from(2, 1).expect("back")), [2]);
    assert_eq!(numbers(reader.read_from(9_001, 10).expect("nothing new")), [0; 0]);
    ledger.commit(&[opened(2)], at(2)).expect("committed");
    assert_eq!(reader.read_from(9_001, 10).expect("read"), [(9_001, at(2), opened(2))]);

    // While commits follow each other quickly, readers are shown them together.
    let soon = |millis: u64| Timestamp::from_millis(2_000 + millis);
    ledger.commit(&[opened(3)], soon(1)).expect("committed");
    assert_eq!(numbers(reader.read_from(9_002, 10).expect("read")), [0; 0]);
    ledger.commit(&[opened(4)], soon(2)).expect("committed");
    assert!(ledger.is_head_behind());
    ledger.show(soon(2));
    assert!(!ledger.is_head_behind());
    assert_eq!(numbers(reader.read_from(9_002, 10).expect("read")), [9_002, 9_003]);
    ledger.commit(&[opened(5)], soon(7)).expect("committed");
    assert!(!ledger.is_head_behind(), "it was shown long enough ago");

    // A line that HEAD does not know yet is not durable.
    let mut undurable = storage_core::ledger::Chain { n: 9_004, head: "0".repeat(64) };
    let mut octets = fs::read(path(&dir)).expect("a ledger");
    undurable.append(at(3), &opened(3), &mut octets);
    fs::write(path(&dir), octets).expect("written");
    assert_eq!(reader.read_from(9_005, 10).expect("read"), []);
}
