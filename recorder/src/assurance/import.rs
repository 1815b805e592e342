//! Reads a file of call detail records into facts: what is new of it, in pieces that fit a line of the ledger.

use std::collections::HashSet;

use crypto::digest::sha256_hex;
use model::{Actor, Cdr, CdrBatch, CdrImported, Expectation, Fact, Treatment};
use session::{Policy, Words};
use storage_core::{
    assurance::{
        Book, Day,
        cdr::{self, BadLine, Imported, Mapping},
    },
    limits::{BAD_LINES_LISTED, CDRS_PER_FACT},
};

/// A file that was read and not yet written down.
pub(crate) struct Read {
    pub(crate) told: Imported,
    cdrs: Vec<Cdr>,
}

/// Reads a file; `first` is the first day that can still be judged, `is_known` says which lines were there before. What the policy wanted of a call is what it says of its
/// words, where the file does not say.
pub(crate) fn read(
    octets: &[u8],
    mapping: &Mapping,
    policy: Option<&Policy>,
    (first, is_known): (Day, impl Fn(&Cdr) -> bool),
) -> Result<Read, String> {
    let batch = sha256_hex(octets);
    let source = mapping.source.clone();
    let mut told = Imported { batch, source, ..Imported::default() };
    let (mut cdrs, mut ids) = (Vec::new(), HashSet::new());
    cdr::read(octets, mapping, |line| {
        told.lines += 1;
        match line {
            Ok((_, cdr)) if is_known(&cdr) || !ids.insert(cdr.id.clone()) => told.known += 1,
            Ok((line, cdr)) if Day::of(cdr.call.started_at) < first => {
                bad(&mut told, BadLine { line, reason: format!("older than {first}, the first day that is held") });
            }
            Ok((_, mut cdr)) => {
                told.added += 1;
                policy.into_iter().for_each(|policy| rule(&mut cdr, policy));
                cdrs.push(cdr);
            }
            Err(line) => bad(&mut told, line),
        }
    })?;
    Ok(Read { told, cdrs })
}

fn bad(told: &mut Imported, line: BadLine) {
    told.bad += 1;
    if told.bad_lines.len() < BAD_LINES_LISTED {
        told.bad_lines.push(line);
    }
}

fn rule(cdr: &mut Cdr, policy: &Policy) {
    if cdr.call.expectation != Expectation::Unknown {
        return;
    }
    let call = &cdr.call;
    let texts =
        |texts: &[model::Personal<String>]| -> Vec<String> { texts.iter().map(|text| text.reveal().clone()).collect() };
    let mut words = Words { direction: call.direction, ..Words::default() };
    words.dns = texts(&call.dns);
    words.agents = texts(&call.agents);
    words.numbers = call.dns.iter().chain(&call.ani).chain(&call.dnis).map(|text| text.reveal().clone()).collect();
    words.sample_key =
        call.call_uuid.as_ref().or(call.conn_id.as_ref()).or(cdr.call_id.as_ref()).cloned().unwrap_or_default();
    let ruling = policy.rule(&words);
    // Without a rule the scope of the assurance decides: a file tells of calls that nobody ever meant to record.
    if ruling.rule.is_some() {
        cdr.call.expectation = match ruling.treatment {
            Treatment::Never => Expectation::Never,
            Treatment::Provisional => Expectation::Provisional,
            Treatment::Record => Expectation::Record,
        };
        cdr.call.rule = ruling.rule;
    }
}

impl Read {
    /// The facts of it, the last one says that it was read to its end.
    pub(crate) fn facts(&self, by: &Actor) -> impl Iterator<Item = Fact> {
        let told = &self.told;
        let piece = |cdrs: &[Cdr]| {
            let batch = CdrBatch { batch: told.batch.clone(), source: told.source.clone(), cdrs: cdrs.to_vec() };
            Fact::CdrsRead(Box::new(batch))
        };
        let end = Fact::CdrImported(Box::new(CdrImported {
            batch: told.batch.clone(),
            source: told.source.clone(),
            lines: told.lines,
            added: told.added,
            known: told.known,
            bad: told.bad,
            by: by.clone(),
        }));
        self.cdrs.chunks(CDRS_PER_FACT).map(piece).chain([end])
    }
}

/// What a book takes in, and what it has.
pub(crate) fn known(book: &Book) -> (Day, impl Fn(&Cdr) -> bool) {
    (book.first(), |cdr| book.is_known(cdr))
}
