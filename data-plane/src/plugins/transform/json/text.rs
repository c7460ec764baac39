//! Spelling: strings in and out, and values written without blanks.

use std::borrow::Cow;

use super::scan::{Quoted, Raw, special};

/// The bytes a string stands for. A lone surrogate, which has no UTF-8 of its own, becomes its three-byte form,
/// and [`quote`] turns that back into the escape.
pub(super) fn decode<'a>(string: &Quoted<'a>) -> Cow<'a, [u8]> {
    if string.plain {
        return Cow::Borrowed(string.inside);
    }
    let mut out = Vec::with_capacity(string.inside.len());
    let mut rest = string.inside;
    while let Some(at) = rest.iter().position(|b| *b == b'\\') {
        out.extend_from_slice(&rest[..at]);
        rest = unescape(&rest[at..], &mut out);
    }
    out.extend_from_slice(rest);
    Cow::Owned(out)
}

/// Decodes the escape that `text` starts with and returns what follows it.
fn unescape<'a>(text: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let Some((letter, rest)) = text.get(1..).and_then(<[u8]>::split_first) else {
        return &[];
    };
    match letter {
        b'b' => out.push(8),
        b'f' => out.push(12),
        b'n' => out.push(b'\n'),
        b'r' => out.push(b'\r'),
        b't' => out.push(b'\t'),
        b'u' => {
            let (code, rest) = code_point(rest);
            encode(code, out);
            return rest;
        }
        other => out.push(*other),
    }
    rest
}

/// The code point whose four digits `digits` starts with, joined with the low surrogate that may follow.
fn code_point(digits: &[u8]) -> (u32, &[u8]) {
    let unit = |digits: &[u8]| {
        let text = std::str::from_utf8(digits.get(..4)?).ok()?;
        u32::from_str_radix(text, 16).ok()
    };
    let Some(first) = unit(digits) else {
        return (0xFFFD, &[]);
    };
    let rest = &digits[4..];
    if (0xD800..0xDC00).contains(&first)
        && let Some(second) = rest.strip_prefix(b"\\u").and_then(unit)
        && (0xDC00..0xE000).contains(&second)
    {
        return (
            0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00),
            &rest[6..],
        );
    }
    (first, rest)
}

fn encode(code: u32, out: &mut Vec<u8>) {
    match char::from_u32(code) {
        Some(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        // A lone surrogate.
        None => out.extend_from_slice(&[
            0xE0 | (code >> 12) as u8,
            0x80 | (code >> 6 & 0x3F) as u8,
            0x80 | (code & 0x3F) as u8,
        ]),
    }
}

/// Writes `text` as a JSON string: `/` and everything beyond ASCII as they are, lone surrogates as escapes.
pub fn quote(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = special::<0xED>(rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        rest = &rest[quote_special(rest, out)..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Writes the one character that `text` starts with and returns how many bytes of `text` it took.
fn quote_special(text: &[u8], out: &mut Vec<u8>) -> usize {
    let short = match text[0] {
        b'"' => b'"',
        b'\\' => b'\\',
        8 => b'b',
        12 => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0xED => {
            let Some(&[_, second @ 0xA0..=0xBF, third]) = text.get(..3) else {
                out.push(0xED);
                return 1;
            };
            let code = 0xD000 | u32::from(second & 0x3F) << 6 | u32::from(third & 0x3F);
            out.extend_from_slice(format!("\\u{code:04x}").as_bytes());
            return 3;
        }
        control => {
            out.extend_from_slice(format!("\\u{control:04x}").as_bytes());
            return 1;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
    1
}

/// Writes a value without blanks between tokens, strings spelled as [`quote`] does, numbers as they came.
pub(super) fn write(value: &Raw<'_>, out: &mut Vec<u8>) {
    if value.compact {
        out.extend_from_slice(value.text);
        return;
    }
    let mut rest = value.text;
    while let Some((first, after)) = rest.split_first() {
        rest = match first {
            b'"' => write_string(after, out),
            b' ' | b'\t' | b'\n' | b'\r' => after,
            other => {
                out.push(*other);
                after
            }
        };
    }
}

/// Writes the string whose inside `text` starts with and returns what follows its closing quote.
fn write_string<'a>(text: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let mut end = 0;
    let mut plain = true;
    while let Some(at) = text.get(end..).and_then(special::<b'"'>) {
        end += at;
        if text[end] == b'"' {
            break;
        }
        plain = false;
        end += 2;
    }
    let end = end.min(text.len());
    if plain {
        out.push(b'"');
        out.extend_from_slice(&text[..end]);
        out.push(b'"');
    } else {
        quote(&decode(&Quoted::escaped(&text[..end])), out);
    }
    text.get(end + 1..).unwrap_or_default()
}
