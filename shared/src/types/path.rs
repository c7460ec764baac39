//! Paths: what a service appends to, what a route answers to.

use std::borrow::Cow;
use std::ops::Deref;

use regex::Regex;

use super::{Text, text_value};
use crate::schema::Field;

/// A path that is sent as it is: `/`-rooted, no empty segment, RFC 3986 characters only.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UrlPath(String);

/// A path that a route answers to.
#[derive(Clone, Debug)]
pub enum PathPattern {
    /// How the normalised path begins.
    Prefix(String),
    /// Written `~/…`: how the normalised path begins, as a regular expression.
    Regex(PathRegex),
}

/// A regular expression, anchored at the start only.
#[derive(Clone, Debug)]
pub struct PathRegex {
    /// As it was written, without the `~`.
    pub source: String,
    /// Compiled with an implicit `^`.
    pub regex: Regex,
}

impl Text for UrlPath {
    fn parse(text: &str) -> Result<Self, String> {
        if !text.starts_with('/') {
            return Err("should start with: /".to_owned());
        }
        if text.contains("//") {
            return Err("must not have empty segments".to_owned());
        }
        check_path(text)?;
        Ok(UrlPath(text.to_owned()))
    }

    fn describe(field: Field) -> Field {
        field.starts_with("/")
    }
}

impl Text for PathPattern {
    fn parse(text: &str) -> Result<Self, String> {
        match text.strip_prefix('~') {
            Some(source) if source.starts_with('/') => {
                PathRegex::parse(source).map(PathPattern::Regex)
            }
            None if text.starts_with('/') => parse_prefix(text).map(PathPattern::Prefix),
            _ => Err("should start with: / (fixed path) or ~/ (regex path)".to_owned()),
        }
    }
}

fn parse_prefix(text: &str) -> Result<String, String> {
    check_percent(text)?;
    let normal = normalise(text.as_bytes());
    if *normal == *text.as_bytes() {
        Ok(text.to_owned())
    } else {
        let normal = String::from_utf8_lossy(&normal);
        Err(format!(
            "non-normalized path, consider use '{normal}' instead"
        ))
    }
}

impl PathRegex {
    fn parse(source: &str) -> Result<Self, String> {
        // Compiled alone first: `)(` must not pass by closing the group around it.
        Regex::new(source).map_err(|error| invalid_regex(source, &error))?;
        let regex =
            Regex::new(&format!("^(?:{source})")).map_err(|error| invalid_regex(source, &error))?;
        Ok(PathRegex {
            source: source.to_owned(),
            regex,
        })
    }
}

text_value!(UrlPath, PathPattern);

impl Deref for UrlPath {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

/// Whether a path has only characters that one may have, and every `%` begins a pair of hexadecimal digits.
///
/// # Errors
/// What is wrong, in the words of the Admin API.
pub fn check_path(text: &str) -> Result<(), String> {
    let known = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%".contains(&b);
    if !text.bytes().all(known) {
        return Err(format!(
            "invalid path: '{text}' (characters outside of the reserved list of RFC 3986 found)"
        ));
    }
    check_percent(text)
}

/// Every `%` begins a pair of hexadecimal digits.
fn check_percent(text: &str) -> Result<(), String> {
    for (at, _) in text.match_indices('%') {
        let digits = text.as_bytes().get(at + 1..at + 3);
        if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            let shown: String = text[at..].chars().take(3).collect();
            return Err(format!("invalid url-encoded value: '{shown}'"));
        }
    }
    Ok(())
}

/// Says why a route's expression does not compile, with PCRE's words where the cause is the same.
pub(crate) fn invalid_regex(source: &str, error: &regex::Error) -> String {
    let engine = error.to_string();
    let cause = PCRE_WORDS
        .iter()
        .find(|(ours, _)| engine.contains(ours))
        .map(|(_, pcre)| *pcre);
    let detail = match cause {
        Some(words) => format!("pcre2_compile() failed: {words} in \"{source}\""),
        None => engine
            .lines()
            .last()
            .unwrap_or_default()
            .trim_start_matches("error: ")
            .to_owned(),
    };
    format!("invalid regex: '{source}' (PCRE returned: {detail})")
}

const PCRE_WORDS: &[(&str, &str)] = &[
    ("unclosed group", "missing closing parenthesis"),
    ("unopened group", "unmatched closing parenthesis"),
    (
        "unclosed character class",
        "missing terminating ] for character class",
    ),
    (
        "repetition operator missing expression",
        "quantifier does not follow a repeatable item",
    ),
    ("incomplete escape sequence", "\\ at end of pattern"),
    (
        "invalid character class range",
        "range out of order in character class",
    ),
    (
        "duplicate capture group name",
        "two named subpatterns have the same name (PCRE2_DUPNAMES not set)",
    ),
];

/// Bytes that stay percent-encoded, since they would mean something else decoded.
const RESERVED: &[u8] = b"!*'();:@&=+$,/?%#[]";

/// The form in which paths are compared: triplets decoded where that changes no meaning, dot segments and empty
/// segments gone (proxy-and-routing.md 2).
pub fn normalise(path: &[u8]) -> Cow<'_, [u8]> {
    let decoded = if path.contains(&b'%') {
        Cow::Owned(decode(path))
    } else {
        Cow::Borrowed(path)
    };
    if decoded.contains(&b'.') || decoded.windows(2).any(|pair| pair == b"//") {
        Cow::Owned(remove_dots(&decoded))
    } else {
        decoded
    }
}

fn decode(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let [first, tail @ ..] = rest {
        match (first, tail) {
            (b'%', [high, low, after @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                let byte = hex(*high) * 16 + hex(*low);
                if RESERVED.contains(&byte) {
                    out.extend([b'%', high.to_ascii_uppercase(), low.to_ascii_uppercase()]);
                } else {
                    out.push(byte);
                }
                rest = after;
            }
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => digit.to_ascii_lowercase() - b'a' + 10,
    }
}

fn remove_dots(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut open = false; // whether the result ends in a slash
    for segment in path.split(|b| *b == b'/') {
        open = matches!(segment, b"" | b"." | b"..");
        match segment {
            b"" | b"." => {}
            b".." => drop(kept.pop()),
            _ => kept.push(segment),
        }
    }
    let mut out = Vec::with_capacity(path.len());
    for segment in &kept {
        out.push(b'/');
        out.extend_from_slice(segment);
    }
    if open || kept.is_empty() {
        out.push(b'/');
    }
    out
}
