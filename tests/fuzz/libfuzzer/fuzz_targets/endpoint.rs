//! libFuzzer on the target `endpoint` of `tests/fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| (fuzz_targets::target("endpoint").expect("a target").run)(octets));
