//! libFuzzer on the target `dtls` of `tests/fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| (fuzz_targets::target("dtls").expect("a target").run)(octets));
