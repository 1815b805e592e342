//! The messages of `tests/vectors` and `tests/torture`: seeds of every signaling target.

use std::path::{Path, PathBuf};

/// The octets of every vector and torture message, in the order of their names.
pub fn messages() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = named().into_iter().map(|(_, octets)| octets).collect();
    all.extend(of("torture").into_iter().map(|(_, octets)| octets));
    all
}

/// Every shared vector with its name.
///
/// # Panics
/// When the folder is not there.
pub fn named() -> Vec<(String, Vec<u8>)> {
    let vectors = of("vectors");
    assert!(vectors.len() > 100, "tests/vectors holds the shared vectors");
    vectors
}

/// The messages of a folder below `tests/`; none when it is not there.
fn of(folder: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut paths: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|kind| kind == "sip")).collect();
    paths.sort();
    let read = |path: PathBuf| Some((path.file_name()?.to_str()?.to_owned(), std::fs::read(&path).ok()?));
    paths.into_iter().filter_map(read).collect()
}

/// Head and body of a message.
pub fn halves(message: &[u8]) -> (&[u8], &[u8]) {
    let end = message.windows(4).position(|window| window == b"\r\n\r\n").map_or(message.len(), |at| at + 4);
    message.split_at(end)
}

/// The value of a header field, long or short name; empty when it is not there.
pub fn header(message: &[u8], name: &str, short: &str) -> String {
    let (head, _) = halves(message);
    let head = String::from_utf8_lossy(head).replace("\r\n ", " ").replace("\r\n\t", " ");
    let fields = head.split("\r\n").filter_map(|line| line.split_once(':'));
    let is_it = |field: &str| [name, short].iter().any(|name| field.trim().eq_ignore_ascii_case(name));
    fields.filter(|(field, _)| is_it(field)).map(|(_, value)| value.trim().to_owned()).next().unwrap_or_default()
}
