//! What both response transformers do: header entries without templates and typed JSON values (transformers.md 3).

use http::HeaderValue;
use shared::types::{HeaderRename, JsonType, Pair};
use tracing::warn;

use super::headers::{self, Name};
use super::{json, lua_number};

/// A header that may be changed: a legal field name, and none of those that decide the framing.
pub fn header(name: &str) -> Option<Name> {
    let Some(header) = Name::exact(name) else {
        warn!(name, "entry skipped: not a legal field name");
        return None;
    };
    if header.is_hop() {
        warn!(name, "entry skipped: the header is about the connection");
        return None;
    }
    Some(header)
}

/// Renames, ready to be applied.
pub fn header_renames(entries: &[HeaderRename]) -> Vec<(Name, Name)> {
    let pair = |entry: &HeaderRename| Some((header(&entry.from)?, header(&entry.to)?));
    entries.iter().filter_map(pair).collect()
}

/// Values, ready to be applied; an entry without a value does nothing.
pub fn header_values(entries: &[Pair]) -> Vec<(Name, HeaderValue)> {
    let pair = |entry: &Pair| Some((header(&entry.name)?, headers::value(entry.value.as_bytes())));
    let with_value = entries.iter().filter(|entry| !entry.value.is_empty());
    with_value.filter_map(pair).collect()
}

/// Names and values.
pub type Texts = Vec<(Box<[u8]>, Box<[u8]>)>;

/// The entries of a `json` list with their values as JSON text; those whose value is not of its type are left out.
pub fn typed_values(entries: &[Pair], types: &[JsonType]) -> Texts {
    let pair = |(i, entry): (usize, &Pair)| {
        Some((
            entry.name.as_bytes().into(),
            typed(&entry.value, types.get(i).copied())?,
        ))
    };
    entries.iter().enumerate().filter_map(pair).collect()
}

fn typed(value: &str, kind: Option<JsonType>) -> Option<Box<[u8]>> {
    match kind {
        Some(JsonType::Number) => lua_number::to_json(value).map(|text| text.into_bytes().into()),
        Some(JsonType::Boolean) => Some(Box::from(if value == "true" {
            &b"true"[..]
        } else {
            b"false"
        })),
        // Kong writes the word for an empty value, and configurations were tried out against that.
        None | Some(JsonType::String) if value.is_empty() => Some(Box::from(&b"\"null\""[..])),
        None | Some(JsonType::String) => Some(json::string(value.as_bytes()).into()),
    }
}

/// Says in the log that a body stays as it is because it is no JSON.
pub fn warn_malformed(error: json::Malformed) {
    warn!("body transform failed: {error}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_what_their_type_says() {
        use JsonType::{Boolean, Number, String};
        for (value, kind, expected) in [
            ("1", None, Some("\"1\"")),
            ("a\"\\é/", Some(String), Some("\"a\\\"\\\\é/\"")),
            ("", None, Some("\"null\"")),
            ("", Some(String), Some("\"null\"")),
            ("1e3", Some(Number), Some("1000")),
            (
                "12345678901234567890",
                Some(Number),
                Some("12345678901234567890"),
            ),
            ("x", Some(Number), None),
            ("", Some(Number), None),
            ("true", Some(Boolean), Some("true")),
            ("TRUE", Some(Boolean), Some("false")),
            ("", Some(Boolean), Some("false")),
        ] {
            assert_eq!(
                typed(value, kind).as_deref(),
                expected.map(str::as_bytes),
                "{value:?} as {kind:?}"
            );
        }
    }
}
