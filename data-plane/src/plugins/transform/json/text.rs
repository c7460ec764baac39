//! Spelling: strings in and out, and values written without blanks.

use std::borrow::Cow;

use super::scan::{Quoted, Unicode};
use super::words::special;

/// The bytes a string stands for. A lone surrogate, which has no UTF-8 of its own, becomes its three-byte form,
/// and [`quote`] turns that back into the escape.
pub(super) fn decode<'a>(string: &Quoted<'a>) -> Cow<'a, [u8]> {
    if string.plain {
        return Cow::Borrowed(string.inside);
    }
    let mut out = Vec::with_capacity(string.inside.len());
    let mut rest = string.inside;
    while let Some((before, letter, after)) = next_escape(rest) {
        out.extend_from_slice(before);
        rest = after;
        match letter {
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => rest = decode_unicode(after, &mut out),
            other => out.push(other),
        }
    }
    out.extend_from_slice(rest);
    Cow::Owned(out)
}

/// Splits at the first backslash: what is before it, the letter behind it, what follows that.
fn next_escape(text: &[u8]) -> Option<(&[u8], u8, &[u8])> {
    let at = special::<b'"'>(text, 0)?;
    let (letter, after) = text.get(at + 1..)?.split_first()?;
    Some((&text[..at], *letter, after))
}

fn decode_unicode<'a>(text: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let Some(escape) = Unicode::read(text) else {
        return text;
    };
    match char::from_u32(escape.code) {
        Some(c) => push(c, out),
        None => out.extend_from_slice(&[
            0xE0 | (escape.code >> 12) as u8,
            0x80 | (escape.code >> 6 & 0x3F) as u8,
            0x80 | (escape.code & 0x3F) as u8,
        ]),
    }
    &text[escape.length..]
}

fn push(c: char, out: &mut Vec<u8>) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Writes `text` as a JSON string: `/` and everything beyond ASCII as they are, lone surrogates as escapes.
pub fn quote(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    escape(text, out);
    out.push(b'"');
}

/// The inside of what [`quote`] writes.
pub(super) fn escape(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = special::<0xED>(rest, 0) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        rest = &rest[quote_special(rest, out)..];
    }
    out.extend_from_slice(rest);
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
            let Some(&[_, second @ 0xA0..=0xBF, third @ 0x80..=0xBF]) = text.get(..3) else {
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

/// Writes the inside of a string with every escape undone that need not be one.
pub(super) fn respell(inside: &[u8], out: &mut Vec<u8>) {
    let mut rest = inside;
    while let Some((before, letter, after)) = next_escape(rest) {
        out.extend_from_slice(before);
        let escape = match letter {
            b'u' => Unicode::read(after),
            _ => None,
        };
        let length = escape.as_ref().map_or(0, |escape| escape.length);
        let undone = match letter {
            b'/' => Some('/'),
            _ => escape.and_then(|escape| escape.undone()),
        };
        match undone {
            Some(c) => push(c, out),
            None => out.extend_from_slice(&rest[before.len()..before.len() + 2 + length]),
        }
        rest = &after[length..];
    }
    out.extend_from_slice(rest);
}
