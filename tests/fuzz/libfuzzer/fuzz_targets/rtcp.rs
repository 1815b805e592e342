//! libFuzzer on the target `rtcp` of `tests/fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| (fuzz_targets::target("rtcp").expect("a target").run)(octets));
