//! Numbers as Lua reads them (transformers.md 3.4), written as JSON.

/// The JSON number that a text stands for; `None` if it is none. Decimal, with or without a sign, a fraction, an
/// exponent; hexadecimal; blanks around. What fits a double exactly enough is written as Lua prints it, longer
/// numbers keep their spelling.
pub fn to_json(text: &str) -> Option<String> {
    let text = text.trim_matches([' ', '\t', '\n', '\r', '\u{b}', '\u{c}']);
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let value = match unsigned
        .strip_prefix("0x")
        .or_else(|| unsigned.strip_prefix("0X"))
    {
        Some(digits) => hexadecimal(digits)?,
        None => {
            let significant = decimal(unsigned)?;
            if significant > 14 && is_json(unsigned) {
                return Some(format!("{sign}{unsigned}"));
            }
            unsigned.parse().ok()?
        }
    };
    if value.is_finite() {
        Some(format!("{sign}{}", print(value)))
    } else {
        None
    }
}

/// How many significant digits a decimal has; `None` if it is none.
fn decimal(text: &str) -> Option<usize> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let exponent = exponent.map(|text| text.strip_prefix(['+', '-']).unwrap_or(text));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let well_formed = digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|text| !text.is_empty() && digits(text));
    if !well_formed {
        return None;
    }
    let all: String = [whole, fraction].concat();
    Some(all.trim_matches('0').len())
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde_json::Number>(text).is_ok()
}

/// `10`, `1.8`, `.8`, with a binary exponent `p3`.
fn hexadecimal(text: &str) -> Option<f64> {
    let (mantissa, exponent) = match text.find(['p', 'P']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value = 0.0;
    for digit in whole.chars().chain(fraction.chars()) {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    Some(value * 2f64.powi(exponent.saturating_sub(4 * i32::try_from(fraction.len()).ok()?)))
}

/// A finite number that is not negative, as `%.14g` prints it: at most 14 significant digits.
pub fn print(value: f64) -> String {
    let scientific = format!("{value:.13e}");
    let (mantissa, exponent) = scientific
        .split_once('e')
        .expect("the format has an exponent");
    let exponent: i32 = exponent.parse().expect("the exponent is a number");
    if !(-4..14).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", without_zeros(mantissa), exponent.abs());
    }
    let decimals = usize::try_from(13 - exponent).expect("the exponent is below 14");
    without_zeros(&format!("{value:.decimals$}")).to_owned()
}

fn without_zeros(text: &str) -> &str {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_read_as_lua_reads_them() {
        for (text, json) in [
            ("1", Some("1")),
            ("-1", Some("-1")),
            ("+7", Some("7")),
            ("-1.5", Some("-1.5")),
            ("1.50", Some("1.5")),
            ("1e3", Some("1000")),
            ("1E+2", Some("100")),
            ("0x10", Some("16")),
            ("-0XfF", Some("-255")),
            ("0x1.8p3", Some("12")),
            (".5", Some("0.5")),
            ("5.", Some("5")),
            ("007", Some("7")),
            (" 12\t", Some("12")),
            ("0.1", Some("0.1")),
            ("1e-7", Some("1e-07")),
            ("1e20", Some("1e+20")),
            ("-0", Some("-0")),
            ("12345678901234567890", Some("12345678901234567890")),
            ("-0.12345678901234567890", Some("-0.12345678901234567890")),
            ("", None),
            ("abc", None),
            ("1x", None),
            ("1 2", None),
            ("--1", None),
            ("1e", None),
            (".", None),
            ("0x", None),
            ("0xg", None),
            ("1e999", None),
            ("inf", None),
            ("nan", None),
            ("１", None),
        ] {
            assert_eq!(to_json(text).as_deref(), json, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_json(text in "[ +-]{0,2}[0-9.]{0,20}([eEpP][+-]?[0-9]{0,3})?|0x[0-9a-f.p]{0,8}|\\PC{0,6}") {
            if let Some(json) = to_json(&text) {
                prop_assert!(is_json(&json), "{} became {}", text, json);
            }
        }

        #[test]
        fn numbers_of_fourteen_digits_keep_their_value(whole in -9_999_999_999_999i64..=9_999_999_999_999) {
            prop_assert_eq!(to_json(&whole.to_string()), Some(whole.to_string()));
        }
    }
}
