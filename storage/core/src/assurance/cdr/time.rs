//! Times as call detail records write them.

use model::Timestamp;

/// How they are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Format {
    /// RFC 3339, or the same with a space and without a zone, or seconds or milliseconds since 1970 by their size.
    Any,
    /// RFC 3339 alone.
    Rfc3339,
    /// Seconds since 1970, with or without a fraction.
    EpochSeconds,
    /// Milliseconds since 1970.
    EpochMillis,
    /// A pattern.
    Pattern(Vec<Part>),
}

/// A part of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Literal(char),
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Fraction,
    Zone,
}

/// An offset from UTC, in seconds to the east. A zone with summer time has two in a year, and one hour that is there
/// twice: sources that write such times have to name the offset in each (`%z`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Zone(i64);

impl Zone {
    /// `UTC`, `Z`, `+02:00`, `-0530`.
    pub(super) fn read(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("utc") || text.eq_ignore_ascii_case("z") {
            return Some(Self(0));
        }
        let sign = match text.as_bytes().first()? {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let digits: String = text[1..].chars().filter(|c| *c != ':').collect();
        let number: i64 = Some(&digits).filter(|digits| digits.len() == 4)?.parse().ok()?;
        let (hours, minutes) = (number / 100, number % 100);
        (hours <= 14 && minutes < 60).then_some(Self(sign * (hours * 3600 + minutes * 60)))
    }
}

impl Format {
    pub(super) fn read(text: &str) -> Result<Self, String> {
        match text {
            "any" => Ok(Self::Any),
            "rfc3339" => Ok(Self::Rfc3339),
            "epoch_s" => Ok(Self::EpochSeconds),
            "epoch_ms" => Ok(Self::EpochMillis),
            _ => pattern(text).map(Self::Pattern),
        }
    }

    /// None when it is no such time, or lies before 1970.
    pub(super) fn time(&self, text: &str, zone: Zone) -> Option<Timestamp> {
        match self {
            Self::Rfc3339 => Timestamp::parse(text),
            Self::EpochSeconds => epoch(text, 9),
            Self::EpochMillis => epoch(text, 6),
            Self::Pattern(parts) => matched(parts, text, zone),
            Self::Any if text.bytes().all(|octet| octet.is_ascii_digit() || octet == b'.') => {
                epoch(text, if text.split('.').next().is_some_and(|whole| whole.len() >= 12) { 6 } else { 9 })
            }
            Self::Any => Timestamp::parse(text).or_else(|| {
                let parts = &[
                    Part::Year,
                    Part::Literal('-'),
                    Part::Month,
                    Part::Literal('-'),
                    Part::Day,
                    Part::Literal(' '),
                    Part::Hour,
                    Part::Literal(':'),
                    Part::Minute,
                    Part::Literal(':'),
                    Part::Second,
                    Part::Fraction,
                ];
                matched(parts, &text.replacen('T', " ", 1), zone)
            }),
        }
    }
}

fn pattern(text: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        parts.push(match character {
            '%' => match rest.next() {
                Some('Y') => Part::Year,
                Some('m') => Part::Month,
                Some('d') => Part::Day,
                Some('H') => Part::Hour,
                Some('M') => Part::Minute,
                Some('S') => Part::Second,
                Some('f') => Part::Fraction,
                Some('z') => Part::Zone,
                _ => return Err("only %Y %m %d %H %M %S %f and %z are known".into()),
            },
            character => Part::Literal(character),
        });
    }
    let has = |part: Part| parts.contains(&part);
    if [Part::Year, Part::Month, Part::Day, Part::Hour, Part::Minute].into_iter().all(has) {
        Ok(parts)
    } else {
        Err("needs at least %Y %m %d %H %M".into())
    }
}

/// A count since 1970 whose unit is ten to the power of `scale` nanoseconds.
fn epoch(text: &str, scale: usize) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |digits: &str| digits.bytes().all(|octet| octet.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let nanos = whole.parse::<u64>().ok()?.checked_mul(10_u64.pow(scale as u32))?;
    let mut digits: String = fraction.chars().take(scale).collect();
    while digits.len() < scale {
        digits.push('0');
    }
    // Beyond 2500 it is no time of a call, and the arithmetic of days has room for it.
    let nanos = nanos.checked_add(digits.parse().ok()?)?;
    (nanos < 16_725_225_600_000_000_000).then(|| Timestamp::from_nanos(nanos))
}

fn matched(parts: &[Part], text: &str, mut zone: Zone) -> Option<Timestamp> {
    let (mut date, mut clock, mut nanos) = ([1970, 1, 1], [0, 0, 0], 0);
    let mut rest = text;
    for part in parts {
        match part {
            Part::Literal(character) => rest = rest.strip_prefix(*character)?,
            Part::Year => date[0] = digits(&mut rest, 4)?,
            Part::Month => date[1] = digits(&mut rest, 2)?,
            Part::Day => date[2] = digits(&mut rest, 2)?,
            Part::Hour => clock[0] = digits(&mut rest, 2)?,
            Part::Minute => clock[1] = digits(&mut rest, 2)?,
            Part::Second => clock[2] = digits(&mut rest, 2)?,
            Part::Fraction => nanos = fraction(&mut rest)?,
            Part::Zone => {
                let end = rest.find(|c: char| !matches!(c, '+' | '-' | ':' | 'Z' | '0'..='9')).unwrap_or(rest.len());
                zone = Zone::read(&rest[..end])?;
                rest = &rest[end..];
            }
        }
    }
    if !rest.is_empty() {
        return None;
    }
    // The calendar is checked by whoever knows it.
    let [year, month, day] = date;
    let [hour, minute, second] = clock;
    let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
    let utc = i64::try_from(Timestamp::parse(&text)?.nanos() / 1_000_000_000).ok()? - zone.0;
    u64::try_from(utc).ok()?.checked_mul(1_000_000_000).map(|whole| Timestamp::from_nanos(whole + nanos))
}

/// Exactly so many digits.
fn digits(rest: &mut &str, count: usize) -> Option<u32> {
    let (number, behind) = rest.split_at_checked(count)?;
    *rest = behind;
    number.bytes().all(|octet| octet.is_ascii_digit()).then(|| number.parse().ok()).flatten()
}

/// A fraction of a second with its point or comma, in nanoseconds; nothing is none.
fn fraction(rest: &mut &str) -> Option<u64> {
    let Some(behind) = rest.strip_prefix(['.', ',']) else { return Some(0) };
    let end = behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len());
    let number: u64 = Some(&behind[..end]).filter(|digits| (1..=9).contains(&digits.len()))?.parse().ok()?;
    *rest = &behind[end..];
    Some(number * 10_u64.pow(9 - end as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(format: &str, text: &str, zone: &str) -> Option<String> {
        let zone = Zone::read(zone).expect("a zone");
        Format::read(format).expect("a format").time(text, zone).map(|time| time.to_string())
    }

    #[test]
    fn times_are_read_as_they_are_written() {
        let noon = Some("2026-11-21T10:00:00.000Z".to_owned());
        for (format, text, zone) in [
            ("any", "2026-11-21T11:00:00+01:00", "UTC"),
            ("any", "2026-11-21 12:00:00", "+02:00"),
            ("any", "1795255200", "UTC"),
            ("any", "1795255200000", "UTC"),
            ("epoch_s", "1795255200.0", "UTC"),
            ("epoch_ms", "1795255200000", "UTC"),
            ("%d.%m.%Y %H:%M", "21.11.2026 04:30", "-05:30"),
            ("%Y%m%d%H%M%S%z", "20261121110000+0100", "UTC"),
        ] {
            assert_eq!(read(format, text, zone), noon, "{format} {text}");
        }
        assert_eq!(read("any", "2026-11-21 10:00:00.25", "UTC"), Some("2026-11-21T10:00:00.250Z".into()));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for (format, text) in [
            ("any", "yesterday"),
            ("any", "2026-13-01 10:00:00"),
            ("any", "2026-02-30 10:00:00"),
            ("any", "99999999999999999999"),
            ("any", "2026-11-21 10:00:00 x"),
            ("any", "1.2.3"),
            ("rfc3339", "2026-11-21 10:00:00"),
            ("%Y-%m-%d %H:%M", "2026-11-21 1:00"),
            ("%Y-%m-%d %H:%M:%S%f", "2026-11-21 10:00:00."),
            ("%Y-%m-%d %H:%M", "ü"),
        ] {
            assert_eq!(read(format, text, "UTC"), None, "{format} {text}");
        }
        assert!(Format::read("%H:%M").is_err() && Zone::read("CET").is_none() && Zone::read("+25:00").is_none());
    }
}
