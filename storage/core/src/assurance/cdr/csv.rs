//! CSV (RFC 4180): quoted values, separators and line ends in quotes, CRLF or LF.

use super::{
    BadLine, Line,
    mapping::{Column, Mapping},
    row::{self, Ways},
    too_long,
};
use crate::limits::{CDR_COLUMNS, CDR_LINE_OCTETS};

/// Reads a table whose first line names the columns.
pub(super) fn table(text: &str, mapping: &Mapping, each: &mut impl FnMut(Line)) -> Result<(), String> {
    let first = text.lines().next().unwrap_or_default();
    let separator = mapping.separator.unwrap_or_else(|| guess(first));
    let mut records = Records { rest: text, line: 1, separator };
    let header = match records.next() {
        Some((_, Ok(header))) => header,
        Some((line, Err(reason))) => return Err(format!("line {line}: {reason}")),
        None => return Err("the file is empty".into()),
    };
    let columns: Vec<Option<Column>> = header.iter().map(|name| mapping.column(name)).collect();
    if !columns.contains(&Some(Column::StartedAt)) {
        return Err("no column says when calls began: name it by `columns.started_at`".into());
    }
    let ways = Ways { mapping, tells_answer: mapping.tells_answer && columns.contains(&Some(Column::AnsweredAt)) };
    for (line, record) in records {
        let record = match record {
            Ok(record) if record.len() == 1 && record[0].trim().is_empty() => continue,
            Ok(record) if record.len() != columns.len() => {
                let reason = format!("{} columns, the header has {}", record.len(), columns.len());
                each(Err(BadLine { line, reason }));
                continue;
            }
            Ok(record) => record,
            Err(reason) => {
                each(Err(if reason.is_empty() { too_long(line) } else { BadLine { line, reason } }));
                continue;
            }
        };
        let named = columns.iter().zip(&record).filter_map(|(column, value)| Some(((*column)?, value.as_ref())));
        each(row::read(named, &ways).map(|cdr| (line, cdr)).map_err(|reason| BadLine { line, reason }));
    }
    Ok(())
}

/// The separator that the header has the most of.
fn guess(header: &str) -> char {
    let count = |separator: &char| header.matches(*separator).count();
    [',', ';', '\t', '|'].into_iter().rev().max_by_key(count).unwrap_or(',')
}

type Record<'a> = Vec<std::borrow::Cow<'a, str>>;

/// Records with the number of the line they begin on. An empty reason stands for a line that is too long.
struct Records<'a> {
    rest: &'a str,
    line: u64,
    separator: char,
}

impl<'a> Iterator for Records<'a> {
    type Item = (u64, Result<Record<'a>, String>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let line = self.line;
        let end = self.end();
        let record = &self.rest[..end];
        self.line += record.matches('\n').count() as u64 + 1;
        self.rest = self.rest.get(end + 1..).unwrap_or_default();
        let record = record.strip_suffix('\r').unwrap_or(record);
        Some((line, if record.len() > CDR_LINE_OCTETS { Err(String::new()) } else { split(record, self.separator) }))
    }
}

impl Records<'_> {
    /// Where the record ends: at the first line end outside quotes. A quote that never ends must not eat the file: then it
    /// is the first line end of all.
    fn end(&self) -> usize {
        let mut is_quoted = false;
        for (at, octet) in self.rest.bytes().enumerate().take(CDR_LINE_OCTETS) {
            match octet {
                b'"' => is_quoted = !is_quoted,
                b'\n' if !is_quoted => return at,
                _ => {}
            }
        }
        self.rest.find('\n').unwrap_or(self.rest.len())
    }
}

fn split(record: &str, separator: char) -> Result<Record<'_>, String> {
    let mut values = Vec::new();
    let mut rest = record;
    loop {
        if values.len() >= CDR_COLUMNS {
            return Err(format!("more than {CDR_COLUMNS} columns"));
        }
        let (value, tail) = match rest.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let end = rest.find(separator).unwrap_or(rest.len());
                (rest[..end].trim().into(), &rest[end..])
            }
        };
        values.push(value);
        rest = match tail.strip_prefix(separator) {
            Some(tail) => tail,
            None if tail.is_empty() => return Ok(values),
            None => return Err("text behind a closing quote".into()),
        };
    }
}

/// The value up to its closing quote, and what is behind it.
fn unquote(quoted: &str) -> Result<(std::borrow::Cow<'_, str>, &str), String> {
    let mut from = 0;
    loop {
        let end = from + quoted[from..].find('"').ok_or("a quote is not closed")?;
        if quoted[end + 1..].starts_with('"') {
            from = end + 2;
            continue;
        }
        let value = &quoted[..end];
        let value = if value.contains('"') { value.replace("\"\"", "\"").into() } else { value.into() };
        return Ok((value, &quoted[end + 1..]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(text: &str) -> Vec<(u64, Result<Vec<String>, String>)> {
        let records = Records { rest: text, line: 1, separator: ',' };
        let owned = |record: Record<'_>| record.into_iter().map(std::borrow::Cow::into_owned).collect();
        records.map(|(line, record)| (line, record.map(owned))).collect()
    }

    #[test]
    fn values_in_quotes_keep_separators_quotes_and_line_ends() {
        let found = records("a,\"b,\"\"c\"\"\nd\"\r\n e ,\n");
        assert_eq!(found[0], (1, Ok(vec!["a".into(), "b,\"c\"\nd".into()])));
        assert_eq!(found[1], (3, Ok(vec!["e".into(), String::new()])));
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn a_quote_that_never_ends_spoils_its_own_line_alone() {
        let found = records("\"a,b\nc,d\n\"x\"y,z\n");
        assert_eq!(found[0], (1, Err("a quote is not closed".into())));
        assert_eq!(found[1], (2, Ok(vec!["c".into(), "d".into()])));
        assert_eq!(found[2], (3, Err("text behind a closing quote".into())));
        let long = format!("{}\nok\n", "x".repeat(CDR_LINE_OCTETS + 1));
        assert_eq!((records(&long)[0].1.clone(), records(&long)[1].0), (Err(String::new()), 2));
    }

    #[test]
    fn the_separator_is_what_the_header_has_most_of() {
        assert_eq!((guess("a;b;c,d"), guess("a,b"), guess("a\tb"), guess("alone")), (';', ',', '\t', ','));
    }
}
