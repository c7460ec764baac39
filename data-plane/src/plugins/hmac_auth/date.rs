//! Dates of requests, as the server under Kong reads them: three forms, of which neither the day of the week nor the
//! zone is looked at. Some clients write `UTC` for `GMT`, and are right.

use time::{Date, Month, PrimitiveDateTime, Time};

/// Seconds since the epoch. Takes `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT` and
/// `Sun Nov  6 08:49:37 1994`.
pub(super) fn parse(text: &[u8]) -> Option<i64> {
    let end = text.iter().position(|byte| matches!(byte, b',' | b' '))?;
    let mut rest = Text(text[end + 1..].trim_ascii_start());
    let (date, time) = match text[end] {
        b' ' => asctime(&mut rest)?,
        _ => with_comma(&mut rest)?,
    };
    Some(
        PrimitiveDateTime::new(date, time)
            .assume_utc()
            .unix_timestamp(),
    )
}

fn with_comma(text: &mut Text<'_>) -> Option<(Date, Time)> {
    let day = text.digits(2)?;
    let separator = text.one_of(b" -")?;
    let month = text.month()?;
    text.one_of(&[separator])?;
    let year = match separator {
        b' ' => text.digits(4)?,
        _ => match text.digits(2)? {
            short @ 0..70 => 2000 + short,
            short => 1900 + short,
        },
    };
    text.one_of(b" ")?;
    Some((date(year, month, day)?, text.time()?))
}

fn asctime(text: &mut Text<'_>) -> Option<(Date, Time)> {
    let month = text.month()?;
    text.one_of(b" ")?;
    let day = match text.one_of(b" ") {
        Some(_) => text.digits(1)?,
        None => text.digits(2).or_else(|| text.digits(1))?,
    };
    text.one_of(b" ")?;
    let time = text.time()?;
    text.one_of(b" ")?;
    Some((date(text.digits(4)?, month, day)?, time))
}

fn date(year: u16, month: Month, day: u16) -> Option<Date> {
    Date::from_calendar_date(year.into(), month, day.try_into().ok()?).ok()
}

/// What is left to read.
struct Text<'a>(&'a [u8]);

impl Text<'_> {
    /// A number of this many digits; nothing is taken if there are fewer.
    fn digits(&mut self, count: usize) -> Option<u16> {
        let digits = self.0.get(..count)?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        self.0 = &self.0[count..];
        Some(
            digits
                .iter()
                .fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0')),
        )
    }

    fn one_of(&mut self, wanted: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        if !wanted.contains(first) {
            return None;
        }
        self.0 = rest;
        Some(*first)
    }

    fn month(&mut self) -> Option<Month> {
        const NAMES: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
        let name = self.0.get(..3)?;
        let at = NAMES.chunks_exact(3).position(|known| known == name)?;
        self.0 = &self.0[3..];
        Month::try_from(u8::try_from(at + 1).ok()?).ok()
    }

    fn time(&mut self) -> Option<Time> {
        let hour = self.digits(2)?;
        self.one_of(b":")?;
        let minute = self.digits(2)?;
        self.one_of(b":")?;
        let second = self.digits(2)?;
        let small = |number: u16| u8::try_from(number).ok();
        Time::from_hms(small(hour)?, small(minute)?, small(second)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn three_forms_of_a_date_are_read() {
        for (text, expected) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(784_111_777)),
            ("Sun Nov  6 08:49:37 1994", Some(784_111_777)),
            ("Sun Nov 6 08:49:37 1994", Some(784_111_777)),
            ("Sun Nov 16 08:49:37 1994", Some(784_975_777)),
            ("Mon, 06 Nov 1994 08:49:37 UTC", Some(784_111_777)),
            ("Sun, 06 Nov 1994 08:49:37", Some(784_111_777)),
            ("Fri, 01-Jan-70 00:00:00", Some(0)),
            ("Sun, 01-Jan-69 00:00:00", Some(3_124_224_000)),
            ("Thu, 29 Feb 2024 00:00:00 GMT", Some(1_709_164_800)),
            ("Thu, 29 Feb 2023 00:00:00 GMT", None),
            ("Thu, 00 Feb 2023 00:00:00 GMT", None),
            ("Thu, 01 Foo 2023 00:00:00 GMT", None),
            ("Thu, 01 Jan 2023 24:00:00 GMT", None),
            ("Thu, 01 Jan 2023 00-00-00 GMT", None),
            ("Thu, 1 Jan 2023 00:00:00 GMT", None),
            ("Thu, 01 Jan-2023 00:00:00 GMT", None),
            ("Thu, 01 Jan 2023", None),
            ("Thu,", None),
            ("2023-01-01T00:00:00Z", None),
            ("1672531200", None),
            ("", None),
        ] {
            assert_eq!(parse(text.as_bytes()), expected, "{text}");
        }
    }
}
