//! Numbers as C prints them.

use std::io::Write;

/// A finite number as `%.<digits>g` of C prints it, 1 to 17 digits.
pub(crate) fn general(number: f64, digits: usize, out: &mut Vec<u8>) {
    // Most numbers are whole and short.
    if number.fract() == 0.0 && number.abs() < 1e14 && digits >= 14 {
        if number == 0.0 && number.is_sign_negative() {
            out.push(b'-');
        }
        push(out, format_args!("{}", number as i64));
        return;
    }
    // Rounding may carry into one more place, so it comes first.
    let text = format!("{number:.*e}", digits - 1);
    let (mantissa, power) = text.split_once('e').unwrap_or((&text, "0"));
    let power: i32 = power.parse().unwrap_or(0);
    if (-4..i32::try_from(digits).unwrap_or(17)).contains(&power) {
        let decimals = usize::try_from(digits as i32 - 1 - power).unwrap_or(0);
        out.extend_from_slice(trimmed(&format!("{number:.decimals$}")).as_bytes());
        return;
    }
    let sign = if power < 0 { '-' } else { '+' };
    push(
        out,
        format_args!("{}e{sign}{:02}", trimmed(mantissa), power.abs()),
    );
}

fn push(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a vector takes what is written");
}

fn trimmed(digits: &str) -> &str {
    match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.'),
        false => digits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_printed_as_c_prints_them() {
        for (number, digits, expected) in [
            (0.0, 14, "0"),
            (-0.0, 14, "-0"),
            (1.0, 14, "1"),
            (-17.0, 14, "-17"),
            (0.1 + 0.2, 14, "0.3"),
            (0.1 + 0.2, 16, "0.3"),
            (0.1 + 0.2, 17, "0.30000000000000004"),
            (1.0 / 3.0, 3, "0.333"),
            (1234.5, 3, "1.23e+03"),
            (999.9, 3, "1e+03"),
            (0.0001, 14, "0.0001"),
            (0.00001, 14, "1e-05"),
            (1e14, 14, "1e+14"),
            (99_999_999_999_999.0, 14, "99999999999999"),
            (9_007_199_254_740_992.0, 14, "9.007199254741e+15"),
            (9_007_199_254_740_992.0, 16, "9007199254740992"),
            (1e100, 14, "1e+100"),
            (5e-324, 14, "4.9406564584125e-324"),
            (100.0, 2, "1e+02"),
            (100.0, 3, "100"),
        ] {
            let mut out = Vec::new();
            general(number, digits, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected, "{number} {digits}");
        }
    }
}
