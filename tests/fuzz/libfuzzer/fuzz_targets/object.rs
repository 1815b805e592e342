//! libFuzzer on the target `object` of `tests/fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| (fuzz_targets::target("object").expect("a target").run)(octets));
