//! libFuzzer on the target `rtp` of `tests/fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| (fuzz_targets::target("rtp").expect("a target").run)(octets));
