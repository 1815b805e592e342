//! Times of recording metadata: RFC 3339 as RFC 7865 6.9 asks for, and what peers send in its place (Q-TIME).

use crate::profile::Zone;

/// A time that a document tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    /// Nanoseconds since 1970-01-01, UTC.
    pub(super) nanos: u64,
    /// False when the text names no zone: it was read as UTC.
    pub(super) has_zone: bool,
}

impl Told {
    /// A clock that was never set counts from 1970 (Metaswitch, Ribbon).
    pub(super) const fn is_unset(self) -> bool {
        self.nanos < 365 * DAY_S * SECOND_NS
    }
}

impl Told {
    /// The instant, when a text without zone was meant in this one.
    pub(super) fn in_zone(self, zone: Zone) -> u64 {
        let east = if self.has_zone { 0 } else { i64::from(zone.0) };
        let shift = east.unsigned_abs() * SECOND_NS;
        if east < 0 { self.nanos.saturating_add(shift) } else { self.nanos.saturating_sub(shift) }
    }
}

/// Reads `2026-03-04T10:15:00.000Z` and its relatives: any fraction, `,` for `.`, a blank for the `T`, `+03:00`, `+0300`
/// (OpenSIPS), `+03`, or no zone. `None` when the text is no time of 1970 to 2553.
pub(super) fn read(text: &str) -> Option<Told> {
    let (date, rest) = text.trim().split_once(['T', 't', ' '])?;
    let (of_day, zone) = rest.split_at(rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len()));
    let days = days(date)?;
    let (seconds, fraction_ns) = time_of_day(of_day.trim())?;
    let offset = match zone.trim() {
        "" => None,
        zone => Some(offset_s(zone)?),
    };
    let seconds = (days * DAY_S + seconds).checked_add_signed(-offset.unwrap_or(0))?;
    let nanos = seconds.checked_mul(SECOND_NS)?.checked_add(fraction_ns)?;
    Some(Told { nanos, has_zone: offset.is_some() })
}

/// Days from 1970-01-01 to `yyyy-mm-dd`.
fn days(date: &str) -> Option<u64> {
    let mut parts = date.split('-');
    let (year, month, day) = (digits(parts.next()?, 4)?, digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let is_leap = |year: u64| (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400);
    let length = |month: u64| match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let is_lawful = parts.next().is_none() && (1970..2554).contains(&year) && (1..=12).contains(&month);
    if !is_lawful || !(1..=length(month)).contains(&day) {
        return None;
    }
    let leaps = (1970..year).filter(|year| is_leap(*year)).count() as u64;
    Some((year - 1970) * 365 + leaps + (1..month).map(length).sum::<u64>() + day - 1)
}

/// Seconds of the day and nanoseconds of the second.
fn time_of_day(text: &str) -> Option<(u64, u64)> {
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, "0"));
    let mut parts = whole.split(':');
    let (hour, minute, second) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    // 60 is a leap second: it is read as the first of the next minute.
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let fraction = fraction.get(..9).unwrap_or(fraction);
    // Still longer: its ninth octet lies within a character, and it is no number anyway.
    let scale = 10_u64.pow(9_u32.checked_sub(u32::try_from(fraction.len()).ok()?)?);
    Some((hour * 3_600 + minute * 60 + second, digits(fraction, fraction.len())? * scale))
}

/// Seconds east of Greenwich.
fn offset_s(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let zone = zone.get(1..)?;
    let (hours, minutes) = match zone.split_once(':') {
        Some(parts) => parts,
        None if zone.len() == 2 => (zone, "00"),
        None => (zone.get(..2)?, zone.get(2..)?),
    };
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    (hours < 24 && minutes < 60).then(|| sign * (hours * 3_600 + minutes * 60).cast_signed())
}

fn digits(text: &str, length: usize) -> Option<u64> {
    let is_number = !text.is_empty() && text.len() == length && text.bytes().all(|octet| octet.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

const DAY_S: u64 = 86_400;
const SECOND_NS: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2026-03-04T10:15:00Z.
    const NOON: u64 = 1_772_619_300 * SECOND_NS;

    #[test]
    fn every_spelling_of_one_instant_is_that_instant() {
        for text in [
            "2026-03-04T10:15:00Z",
            "2026-03-04T10:15:00.000Z",
            "2026-03-04t10:15:00z",
            " 2026-03-04T13:15:00+0300 ",
            "2026-03-04T13:15:00.0+03:00",
            "2026-03-04T13:15:00+03",
            "2026-03-04 05:45:00 -04:30",
            "2026-03-04T10:14:60Z",
            "2026-03-04T10:15:00-00:00",
        ] {
            assert_eq!(read(text), Some(Told { nanos: NOON, has_zone: true }), "{text}");
        }
        assert_eq!(read("2026-03-04T10:15:00"), Some(Told { nanos: NOON, has_zone: false }));
        assert_eq!(read("2026-03-04T10:15:00,25").map(|told| told.nanos), Some(NOON + SECOND_NS / 4));
        assert_eq!(read("2026-03-04T10:15:00.1234567891234Z").map(|told| told.nanos), Some(NOON + 123_456_789));
    }

    #[test]
    fn a_zone_counts_for_times_that_name_none() {
        let at = |text| read(text).unwrap().in_zone("-05:00".parse().unwrap());
        assert_eq!(at("2026-03-04T05:15:00"), NOON);
        assert_eq!(at("2026-03-04T10:15:00Z"), NOON);
        assert_eq!(read("2026-03-04T12:15:00").unwrap().in_zone("+02:00".parse().unwrap()), NOON);
    }

    #[test]
    fn leap_days_count_and_the_unset_clock_is_known() {
        assert_eq!(read("2024-02-29T00:00:00Z").map(|told| told.nanos / SECOND_NS), Some(1_709_164_800));
        assert!(read("1970-01-01T00:00:07Z").is_some_and(Told::is_unset));
        assert!(read("1971-01-01T00:00:00Z").is_some_and(|told| !told.is_unset()));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "yesterday",
            "2026-03-04",
            "2026-03-04T",
            "2026-13-04T10:15:00Z",
            "2026-02-29T10:15:00Z",
            "2026-03-04T24:00:00Z",
            "2026-03-04T10:15Z",
            "2026-03-04T10:15:00.Z",
            "2026-03-04T10:15:00+3",
            "2026-03-04T10:15:00+99:00",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+01:00",
            "9999-12-31T23:59:59Z",
            "1772619300",
            "2026-03-04T10:15:00ü",
            // An odd octet within the fraction, as a broken path makes it: three octets each once read.
            "2026-03-04T10:15:00.00\u{fffd}\u{fffd}\u{fffd}0Z",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[-0-9TZ:.,+ ü]{0,40}") {
            let _ = read(&text);
        }
    }
}
