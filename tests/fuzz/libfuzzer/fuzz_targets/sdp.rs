//! libFuzzer on the target `sdp` of `tests/fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| (fuzz_targets::target("sdp").expect("a target").run)(octets));
