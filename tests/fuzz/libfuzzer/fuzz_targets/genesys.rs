//! libFuzzer on the target `genesys` of `tests/fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| (fuzz_targets::target("genesys").expect("a target").run)(octets));
