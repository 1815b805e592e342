//! A far fact is found in the file: with torn ends, long and damaged lines, and cursors that are nowhere.

use std::io::BufReader;

use super::*;
use crate::{
    ledger::{
        facts::FactReader,
        lines::{self, Piece},
        seek::{START, seek},
    },
    limits::SEEK_OCTETS,
};

fn said(octets: usize) -> Fact {
    Fact::WarningRaised { recording: id(1), name: "long".into(), detail: Some("x".repeat(octets)) }
}

/// A closed ledger of 12,000 facts, some 3 MB; the fact 6,000 is a line of so many octets.
fn far(long: usize) -> TempDir {
    let dir = TempDir::new().expect("a folder");
    let (mut ledger, _) = open(&dir);
    for step in 0..12 {
        let fact = |n: u64| if step * 1_000 + n == 5_999 { said(long) } else { opened(n as u8) };
        ledger.commit(&(0..1_000).map(fact).collect::<Vec<Fact>>(), at(step)).expect("committed");
    }
    ledger.close(at(99)).expect("closed");
    dir
}

/// The numbers that a new reader gives out from `from` on.
fn numbers(dir: &TempDir, from: u64) -> Vec<u64> {
    let facts = LedgerReader::open(dir.path()).read_from(from, 3).expect("read");
    facts.into_iter().map(|(n, ..)| n).collect()
}

/// Where the line of each fact begins, as reading line by line tells; damaged ones are left out.
fn offsets(octets: &[u8]) -> Vec<(u64, u64)> {
    let (mut at, mut found) = (0, Vec::new());
    for line in octets.split_inclusive(|octet| *octet == b'\n') {
        let whole = storage_core::ledger::decode(line.strip_suffix(b"\n").unwrap_or(line));
        if let Ok(line) = whole
            && matches!(line.entry, storage_core::ledger::Entry::Fact(_))
        {
            found.push((line.n, at));
        }
        at += line.len() as u64;
    }
    found
}

/// Every fact is found from a place at or before its line, and not far before it.
fn assert_near(dir: &TempDir, slack: u64) {
    let octets = fs::read(path(dir)).expect("a ledger");
    let file = Disk::unwatched().open(&path(dir), Mode::Read).expect("opened");
    for (n, offset) in offsets(&octets).into_iter().step_by(97) {
        let place = seek(&file, n, START, octets.len() as u64).expect("read");
        assert!(place.next <= n && place.offset <= offset, "{n} at {offset}: {place:?}");
        assert!(offset - place.offset <= SEEK_OCTETS + slack, "{n} at {offset}: {place:?}");
        assert!(place.offset == 0 || octets[place.offset as usize - 1] == b'\n', "{n}: {place:?}");
    }
}

#[test]
fn every_fact_is_found_near_its_line() {
    let dir = far(10);
    assert_near(&dir, 1_000);
    for from in [1, 2, 999, 1_001, 1_002, 5_999, 6_000, 6_001, 11_997] {
        assert_eq!(numbers(&dir, from), [from, from + 1, from + 2], "from {from}");
    }
    assert_eq!(numbers(&dir, 12_000), [12_000]);
}

#[test]
fn cursors_at_nothing_and_beyond_the_end_are_answered() {
    let dir = far(10);
    assert_eq!(numbers(&dir, 0), [1, 2, 3]);
    for from in [12_001, 50_000, u64::MAX] {
        assert_eq!(numbers(&dir, from), [0; 0], "from {from}");
    }
    let nothing = TempDir::new().expect("a folder");
    assert_eq!(numbers(&nothing, 5_000), [0; 0]);
    let (mut reader, file) = (LedgerReader::open(dir.path()), path(&dir));
    assert_eq!(reader.read_from(11_000, 1).expect("read")[0].0, 11_000);
    assert_eq!(reader.read_from(3, 1).expect("back")[0].0, 3);
    assert_eq!(reader.read_from(9_000, 1).expect("and on")[0].0, 9_000);
    fs::write(file, b"").expect("cut to nothing");
    assert_eq!(reader.read_from(11_000, 1).expect("read"), []);
}

#[test]
fn a_very_long_line_is_found_and_passed() {
    let dir = far(3_500_000);
    assert_near(&dir, 3_600_000);
    for from in [5_998, 5_999, 6_000, 6_001, 9_000] {
        assert_eq!(numbers(&dir, from), [from, from + 1, from + 2], "from {from}");
    }
}

#[test]
fn torn_ends_and_damaged_lines_are_passed_over_as_in_reading() {
    let dir = far(10);
    let mut octets = fs::read(path(&dir)).expect("a ledger");
    let places = offsets(&octets);
    // A run of damaged lines in the middle, larger than where the search ends, and half a line at the end.
    let (from, to) = (places[5_000].1 as usize, places[7_000].1 as usize);
    assert!((to - from) as u64 > SEEK_OCTETS);
    for octet in octets[from..to].iter_mut().filter(|octet| **octet == b'7') {
        *octet = b'8';
    }
    octets.extend_from_slice(&[b'x'; 700_000]);
    fs::write(path(&dir), &octets).expect("written");
    assert_eq!(numbers(&dir, 4_999), [4_999, 5_000, 7_001]);
    assert_eq!(numbers(&dir, 6_500), [7_001, 7_002, 7_003], "what is damaged is passed over");
    assert_eq!(numbers(&dir, 11_999), [11_999, 12_000]);
    // A line that is whole and not durable is none of the readers' business.
    let head = fs::read(dir.path().join("ledger/HEAD")).expect("a head");
    let (mut ledger, _) = open(&dir);
    ledger.commit(&vec![opened(1); 2_000], at(100)).expect("committed");
    drop(ledger);
    fs::write(dir.path().join("ledger/HEAD"), head).expect("an older head");
    assert_eq!(numbers(&dir, 11_999), [11_999, 12_000]);
}

#[tokio::test]
async fn one_reader_serves_every_follower_from_its_own_cursor() {
    let dir = far(10);
    let mut reader = FactReader::open(dir.path());
    for (known, expected, reached) in [(0, 500, 500), (500, 500, 1_000), (11_800, 200, 12_000), (12_000, 0, 12_000)] {
        let read = reader.read((known, 500), move |batch| (batch.facts.len(), batch.reached(known), batch.durable));
        assert_eq!(read.await.expect("read"), (expected, reached, 12_000), "behind {known}");
    }
    let beyond = reader.read((u64::MAX, 500), |batch| (batch.facts.len(), batch.durable)).await;
    assert_eq!(beyond.expect("read"), (0, 12_000));
}

/// `cargo nextest run --release -p storage --run-ignored only a_start_with_a_million --no-capture`
#[test]
#[ignore = "measures, and needs 400 MB of disk"]
#[expect(clippy::disallowed_methods, reason = "it measures")]
fn a_start_with_a_million_facts_costs_milliseconds() {
    let dir = TempDir::new().expect("a folder");
    let (mut ledger, _) = open(&dir);
    for step in 0..1_000 {
        let facts: Vec<Fact> = (0..1_000_u64).map(|n| opened(n as u8)).collect();
        ledger.commit(&facts, at(step)).expect("committed");
    }
    ledger.close(at(9_999)).expect("closed");
    let size = fs::metadata(path(&dir)).expect("a ledger").len();
    for from in [2, 500_000, 999_990] {
        // As it was: every line up to the fact is read and decoded.
        let start = std::time::Instant::now();
        let file = Disk::unwatched().open(&path(&dir), Mode::Read).expect("opened");
        let (mut file, mut line) = (BufReader::with_capacity(1 << 18, file.reader(0)), Vec::new());
        while let Piece::Line(_) = lines::next(&mut file, &mut line).expect("read") {
            if storage_core::ledger::decode(&line).is_ok_and(|line| line.n >= from) {
                break;
            }
        }
        let before = start.elapsed();
        let start = std::time::Instant::now();
        assert_eq!(numbers(&dir, from)[0], from);
        let now = start.elapsed();
        println!("{size} octets, fact {from}: {before:?} line by line, {now:?} by halves");
    }
}
