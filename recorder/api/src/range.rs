//! Byte ranges (RFC 9110 14): what part of a representation is asked for.

use std::ops::Range;

/// What a `Range` header asks of a representation of a known length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// No range, or one that may be ignored: other units, several ranges, nonsense (RFC 9110 14.2).
    Whole,
    /// These octets, at least one.
    Part(Range<u64>),
    /// Nothing of it exists: 416.
    Beyond,
}

/// Reads the header.
pub(crate) fn asked(header: Option<&str>, length: u64) -> Asked {
    let Some(set) = header.and_then(|header| header.trim().strip_prefix("bytes=")) else { return Asked::Whole };
    let Some((first, last)) = set.trim().split_once('-').filter(|_| !set.contains(',')) else { return Asked::Whole };
    let part = match (digits(first), digits(last), first.is_empty(), last.is_empty()) {
        (Some(first), Some(last), ..) if first <= last => first..last.saturating_add(1).min(length),
        (Some(first), None, _, true) => first..length,
        (None, Some(suffix), true, _) => length.saturating_sub(suffix)..length,
        _ => return Asked::Whole,
    };
    if part.is_empty() { Asked::Beyond } else { Asked::Part(part) }
}

fn digits(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // A number beyond u64 lies beyond any representation.
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_rfc_9110_says() {
        for (header, expected) in [
            ("bytes=0-0", Asked::Part(0..1)),
            ("bytes=0-99", Asked::Part(0..100)),
            ("bytes=10-", Asked::Part(10..100)),
            ("bytes=90-1000", Asked::Part(90..100)),
            ("bytes=-10", Asked::Part(90..100)),
            ("bytes=-1000", Asked::Part(0..100)),
            ("bytes=100-", Asked::Beyond),
            ("bytes=100-200", Asked::Beyond),
            ("bytes=-0", Asked::Beyond),
            ("bytes=99999999999999999999999-", Asked::Beyond),
            ("bytes=5-4", Asked::Whole),
            ("bytes=-", Asked::Whole),
            ("bytes=a-b", Asked::Whole),
            ("bytes=0-1,5-6", Asked::Whole),
            ("lines=0-1", Asked::Whole),
        ] {
            assert_eq!(asked(Some(header), 100), expected, "{header}");
        }
        assert_eq!(asked(None, 100), Asked::Whole);
        assert_eq!(asked(Some("bytes=0-"), 0), Asked::Beyond);
    }
}
