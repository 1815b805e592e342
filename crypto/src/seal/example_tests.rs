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

/// `aes-gcm` is another implementation than the one that seals: what one closes, the other opens.
#[test]
fn another_implementation_opens_a_sealed_chunk() {
    use aes_gcm::{
        Aes256Gcm,
        aead::{AeadInOut, KeyInit},
    };
    let (track, number, first_nanos) = (9_u16, 4_u32, 1_763_700_000_000_000_000_u64);
    let header =
        ChunkHeader { recording: RECORDING, track, number, first_nanos, last_nanos: first_nanos + 1, packets: 100 };
    let plain: Vec<u8> = (0..17_000_u32).map(|at| (at * 7) as u8).collect();
    let mut sealed = Vec::new();
    DataKey::from_entropy(octets(32)).chunk_key(&RECORDING).seal(&header, &mut plain.clone(), &mut sealed);
    let (clear, rest) = sealed.split_at(ChunkHeader::LEN);
    let (ciphertext, tag) = rest.split_last_chunk::<16>().unwrap();
    let key = super::derive(Some(&RECORDING), &octets(32), "recorder/v1/chunk");
    let mut nonce = [0; 12];
    nonce[..2].copy_from_slice(&track.to_be_bytes());
    nonce[2..6].copy_from_slice(&number.to_be_bytes());
    nonce[6..].copy_from_slice(&first_nanos.to_be_bytes()[2..]);
    let mut opened = ciphertext.to_vec();
    let cipher = Aes256Gcm::new((&*key).into());
    cipher.decrypt_inout_detached((&nonce).into(), clear, opened.as_mut_slice().into(), tag.into()).unwrap();
    assert!(opened == plain);
    let mut altered = ciphertext.to_vec();
    altered[100] ^= 1;
    assert!(cipher.decrypt_inout_detached((&nonce).into(), clear, altered.as_mut_slice().into(), tag.into()).is_err());
}
