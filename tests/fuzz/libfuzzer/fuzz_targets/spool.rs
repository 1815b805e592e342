//! libFuzzer on the target `spool` of `tests/fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| (fuzz_targets::target("spool").expect("a target").run)(octets));
