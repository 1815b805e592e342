//! The signed report of a day: two lines of JSON, so that any tool can check it without knowing what is in it.
//!
//! ```text
//! {"kind":"recorder-assurance-day","version":1,"day":"2026-11-21",...}          what is reported
//! {"sha256":"5e…","public":"…","signature":"…"}                                 of the octets of the first line
//! ```
//! The signature is Ed25519 over `recorder-assurance-day-v1:<sha256>`, by the key that signs the ledger of the node.

use crypto::{
    digest::sha256_hex,
    sign::{self, Signer},
};
use model::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    book::{Book, Stats},
    day::Day,
    summary::{DnShare, Summary},
    users::SilentUser,
    verdict::JudgedCall,
};

/// What a report says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    kind: &'static str,
    version: u8,
    /// The day, UTC.
    pub day: Day,
    /// 1 for the first report of the day.
    pub revision: u32,
    /// When it was made, RFC 3339.
    pub made_at: String,
    /// The node that made it.
    pub node: String,
    /// The figures.
    pub summary: Summary,
    /// By DN, the worst first.
    pub dns: Vec<DnShare>,
    /// The incidents, with their annotations.
    pub incidents: Vec<JudgedCall>,
    /// Incidents beyond those listed.
    pub incidents_unlisted: u64,
    /// Users without a recording for as long as the settings say.
    pub silent_users: Vec<SilentUser>,
    /// Who told of calls.
    pub sources: Vec<String>,
    /// What the verdicts were found by.
    pub settings: Figures,
}

/// The settings as they are reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Figures {
    grace_ms: u64,
    tolerance_ms: u64,
    partial_ms: u64,
    min_ms: u64,
    silent_days: u32,
    names_refused: u64,
    rows_too_old: u64,
    days_dropped: u64,
}

/// The second line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seal {
    sha256: String,
    public: String,
    signature: String,
}

/// Why a document is no report that can be relied on; each is another finding.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReportFault {
    /// It is not two lines of JSON as a report is.
    #[error("not a signed report: {0}")]
    Malformed(&'static str),
    /// The report is not the one that was signed.
    #[error("the report was altered: its digest is not the one that was signed")]
    Altered,
    /// The signature is none of the key that it names.
    #[error("the signature is false")]
    Forged,
    /// It is signed, but not by the node that was asked about.
    #[error("signed by another key: {0}")]
    Foreign(String),
}

const KIND: &str = "recorder-assurance-day";

impl Report {
    /// The report of a day as of `now`.
    pub fn new(book: &Book, (day, now): (Day, Timestamp), node: &str) -> Self {
        let outcome = book.judge(day, now);
        let Stats { names_refused, too_old, days_dropped, .. } = book.stats();
        Self {
            kind: KIND,
            version: 1,
            day,
            revision: book.reported(day).map_or(0, |(revision, _)| revision) + 1,
            made_at: now.to_string(),
            node: node.to_owned(),
            summary: outcome.summary,
            dns: outcome.dns,
            incidents: outcome.incidents,
            incidents_unlisted: outcome.unlisted,
            silent_users: book.silent(now),
            sources: book.sources.names().map(str::to_owned).collect(),
            settings: Figures {
                grace_ms: book.settings.grace_ms,
                tolerance_ms: book.settings.tolerance_ms,
                partial_ms: book.settings.partial_ms,
                min_ms: book.settings.min_ms,
                silent_days: book.settings.silent_days,
                names_refused,
                rows_too_old: too_old,
                days_dropped,
            },
        }
    }

    /// What it says of the calls, as a digest: the same for the same verdicts and annotations.
    pub fn content(&self) -> String {
        let said = (&self.summary, &self.dns, &self.incidents);
        sha256_hex(&serde_json::to_vec(&said).expect("plain data with text keys"))
    }

    /// The signed document.
    pub fn sign(&self, signer: &Signer) -> Vec<u8> {
        let mut octets = serde_json::to_vec(self).expect("a report is plain data with text keys");
        let sha256 = sha256_hex(&octets);
        let signature = signer.sign(signed_text(&sha256).as_bytes());
        let seal = Seal { sha256, public: signer.public_hex(), signature };
        octets.push(b'\n');
        octets.extend(serde_json::to_vec(&seal).expect("three strings"));
        octets.push(b'\n');
        octets
    }

    /// Where it stands in the archive.
    pub fn object(day: Day, revision: u32) -> String {
        format!("assurance/{}/report-{revision}.json.sealed", day.to_string().replace('-', "/"))
    }

    /// Checks a signed document against the key `public` (hex), or against the key it names when none is given.
    /// Returns the day and the octets of the report.
    pub fn verify<'a>(octets: &'a [u8], public: Option<&str>) -> Result<(String, &'a [u8]), ReportFault> {
        let malformed = ReportFault::Malformed;
        let mut lines = octets.split(|octet| *octet == b'\n');
        let report = lines.next().unwrap_or_default();
        let seal = lines.next().ok_or(malformed("it has one line"))?;
        if lines.next().is_none_or(|rest| !rest.is_empty()) || lines.next().is_some() {
            return Err(malformed("it has not two lines"));
        }
        let seal: Seal = serde_json::from_slice(seal).map_err(|_| malformed("its second line is no signature"))?;
        if sha256_hex(report) != seal.sha256 {
            return Err(ReportFault::Altered);
        }
        if !sign::verify(&seal.public, signed_text(&seal.sha256).as_bytes(), &seal.signature) {
            return Err(ReportFault::Forged);
        }
        if public.is_some_and(|public| !public.eq_ignore_ascii_case(&seal.public)) {
            return Err(ReportFault::Foreign(seal.public));
        }
        let head: Head = serde_json::from_slice(report).map_err(|_| malformed("its first line is no report"))?;
        if head.kind != KIND || head.version != 1 {
            return Err(malformed("it is of another kind or version"));
        }
        Ok((head.day, report))
    }
}

#[derive(Deserialize)]
struct Head {
    kind: String,
    version: u8,
    day: String,
}

fn signed_text(sha256: &str) -> String {
    format!("{KIND}-v1:{sha256}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assurance::Settings;

    fn signed() -> (Vec<u8>, Signer) {
        let signer = Signer::from_seed([3; 32]);
        let day = "2026-11-21".parse().expect("a day");
        let report = Report::new(&Book::new(Settings::default()), (day, day.end()), "a");
        (report.sign(&signer), signer)
    }

    #[test]
    fn a_signed_report_verifies_and_an_altered_or_foreign_one_does_not() {
        let (octets, signer) = signed();
        let (day, report) = Report::verify(&octets, Some(&signer.public_hex())).expect("as it was signed");
        assert_eq!((day.as_str(), report.len() < octets.len()), ("2026-11-21", true));
        let text = String::from_utf8(octets.clone()).expect("text");
        let altered = text.replacen("\"calls\":0", "\"calls\":1", 1);
        assert_ne!(altered, text);
        assert_eq!(Report::verify(altered.as_bytes(), None), Err(ReportFault::Altered));
        let other = Signer::from_seed([4; 32]);
        assert_eq!(Report::verify(&octets, Some(&other.public_hex())), Err(ReportFault::Foreign(signer.public_hex())));
        let forged = text.replace(&signer.public_hex(), &other.public_hex());
        assert_eq!(Report::verify(forged.as_bytes(), None), Err(ReportFault::Forged));
        for broken in ["", "{}", "{}\n{}\n", &text.replace('\n', " "), &format!("{text}{text}")] {
            assert!(matches!(Report::verify(broken.as_bytes(), None), Err(ReportFault::Malformed(_))), "{broken:.40}");
        }
    }
}
