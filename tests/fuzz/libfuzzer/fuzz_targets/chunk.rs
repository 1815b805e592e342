//! libFuzzer on the target `chunk` of `tests/fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| (fuzz_targets::target("chunk").expect("a target").run)(octets));
