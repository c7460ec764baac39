//! Paths of routes in declarative files before 3.0, where a path that looked like a regular expression was one
//! (admin-api.md 12.2).

use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde_json::Value;

use crate::entities::Upgrade;
use crate::schema::Document;
use crate::types::normalise;

/// Writes the paths as format 3.0 does.
pub(super) fn paths() -> Upgrade {
    Upgrade {
        before: "3.0",
        apply: |route| upgrade(route),
    }
}

fn upgrade(route: &mut Document) {
    let Some(Value::Array(paths)) = route.get_mut("paths") else {
        return;
    };
    for path in paths {
        if let Value::String(text) = path {
            *text = path_of(text);
        }
    }
}

fn path_of(text: &str) -> String {
    if text.starts_with("~/") {
        return text.to_owned(); // written for 3.0 already
    }
    let fixed = |b: u8| b.is_ascii_alphanumeric() || b".-_~/%".contains(&b);
    if text.bytes().all(fixed) {
        return match text.starts_with('/') {
            true => String::from_utf8_lossy(&normalise(text.as_bytes())).into_owned(),
            false => text.to_owned(), // the schema says what is wrong with it
        };
    }
    format!("~{}", decode(text))
}

/// Percent sequences decoded where that changes no meaning; what a regular expression would take for an operator is
/// escaped.
fn decode(text: &str) -> String {
    let decoded = TRIPLET.replace_all(text, |found: &Captures<'_>| {
        let triplet = &found[0];
        let byte = u8::from_str_radix(&triplet[1..], 16).unwrap_or_default();
        match byte {
            byte if RESERVED.contains(&byte) => triplet.to_ascii_uppercase(),
            byte if OPERATORS.contains(&byte) => format!("\\{}", char::from(byte)),
            byte if byte.is_ascii() => char::from(byte).to_string(),
            _ => triplet.to_ascii_uppercase(), // part of a letter that is no text by itself
        }
    });
    decoded.into_owned()
}

static TRIPLET: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("%[0-9A-Fa-f]{2}").expect("a constant pattern compiles"));

/// Kong's reserved characters: they stay encoded.
const RESERVED: &[u8] = b"!#$%&'()*+,/:;=?@[]";
const OPERATORS: &[u8] = b".^$*+-?()[]{}\\|";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_paths_become_prefixes_or_regular_expressions() {
        let cases = [
            ("/a(b)", "~/a(b)"),
            ("/a//b", "/a/b"),
            ("/a/./b/../c", "/a/c"),
            ("/a%41", "/aA"),
            ("/plain-path_1.0~x", "/plain-path_1.0~x"),
            ("/user/\\d+", "~/user/\\d+"),
            ("/x%2E(y)", "~/x\\.(y)"),
            ("/x%2f(y)", "~/x%2F(y)"),
            ("/x%41(y)", "~/xA(y)"),
            ("/x%7b(y)", "~/x\\{(y)"),
            ("/x%C3%a9(y)", "~/x%C3%A9(y)"),
            ("~/new(er)", "~/new(er)"),
            ("", ""),
            ("relative", "relative"),
        ];
        for (old, new) in cases {
            assert_eq!(path_of(old), new, "{old}");
        }
    }

    #[test]
    fn what_is_no_path_is_left_to_the_schema() {
        let mut route = Document::new();
        route.insert("paths".to_owned(), serde_json::json!([1, "/a//b", null]));
        upgrade(&mut route);
        assert_eq!(route["paths"], serde_json::json!([1, "/a/b", null]));
    }
}
