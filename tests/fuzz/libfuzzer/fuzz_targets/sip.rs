//! libFuzzer on the target `sip` of `tests/fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| (fuzz_targets::target("sip").expect("a target").run)(octets));
