//! The conformance statement: every number of the checklist has the tests that show it, or a reason why not; the tests
//! exist, and `CONFORMANCE.md` is what `conformance.tsv` says (`CONFORMANCE=write` writes it anew).

use std::collections::{BTreeMap, BTreeSet};

use recorder_tests::script::{path, workspace};

/// The sections of the checklist: letter, last number, what it is about.
const SECTIONS: &[(char, u32, &str)] = &[
    ('A', 29, "Session recording protocol, the recorder (RFC 7866)"),
    ('B', 24, "Session recording protocol, the client (RFC 7866; `replicator`)"),
    ('C', 20, "Metadata (RFC 7865)"),
    ('D', 7, "Call flows (RFC 8068)"),
    ('E', 13, "Architecture and requirements (RFC 7245, RFC 6341)"),
    ('F', 13, "Offer and answer (RFC 3264)"),
    ('G', 9, "MIME bodies (RFC 5621, RFC 2046)"),
    ('H', 13, "SIP and its transports (RFC 3261 and others)"),
    ('I', 11, "Session timers (RFC 4028)"),
    ('J', 11, "UPDATE, INFO, PUBLISH, Reason, Replaces"),
    ('K', 14, "SDES (RFC 4568)"),
    ('L', 8, "SRTP suites (RFC 3711, RFC 6188, RFC 7714)"),
    ('M', 9, "DTLS-SRTP (RFC 5763, RFC 5764)"),
    ('N', 9, "RTP, RTCP, digits"),
    ('O', 5, "Awareness and tones"),
    ('P', 8, "Related"),
    ('Q', 5, "How it is tested"),
];

/// Numbers that were put between others.
const BETWEEN: &[&str] = &["A7b", "A7c"];

/// A row of the table.
struct Row {
    number: String,
    what: String,
    kind: String,
    evidence: String,
}

fn rows() -> Vec<Row> {
    let table = std::fs::read_to_string(path("conformance.tsv")).expect("a table");
    let row = |line: &str| {
        let columns: Vec<&str> = line.split('\t').collect();
        let [number, what, kind, evidence] = columns[..] else { panic!("four columns: {line}") };
        let [number, what, kind, evidence] = [number, what, kind, evidence].map(str::to_owned);
        Row { number, what, kind, evidence }
    };
    table.lines().skip(1).map(row).collect()
}

/// Every `#[test]` below the workspace: its name, and what it says. The tests of every vector say what their table says.
fn tests() -> BTreeMap<String, String> {
    let mut found = BTreeMap::<String, String>::new();
    let mut folders = vec![workspace("")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if path.is_dir() && !matches!(name.as_str(), "target" | "node_modules" | ".git" | "data" | "tools") {
                folders.push(path);
            } else if name.ends_with(".rs") {
                let text = std::fs::read_to_string(&path).expect("a source file");
                for (name, body) in named(&text) {
                    let said = if name.starts_with("every_vector_") { &text } else { &body };
                    *found.entry(name.to_owned()).or_default() += said;
                }
            }
        }
    }
    found
}

/// The functions behind a test attribute, with their bodies.
fn named(text: &str) -> Vec<(&str, String)> {
    let mut is_next = false;
    let mut found: Vec<(&str, String)> = Vec::new();
    let mut end = None;
    for line in text.lines() {
        let code = line.trim_start();
        if code.starts_with("#[test]") || code.starts_with("#[tokio::test") {
            is_next = true;
        }
        let function = code.strip_prefix("async fn ").or_else(|| code.strip_prefix("fn "));
        if let Some(name) = function.filter(|_| is_next).and_then(|function| function.split('(').next()) {
            found.push((name, String::new()));
            end = Some(format!("{}}}", &line[..line.len() - code.len()]));
            is_next = false;
        }
        if let (Some(last), Some((_, body))) = (&end, found.last_mut()) {
            *body += line;
            if line == last {
                end = None;
            }
        }
    }
    found
}

/// The tests of a row, each with the vectors it is to be read with: `name[001,002]`.
fn shown_by(evidence: &str) -> Vec<(&str, Vec<&str>)> {
    let mut all = Vec::new();
    let mut rest = evidence;
    while !rest.is_empty() {
        let end = rest.find([',', '[']).unwrap_or(rest.len());
        let mut test = (rest[..end].trim(), Vec::new());
        rest = &rest[end..];
        if let Some((vectors, more)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            test.1 = vectors.split(',').collect();
            rest = more;
        }
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
        all.push(test);
    }
    all
}

fn vectors() -> BTreeSet<String> {
    let files = std::fs::read_dir(path("vectors")).expect("the vectors").flatten();
    let number = |name: String| name.split_once('-').map(|(number, _)| number.to_owned());
    files.filter_map(|file| number(file.file_name().to_string_lossy().into_owned())).collect()
}

#[test]
fn every_number_of_the_checklist_is_shown_by_tests_that_exist_or_explained() {
    let (tests, vectors, rows) = (tests(), vectors(), rows());
    let mut breaches = Vec::new();
    let wanted: BTreeSet<String> = SECTIONS
        .iter()
        .flat_map(|(letter, last, _)| (1..=*last).map(move |number| format!("{letter}{number}")))
        .chain(BETWEEN.iter().map(|number| (*number).to_owned()))
        .collect();
    let stated: BTreeSet<String> = rows.iter().map(|row| row.number.clone()).collect();
    breaches.extend(wanted.symmetric_difference(&stated).map(|number| format!("{number}: missing or unknown")));
    assert_eq!(rows.len(), stated.len(), "each number once");
    for Row { number, what, kind, evidence } in &rows {
        if what.is_empty() || evidence.is_empty() || !matches!(kind.as_str(), "test" | "n/a" | "open") {
            breaches.push(format!("{number}: says nothing"));
        }
        for (test, read_with) in shown_by(evidence).into_iter().filter(|_| kind == "test") {
            let Some(said) = tests.get(test) else {
                breaches.push(format!("{number}: there is no test {test}"));
                continue;
            };
            let unread = read_with.iter().filter(|vector| !said.contains(**vector));
            breaches.extend(unread.map(|vector| format!("{number}: {test} says nothing of vector {vector}")));
            let missing = read_with.iter().filter(|vector| !vectors.contains(**vector));
            breaches.extend(missing.map(|vector| format!("{number}: there is no vector {vector}")));
        }
    }
    assert!(breaches.is_empty(), "\n{}", breaches.join("\n"));
}

#[test]
fn the_statement_is_what_the_table_says() {
    let (file, text) = (path("CONFORMANCE.md"), statement());
    if std::env::var("CONFORMANCE").is_ok_and(|word| word == "write") {
        std::fs::write(&file, &text).expect("written");
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        found == text,
        "CONFORMANCE.md is out of date: CONFORMANCE=write cargo test -p recorder-tests --test statement"
    );
}

fn statement() -> String {
    let rows = rows();
    let count = |kind: &str| rows.iter().filter(|row| row.kind == kind).count();
    let mut text = format!(
        "# Conformance statement\n\nGenerated from `conformance.tsv` by `tests/statement.rs`; do not edit. The numbers are those of the project's standards checklist.\n\n\
         {} numbers: {} shown by tests, {} not applicable, {} open. A test is found by its name; the numbers behind one are the vectors of `tests/vectors` to read it with.\n",
        rows.len(),
        count("test"),
        count("n/a"),
        count("open")
    );
    for (letter, _, title) in SECTIONS {
        text += &format!("\n## {letter}. {title}\n\n| number | what | shown by, or why not |\n|---|---|---|\n");
        for row in rows.iter().filter(|row| row.number.starts_with(*letter)) {
            text += &format!("| {} | {} | {} |\n", row.number, row.what, cell(row));
        }
    }
    text
}

fn cell(row: &Row) -> String {
    let one = |(test, vectors): (&str, Vec<&str>)| {
        let vectors = if vectors.is_empty() { String::new() } else { format!(" ({})", vectors.join(", ")) };
        format!("`{test}`{vectors}")
    };
    match row.kind.as_str() {
        "test" => shown_by(&row.evidence).into_iter().map(one).collect::<Vec<_>>().join("<br>"),
        "n/a" => format!("not applicable: {}", row.evidence),
        _ => format!("open: {}", row.evidence),
    }
}
