//! libFuzzer on the target `manifest` of `tests/fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| (fuzz_targets::target("manifest").expect("a target").run)(octets));
