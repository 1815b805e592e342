//! libFuzzer on the target `track` of `tests/fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| (fuzz_targets::target("track").expect("a target").run)(octets));
