//! libFuzzer on the target `handshake` of `tests/fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| (fuzz_targets::target("handshake").expect("a target").run)(octets));
