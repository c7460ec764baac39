//! Splits a template and reads the expressions that need no Lua.

use super::{Expression, Operand, Piece, Step, Template};

/// Reads a template. An unbalanced `$(` is text.
pub(super) fn template(text: &str) -> Result<Template, String> {
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
        pieces.push(Piece::Expression(expression(&text[at + 2..end])?));
        (done, from) = (end + 1, end + 1);
    }
    if done < text.len() {
        pieces.push(Piece::Text(text[done..].to_owned()));
    }
    Ok(Template {
        source: text.to_owned(),
        pieces,
    })
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

/// Why an expression is not one of the native forms.
enum Stop {
    /// Lua's compiler would say this.
    Syntax(String),
    /// It may be fine, for an engine.
    NeedsLua,
}

fn expression(source: &str) -> Result<Expression, String> {
    let meaning = match alternatives(&mut Scanner { rest: source }) {
        Ok(operands) => Ok(operands),
        Err(Stop::Syntax(near)) => Err(format!("[string \"TMP\"]:1: {near}")),
        Err(Stop::NeedsLua) => return Err(needs_lua(source)),
    };
    Ok(Expression {
        source: source.to_owned(),
        meaning,
    })
}

fn needs_lua(source: &str) -> String {
    format!(
        "expression '$({source})' needs Lua, which this version of Headgate does not evaluate yet \
         (use name.key, name['key'], name[1] and or 'text')"
    )
}

fn alternatives(scanner: &mut Scanner<'_>) -> Result<Vec<Operand>, Stop> {
    let mut operands = vec![operand(scanner)?];
    loop {
        scanner.skip_blanks();
        if scanner.rest.is_empty() {
            return Ok(operands);
        }
        match scanner.word() {
            Some("or") => operands.push(operand(scanner)?),
            Some("and") => return Err(Stop::NeedsLua),
            Some(word) => return Err(Stop::Syntax(format!("')' expected near '{word}'"))),
            None if scanner.rest.starts_with('=') && !scanner.rest.starts_with("==") => {
                return Err(Stop::Syntax("')' expected near '='".to_owned()));
            }
            None => return Err(Stop::NeedsLua),
        }
    }
}

fn operand(scanner: &mut Scanner<'_>) -> Result<Operand, Stop> {
    scanner.skip_blanks();
    if scanner.rest.is_empty() {
        return Err(Stop::Syntax("unexpected symbol near ')'".to_owned()));
    }
    if let Some(text) = scanner.quoted()? {
        return Ok(Operand::Text(text));
    }
    if let Some(number) = scanner.whole_number() {
        return Ok(Operand::Text(number.to_string()));
    }
    match scanner.word() {
        Some("true") => Ok(Operand::Boolean(true)),
        Some("false") => Ok(Operand::Boolean(false)),
        Some("nil") => Ok(Operand::Nil),
        Some("not" | "function" | "kong" | "ngx" | "require" | "type") => Err(Stop::NeedsLua),
        Some(word) if KEYWORDS.contains(&word) => {
            Err(Stop::Syntax(format!("unexpected symbol near '{word}'")))
        }
        None => Err(scanner.strange_start()),
        Some(root) => Ok(Operand::Path {
            root: root.to_owned(),
            steps: steps(scanner)?,
        }),
    }
}

const KEYWORDS: &[&str] = &[
    "and", "break", "do", "else", "elseif", "end", "for", "if", "in", "local", "or", "repeat",
    "return", "then", "until", "while",
];

fn steps(scanner: &mut Scanner<'_>) -> Result<Vec<Step>, Stop> {
    let mut steps = Vec::new();
    loop {
        scanner.skip_blanks();
        if scanner.rest.starts_with("..") {
            return Err(Stop::NeedsLua);
        } else if scanner.take('.') {
            scanner.skip_blanks();
            let key = scanner.word().ok_or(Stop::NeedsLua)?;
            steps.push(Step::Key(key.to_owned()));
        } else if !scanner.rest.starts_with("[[")
            && !scanner.rest.starts_with("[=")
            && scanner.take('[')
        {
            steps.push(index(scanner)?);
        } else {
            return Ok(steps);
        }
    }
}

fn index(scanner: &mut Scanner<'_>) -> Result<Step, Stop> {
    scanner.skip_blanks();
    let step = match scanner.quoted()? {
        Some(key) => Step::Key(key),
        None => Step::Index(scanner.whole_number().ok_or(Stop::NeedsLua)?),
    };
    scanner.skip_blanks();
    if scanner.take(']') {
        Ok(step)
    } else {
        Err(Stop::NeedsLua)
    }
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

    /// What may begin an expression in Lua is left to Lua.
    fn strange_start(&self) -> Stop {
        match self.rest.chars().next() {
            Some(c) if !c.is_ascii_digit() && !"({[-#.".contains(c) => {
                Stop::Syntax(format!("unexpected symbol near '{c}'"))
            }
            _ => Stop::NeedsLua,
        }
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

    /// A quoted text with the escapes that need no thought; others are left to Lua.
    fn quoted(&mut self) -> Result<Option<String>, Stop> {
        let Some(quote) = self.rest.chars().next().filter(|c| matches!(c, '\'' | '"')) else {
            return Ok(None);
        };
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                _ if c == quote => {
                    self.advance(at + 1);
                    return Ok(Some(text));
                }
                '\\' => text.push(match chars.next() {
                    Some((_, c @ ('\\' | '\'' | '"'))) => c,
                    Some((_, 'n')) => '\n',
                    Some((_, 't')) => '\t',
                    _ => return Err(Stop::NeedsLua),
                }),
                _ => text.push(c),
            }
        }
        Err(Stop::NeedsLua)
    }
}
