//! SRTP against Debian's libsrtp2: what one protects the other opens, and what is forged both refuse.
//!
//! The other side is a small C program of ours (`libsrtp/oracle.c`), compiled by each test and asked over its standard
//! input. Without a compiler or the library these tests fail; `ops/scripts/install test` brings both.

#![expect(clippy::unwrap_used, reason = "helpers of tests, in a file that is nothing else")]

use std::{
    io::{Read, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use crypto::srtp::{Inbound, Outbound, SrtpError, Suite};

/// What libsrtp2 says of a packet (`srtp_err_status_t`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    Unauthentic,
    Replayed,
    TooOld,
    Other(u8),
}

/// libsrtp2 with one key for both of its directions.
struct Oracle {
    child: Child,
    requests: ChildStdin,
    answers: ChildStdout,
    _program: Program,
}

/// The compiled program; gone when the test is.
struct Program(std::path::PathBuf);

impl Program {
    fn compile() -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/libsrtp/oracle.c");
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("libsrtp-{}", fresh()));
        let mut cc = Command::new(std::env::var("CC").unwrap_or_else(|_| "cc".to_owned()));
        cc.args(["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&program).arg(source).arg("-lsrtp2");
        let said =
            cc.output().unwrap_or_else(|cause| panic!("no C compiler ({cause}): run `ops/scripts/install test`"));
        let errors = String::from_utf8_lossy(&said.stderr);
        assert!(said.status.success(), "libsrtp2-dev is missing? run `ops/scripts/install test`\n{errors}");
        Self(program)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

/// A name nobody else has: tests may be processes or threads.
fn fresh() -> String {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    format!("{}-{}", std::process::id(), NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
}

impl Oracle {
    fn start(suite: Suite, key_salt: &[u8], mki: &[u8]) -> Self {
        let program = Program::compile();
        let mut child =
            Command::new(&program.0).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the oracle starts");
        let (mut requests, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let place = Suite::ALL.iter().position(|known| *known == suite).unwrap() as u8;
        let head = [&[place, mki.len() as u8][..], mki, key_salt].concat();
        requests.write_all(&head).unwrap();
        Self { child, requests, answers, _program: program }
    }

    fn ask(&mut self, what: u8, packet: &[u8]) -> Result<Vec<u8>, Refused> {
        let length = (packet.len() as u16).to_be_bytes();
        let request = [&[what][..], &length, packet].concat();
        self.requests.write_all(&request).expect("the oracle is there; it says on standard error why not");
        let mut head = [0; 3];
        self.answers.read_exact(&mut head).expect("the oracle answers; it says on standard error why not");
        let mut packet = vec![0; usize::from(u16::from_be_bytes([head[1], head[2]]))];
        self.answers.read_exact(&mut packet).unwrap();
        match head[0] {
            0 => Ok(packet),
            7 => Err(Refused::Unauthentic),
            9 => Err(Refused::Replayed),
            10 => Err(Refused::TooOld),
            other => Err(Refused::Other(other)),
        }
    }

    fn protect(&mut self, packet: &[u8]) -> Vec<u8> {
        self.ask(b'P', packet).unwrap()
    }

    fn protect_rtcp(&mut self, packet: &[u8]) -> Vec<u8> {
        self.ask(b'p', packet).unwrap()
    }

    fn open(&mut self, packet: &[u8]) -> Result<Vec<u8>, Refused> {
        self.ask(b'U', packet)
    }

    fn open_rtcp(&mut self, packet: &[u8]) -> Result<Vec<u8>, Refused> {
        self.ask(b'u', packet)
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn key_salt(suite: Suite) -> Vec<u8> {
    (0..suite.key_salt_len() as u8).map(|octet| octet.wrapping_mul(151) ^ 0x3a).collect()
}

/// libsrtp2, and both of our directions, under one key.
fn three(suite: Suite, mki: &[u8]) -> (Oracle, Outbound, Inbound) {
    let key_salt = key_salt(suite);
    let inbound = Inbound::new(suite, &key_salt, mki.len()).unwrap();
    (Oracle::start(suite, &key_salt, mki), Outbound::new(suite, &key_salt).unwrap(), inbound)
}

/// RTP of two kinds: a plain header, and one with two CSRCs and an extension.
fn rtp(sequence: u16, ssrc: u32) -> Vec<u8> {
    let has_more = sequence.is_multiple_of(3);
    let mut packet = vec![if has_more { 0x92 } else { 0x80 }, 8];
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 160).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    if has_more {
        packet.extend([1, 2, 3, 4, 5, 6, 7, 8, 0xbe, 0xde, 0, 1, 0x10, 0xff, 0, 0]);
    }
    // Every length from none to one of 20 ms: no block boundary is left out.
    packet.extend((0..sequence % 161).map(|at| (at ^ sequence) as u8));
    packet
}

/// A sender report, and a chunk of a source description of changing length.
fn rtcp(ssrc: u32, words: u8) -> Vec<u8> {
    let mut packet = vec![0x80, 200, 0, 6];
    packet.extend(ssrc.to_be_bytes());
    packet.extend(0..20);
    packet.extend([0x81, 202, 0, 1 + words]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend((0..4 * words).map(|octet| octet ^ 0x55));
    packet
}

fn protected(outbound: &mut Outbound, packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    outbound.protect_rtp(&mut packet).unwrap();
    packet
}

fn opened(inbound: &mut Inbound, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut packet = packet.to_vec();
    let plain = inbound.unprotect_rtp(&mut packet)?;
    packet.truncate(plain);
    Ok(packet)
}

fn opened_rtcp(inbound: &mut Inbound, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut packet = packet.to_vec();
    let plain = inbound.unprotect_rtcp(&mut packet)?;
    packet.truncate(plain);
    Ok(packet)
}

/// Puts an MKI where the suite has it: before the tag in counter mode (RFC 3711 3.1), last with AEAD (RFC 7714 8.2).
/// No tag covers it.
fn with_mki(suite: Suite, mut packet: Vec<u8>, tag: usize, mki: &[u8]) -> Vec<u8> {
    let at = packet.len() - if suite.is_aead() { 0 } else { tag };
    packet.splice(at..at, mki.iter().copied());
    packet
}

/// Octets of the SRTCP tag in counter mode, whatever the suite.
const SRTCP_TAG: usize = 10;
/// `srtp_err_status_bad_mki`.
const BAD_MKI: u8 = 25;

/// Sequence numbers through four roll-overs: every one around each, few between.
fn long_way() -> impl Iterator<Item = u16> {
    (65_400..4 * 65_536_u32 + 200)
        .filter(|index| {
            let near = (index + 100) % 65_536;
            near < 200 || index.is_multiple_of(997)
        })
        .map(|index| index as u16)
}

#[test]
fn each_opens_what_the_other_protects_through_four_roll_overs() {
    for suite in Suite::ALL {
        let (mut theirs, mut outbound, mut inbound) = three(suite, &[]);
        for sequence in long_way() {
            let plain = rtp(sequence, 0xcafe);
            let name = suite.name();
            let sealed = protected(&mut outbound, &plain);
            assert_eq!(theirs.protect(&plain), sealed, "{name} {sequence}: the same octets");
            assert_eq!(theirs.open(&sealed), Ok(plain.clone()), "{name} {sequence}: ours");
            assert_eq!(opened(&mut inbound, &sealed), Ok(plain), "{name} {sequence}: theirs");
        }
    }
}

#[test]
fn each_opens_the_reports_of_the_other() {
    for suite in Suite::ALL {
        let (mut theirs, mut outbound, mut inbound) = three(suite, &[]);
        for words in 0..30 {
            let plain = rtcp(7, words);
            let mut sealed = plain.clone();
            outbound.protect_rtcp(&mut sealed).unwrap();
            assert_eq!(theirs.open_rtcp(&sealed), Ok(plain.clone()), "{}: ours", suite.name());
            let sealed = theirs.protect_rtcp(&plain);
            assert_eq!(opened_rtcp(&mut inbound, &sealed), Ok(plain), "{}: theirs", suite.name());
        }
    }
}

#[test]
fn each_steps_over_the_mki_of_the_other() {
    for suite in Suite::ALL {
        for mki in [&b"\x01"[..], b"mki!", &[0xa5; 16]] {
            let (mut theirs, mut outbound, mut inbound) = three(suite, mki);
            for sequence in (65_500..=65_535).chain(0..40) {
                let plain = rtp(sequence, 0xbeef);
                let sealed = with_mki(suite, protected(&mut outbound, &plain), suite.rtp_tag_len(), mki);
                assert_eq!(theirs.protect(&plain), sealed, "{} {sequence}: the same octets", suite.name());
                assert_eq!(theirs.open(&sealed), Ok(plain.clone()), "{} {sequence}: ours", suite.name());
                assert_eq!(opened(&mut inbound, &sealed), Ok(plain), "{} {sequence}: theirs", suite.name());
            }
            let plain = rtcp(9, 3);
            // libsrtp2 begins with index 1.
            outbound.protect_rtcp(&mut plain.clone()).unwrap();
            let mut sealed = plain.clone();
            outbound.protect_rtcp(&mut sealed).unwrap();
            let sealed = with_mki(suite, sealed, SRTCP_TAG, mki);
            assert_eq!(theirs.protect_rtcp(&plain), sealed, "{}: the same octets of a report", suite.name());
            assert_eq!(opened_rtcp(&mut inbound, &sealed), Ok(plain.clone()), "{}: the report of theirs", suite.name());
            // libsrtp2 2.5 looks for the MKI of SRTCP where the tag of SRTP would begin, and so refuses its own reports
            // too where the two tags differ.
            let tags_differ = !suite.is_aead() && suite.rtp_tag_len() != SRTCP_TAG;
            let expected = if tags_differ { Err(Refused::Other(BAD_MKI)) } else { Ok(plain) };
            assert_eq!(theirs.open_rtcp(&sealed), expected, "{}: the report of ours", suite.name());
        }
    }
}

#[test]
fn both_refuse_what_is_forged_replayed_or_too_old() {
    for suite in Suite::ALL {
        let (mut theirs, mut outbound, mut inbound) = three(suite, &[]);
        let sealed: Vec<_> = (0..200).map(|sequence| protected(&mut outbound, &rtp(sequence, 3))).collect();
        assert!(theirs.open(&sealed[100]).is_ok() && opened(&mut inbound, &sealed[100]).is_ok());
        let genuine = &sealed[101];
        for octet in 1..genuine.len() {
            // Of the length fields of the header a change may make the packet malformed: refused all the same.
            let mut forged = genuine.clone();
            forged[octet] ^= 0x40;
            assert!(theirs.open(&forged).is_err(), "{} octet {octet}: theirs", suite.name());
            assert!(opened(&mut inbound, &forged).is_err(), "{} octet {octet}: ours", suite.name());
        }
        let mut other_tag = genuine.clone();
        *other_tag.last_mut().unwrap() ^= 1;
        assert_eq!(theirs.open(&other_tag), Err(Refused::Unauthentic));
        assert_eq!(opened(&mut inbound, &other_tag), Err(SrtpError::Unauthentic));
        assert_eq!(theirs.open(genuine), Ok(rtp(101, 3)), "{}: what was forged left no trace", suite.name());
        assert_eq!(opened(&mut inbound, genuine), Ok(rtp(101, 3)));
        assert_eq!(theirs.open(genuine), Err(Refused::Replayed));
        assert_eq!(opened(&mut inbound, genuine), Err(SrtpError::Replayed));
        assert!(theirs.open(&sealed[199]).is_ok() && opened(&mut inbound, &sealed[199]).is_ok());
        assert_eq!(theirs.open(&sealed[10]), Err(Refused::TooOld));
        assert_eq!(opened(&mut inbound, &sealed[10]), Err(SrtpError::TooOld));
        let report = theirs.protect_rtcp(&rtcp(3, 2));
        for octet in 1..report.len() {
            let mut forged = report.clone();
            forged[octet] ^= 0x40;
            assert!(theirs.open_rtcp(&forged).is_err(), "{} report, octet {octet}: theirs", suite.name());
            assert!(opened_rtcp(&mut inbound, &forged).is_err(), "{} report, octet {octet}: ours", suite.name());
        }
        assert_eq!(theirs.open_rtcp(&report), Ok(rtcp(3, 2)));
        assert_eq!(opened_rtcp(&mut inbound, &report), Ok(rtcp(3, 2)));
    }
}
