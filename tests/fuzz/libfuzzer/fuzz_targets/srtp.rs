//! libFuzzer on the target `srtp` of `tests/fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| (fuzz_targets::target("srtp").expect("a target").run)(octets));
