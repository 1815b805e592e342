//! The example of `SEALED.md`, made once by another program: the document and the code say the same.

use super::{ChunkHeader, DataKey, ObjectOpener, ObjectSealer};
use crate::keys::MasterKey;

const DOCUMENT: &str = include_str!("../../SEALED.md");
const RECORDING: [u8; 16] = *b"recording-sixtee";

fn octets(from: u8) -> [u8; 32] {
    std::array::from_fn(|at| from + at as u8)
}

fn assert_documented(text: &str) {
    assert!(DOCUMENT.contains(text), "SEALED.md does not show {text}");
}

#[test]
fn the_wrapped_key_is_the_documented_one() {
    let master = MasterKey::new(octets(0).into());
    let custodian = format!("file:{}", master.id());
    assert_documented(&custodian);
    let nonce = std::array::from_fn(|at| at as u8);
    let wrapped = master.wrap(custodian, &RECORDING, &DataKey::from_entropy(octets(32)), nonce);
    assert_documented(&wrapped.wrapped);
}

#[test]
fn the_sealed_object_is_the_documented_one() {
    let key = || DataKey::from_entropy(octets(32)).object_key(&RECORDING, "audio.wav.sealed");
    let mut sealer = ObjectSealer::new(key());
    let mut sealed = sealer.header();
    sealer.push(b"hello", &mut sealed);
    sealer.finish(&mut sealed);
    assert_documented(&hex::encode(&sealed));
    let opener = ObjectOpener::new(key(), &sealed).unwrap();
    assert_eq!(opener.open(32, &sealed[32..], sealed.len() as u64).unwrap(), b"hello");
}

#[test]
fn the_sealed_chunk_is_the_documented_one() {
    let header = ChunkHeader {
        recording: RECORDING,
        track: 3,
        number: 7,
        first_nanos: 1_763_700_000_000_000_000,
        last_nanos: 1_763_700_000_200_000_000,
        packets: 10,
    };
    let mut sealed = Vec::new();
    DataKey::from_entropy(octets(32)).chunk_key(&RECORDING).seal(&header, &mut b"hello".to_vec(), &mut sealed);
    assert_documented(&hex::encode(sealed));
}
