//! The house rules that a machine can check: import law, purity, file size, first lines, `unsafe`, stubs, stray words.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// DESIGN section 2: who may import whom. An arrow that is not here is forbidden.
const LAW: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("crypto", &[]),
    ("signaling-core", &[]),
    ("media", &["model"]),
    ("session", &["model", "signaling-core"]),
    ("storage-core", &["model", "crypto"]),
    ("signaling", &["signaling-core", "crypto"]),
    ("capture", &["model", "media", "crypto", "storage-core"]),
    ("storage", &["model", "crypto", "storage-core"]),
    ("custody", &["crypto"]),
    ("api", &["model", "media", "storage-core", "crypto"]),
    ("ops", &["model"]),
    ("replication", &["signaling", "signaling-core", "media", "crypto"]),
    (
        "recorder",
        &[
            "model",
            "session",
            "media",
            "capture",
            "api",
            "signaling",
            "signaling-core",
            "storage",
            "storage-core",
            "crypto",
            "custody",
            "ops",
        ],
    ),
    ("bench", &["capture", "crypto", "hotloop", "media", "model", "replication", "storage-core"]),
    ("fuzz-targets", &["crypto", "media", "model", "signaling-core", "storage-core"]),
    ("hotloop", &["capture", "crypto", "media", "model", "storage-core"]),
    (
        "recorder-tests",
        &["crypto", "fuzz-targets", "media", "model", "replication", "signaling-core", "storage", "storage-core"],
    ),
];

/// Crates that decide and touch nothing.
const PURE: &[&str] = &["model", "crypto", "signaling-core", "media", "session", "storage-core"];

/// Packages that a pure crate may not reach: runtimes, sockets, clocks, entropy.
const TOUCHING: &[&str] = &[
    "tokio",
    "mio",
    "socket2",
    "async-std",
    "smol",
    "quinn-udp",
    "io-uring",
    "rand",
    "getrandom",
    "fastrand",
    "chrono",
    "rusqlite",
    "object_store",
    "reqwest",
    "hyper",
    "rustix",
    "nix",
];

/// Reached all the same, and why that is no breach.
const TOLERATED: &[(&str, &str, &str)] = &[
    (
        "signaling-core",
        "getrandom",
        "rsip 0.4 pulls it for UUID helpers that we never call; ids come from entropy arguments",
    ),
    ("signaling-core", "chrono", "sdp-rs 0.2 pulls it for t= lines; nobody asks it for the time"),
    ("session", "getrandom", "through signaling-core, as above"),
    ("session", "chrono", "through signaling-core, as above"),
    ("crypto", "rand", "dimpl 0.9 draws hello randoms and cookies by itself, as rustls does by aws-lc-rs"),
    ("crypto", "getrandom", "through dimpl, as above"),
    ("storage-core", "rand", "through crypto, as above"),
    ("storage-core", "getrandom", "through crypto, as above"),
];

/// What a pure crate may not even write.
const IMPURE_WORDS: &[&str] = &[
    "std::fs",
    "std::thread",
    "UdpSocket",
    "TcpStream",
    "TcpListener",
    "Instant::now",
    "SystemTime::now",
    "std::process",
];

/// Production lines of one file (STYLE section 9).
const MAX_LINES: usize = 400;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

fn metadata() -> Metadata {
    MetadataCommand::new()
        .current_dir(root())
        .other_options(["--offline", "--filter-platform", "x86_64-unknown-linux-gnu"].map(String::from))
        .exec()
        .expect("cargo metadata")
}

/// Every tracked-like source file of ours: below the workspace, outside build output and test data.
fn sources() -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if path.is_dir() && !matches!(name.as_str(), "target" | "data" | "node_modules" | ".git" | "corpus") {
                walk(&path, found);
            } else if name.ends_with(".rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root(), &mut found);
    found
}

/// The part before the unit tests.
fn production(text: &str) -> &str {
    text.split("\n#[cfg(test)]").next().unwrap_or(text)
}

/// Tests stand in `tests` folders, in files named for it, or under `#[cfg(test)]`.
fn is_test(path: &Path) -> bool {
    let of_tests = |part: &str| matches!(part, "tests" | "benches" | "journeys") || part.ends_with("tests.rs");
    path.strip_prefix(root())
        .is_ok_and(|path| path.components().any(|part| part.as_os_str().to_str().is_some_and(of_tests)))
}

fn complain(breaches: Vec<String>) {
    assert!(breaches.is_empty(), "\n{}", breaches.join("\n"));
}

#[test]
fn imports_follow_the_law() {
    let metadata = metadata();
    let law: BTreeMap<_, _> = LAW.iter().copied().collect();
    let ours: BTreeSet<_> = metadata.workspace_packages().iter().map(|package| package.name.to_string()).collect();
    let mut breaches = Vec::new();
    for package in metadata.workspace_packages() {
        let Some(allowed) = law.get(package.name.as_str()) else {
            breaches.push(format!("{}: is not in the table", package.name));
            continue;
        };
        let imports = package.dependencies.iter().filter(|import| import.kind == DependencyKind::Normal);
        for import in imports.filter(|import| ours.contains(&import.name)) {
            if !allowed.contains(&import.name.as_str()) {
                breaches.push(format!("{} may not import {}", package.name, import.name));
            }
        }
    }
    complain(breaches);
}

/// What a package reaches when it is built alone: `cargo metadata` would show the features of the whole workspace.
fn reached(package: &str) -> BTreeSet<String> {
    let mut tree = std::process::Command::new(env!("CARGO"));
    tree.args(["tree", "--offline", "--edges", "normal", "--prefix", "none", "--package", package]).current_dir(root());
    let output = tree.output().expect("cargo tree");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn pure_crates_reach_no_runtime_socket_clock_or_entropy() {
    let mut breaches = Vec::new();
    for pure in PURE {
        for name in reached(pure).iter().filter(|name| TOUCHING.contains(&name.as_str())) {
            if !TOLERATED.iter().any(|(by, what, _)| by == pure && what == name) {
                breaches.push(format!("{pure} reaches {name}"));
            }
        }
    }
    complain(breaches);
}

#[test]
fn pure_crates_do_not_write_impure_words() {
    let metadata = metadata();
    let mut breaches = Vec::new();
    for package in metadata.workspace_packages().iter().filter(|package| PURE.contains(&package.name.as_str())) {
        let folder = package.manifest_path.parent().expect("a folder").join("src");
        for path in sources().iter().filter(|path| path.starts_with(&folder)) {
            let text = std::fs::read_to_string(path).expect("a source file");
            if is_test(path) {
                continue;
            }
            for word in IMPURE_WORDS.iter().filter(|word| production(&text).contains(**word)) {
                breaches.push(format!("{}: {word}", path.display()));
            }
        }
    }
    complain(breaches);
}

#[test]
fn every_file_says_first_what_it_knows_and_stays_short() {
    let mut breaches = Vec::new();
    for path in sources() {
        let text = std::fs::read_to_string(&path).expect("a source file");
        if !text.starts_with("//!") {
            breaches.push(format!("{}: does not begin with //!", path.display()));
        }
        let lines = production(&text).lines().count();
        if lines > MAX_LINES && !is_test(&path) {
            breaches.push(format!("{}: {lines} production lines", path.display()));
        }
    }
    complain(breaches);
}

#[test]
fn no_stub_no_stray_unwrap_and_unsafe_only_in_capture() {
    let mut breaches = Vec::new();
    for path in sources().iter().filter(|path| !path.ends_with("tests/tests/tidy.rs")) {
        let text = std::fs::read_to_string(path).expect("a source file");
        let code = production(&text);
        let in_capture = path.starts_with(root().join("recorder/capture"));
        for (number, line) in code.lines().enumerate() {
            let at = format!("{}:{}", path.display(), number + 1);
            let line = line.split("//").next().unwrap_or(line);
            if ["todo!(", "unimplemented!(", "dbg!("].iter().any(|stub| line.contains(stub)) {
                breaches.push(format!("{at}: stub"));
            }
            if line.contains(".unwrap()") && !is_test(path) {
                breaches.push(format!("{at}: unwrap"));
            }
            if line.contains("unsafe ") && !in_capture && !line.contains("unsafe_code") {
                breaches.push(format!("{at}: unsafe outside recorder/capture"));
            }
            if line.contains("#[allow(") || line.contains("#![allow(") {
                breaches.push(format!("{at}: allow instead of expect"));
            }
        }
    }
    complain(breaches);
}
