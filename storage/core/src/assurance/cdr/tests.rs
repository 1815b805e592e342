//! Files of call detail records as they come, good and bad.

use model::{CallDirection, Expectation, Timestamp};

use super::*;
use crate::limits::{CDR_VALUE_OCTETS, CDRS_PER_FACT, LEDGER_LINE_OCTETS};

fn all(text: &str) -> (Vec<Cdr>, Vec<BadLine>) {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    let each = |line: Line| match line {
        Ok((_, cdr)) => good.push(cdr),
        Err(line) => bad.push(line),
    };
    read(text.as_bytes(), &Mapping::new("pbx"), each).expect("a file");
    (good, bad)
}

#[test]
fn a_csv_gives_its_good_lines_and_lists_its_bad_ones() {
    let (good, bad) = all("\u{feff}CallUUID;DN;ANI;DNIS;Direction;Start Time;Answer Time;End Time;Record\r\n\
         U1;7001|7002;0301;0302;in;2026-11-21 10:00:00;2026-11-21 10:00:05;2026-11-21 10:01:00;yes\r\n\
         U2;7001;;;;yesterday;;2026-11-21 10:01:00;\r\n\
         U3;7001;;;;2026-11-21 10:00:00;;2026-11-21 09:00:00;\r\n\
         U4;7001\r\n\
         \r\n\
         U5;7001;;;;2026-11-21 10:00:00;;2026-11-21 10:00:10;no\r\n\
         U6;7001;;;;2026-11-21 10:00:00;;2026-11-21 10:00:10;perhaps\r\n");
    assert_eq!(good.len(), 2);
    let call = &good[0].call;
    assert_eq!((call.call_uuid.as_deref(), call.dns.len(), call.expectation), (Some("U1"), 2, Expectation::Record));
    assert_eq!((call.direction, call.source.as_str()), (Some(CallDirection::Inbound), "cdr:pbx"));
    assert_eq!(call.answered_at, Timestamp::parse("2026-11-21T10:00:05Z"));
    assert_eq!((good[1].call.answered_at, good[1].call.expectation), (None, Expectation::Never));
    let told: Vec<(u64, &str)> = bad.iter().map(|bad| (bad.line, bad.reason.as_str())).collect();
    assert_eq!(
        told,
        [
            (3, "`started_at` is no time as configured"),
            (4, "`ended_at` lies before `started_at`"),
            (5, "2 columns, the header has 9"),
            (8, "`record` is none of yes, no, provisional"),
        ]
    );
    assert!(bad.iter().all(|bad| !bad.reason.contains("yesterday")), "no value is repeated");
}

#[test]
fn json_comes_as_lines_or_as_an_array() {
    let one = r#"{"calluuid":"U1","dn":["7001","7002"],"start":1795255200,"duration":12.5}"#;
    let (good, bad) = all(&format!("{one}\nnonsense\n{{\"start\":\"x\"}}\n"));
    assert_eq!((good.len(), bad.len(), bad[0].line, bad[1].line), (1, 2, 2, 3));
    let call = &good[0].call;
    assert_eq!(call.ended_at.map(|at| at.millis_since(call.started_at)), Some(12_500));
    assert_eq!(call.answered_at, Some(call.started_at), "a source without such a column tells of answered calls");
    let (same, bad) = all(&format!("[{one},7,{{}}]"));
    assert_eq!((same, bad.len()), (good, 2));
}

#[test]
fn the_same_line_has_the_same_identity_and_another_has_another() {
    let line = |end: &str| format!("dn,start,end\n7001,2026-11-21 10:00:00,2026-11-21 {end}\n");
    let id = |text: &str| all(text).0[0].id.clone();
    assert_eq!(id(&line("10:01:00")), id(&line("10:01:00")));
    assert_ne!(id(&line("10:01:00")), id(&line("10:02:00")));
    assert_eq!(id("id,dn,start,end\n77,7001,2026-11-21 10:00:00,2026-11-21 10:01:00\n"), "77");
}

#[test]
fn what_is_no_such_file_is_refused_as_a_whole() {
    let refused = |octets: &[u8]| read(octets, &Mapping::new("pbx"), |_| {}).expect_err("refused");
    assert!(refused(b"").contains("empty"));
    assert!(refused(b"PK\x03\x04\xff\xfe").contains("not UTF-8"));
    assert!(refused(b"dn,ani\n1,2\n").contains("started_at"));
    assert!(refused(b"[{\"dn\":1},").contains("JSON"));
}

#[test]
fn hostile_lines_are_bad_lines() {
    let long = "x".repeat(crate::limits::CDR_VALUE_OCTETS + 1);
    let (good, bad) = all(&format!(
        "calluuid,dn,start,duration\n{long},1,1795255200,1\na\u{7}b,1,1795255200,1\nU,1,1795255200,1e300\n,,1795255200,1\n"
    ));
    assert_eq!((good.len(), bad.len()), (0, 4), "{bad:?}");
}

#[test]
fn as_many_calls_as_stand_in_a_line_of_the_ledger_fit_it_whatever_they_hold() {
    // Every octet of it takes two in JSON.
    let plain = "\\".repeat(CDR_VALUE_OCTETS);
    let ids = "019aa5c0-0000-7000-8000-000000000001|".repeat(CDR_VALUE_OCTETS / 37);
    let columns = ["id", "calluuid", "connid", "callid", "recordid", "ani", "dnis", "dn", "agent"];
    let mut line = serde_json::json!({ "recordingid": ids.trim_end_matches('|') });
    columns.iter().for_each(|column| line[*column] = plain.clone().into());
    (line["start"], line["duration"]) = (1_795_255_200.into(), 1.into());
    let (good, bad) = all(&line.to_string());
    assert_eq!((good.len(), bad), (1, vec![]));
    let octets = serde_json::to_vec(&good[0]).expect("plain data").len();
    assert!(octets * CDRS_PER_FACT < LEDGER_LINE_OCTETS, "{octets} octets each");
}
