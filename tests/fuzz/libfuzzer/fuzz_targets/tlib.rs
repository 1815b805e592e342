//! libFuzzer on the target `tlib` of `tests/fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| (fuzz_targets::target("tlib").expect("a target").run)(octets));
