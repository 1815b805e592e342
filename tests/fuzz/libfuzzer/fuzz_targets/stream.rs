//! libFuzzer on the target `stream` of `tests/fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| (fuzz_targets::target("stream").expect("a target").run)(octets));
