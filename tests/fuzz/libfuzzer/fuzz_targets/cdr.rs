//! libFuzzer on the target `cdr` of `tests/fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| (fuzz_targets::target("cdr").expect("a target").run)(octets));
