//! libFuzzer on the target `gws` of `tests/fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| (fuzz_targets::target("gws").expect("a target").run)(octets));
