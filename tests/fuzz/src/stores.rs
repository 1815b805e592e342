//! Targets of storage: ledger lines, sealed chunks, spool segments, sealed objects, manifests.

use std::sync::LazyLock;

use crypto::{
    digest::sha256_hex,
    seal::{ChunkHeader, ChunkKey, DataKey, ObjectOpener, ObjectSealer, SealError, plain_len},
    sign::Signer,
};
use model::{Fact, GapCause, RecordingId, Timestamp};
use storage_core::{
    ledger::{Chain, Entry, Head as LedgerHead, Verifier, decode, stated_hash},
    manifest::Manifest,
    spoolfile::{Front, HEAD_LEN, Head, Kind, PAGE, Run, Segment, front, sum},
};

pub(crate) const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\u0000",
    "\\ud800",
    "null",
    "1e999",
    "-0",
    ",\"hash\":\"",
    "\"fact\":",
    "\"checkpoint\":",
    "\"at\":",
    "\"n\":18446744073709551615",
    ":[[[[[[[[[[[[[[[[",
];

const RECORDING: [u8; 16] = *b"recording-sixtee";

fn data_key() -> DataKey {
    DataKey::from_entropy([42; 32])
}

/// One line, as it stands and with the hash made right, so that what is behind the hash is reached too.
pub(crate) fn ledger(octets: &[u8]) {
    let _ = stated_hash(octets);
    let _ = LedgerHead::parse(octets);
    let mut verifier = Verifier::new(&"0".repeat(64), Vec::new());
    let lines: Vec<&[u8]> = octets.split(|octet| *octet == b'\n').collect();
    lines.iter().for_each(|line| verifier.line(line));
    let damaged = lines.iter().filter(|line| decode(line).is_err()).count();
    assert!(verifier.finish().len() >= damaged, "no damage goes unsaid");
    for line in [octets.to_vec(), rehashed(octets)] {
        let Ok(read) = decode(&line) else { continue };
        let Entry::Fact(fact) = &read.entry else { continue };
        let (mut chain, mut out) = (Chain { n: read.n.wrapping_sub(1), ..Chain::default() }, Vec::new());
        if read.n > 0 {
            chain.append(read.at, fact, &mut out);
            out.pop();
            assert_eq!(decode(&out).map(|line| line.entry), Ok(read.entry), "a fact reads back as it was written");
        }
    }
}

fn rehashed(octets: &[u8]) -> Vec<u8> {
    const BEFORE: &[u8] = b",\"hash\":\"";
    let end = octets.windows(BEFORE.len()).rposition(|window| window == BEFORE).unwrap_or(octets.len());
    let hash = sha256_hex(&octets[..end]);
    [&octets[..end], BEFORE, hash.as_bytes(), b"\"}"].concat()
}

pub(crate) fn ledger_seeds() -> Vec<Vec<u8>> {
    let recording = RecordingId::from_bytes(RECORDING);
    let (mut chain, mut out) = (Chain::default(), Vec::new());
    let facts = [
        Fact::NodeStarted { node: "n".into(), version: "0.1".into(), interrupted: vec![recording] },
        Fact::WarningRaised { recording, name: "no_require_siprec".into(), detail: Some("a\n\"b\"".into()) },
        Fact::UserDataAttached {
            recording,
            data: [("k".to_owned(), String::from("PGE+").into())].into(),
            raw: None,
            at: None,
            source: None,
        },
        Fact::RecordingResumed { recording, at: Timestamp::from_nanos(7), actor: model::Actor::system(), reason: None },
        Fact::RecordingPaused {
            recording,
            at: Timestamp::from_nanos(6),
            cause: GapCause::Paused,
            actor: model::Actor::system(),
            reason: Some("pci".into()),
        },
        Fact::NodeStopped { node: "n".into() },
    ];
    for (at, fact) in facts.iter().enumerate() {
        chain.append(Timestamp::from_nanos(at as u64), fact, &mut out);
    }
    let signer = Signer::from_seed([9; 32]);
    chain.checkpoint(Timestamp::from_nanos(9), &signer, &mut out);
    let mut seeds: Vec<Vec<u8>> =
        out.split(|octet| *octet == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect();
    seeds.push(out);
    seeds
}

static CHUNK_KEY: LazyLock<ChunkKey> = LazyLock::new(|| data_key().chunk_key(&RECORDING));

/// A stretch of a spool run: chunk after chunk, each opened if it is genuine.
pub(crate) fn chunk(octets: &[u8]) {
    let mut at = 0;
    while let Front::Chunk(header, length) = front(&octets[at..]) {
        assert!(length >= ChunkHeader::LEN && at + length <= octets.len(), "a frame stays inside");
        if let Ok(opened) = CHUNK_KEY.open(&octets[at..]) {
            assert_eq!(
                (opened.header, opened.plain.len() + ChunkHeader::LEN + 16),
                (header, length),
                "what is authentic is whole"
            );
        }
        at += length;
    }
    let _ = ChunkHeader::announced(octets);
}

pub(crate) fn chunk_seeds() -> Vec<Vec<u8>> {
    let header = |number, packets| ChunkHeader {
        recording: RECORDING,
        track: 1,
        number,
        first_nanos: 1_700_000_000_000_000_000,
        last_nanos: 1_700_000_000_100_000_000,
        packets,
    };
    let (mut one, mut two) = (Vec::new(), Vec::new());
    CHUNK_KEY.seal(&header(0, 3), &mut vec![7; 500], &mut one);
    CHUNK_KEY.seal(&header(0, 0), &mut Vec::new(), &mut two);
    CHUNK_KEY.seal(&header(1, 1), &mut vec![8; 40], &mut two);
    vec![one, two]
}

/// The first page of a segment file, or a block of one: as it stands and with its sums made right.
pub(crate) fn spool(octets: &[u8]) {
    if let Ok(segment) = Segment::parse(octets) {
        assert_eq!(Segment::parse(&segment.encode()), Ok(segment), "a header reads back as it was written");
        let _ = segment.replaces(&segment);
    }
    for octets in [octets.to_vec(), summed(octets)] {
        let Some(head) = Head::parse(&octets) else { continue };
        let _ = head.block_len();
        let table = octets.get(HEAD_LEN..HEAD_LEN + head.table_len());
        if let Some(runs) = table.and_then(|table| head.runs(table)) {
            assert_eq!(runs.len(), head.runs, "as many runs as were promised");
        }
    }
}

fn summed(octets: &[u8]) -> Vec<u8> {
    let mut octets = octets.to_vec();
    if octets.len() >= HEAD_LEN {
        let runs = u32::from_be_bytes([octets[4], octets[5], octets[6], octets[7]]) as usize;
        let table = octets.get(HEAD_LEN..).and_then(|rest| rest.get(..runs.checked_mul(32)?)).map_or(0, sum);
        octets[32..36].copy_from_slice(&table.to_be_bytes());
        let head = sum(&octets[..36]);
        octets[36..40].copy_from_slice(&head.to_be_bytes());
    }
    octets
}

pub(crate) fn spool_seeds() -> Vec<Vec<u8>> {
    let recording = RecordingId::from_bytes(RECORDING);
    let run = |kind, octets| Run { recording, kind, octets, sum: 77 };
    let mut block = Vec::new();
    Head::encode(&[run(Kind::Chunks, 5_000), run(Kind::State, 9), run(Kind::Freed, 0)], PAGE as u64, true, &mut block);
    let mut empty = Vec::new();
    Head::encode(&[], 0, false, &mut empty);
    vec![block, empty, Segment { rank: 7, last: 9, generation: 2 }.encode()[..64].to_vec()]
}

/// A sealed object of the archive.
pub(crate) fn object(octets: &[u8]) {
    let sealed_len = octets.len() as u64;
    let length = plain_len(sealed_len);
    let opened = ObjectOpener::new(data_key().object_key(&RECORDING, "tracks"), octets).and_then(|opener| {
        let (header, sealed) = octets.split_at_checked(crypto::seal::SEALED_HEADER_LEN).ok_or(SealError::Truncated)?;
        opener.open(header.len() as u64, sealed, sealed_len)
    });
    if let Ok(plain) = opened {
        assert_eq!(Ok(plain.len() as u64), length, "what is authentic is whole");
    }
}

pub(crate) fn object_seeds() -> Vec<Vec<u8>> {
    [0, 3, 200]
        .map(|length| {
            let mut sealer = ObjectSealer::new(data_key().object_key(&RECORDING, "tracks"));
            let mut out = sealer.header();
            sealer.push(&vec![1; length], &mut out);
            sealer.finish(&mut out);
            out
        })
        .to_vec()
}

/// A manifest.
pub(crate) fn manifest(octets: &[u8]) {
    let Ok(read) = Manifest::decode(octets) else { return };
    let again = Manifest::decode(&read.encode()).expect("we write what we can read");
    assert_eq!(again, read, "a manifest reads back as it was written");
}

pub(crate) fn manifest_seeds() -> Vec<Vec<u8>> {
    let opened = model::RecordingOpened {
        recording: RecordingId::from_bytes(RECORDING),
        record_id: Some("r".into()),
        call_uuid: None,
        conn_id: None,
        profile: "rfc7866".into(),
        at: Timestamp::from_nanos(1_234_567),
    };
    let mut view = None;
    storage_core::fold::apply(&mut view, &Fact::RecordingOpened(opened));
    view.iter().map(|view| Manifest::new(view, Vec::new()).encode()).collect()
}
