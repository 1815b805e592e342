//! The instructions of a packet stay within the budget of `budget.toml`: a figure that a noisy machine cannot move.

use std::{collections::BTreeMap, path::Path, process::Command};

const PACKETS: u64 = 4_000;

/// Instructions per packet, as callgrind counts them inside `measured`.
fn instructions(suite: &str) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no"])
        .args(["--toggle-collect=*hotloop*measured*", env!("CARGO_BIN_EXE_hotloop"), suite, &PACKETS.to_string()])
        .output()
        .expect("valgrind: ops/scripts/install test brings it");
    let (told, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && told.contains(&format!("packets={PACKETS} ")), "{told}\n{said}");
    let collected = said.lines().find_map(|line| line.split_once("Collected :")).expect("a count");
    collected.1.trim().parse::<u64>().expect("a number") / PACKETS
}

#[test]
fn instructions_per_packet_stay_within_their_budget() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("budget.toml");
    let text = std::fs::read_to_string(&path).expect("the budget");
    let budget: BTreeMap<String, u64> = toml::from_str(&text).expect("suite = instructions");
    assert_eq!(budget.len(), 3, "plain, counter mode, AEAD");
    let mut breaches = Vec::new();
    for (suite, budget) in budget {
        let counted = instructions(&suite);
        println!("{suite}: {counted} instructions a packet of {budget}");
        if counted > budget {
            breaches.push(format!("{suite}: {counted} instructions a packet, {budget} in the budget"));
        } else if counted * 10 < budget * 9 {
            breaches.push(format!("{suite}: only {counted} instructions a packet: lower the budget of {budget}"));
        }
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

#[test]
fn a_suite_nobody_knows_is_refused() {
    let status = Command::new(env!("CARGO_BIN_EXE_hotloop")).args(["F8_128", "10"]).status().expect("it runs");
    assert_eq!(status.code(), Some(2));
}
