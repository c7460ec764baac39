//! Values as YAML, in one way only: block style, and text in quotes wherever a reader might take it for anything else.

use std::fmt::Write;

use serde_json::Value;

/// Writes a document.
pub(super) fn write(root: &Value) -> String {
    let mut out = String::new();
    match root {
        Value::Object(members) if !members.is_empty() => block(&mut out, root, 0),
        _ => {
            inline(&mut out, root);
            out.push('\n');
        }
    }
    out
}

/// The lines of a map or a list that is not empty.
fn block(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                indent(out, depth);
                member_of(out, name, member, depth);
            }
        }
        Value::Array(items) => {
            for item in items {
                indent(out, depth);
                out.push_str("- ");
                element(out, item, depth);
            }
        }
        _ => {}
    }
}

fn member_of(out: &mut String, name: &str, value: &Value, depth: usize) {
    text(out, name);
    out.push(':');
    match value {
        // The lists of a map may stand as far left as its names.
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            block(out, value, depth);
        }
        Value::Object(members) if !members.is_empty() => {
            out.push('\n');
            block(out, value, depth + 1);
        }
        value => {
            out.push(' ');
            inline(out, value);
            out.push('\n');
        }
    }
}

/// What stands behind a dash: the first member of a map shares its line.
fn element(out: &mut String, item: &Value, depth: usize) {
    match item {
        Value::Object(members) if !members.is_empty() => {
            for (at, (name, member)) in members.iter().enumerate() {
                if at > 0 {
                    indent(out, depth + 1);
                }
                member_of(out, name, member, depth + 1);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (at, inner) in items.iter().enumerate() {
                if at > 0 {
                    indent(out, depth + 1);
                }
                out.push_str("- ");
                element(out, inner, depth + 1);
            }
        }
        item => {
            inline(out, item);
            out.push('\n');
        }
    }
}

fn indent(out: &mut String, depth: usize) {
    out.extend(std::iter::repeat_n("  ", depth));
}

fn inline(out: &mut String, value: &Value) {
    match value {
        Value::String(value) => text(out, value),
        Value::Array(_) => out.push_str("[]"),
        Value::Object(_) => out.push_str("{}"),
        scalar => drop(write!(out, "{scalar}")),
    }
}

/// Bare where nobody can mistake it, else quoted as JSON does, which YAML reads as well.
fn text(out: &mut String, text: &str) {
    if is_plain(text) {
        return out.push_str(text);
    }
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // What YAML does not print, and what looks like the end of a line to it.
            '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{feff}'
            | '\u{fffe}'
            | '\u{ffff}' => drop(write!(out, "\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

fn is_plain(text: &str) -> bool {
    const WORDS: [&str; 11] = [
        "null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf",
    ];
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '/');
    begins
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_./-".contains(&b))
        && !WORDS.iter().any(|word| word.eq_ignore_ascii_case(text))
}
