//! Who tells of calls, and for which times that can be relied on.

use crate::limits::LINK_SPANS;

/// One source of calls.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) name: Box<str>,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    /// A file source: it has told of everything from its first call to its last one.
    Cdr { first: u64, last: u64 },
    /// A link: it tells of what happens while it is up.
    Cti { up_since: Option<u64>, spans: Vec<(u64, u64)> },
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Sources(Vec<Source>);

/// Whether somebody would have told of a call at that time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coverage {
    /// Yes.
    Told,
    /// Call detail records of that time have not come yet.
    CdrBehind,
    /// The link was down, and no call detail records cover the time.
    CtiDown,
    /// There is no source at all.
    Nobody,
}

const CDR: &str = "cdr:";

impl Sources {
    /// The number of a source by its name; none when there are too many.
    pub(super) fn number(&mut self, name: &str) -> Option<u16> {
        if let Some(known) = self.0.iter().position(|source| &*source.name == name) {
            return u16::try_from(known).ok();
        }
        let number = u16::try_from(self.0.len()).ok().filter(|_| self.0.len() < crate::limits::CALL_SOURCES)?;
        let kind = if name.starts_with(CDR) {
            Kind::Cdr { first: u64::MAX, last: 0 }
        } else {
            Kind::Cti { up_since: None, spans: Vec::new() }
        };
        self.0.push(Source { name: name.into(), kind });
        Some(number)
    }

    pub(super) fn name(&self, number: u16) -> &str {
        &self.0[usize::from(number)].name
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|source| &*source.name)
    }

    pub(super) fn is_cti(&self, number: u16) -> bool {
        matches!(self.0[usize::from(number)].kind, Kind::Cti { .. })
    }

    /// A file source told of a call.
    pub(super) fn told(&mut self, number: u16, start: u64, end: u64) {
        if let Kind::Cdr { first, last } = &mut self.0[usize::from(number)].kind {
            *first = (*first).min(start);
            *last = (*last).max(end);
        }
    }

    /// A link came up or went down.
    pub(super) fn link(&mut self, name: &str, is_up: bool, at: u64) {
        let Some(number) = self.number(name) else { return };
        let Kind::Cti { up_since, spans } = &mut self.0[usize::from(number)].kind else { return };
        match (is_up, *up_since) {
            (true, None) => *up_since = Some(at),
            (false, Some(since)) => {
                *up_since = None;
                if spans.len() >= LINK_SPANS {
                    // What is older is out of every day that is held.
                    spans.remove(0);
                }
                spans.push((since, at));
            }
            (true, Some(_)) | (false, None) => {}
        }
    }

    /// The node ended: so did its links, when it was last heard of.
    pub(super) fn all_down(&mut self, at: u64) {
        let names: Vec<Box<str>> = self.0.iter().map(|source| source.name.clone()).collect();
        names.iter().for_each(|name| self.link(name, false, at));
    }

    /// Whether somebody would have told of a call from `start` to `end`. `knows_cti` is whether its DN is one that CTI
    /// tells of at all.
    pub(super) fn cover(&self, (start, end): (u64, u64), knows_cti: bool, expects_cdrs: bool) -> Coverage {
        let (mut has_cdrs, mut has_cti) = (expects_cdrs, false);
        for source in &self.0 {
            match &source.kind {
                Kind::Cdr { first, last } => {
                    has_cdrs = true;
                    if *first <= start && end <= *last {
                        return Coverage::Told;
                    }
                }
                Kind::Cti { up_since, spans } => {
                    has_cti |= knows_cti;
                    let is_up = up_since.is_some_and(|since| since <= start)
                        || spans.iter().any(|(from, to)| *from <= start && end <= *to);
                    if is_up && knows_cti && !expects_cdrs {
                        return Coverage::Told;
                    }
                }
            }
        }
        match (has_cdrs, has_cti) {
            (true, _) => Coverage::CdrBehind,
            (false, true) => Coverage::CtiDown,
            (false, false) => Coverage::Nobody,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_covers_what_lies_in_one_span_of_it() {
        let mut sources = Sources::default();
        assert_eq!(sources.cover((1, 2), true, false), Coverage::Nobody);
        sources.link("tlib:0", true, 100);
        sources.link("tlib:0", false, 200);
        sources.link("tlib:0", true, 300);
        let cover = |start, end| sources.cover((start, end), true, false);
        assert_eq!(
            (cover(100, 200), cover(150, 250), cover(300, 900)),
            (Coverage::Told, Coverage::CtiDown, Coverage::Told)
        );
        assert_eq!(sources.cover((300, 400), false, false), Coverage::Nobody, "CTI knows nothing of that DN");
        sources.all_down(500);
        assert_eq!(sources.cover((400, 600), true, false), Coverage::CtiDown);
    }

    #[test]
    fn call_detail_records_cover_what_lies_between_the_first_and_the_last() {
        let mut sources = Sources::default();
        let number = sources.number("cdr:pbx").expect("room");
        sources.told(number, 100, 200);
        sources.told(number, 300, 400);
        assert_eq!(sources.cover((150, 350), false, false), Coverage::Told);
        assert_eq!(sources.cover((350, 401), false, false), Coverage::CdrBehind);
        assert_eq!(Sources::default().cover((1, 2), true, true), Coverage::CdrBehind, "they are expected");
    }
}
