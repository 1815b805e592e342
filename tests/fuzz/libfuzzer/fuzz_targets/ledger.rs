//! libFuzzer on the target `ledger` of `tests/fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| (fuzz_targets::target("ledger").expect("a target").run)(octets));
