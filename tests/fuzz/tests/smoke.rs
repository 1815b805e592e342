//! Every target with its seeds and some thousand mutations of them: the same functions that libFuzzer and `mutants` run
//! for longer.

use std::collections::BTreeSet;

use fuzz_targets::{TARGETS, mutate::Mutator, target};

/// Mutated inputs of each target.
const COUNT: u64 = 4_000;

fn smoke(name: &str) {
    let target = target(name).expect("a target");
    let seeds = (target.seeds)();
    assert!(!seeds.is_empty(), "{name} has seeds");
    seeds.iter().for_each(|seed| (target.run)(seed));
    let (mutator, mut input) = (Mutator::new(target, 7), Vec::new());
    for number in 0..COUNT {
        mutator.draw(number, &mut input);
        (target.run)(&input);
    }
}

macro_rules! smoke {
    ($($name:ident)*) => {
        $(#[test] fn $name() { smoke(stringify!($name)); })*
        /// What stands above.
        const SMOKED: &[&str] = &[$(stringify!($name)),*];
    };
}

smoke! { sip stream sdp multipart metadata genesys endpoint tlib gws rtp rtcp srtp dtls handshake track ledger chunk spool object manifest cdr }

#[test]
fn every_target_is_smoked_and_has_its_fuzzer() {
    let targets: BTreeSet<_> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(targets, SMOKED.iter().map(|name| (*name).to_owned()).collect());
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/libfuzzer/fuzz_targets");
    let files = std::fs::read_dir(folder).expect("libfuzzer/fuzz_targets").flatten();
    let stem = |entry: std::fs::DirEntry| entry.path().file_stem().map(|stem| stem.to_string_lossy().into_owned());
    assert_eq!(targets, files.filter_map(stem).collect());
}

#[test]
fn mutations_differ_from_each_other_and_not_from_run_to_run() {
    let draw = |seed, number| {
        let mut input = Vec::new();
        Mutator::new(target("sdp").expect("a target"), seed).draw(number, &mut input);
        input
    };
    assert_eq!(draw(1, 5), draw(1, 5));
    let distinct: BTreeSet<_> = (0..100).map(|number| draw(1, number)).collect();
    assert!(distinct.len() > 90, "{} of 100 differ", distinct.len());
    assert_ne!(
        (0..9).map(|number| draw(1, number)).collect::<Vec<_>>(),
        (0..9).map(|number| draw(2, number)).collect::<Vec<_>>()
    );
}
