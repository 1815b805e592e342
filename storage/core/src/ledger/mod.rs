//! The ledger's line format: JSON Lines, each chained to the one before by SHA-256, with signed checkpoints between.
//!
//! ```text
//! {"n":1,"at":1763,"prev":"00…","fact":{…},"hash":"5e…"}         n counts facts from 1; at is UTC nanoseconds
//! {"n":2,"at":1764,"prev":"5e…","fact":{…},"hash":"a1…"}         prev is the hash of the line before
//! {"n":2,"at":1765,"prev":"a1…","checkpoint":{"public":"…","signature":"…"},"hash":"77…"}
//! {"n":3,"at":1766,"prev":"77…","fact":{…},"hash":"0c…"}
//! ```
//! `hash` is the lower-case hex SHA-256 of the line's octets before `,"hash":"`: the octets as they stand are the
//! canonical form, so that any tool can check the chain without knowing a single fact. A checkpoint repeats the number
//! of the last fact and signs `recorder-ledger-checkpoint-v1:<n>:<prev>` with Ed25519. Beside the ledger, `HEAD` names
//! the last durable line, signed over `recorder-ledger-head-v1:<n>:<hash>`: without it a clean cut at the end of the
//! file could not be told from a quiet day.

mod verify;

use std::io::Write;

use crypto::{
    digest::sha256_hex,
    sign::{self, Signer},
};
use model::{Fact, Timestamp};
use serde::{Deserialize, Serialize};

pub use verify::{Finding, Verifier};

use crate::limits::LEDGER_LINE_OCTETS;

/// Where a chain stands: the number of the last fact and the hash of the last line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Number of the last fact, 0 before the first.
    pub n: u64,
    /// Hash of the last line, 64 zeros before the first.
    pub head: String,
}

impl Default for Chain {
    fn default() -> Self {
        Self { n: 0, head: "0".repeat(HASH_DIGITS) }
    }
}

impl Chain {
    /// Appends the line of `fact` to `out` and moves on.
    pub fn append(&mut self, at: Timestamp, fact: &Fact, out: &mut Vec<u8>) {
        self.n += 1;
        let begin = self.begin(at, "fact", out);
        serde_json::to_writer(&mut *out, fact).expect("a fact is plain data with text keys");
        self.close(begin, out);
    }

    /// Appends a signed checkpoint over everything so far to `out` and moves on.
    pub fn checkpoint(&mut self, at: Timestamp, signer: &Signer, out: &mut Vec<u8>) {
        let signature = signer.sign(checkpoint_text(self.n, &self.head).as_bytes());
        let checkpoint = Checkpoint { public: signer.public_hex(), signature };
        let begin = self.begin(at, "checkpoint", out);
        serde_json::to_writer(&mut *out, &checkpoint).expect("two strings");
        self.close(begin, out);
    }

    /// The signed head, for the `HEAD` file.
    pub fn sign(&self, signer: &Signer) -> Head {
        let signature = signer.sign(head_text(self.n, &self.head).as_bytes());
        Head { n: self.n, head: self.head.clone(), public: signer.public_hex(), signature }
    }

    /// Goes on after `line`.
    pub fn follow(&mut self, line: &Line) {
        self.n = line.n;
        self.head.clone_from(&line.hash);
    }

    /// Begins a line where it will stand, up to its content; where it begins.
    fn begin(&self, at: Timestamp, content: &str, out: &mut Vec<u8>) -> usize {
        let begin = out.len();
        let wrote = write!(out, "{{\"n\":{},\"at\":{},\"prev\":\"{}\",\"{content}\":", self.n, at.nanos(), self.head);
        wrote.expect("memory takes all");
        begin
    }

    fn close(&mut self, begin: usize, out: &mut Vec<u8>) {
        self.head = sha256_hex(&out[begin..]);
        out.extend_from_slice(HASH_BEFORE);
        out.extend_from_slice(self.head.as_bytes());
        out.extend_from_slice(HASH_AFTER);
        out.push(b'\n');
    }
}

/// What a line carries.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// A fact.
    Fact(Box<Fact>),
    /// A signature over the chain so far.
    Checkpoint(Checkpoint),
}

/// One line whose hash is right.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Number of the fact, or of the last fact before a checkpoint.
    pub n: u64,
    /// When it was written.
    pub at: Timestamp,
    /// Hash of the line before.
    pub prev: String,
    /// Its own hash.
    pub hash: String,
    /// What it carries.
    pub entry: Entry,
}

/// A signature over the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// Ed25519 public key, hex.
    pub public: String,
    /// Signature, hex.
    pub signature: String,
}

/// The last durable line, as `HEAD` names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Number of the last fact.
    pub n: u64,
    /// Hash of the last line.
    pub head: String,
    /// Ed25519 public key, hex.
    pub public: String,
    /// Signature, hex.
    pub signature: String,
}

impl Head {
    /// Reads `HEAD`. `None` when it is torn, or signed by nobody.
    pub fn parse(octets: &[u8]) -> Option<Self> {
        let head: Self = serde_json::from_slice(octets).ok()?;
        head.is_signed_by(&head.public).then_some(head)
    }

    /// Whether the holder of `public` signed it.
    pub fn is_signed_by(&self, public: &str) -> bool {
        self.public == public && sign::verify(public, head_text(self.n, &self.head).as_bytes(), &self.signature)
    }
}

/// Why a line cannot be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Its octets do not match its own hash.
    #[error("altered")]
    Altered,
    /// Its hash is right but this version cannot read it.
    #[error("unreadable")]
    Unreadable,
}

/// Reads one line, without its line feed. Whether it fits its predecessor is the caller's to check.
pub fn decode(line: &[u8]) -> Result<Line, Damage> {
    let (body, hash) = split(line).ok_or(Damage::Altered)?;
    if line.len() > LEDGER_LINE_OCTETS || sha256_hex(body) != hash {
        return Err(Damage::Altered);
    }
    let raw: Raw = serde_json::from_slice(line).map_err(|_| Damage::Unreadable)?;
    let entry = match (raw.fact, raw.checkpoint) {
        (Some(fact), None) => Entry::Fact(fact),
        (None, Some(checkpoint)) => Entry::Checkpoint(checkpoint),
        _ => return Err(Damage::Unreadable),
    };
    Ok(Line { n: raw.n, at: raw.at, prev: raw.prev, hash: raw.hash, entry })
}

/// The hash a line states of itself, right or not: where the chain goes on after a damaged line.
pub fn stated_hash(line: &[u8]) -> Option<&str> {
    split(line).map(|(_, hash)| hash)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    n: u64,
    at: Timestamp,
    prev: String,
    #[serde(default)]
    fact: Option<Box<Fact>>,
    #[serde(default)]
    checkpoint: Option<Checkpoint>,
    hash: String,
}

fn split(line: &[u8]) -> Option<(&[u8], &str)> {
    let line = line.strip_suffix(HASH_AFTER)?;
    let (rest, hash) = line.split_at_checked(line.len().checked_sub(HASH_DIGITS)?)?;
    let body = rest.strip_suffix(HASH_BEFORE)?;
    let hash = std::str::from_utf8(hash).ok()?;
    hash.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some((body, hash))
}

fn checkpoint_text(n: u64, prev: &str) -> String {
    format!("recorder-ledger-checkpoint-v1:{n}:{prev}")
}

fn head_text(n: u64, head: &str) -> String {
    format!("recorder-ledger-head-v1:{n}:{head}")
}

const HASH_DIGITS: usize = 64;
const HASH_BEFORE: &[u8] = b",\"hash\":\"";
const HASH_AFTER: &[u8] = b"\"}";

#[cfg(test)]
mod tests {
    use model::RecordingId;

    use super::*;

    fn fact(name: &str) -> Fact {
        Fact::WarningRaised {
            recording: RecordingId::from_bytes([3; 16]),
            name: name.into(),
            detail: Some("a\nb".into()),
        }
    }

    #[test]
    fn a_line_reads_back_and_links_to_the_one_before() {
        let (mut chain, mut out) = (Chain::default(), Vec::new());
        chain.append(Timestamp::from_nanos(5), &fact("one"), &mut out);
        let first = chain.head.clone();
        chain.append(Timestamp::from_nanos(6), &fact("two"), &mut out);
        let lines: Vec<Line> =
            out.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).flat_map(decode).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!((lines[1].n, &lines[1].prev, &lines[1].hash), (2, &first, &chain.head));
        assert_eq!(lines[0].entry, Entry::Fact(Box::new(fact("one"))));
    }

    #[test]
    fn an_altered_octet_is_seen_wherever_it_is() {
        let mut out = Vec::new();
        Chain::default().append(Timestamp::from_nanos(5), &fact("one"), &mut out);
        out.pop();
        decode(&out).expect("whole");
        for at in 0..out.len() {
            let mut line = out.clone();
            line[at] ^= 1;
            assert!(decode(&line).is_err(), "octet {at}");
        }
    }

    #[test]
    fn a_head_counts_only_as_signed() {
        let chain = Chain { n: 4, ..Chain::default() };
        let head = chain.sign(&Signer::from_seed([9; 32]));
        let octets = serde_json::to_vec(&head).expect("plain");
        assert_eq!(Head::parse(&octets), Some(head.clone()));
        let forged = Head { n: 3, ..head };
        assert_eq!(Head::parse(&serde_json::to_vec(&forged).expect("plain")), None);
    }
}
