//! Whatever is altered in archive or ledger, `recorder verify` names it and ends with 1.

use std::path::{Path, PathBuf};

use recorder_tests::{
    Node,
    call::{Way, place},
    node::files,
};

/// A stopped node with one archived call.
fn node() -> Node {
    let mut node = Node::start("");
    let client = node.client("compliance-officer");
    place(&node, "5550100", Way::Udp, &["--duration", "1s"]);
    node.archived(&client, "dn=5550100");
    assert_eq!(node.stop(), Some(0), "{}", node.log());
    node
}

fn assert_clean(node: &Node) {
    let (code, output, errors) = node.run(&["verify"]);
    assert_eq!(code, 0, "{output}{errors}");
}

/// The check fails and says `name`.
fn assert_found(node: &Node, name: &str) {
    let (code, output, errors) = node.run(&["verify"]);
    assert_eq!(code, 1, "{name}: {output}{errors}");
    assert!(output.contains(name) || errors.contains(name), "{name} is not named:\n{output}{errors}");
}

/// Changes a file, looks at what the check says, and puts the file back.
fn altered(node: &Node, path: &Path, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let before = std::fs::read(path).expect("a file");
    let mut octets = before.clone();
    change(&mut octets);
    std::fs::write(path, octets).expect("a file that can be written");
    assert_found(node, name);
    std::fs::write(path, before).expect("a file that can be written");
}

#[test]
fn one_octet_of_an_archived_object_is_named() {
    let node = node();
    assert_clean(&node);
    let archive = node.data().join("archive");
    let objects: Vec<PathBuf> =
        files(&archive).into_iter().filter(|path| path.extension().is_some_and(|e| e == "sealed")).collect();
    assert!(objects.len() >= 4, "{objects:?}");
    for object in &objects {
        let name = object.strip_prefix(&archive).expect("below the archive").display().to_string();
        for at in [0.0, 0.5, 0.999] {
            altered(&node, object, &name, |octets| {
                let at = (octets.len() as f64 * at) as usize;
                octets[at] ^= 1;
            });
        }
        altered(&node, object, &name, |octets| octets.truncate(octets.len() - 1));
    }
    let gone = objects[0].with_extension("away");
    std::fs::rename(&objects[0], &gone).expect("moved");
    assert_found(&node, objects[0].file_name().and_then(|name| name.to_str()).expect("a name"));
    std::fs::rename(&gone, &objects[0]).expect("moved");
    assert_clean(&node);
}

#[test]
fn one_line_of_the_ledger_is_named() {
    let node = node();
    let ledger = node.data().join("ledger/ledger.jsonl");
    let text = std::fs::read_to_string(&ledger).expect("the ledger");
    let starts: Vec<usize> = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let lines = starts.len() - 1;
    assert!(lines > 6, "{lines} lines");
    for line in [1, lines / 2, lines] {
        let (from, to) = (starts[line - 1], starts[line]);
        let digit = text[from..to].rfind(|c: char| c.is_ascii_digit()).expect("a digit") + from;
        altered(&node, &ledger, &format!("line {line}"), |octets| {
            octets[digit] = if octets[digit] == b'9' { b'8' } else { octets[digit] + 1 }
        });
    }
    let middle = lines / 2;
    altered(&node, &ledger, "does not continue the line before", |octets| {
        octets.drain(starts[middle - 1]..starts[middle]);
    });
    altered(&node, &ledger, "the end is missing", |octets| octets.truncate(starts[lines - 1]));
    altered(&node, &ledger, "line", |octets| octets.truncate(octets.len() - 5));
    altered(&node, &ledger, "does not continue the line before", |octets| {
        let line = octets[starts[middle - 1]..starts[middle]].to_vec();
        octets.splice(starts[middle]..starts[middle], line);
    });
    assert_clean(&node);
}
