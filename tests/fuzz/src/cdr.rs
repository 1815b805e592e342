//! Target of imported files of call detail records: CSV, JSON arrays and JSON Lines, by mappings of several kinds.

use model::{Cdr, CdrBatch, Fact, Timestamp};
use storage_core::{
    assurance::cdr::{BadLine, Mapping, read},
    ledger::{Chain, decode},
    limits::{CDRS_PER_FACT, LEDGER_LINE_OCTETS},
};

pub(crate) const WORDS: &[&str] = &[
    "\n",
    "\r\n",
    "\"",
    "\"\"",
    ";",
    "|",
    "\\",
    "\u{feff}",
    "Start Time",
    "End Time",
    "Recording ID",
    "2026-11-21T10:00:00.123456789+01:00",
    "1795255200",
    "1795255200000",
    "0000-00-00 00:00:00",
    "9999-12-31 23:59:60",
    "604800.000000001",
    "-1e308",
    "NaN",
    "{\"start\":",
    "[[[[[[[[[[[[[[[[",
    "\\ud800",
    "null",
];

/// The first octet chooses how the file is read.
pub(crate) fn cdr(octets: &[u8]) {
    let Some((ways, octets)) = octets.split_first() else { return };
    let mapping = mapping(*ways);
    let (good, bad, is_whole) = all(octets, &mapping);
    assert!((good.clone(), bad.clone(), is_whole) == all(octets, &mapping), "the same file says the same");
    let breaks = octets.iter().filter(|octet| **octet == b'\n').count() as u64 + 1;
    let is_array =
        std::str::from_utf8(octets).is_ok_and(|text| text.trim_start_matches('\u{feff}').trim_start().starts_with('['));
    let mut numbers: Vec<u64> = good.iter().map(|(line, _)| *line).chain(bad.iter().map(|bad| bad.line)).collect();
    numbers.sort_unstable();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "each line is told once");
    assert!(is_array || numbers.last().is_none_or(|last| *last <= breaks), "a line is one of the file");
    for bad in &bad {
        assert!((1..200).contains(&bad.reason.len()), "a reason, and not the line itself: {}", bad.reason);
    }
    for (_, cdr) in &good {
        let call = &cdr.call;
        let ended = call.ended_at.expect("a call of a file has ended");
        assert!(call.started_at <= ended && call.answered_at.is_none_or(|at| (call.started_at..=ended).contains(&at)));
        assert!(call.source == "cdr:pbx" && !cdr.id.is_empty());
        let octets = serde_json::to_vec(cdr).expect("plain data");
        assert!(octets.len() * CDRS_PER_FACT < LEDGER_LINE_OCTETS, "as many as stand in a line of the ledger fit it");
    }
    in_the_ledger(good.into_iter().map(|(_, cdr)| cdr).take(3).collect());
}

fn mapping(ways: u8) -> Mapping {
    let mut mapping = Mapping::new("pbx");
    if ways & 1 != 0 {
        mapping.set_separator(";").expect("a separator");
    }
    if ways & 2 != 0 {
        mapping.set_zone("+05:30").expect("a zone");
    }
    if ways & 4 != 0 {
        mapping.set_time_format("%d.%m.%Y %H:%M:%S").expect("a format");
    }
    if ways & 8 != 0 {
        mapping.set_all_answered();
    }
    if ways & 16 != 0 {
        mapping.set_column("dn", "Nebenstelle").expect("a column");
    }
    mapping
}

type Read = (Vec<(u64, Cdr)>, Vec<BadLine>, bool);

fn all(octets: &[u8], mapping: &Mapping) -> Read {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    let is_whole = read(octets, mapping, |line| match line {
        Ok(read) => good.push(read),
        Err(line) => bad.push(line),
    });
    (good, bad, is_whole.is_ok())
}

/// What was read stands in the ledger and comes back as it was.
fn in_the_ledger(cdrs: Vec<Cdr>) {
    let fact = Fact::CdrsRead(Box::new(CdrBatch { batch: String::new(), source: "cdr:pbx".into(), cdrs }));
    let (mut chain, mut line) = (Chain::default(), Vec::new());
    chain.append(Timestamp::from_millis(1), &fact, &mut line);
    line.pop();
    let read = decode(&line).expect("a whole line");
    assert!(read.entry == storage_core::ledger::Entry::Fact(Box::new(fact)), "a call reads back as it was written");
}

/// Files as they come, of every kind, with good lines and bad ones.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let csv = "CallUUID,ConnID,DN,Agent,ANI,DNIS,Direction,Start Time,Answer Time,End Time,Record,Recording ID\n\
        U1,0071023821aec000,7001|7002,anna,+4930123,800,in,2026-11-21 10:00:00,2026-11-21 10:00:05,2026-11-21 10:05:00,yes,\n\
        \"U\"\"2\",,\"70,03\",,\"0301\n23\",,out,1795255200,,1795255260,no,019aa5c0-0000-7000-8000-000000000001\n\
        U3,,7003,,,,internal,soon,,,perhaps,x\nU4\n\n";
    let german = "CallUUID;Nebenstelle;Start Time;End Time\r\nU1;7001;21.11.2026 10:00:00;21.11.2026 10:05:00\r\n";
    let object = r#"{"calluuid":"U1","dn":["7001","7002"],"start":1795255200,"duration":12.5,"record":true}"#;
    let escaped =
        format!(r#"{{"id":"{0}","dn":"{0}","ani":"{0}","start":1795255200,"duration":1}}"#, "\\\\\\\"".repeat(60));
    vec![
        [&[0], csv.as_bytes()].concat(),
        [&[10], csv.as_bytes()].concat(),
        [&[23], german.as_bytes()].concat(),
        [b"\x00\xef\xbb\xbf", csv.replace(',', "\t").as_bytes()].concat(),
        format!("\0{object}\n{object}\nnonsense\n{escaped}\n").into_bytes(),
        format!("\0[{object},{escaped},7,{{\"start\":\"x\"}}]").into_bytes(),
        b"\x00PK\x03\x04\xff\xfe".to_vec(),
    ]
}
