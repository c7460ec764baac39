//! Numbers as `strtod` of C reads them.

/// The number at the beginning of a text, and how long it is there.
pub(super) fn read(text: &[u8]) -> Option<(f64, usize)> {
    let signed = usize::from(matches!(text.first(), Some(b'+' | b'-')));
    let (number, length) = unsigned(&text[signed..])?;
    let number = if text[0] == b'-' { -number } else { number };
    Some((number, signed + length))
}

fn unsigned(text: &[u8]) -> Option<(f64, usize)> {
    let is = |word: &[u8]| {
        text.get(..word.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(word))
    };
    if is(b"infinity") {
        return Some((f64::INFINITY, 8));
    } else if is(b"inf") {
        return Some((f64::INFINITY, 3));
    } else if is(b"nan") {
        return Some((f64::NAN, 3));
    } else if is(b"0x")
        && let Some((number, length)) = hexadecimal(&text[2..])
    {
        return Some((number, length + 2));
    }
    decimal(text)
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// `e` or `p`, a sign, digits: how long it is, 0 if it is none.
fn exponent(text: &[u8], letter: u8) -> usize {
    if !text
        .first()
        .is_some_and(|byte| byte.eq_ignore_ascii_case(&letter))
    {
        return 0;
    }
    let signed = usize::from(matches!(text.get(1), Some(b'+' | b'-')));
    match digits(&text[1 + signed..]) {
        0 => 0,
        count => 1 + signed + count,
    }
}

fn decimal(text: &[u8]) -> Option<(f64, usize)> {
    let whole = digits(text);
    let mut length = whole;
    if text.get(length) == Some(&b'.') {
        let places = digits(&text[length + 1..]);
        if whole + places == 0 {
            return None;
        }
        length += 1 + places;
    } else if whole == 0 {
        return None;
    }
    length += exponent(&text[length..], b'e');
    // Short whole numbers are most of those that come.
    if length == whole && whole <= 15 {
        let number = text[..whole]
            .iter()
            .fold(0u64, |number, digit| number * 10 + u64::from(digit - b'0'));
        return Some((number as f64, length));
    }
    let text = std::str::from_utf8(&text[..length]).ok()?;
    Some((text.parse().ok()?, length))
}

/// What follows `0x`. Digits beyond those that a double holds only count for its size.
fn hexadecimal(text: &[u8]) -> Option<(f64, usize)> {
    let (mut mantissa, mut power) = (0u64, 0i32);
    let (mut length, mut any, mut point) = (0, false, false);
    while let Some(&byte) = text.get(length) {
        if byte == b'.' && !point {
            point = true;
        } else if let Some(digit) = char::from(byte).to_digit(16) {
            any = true;
            if mantissa >> 59 == 0 {
                mantissa = mantissa << 4 | u64::from(digit);
                power -= if point { 4 } else { 0 };
            } else {
                mantissa |= u64::from(digit != 0); // So that it is rounded the right way.
                power = power.saturating_add(if point { 0 } else { 4 });
            }
        } else {
            break;
        }
        length += 1;
    }
    if !any {
        return None;
    }
    let written = exponent(&text[length..], b'p');
    if written > 0 {
        let digits = std::str::from_utf8(&text[length + 1..length + written]).ok()?;
        let sign = if digits.starts_with('-') {
            i32::MIN
        } else {
            i32::MAX
        };
        power = power.saturating_add(digits.parse().unwrap_or(sign));
        length += written;
    }
    // In two steps: the first stays within what a double holds.
    let half = power.clamp(-2200, 2200) / 2;
    let rest = power.clamp(-2200, 2200) - half;
    Some((mantissa as f64 * 2f64.powi(half) * 2f64.powi(rest), length))
}
