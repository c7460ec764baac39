//! Templates: cut where the obvious search cuts them, with nothing lost.

use shared::types::{Piece, Template, Text};

/// Reads a template.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    // Never called without a text, and the obvious search is slow.
    if text.is_empty() || text.len() > 4096 {
        return;
    }
    let Ok(template) = Template::parse(text) else {
        return;
    };
    assert_eq!(template.source, text);
    let expected = cut(text);
    let found: Vec<(bool, &str)> = template.pieces.iter().map(piece).collect();
    assert_eq!(found, expected);
    assert_eq!(
        template.is_constant(),
        expected.iter().all(|(expression, _)| !expression)
    );
    assert!(!template.is_constant() || template.syntax_error().is_none());
}

fn piece(piece: &Piece) -> (bool, &str) {
    match piece {
        Piece::Text(text) => (false, text),
        Piece::Expression(expression) => (true, &expression.source),
    }
}

/// Texts and expressions (true) in order.
fn cut(text: &str) -> Vec<(bool, &str)> {
    let (mut pieces, mut done, mut at) = (Vec::new(), 0, 0);
    while at < text.len() {
        let end = if text.as_bytes()[at..].starts_with(b"$(") {
            closing(text, at + 1)
        } else {
            None
        };
        let Some(end) = end else {
            at += 1;
            continue;
        };
        if done < at {
            pieces.push((false, &text[done..at]));
        }
        pieces.push((true, &text[at + 2..end]));
        done = end + 1;
        at = done;
    }
    if done < text.len() {
        pieces.push((false, &text[done..]));
    }
    pieces
}

/// Where the parenthesis is that closes the one at `open`.
fn closing(text: &str, open: usize) -> Option<usize> {
    let mut depth = 0;
    for (at, byte) in text.bytes().enumerate().skip(open) {
        match byte {
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}
