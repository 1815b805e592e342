//! How a rule names DNs, numbers, agents and the like.

/// A word (whatever its case), a prefix `+49*`, or a range of numbers of one length `7000-7099`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pattern {
    Word(String),
    Prefix(String),
    Range(u64, u64, usize),
}

impl Pattern {
    /// `None` for what is empty, a range that runs backwards or is of two lengths, or a `*` that is not at the end.
    pub(super) fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(prefix) = text.strip_suffix('*') {
            return (!prefix.contains('*')).then(|| Self::Prefix(prefix.to_ascii_lowercase()));
        }
        if text.is_empty() || text.contains('*') {
            return None;
        }
        let is_number = |part: &str| !part.is_empty() && part.len() <= 18 && part.bytes().all(|b| b.is_ascii_digit());
        match text.split_once('-') {
            Some((from, to)) if is_number(from) && is_number(to) => {
                let (least, most) = (from.parse().ok()?, to.parse().ok()?);
                (from.len() == to.len() && least <= most).then_some(Self::Range(least, most, from.len()))
            }
            _ => Some(Self::Word(text.to_ascii_lowercase())),
        }
    }

    pub(super) fn fits(&self, value: &str) -> bool {
        match self {
            Self::Word(word) => value.eq_ignore_ascii_case(word),
            Self::Prefix(prefix) => value.get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix)),
            Self::Range(least, most, length) => {
                value.len() == *length
                    && value.bytes().all(|octet| octet.is_ascii_digit())
                    && value.parse::<u64>().is_ok_and(|number| (*least..=*most).contains(&number))
            }
        }
    }
}
