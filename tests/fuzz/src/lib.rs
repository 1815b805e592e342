//! Every parser of the recorder as a function of octets, with seeds: one body for libFuzzer, for `mutants` and for the tests.
//!
//! A target takes any octets, must return, and panics only where the parser broke a promise: what was written must be
//! readable, what is forged must change nothing, what ended must be forgotten.

mod cdr;
pub mod endpoint;
mod gws;
mod handshake;
pub mod limits;
mod link;
pub mod mutate;
pub mod shaken;
mod signals;
mod sound;
mod stores;
mod stranger;
pub mod vectors;

/// One parser.
#[derive(Clone, Copy)]
pub struct Target {
    /// The word that selects it; its libFuzzer target is called the same.
    pub name: &'static str,
    /// Octets that lead deep into it.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Words of its grammar, which a blind mutation would not find.
    pub words: &'static [&'static str],
    /// Runs it.
    pub run: fn(&[u8]),
    /// So many inputs before one may have a part in what it finds: they are run again with it.
    pub before: u64,
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target { name: "sip", seeds: vectors::messages, words: signals::SIP, run: signals::sip, before: 0 },
    Target { name: "stream", seeds: signals::streams, words: signals::SIP, run: signals::stream, before: 0 },
    Target { name: "sdp", seeds: signals::descriptions, words: signals::SDP, run: signals::sdp, before: 0 },
    Target { name: "multipart", seeds: signals::bodies, words: signals::MIME, run: signals::multipart, before: 0 },
    Target { name: "metadata", seeds: signals::documents, words: signals::XML, run: signals::metadata, before: 0 },
    Target { name: "genesys", seeds: signals::uris, words: signals::URI, run: signals::genesys, before: 0 },
    Target { name: "endpoint", seeds: endpoint::conversations, words: signals::SIP, run: endpoint::run, before: 0 },
    Target { name: "tlib", seeds: link::seeds, words: link::WORDS, run: link::tlib, before: 0 },
    Target { name: "gws", seeds: gws::seeds, words: gws::WORDS, run: gws::gws, before: 0 },
    Target { name: "rtp", seeds: sound::rtp_seeds, words: &[], run: sound::rtp, before: 0 },
    Target { name: "rtcp", seeds: sound::rtcp_seeds, words: &[], run: sound::rtcp, before: 0 },
    Target { name: "srtp", seeds: sound::srtp_seeds, words: &[], run: sound::srtp, before: 0 },
    Target { name: "dtls", seeds: stranger::seeds, words: &[], run: stranger::dtls, before: stranger::FORGETS },
    Target { name: "handshake", seeds: handshake::seeds, words: &[], run: handshake::handshake, before: 0 },
    Target { name: "track", seeds: sound::track_seeds, words: &[], run: sound::track, before: 0 },
    Target { name: "ledger", seeds: stores::ledger_seeds, words: stores::JSON, run: stores::ledger, before: 0 },
    Target { name: "chunk", seeds: stores::chunk_seeds, words: &["RCHK"], run: stores::chunk, before: 0 },
    Target { name: "spool", seeds: stores::spool_seeds, words: &["RBLK", "RECSPOOL"], run: stores::spool, before: 0 },
    Target { name: "object", seeds: stores::object_seeds, words: &[], run: stores::object, before: 0 },
    Target { name: "manifest", seeds: stores::manifest_seeds, words: stores::JSON, run: stores::manifest, before: 0 },
    Target { name: "cdr", seeds: cdr::seeds, words: cdr::WORDS, run: cdr::cdr, before: 0 },
];

/// The target of that name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
