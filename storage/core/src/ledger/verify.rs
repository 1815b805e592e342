//! Walks a ledger line by line and names every edit, loss, reorder, truncation and missing signature.

use std::fmt;

use crypto::sign;

use super::{Chain, Checkpoint, Damage, Entry, Head, Line, checkpoint_text, decode, stated_hash};
use crate::limits::FACTS_PER_CHECKPOINT;

/// One thing that is wrong, at a line counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The line does not match its own hash, or cannot be read.
    Damaged {
        /// Where.
        line: u64,
        /// How.
        damage: Damage,
    },
    /// The line does not continue the one before: something was lost, inserted or moved here.
    Broken {
        /// Where.
        line: u64,
    },
    /// A checkpoint is signed by a stranger, or over something else.
    Signature {
        /// Where.
        line: u64,
    },
    /// The octets after the last line feed are no line: the rest of an interrupted write.
    Torn {
        /// Where.
        line: u64,
    },
    /// More facts without a checkpoint than the writer ever leaves.
    Unsigned {
        /// The last line.
        line: u64,
        /// Facts since the last valid checkpoint.
        facts: u64,
    },
    /// A signed head names a line that is not here: the end was cut off.
    Truncated {
        /// Number of the last fact the head knows.
        head: u64,
        /// Number of the last fact in the file.
        found: u64,
    },
    /// There is no usable signed head.
    HeadMissing,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged { line, damage } => write!(f, "line {line}: {damage}"),
            Self::Broken { line } => {
                write!(f, "line {line}: does not continue the line before (lost, inserted or moved)")
            }
            Self::Signature { line } => write!(f, "line {line}: checkpoint signature is not valid"),
            Self::Torn { line } => write!(f, "line {line}: incomplete line at the end"),
            Self::Unsigned { line, facts } => write!(f, "line {line}: {facts} facts without a signed checkpoint"),
            Self::Truncated { head, found } => {
                write!(
                    f,
                    "end of file: HEAD knows {head} facts, the file ends with fact {found}: the end is missing or replaced"
                )
            }
            Self::HeadMissing => f.write_str("HEAD: missing or not signed by this node"),
        }
    }
}

/// The walk: [`Verifier::line`] for every line in order, then [`Verifier::finish`].
pub struct Verifier {
    public: String,
    heads: Vec<Head>,
    /// `None` after damage that hid where the chain goes on.
    chain: Option<Chain>,
    lines: u64,
    facts: u64,
    unsigned: u64,
    last: u64,
    findings: Vec<Finding>,
}

impl Verifier {
    /// Verifies against the node's public key; each of `heads` must name a line of the ledger.
    pub fn new(public: &str, heads: Vec<Head>) -> Self {
        Self {
            public: public.to_owned(),
            heads,
            chain: Some(Chain::default()),
            lines: 0,
            facts: 0,
            unsigned: 0,
            last: 0,
            findings: Vec::new(),
        }
    }

    /// The next line, without its line feed.
    pub fn line(&mut self, octets: &[u8]) {
        self.lines += 1;
        match decode(octets) {
            Ok(line) => self.whole(&line),
            Err(damage) => {
                self.found(Finding::Damaged { line: self.lines, damage });
                self.chain = match (self.chain.take(), stated_hash(octets)) {
                    (Some(chain), Some(hash)) => Some(Chain { n: chain.n, head: hash.to_owned() }),
                    _ => None,
                };
            }
        }
    }

    /// The octets after the last line feed, if there are any.
    pub fn torn(&mut self) {
        self.found(Finding::Torn { line: self.lines + 1 });
    }

    /// Facts seen.
    pub fn facts(&self) -> u64 {
        self.facts
    }

    /// Everything that is wrong.
    pub fn finish(mut self) -> Vec<Finding> {
        if self.unsigned > FACTS_PER_CHECKPOINT {
            self.found(Finding::Unsigned { line: self.lines, facts: self.unsigned });
        }
        for head in std::mem::take(&mut self.heads) {
            // Fact 0 is the empty ledger: nothing can be missing from it.
            if head.n > 0 {
                self.found(Finding::Truncated { head: head.n, found: self.last });
            }
        }
        self.findings
    }

    fn whole(&mut self, line: &Line) {
        let is_fact = matches!(line.entry, Entry::Fact(_));
        if let Some(chain) = &self.chain {
            // A damaged line hides whether it was a fact or a checkpoint: the hash alone says whether it is followed.
            if chain.head != line.prev || (self.findings.is_empty() && line.n != chain.n + u64::from(is_fact)) {
                self.found(Finding::Broken { line: self.lines });
            }
        }
        match &line.entry {
            Entry::Fact(_) => {
                self.facts += 1;
                self.unsigned += 1;
            }
            Entry::Checkpoint(checkpoint) if self.is_ours(line, checkpoint) => self.unsigned = 0,
            Entry::Checkpoint(_) => self.found(Finding::Signature { line: self.lines }),
        }
        self.last = line.n;
        self.heads.retain(|head| head.head != line.hash || head.n != line.n);
        self.chain.get_or_insert_default().follow(line);
    }

    fn is_ours(&self, line: &Line, checkpoint: &Checkpoint) -> bool {
        checkpoint.public == self.public
            && sign::verify(&self.public, checkpoint_text(line.n, &line.prev).as_bytes(), &checkpoint.signature)
    }

    /// At most [`FINDINGS`] are kept: a file of noise must not become a list of noise.
    fn found(&mut self, finding: Finding) {
        if self.findings.len() < FINDINGS {
            self.findings.push(finding);
        }
    }
}

const FINDINGS: usize = 1_000;

#[cfg(test)]
mod tests {
    use crypto::sign::Signer;
    use model::{Fact, Timestamp};

    use super::*;

    fn signer() -> Signer {
        Signer::from_seed([1; 32])
    }

    /// Five facts, a checkpoint, five facts; and the head.
    fn ledger() -> (Vec<Vec<u8>>, Head) {
        let (mut chain, mut out) = (Chain::default(), Vec::new());
        for n in 0..10 {
            chain.append(Timestamp::from_nanos(n), &Fact::NodeStopped { node: format!("node-{n}") }, &mut out);
            if n == 4 {
                chain.checkpoint(Timestamp::from_nanos(n), &signer(), &mut out);
            }
        }
        let lines = out.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect();
        (lines, chain.sign(&signer()))
    }

    fn walk(lines: &[Vec<u8>], head: Head, public: &str) -> Vec<Finding> {
        let mut verifier = Verifier::new(public, vec![head]);
        lines.iter().for_each(|line| verifier.line(line));
        verifier.finish()
    }

    #[test]
    fn an_untouched_ledger_is_clean_and_a_strangers_is_not() {
        let (lines, head) = ledger();
        assert_eq!(walk(&lines, head.clone(), &signer().public_hex()), []);
        let stranger = Signer::from_seed([2; 32]).public_hex();
        assert_eq!(walk(&lines, head, &stranger), [Finding::Signature { line: 6 }]);
    }

    #[test]
    fn an_edit_is_named_by_its_line_and_nothing_else() {
        let (mut lines, head) = ledger();
        let at = lines[2].windows(4).position(|part| part == b"node").expect("the node's name");
        lines[2][at] = b'N';
        assert_eq!(walk(&lines, head, &signer().public_hex()), [Finding::Damaged { line: 3, damage: Damage::Altered }]);
    }

    #[test]
    fn loss_reorder_and_a_rewritten_chain_are_found() {
        let (mut lines, head) = ledger();
        lines.remove(3);
        assert_eq!(walk(&lines, head, &signer().public_hex()), [Finding::Broken { line: 4 }]);

        let (mut lines, head) = ledger();
        lines.swap(1, 2);
        let findings = walk(&lines, head, &signer().public_hex());
        assert!(findings.contains(&Finding::Broken { line: 2 }), "{findings:?}");

        let (_, head) = ledger();
        let (mut forged, mut out) = (Chain::default(), Vec::new());
        for n in 0..10 {
            forged.append(Timestamp::from_nanos(n), &Fact::NodeStopped { node: "forged".into() }, &mut out);
        }
        let lines: Vec<_> =
            out.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect();
        assert_eq!(walk(&lines, head, &signer().public_hex()), [Finding::Truncated { head: 10, found: 10 }]);
    }

    #[test]
    fn a_clean_cut_at_the_end_contradicts_the_head() {
        let (mut lines, head) = ledger();
        lines.truncate(9);
        assert_eq!(walk(&lines, head, &signer().public_hex()), [Finding::Truncated { head: 10, found: 8 }]);
    }

    #[test]
    fn a_long_stretch_without_signature_is_reported() {
        let (mut chain, mut out) = (Chain::default(), Vec::new());
        for n in 0..=FACTS_PER_CHECKPOINT {
            chain.append(Timestamp::from_nanos(n), &Fact::NodeStopped { node: String::new() }, &mut out);
        }
        let lines: Vec<_> =
            out.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect();
        let found = walk(&lines, chain.sign(&signer()), &signer().public_hex());
        assert_eq!(found, [Finding::Unsigned { line: FACTS_PER_CHECKPOINT + 1, facts: FACTS_PER_CHECKPOINT + 1 }]);
    }
}
