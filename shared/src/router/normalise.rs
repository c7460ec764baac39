//! The request target as it is matched, and as it is sent.
//!
//! Two texts of one path: the *normalised* path, in which `%65` and `e` are the same, is what routes are matched
//! against; [`escape`] makes from it what an upstream may be sent.

use std::borrow::Cow;
use thiserror::Error;

/// Why a request target cannot be matched.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum BadTarget {
    /// Answered with 400: a `%` without two hexadecimal digits, `%00`, or `..` above the root.
    #[error("the request path is malformed")]
    Malformed,
    /// Matches no route, so 404.
    #[error("the request path is not UTF-8")]
    NotUtf8,
}

/// Splits a request target at its first `?`, looked for from the second byte, into the raw path and the query. An
/// empty query (a bare trailing `?`) is not the same as none: both are forwarded as they came.
#[inline]
pub fn split_target(target: &str) -> (&str, Option<&str>) {
    match target.bytes().skip(1).position(|byte| byte == b'?') {
        Some(mark) => (&target[..mark + 1], Some(&target[mark + 2..])),
        None => (target, None),
    }
}

/// The path that routes are matched against: triplets of unreserved bytes decoded, those of reserved bytes in capital
/// letters, no dot segments, no `//`. Nothing is copied when nothing changes.
#[inline]
pub fn normalise(path: &str) -> Result<Cow<'_, str>, BadTarget> {
    let Oddities {
        percent,
        dots_or_slashes,
    } = Oddities::of(path.as_bytes());
    if !percent && !dots_or_slashes {
        return Ok(Cow::Borrowed(path));
    }
    refuse_malformed(path.as_bytes())?;
    let mut bytes = if percent {
        Cow::Owned(decode(path.as_bytes()))
    } else {
        Cow::Borrowed(path.as_bytes())
    };
    // Looked at again because `%2e` has become a dot by now.
    if dots_or_slashes || Oddities::of(&bytes).dots_or_slashes {
        bytes = Cow::Owned(remove_dots(&bytes));
    }
    String::from_utf8(bytes.into_owned())
        .map(Cow::Owned)
        .map_err(|_| BadTarget::NotUtf8)
}

/// What a path may hold that is not its normal form.
struct Oddities {
    percent: bool,
    dots_or_slashes: bool,
}

impl Oddities {
    /// One look at each byte: nearly every path has none of these.
    fn of(path: &[u8]) -> Oddities {
        let mut found = Oddities {
            percent: false,
            dots_or_slashes: false,
        };
        // The start counts as the start of a segment: `../a` is one as well.
        let mut before = b'/';
        for (place, &byte) in path.iter().enumerate() {
            match byte {
                b'%' => found.percent = true,
                b'.' if before == b'/' => found.dots_or_slashes = true,
                b'/' if before == b'/' && place > 0 => found.dots_or_slashes = true,
                _ => {}
            }
            before = byte;
        }
        found
    }
}

/// Turns away what the reference's web server does not even parse. It judges the fully decoded path, in which `%2f`
/// is a slash, and leaves what follows a `#` alone.
fn refuse_malformed(path: &[u8]) -> Result<(), BadTarget> {
    let mut depth = 0_i32;
    let mut segment = Segment::Empty;
    let mut rest = path;
    while let [byte, tail @ ..] = rest {
        let (byte, tail) = match byte {
            b'#' => return Ok(()),
            b'%' => match triplet(rest) {
                None | Some(0) => return Err(BadTarget::Malformed),
                Some(decoded) => (decoded, &rest[3..]),
            },
            plain => (*plain, tail),
        };
        rest = tail;
        if byte != b'/' {
            segment = segment.then(byte);
        } else {
            depth += segment.step();
            segment = Segment::Empty;
        }
        if depth < 0 {
            return Err(BadTarget::Malformed);
        }
    }
    if depth + segment.step() < 0 {
        Err(BadTarget::Malformed)
    } else {
        Ok(())
    }
}

/// What a path segment has been so far.
#[derive(Clone, Copy)]
enum Segment {
    Empty,
    Dot,
    DotDot,
    Name,
}

impl Segment {
    fn then(self, byte: u8) -> Segment {
        match (self, byte) {
            (Segment::Empty, b'.') => Segment::Dot,
            (Segment::Dot, b'.') => Segment::DotDot,
            _ => Segment::Name,
        }
    }

    /// How much deeper the segment leads.
    fn step(self) -> i32 {
        match self {
            Segment::Empty | Segment::Dot => 0,
            Segment::DotDot => -1,
            Segment::Name => 1,
        }
    }
}

/// The byte that a `%XX` at the start of `text` stands for.
fn triplet(text: &[u8]) -> Option<u8> {
    let &[b'%', high, low, ..] = text else {
        return None;
    };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// Decodes triplets, except of bytes that would change the meaning of the path: those get capital letters.
fn decode(path: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let [byte, tail @ ..] = rest {
        match triplet(rest) {
            Some(byte) if !is_reserved(byte) => decoded.push(byte),
            Some(_) => decoded.extend(rest[..3].iter().map(u8::to_ascii_uppercase)),
            None => {
                decoded.push(*byte);
                rest = tail;
                continue;
            }
        }
        rest = &rest[3..];
    }
    decoded
}

fn is_reserved(byte: u8) -> bool {
    b"!*'();:@&=+$,/?%#[]".contains(&byte)
}

/// RFC 3986 section 5.2.4, and runs of slashes become one. `..` above the root is dropped.
fn remove_dots(path: &[u8]) -> Vec<u8> {
    let mut output = Vec::with_capacity(path.len());
    let mut rest = path;
    loop {
        rest = match rest {
            b"" | b"." | b".." => return output,
            b"/." => b"/",
            b"/.." => {
                drop_segment(&mut output);
                b"/"
            }
            [b'/', b'/', ..] => &rest[1..],
            [b'/', b'.', b'/', ..] | [b'.', b'/', ..] => &rest[2..],
            [b'/', b'.', b'.', b'/', ..] => {
                drop_segment(&mut output);
                &rest[3..]
            }
            [b'.', b'.', b'/', ..] => &rest[3..],
            _ => {
                let end = rest
                    .iter()
                    .skip(1)
                    .position(|&byte| byte == b'/')
                    .map_or(rest.len(), |at| at + 1);
                output.extend_from_slice(&rest[..end]);
                &rest[end..]
            }
        }
    }
}

fn drop_segment(output: &mut Vec<u8>) {
    output.truncate(output.iter().rposition(|&byte| byte == b'/').unwrap_or(0));
}

/// Encodes a normalised path for the upstream: bytes that a request line may not hold become `%XX`. Existing `%` are
/// left alone, so nothing is encoded twice.
#[inline]
pub fn escape(path: &str) -> Cow<'_, str> {
    if path.bytes().all(is_sendable) {
        return Cow::Borrowed(path);
    }
    let mut escaped = String::with_capacity(path.len() + 16);
    push_escaped(&mut escaped, path);
    Cow::Owned(escaped)
}

/// [`escape`] onto the end of `output`.
pub(super) fn push_escaped(output: &mut String, path: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in path.bytes() {
        if is_sendable(byte) {
            output.push(char::from(byte));
        } else {
            output.push('%');
            output.push(char::from(HEX[usize::from(byte >> 4)]));
            output.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

fn is_sendable(byte: u8) -> bool {
    const SENDABLE: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < 256 {
            table[byte] = (byte as u8).is_ascii_alphanumeric();
            byte += 1;
        }
        let marks = b"-_.~!#$&'()*+,/:;=?@[]%";
        let mut mark = 0;
        while mark < marks.len() {
            table[marks[mark] as usize] = true;
            mark += 1;
        }
        table
    };
    SENDABLE[usize::from(byte)]
}

#[cfg(test)]
#[path = "normalise_tests.rs"]
mod tests;
