//! Finds the modules that source asks for by name, without running it (custom-plugins.md 7.3, step 4).

use crate::modules;

/// Checks that every `require "x"` with a name in quotes asks for a module that sandboxed code may have. One whose name is
/// computed fails when it runs.
///
/// # Errors
/// `handler.lua:3: require 'x' not allowed within sandbox`.
pub(crate) fn check(file: &str, source: &str) -> Result<(), String> {
    for (line, name) in literal(source.as_bytes()) {
        if !modules::exists(&name) {
            return Err(format!(
                "{file}:{line}: require '{name}' not allowed within sandbox"
            ));
        }
    }
    Ok(())
}

/// The names in quotes behind `require`, with their lines.
fn literal(source: &[u8]) -> Vec<(usize, String)> {
    let mut scanner = Scanner {
        source,
        at: 0,
        line: 1,
    };
    let mut found = Vec::new();
    let (mut before, mut last) = (Token::End, Token::End);
    loop {
        let token = scanner.next();
        let required = match (&before, &last, &token) {
            (_, Token::Require, Token::Text(name)) => Some(name),
            (Token::Require, Token::Other(b'('), Token::Text(name)) => Some(name),
            _ => None,
        };
        if let Some(name) = required {
            found.push((scanner.line, name.clone()));
        }
        // `x.require` and `x:require` are somebody else's.
        let token = match (&last, token) {
            (Token::Other(b'.' | b':'), Token::Require) => Token::Other(b'r'),
            (_, Token::End) => return found,
            (_, token) => token,
        };
        before = std::mem::replace(&mut last, token);
    }
}

enum Token {
    End,
    Require,
    /// A text in quotes or long brackets.
    Text(String),
    /// Anything else, by its first byte.
    Other(u8),
}

struct Scanner<'s> {
    source: &'s [u8],
    at: usize,
    line: usize,
}

impl Scanner<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.source.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn step(&mut self) -> Option<u8> {
        let byte = *self.source.get(self.at)?;
        self.at += 1;
        self.line += usize::from(byte == b'\n');
        Some(byte)
    }

    fn next(&mut self) -> Token {
        loop {
            match self.peek(0) {
                _ if self.at >= self.source.len() => return Token::End,
                b'-' if self.peek(1) == b'-' => {
                    self.at += 2;
                    if self.long().is_none() {
                        while self.at < self.source.len() && self.peek(0) != b'\n' {
                            self.at += 1;
                        }
                    }
                }
                byte if byte.is_ascii_whitespace() => {
                    self.step();
                }
                b'[' => match self.long() {
                    Some(text) => return Token::Text(text),
                    None => {
                        self.step();
                        return Token::Other(b'[');
                    }
                },
                quote @ (b'"' | b'\'') => return Token::Text(self.quoted(quote)),
                byte if byte.is_ascii_alphabetic() || byte == b'_' => {
                    let from = self.at;
                    while self.peek(0).is_ascii_alphanumeric() || self.peek(0) == b'_' {
                        self.at += 1;
                    }
                    return match &self.source[from..self.at] {
                        b"require" => Token::Require,
                        _ => Token::Other(byte),
                    };
                }
                byte => {
                    self.step();
                    return Token::Other(byte);
                }
            }
        }
    }

    fn quoted(&mut self, quote: u8) -> String {
        self.step();
        let mut text = Vec::new();
        while let Some(byte) = self.step() {
            match byte {
                b'\\' => text.extend(self.step()),
                byte if byte == quote || byte == b'\n' => break,
                byte => text.push(byte),
            }
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    /// A text in long brackets, `[[…]]` or `[==[…]==]`; nothing is read if there is none.
    fn long(&mut self) -> Option<String> {
        let mut level = 0;
        if self.peek(0) != b'[' {
            return None;
        }
        while self.peek(1 + level) == b'=' {
            level += 1;
        }
        if self.peek(1 + level) != b'[' {
            return None;
        }
        self.at += level + 2;
        let from = self.at;
        while self.at < self.source.len() {
            if self.peek(0) == b']' {
                let closing = (0..level).all(|n| self.peek(1 + n) == b'=');
                if closing && self.peek(1 + level) == b']' {
                    let text = String::from_utf8_lossy(&self.source[from..self.at]).into_owned();
                    self.at += level + 2;
                    return Some(text);
                }
            }
            self.step();
        }
        Some(String::from_utf8_lossy(&self.source[from..]).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_quotes_are_found_and_others_are_not() {
        let cases: &[(&str, &[(usize, &str)])] = &[
            ("local a = require \"x.y\"", &[(1, "x.y")]),
            ("\n\nlocal a = require('io')", &[(3, "io")]),
            ("require [[ffi]] require [=[z]=]", &[(1, "ffi"), (1, "z")]),
            (
                "-- require 'a'\n--[[ require 'b'\n]] require 'c'",
                &[(3, "c")],
            ),
            ("local s = \"require 'a'\"", &[]),
            ("kong.require 'a' x:require('b')", &[]),
            ("require(name) require(('a'))", &[]),
            ("local require2 = 1; require2 'a'", &[]),
            ("require 'unfinished", &[(1, "unfinished")]),
            ("require [[unfinished", &[(1, "unfinished")]),
            ("a[1] = 'x' --", &[]),
        ];
        for (source, expected) in cases {
            let expected: Vec<_> = expected
                .iter()
                .map(|(line, name)| (*line, (*name).to_owned()))
                .collect();
            assert_eq!(literal(source.as_bytes()), expected, "{source}");
        }
    }
}
