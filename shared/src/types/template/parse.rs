//! Splits a template and reads the expressions that need no Lua.

use super::{Expression, Meaning, Operand, Piece, Step, Template};
use crate::types::lua::{self, LuaUnit};

/// Reads a template. An unbalanced `$(` is text.
pub(super) fn template(text: &str) -> Template {
    let closing = closing(text);
    let mut pieces = Vec::new();
    let (mut done, mut from) = (0, 0);
    while let Some(at) = text[from..].find("$(").map(|at| from + at) {
        let Some(end) = closing[at + 1] else {
            from = at + 2;
            continue;
        };
        if done < at {
            pieces.push(Piece::Text(text[done..at].to_owned()));
        }
        pieces.push(Piece::Expression(expression(&text[at + 2..end])));
        (done, from) = (end + 1, end + 1);
    }
    if done < text.len() {
        pieces.push(Piece::Text(text[done..].to_owned()));
    }
    Template {
        source: text.to_owned(),
        pieces,
    }
}

/// Of each opening parenthesis, where the one is that closes it. One pass, however many are never closed.
fn closing(text: &str) -> Vec<Option<usize>> {
    let mut closing = vec![None; text.len()];
    let mut open = Vec::new();
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => open.push(at),
            b')' => {
                if let Some(opening) = open.pop() {
                    closing[opening] = Some(at);
                }
            }
            _ => {}
        }
    }
    closing
}

fn expression(source: &str) -> Expression {
    let meaning = match alternatives(&mut Scanner { rest: source }) {
        Some(operands) => Meaning::Native(operands),
        None => match lua::check(LuaUnit::Expression, source) {
            Ok(()) => Meaning::Lua,
            Err(error) => Meaning::Broken(error),
        },
    };
    Expression {
        source: source.to_owned(),
        meaning,
    }
}

/// The operands of `or`; `None` for anything else, which is Lua's to read.
fn alternatives(scanner: &mut Scanner<'_>) -> Option<Vec<Operand>> {
    let mut operands = vec![operand(scanner)?];
    loop {
        scanner.skip_blanks();
        if scanner.rest.is_empty() {
            return Some(operands);
        }
        if scanner.word()? != "or" {
            return None;
        }
        operands.push(operand(scanner)?);
    }
}

fn operand(scanner: &mut Scanner<'_>) -> Option<Operand> {
    scanner.skip_blanks();
    if let Some(text) = scanner.quoted() {
        return Some(Operand::Text(text?));
    }
    if let Some(number) = scanner.whole_number() {
        return Some(Operand::Text(number.to_string()));
    }
    match scanner.word()? {
        "true" => Some(Operand::Boolean(true)),
        "false" => Some(Operand::Boolean(false)),
        "nil" => Some(Operand::Nil),
        root if ROOTS.contains(&root) => Some(Operand::Path {
            root: root.to_owned(),
            steps: steps(scanner)?,
        }),
        _ => None,
    }
}

/// The names that a request gives. What others mean, or that they do not exist, is Lua's to say.
const ROOTS: &[&str] = &["headers", "query_params", "uri_captures"];

/// Words of the language, which are no names.
const KEYWORDS: &[&str] = &[
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in",
    "local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while",
];

fn steps(scanner: &mut Scanner<'_>) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    loop {
        scanner.skip_blanks();
        if scanner.rest.starts_with("..") {
            return None;
        } else if scanner.take('.') {
            scanner.skip_blanks();
            let key = scanner.word().filter(|key| !KEYWORDS.contains(key))?;
            steps.push(Step::Key(key.to_owned()));
        } else if !scanner.rest.starts_with("[[")
            && !scanner.rest.starts_with("[=")
            && scanner.take('[')
        {
            steps.push(index(scanner)?);
        } else {
            // A table as such prints as Lua prints it.
            return (!steps.is_empty()).then_some(steps);
        }
    }
}

fn index(scanner: &mut Scanner<'_>) -> Option<Step> {
    scanner.skip_blanks();
    let step = match scanner.quoted() {
        Some(key) => Step::Key(key?),
        None => Step::Index(scanner.whole_number()?),
    };
    scanner.skip_blanks();
    scanner.take(']').then_some(step)
}

struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }

    fn take(&mut self, expected: char) -> bool {
        match self.rest.strip_prefix(expected) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn advance(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    fn word(&mut self) -> Option<&'a str> {
        let bytes = self.rest.as_bytes();
        let length = bytes
            .iter()
            .take_while(|b| b.is_ascii_alphanumeric() || **b == b'_')
            .count();
        let begins = bytes.first().is_some_and(|b| !b.is_ascii_digit());
        if length > 0 && begins {
            Some(self.advance(length))
        } else {
            None
        }
    }

    /// Digits only, short enough that Lua prints them as they stand.
    fn whole_number(&mut self) -> Option<i64> {
        let length = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let follows = self.rest.as_bytes().get(length);
        let plain = !follows.is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_'));
        if (1..=14).contains(&length) && plain {
            self.advance(length).parse().ok()
        } else {
            None
        }
    }

    /// A quoted text with the escapes that need no thought: `Some(None)` for others, which are left to Lua.
    fn quoted(&mut self) -> Option<Option<String>> {
        let quote = self
            .rest
            .chars()
            .next()
            .filter(|c| matches!(c, '\'' | '"'))?;
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                _ if c == quote => {
                    self.advance(at + 1);
                    return Some(Some(text));
                }
                '\\' => text.push(match chars.next() {
                    Some((_, c @ ('\\' | '\'' | '"'))) => c,
                    Some((_, 'n')) => '\n',
                    Some((_, 't')) => '\t',
                    _ => return Some(None),
                }),
                '\n' | '\r' => return Some(None),
                _ => text.push(c),
            }
        }
        Some(None)
    }
}
