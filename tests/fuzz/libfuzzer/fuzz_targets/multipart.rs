//! libFuzzer on the target `multipart` of `tests/fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| (fuzz_targets::target("multipart").expect("a target").run)(octets));
