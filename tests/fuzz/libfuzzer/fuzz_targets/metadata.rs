//! libFuzzer on the target `metadata` of `tests/fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| (fuzz_targets::target("metadata").expect("a target").run)(octets));
