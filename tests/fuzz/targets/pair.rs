//! `name:value` entries and the comma rule of forms (transformers.md 1.1, 1.3).

use serde_json::{Value, json};
use shared::plugins::{PluginConfig, ResponseTransformer};
use shared::schema::FormOptions;
use shared::types::{
    Entry, HeaderEntry, HeaderPair, HeaderRemoval, HeaderRename, JsonSelector, Pair, Removal,
    Rename, TemplateEntry, TemplatePair, Text,
};

/// Reads a text as every kind of entry, and as a list of entries.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if text.is_empty() {
        return;
    }
    // The obvious reading.
    let mut halves = text.splitn(2, ':');
    let name = halves.next().unwrap_or_default();
    let value: String = halves
        .next()
        .unwrap_or_default()
        .chars()
        .skip_while(|c| *c == ':')
        .collect();
    let colon = text.contains(':');
    let bare = !text.starts_with(':');
    names(text, name, bare);
    pairs(text, name, &value, colon && bare);
    headers(text, name, &value, colon && bare);
    lists(text);
}

fn names(text: &str, name: &str, bare: bool) {
    let entry = Entry::parse(text);
    assert_eq!(entry.is_ok(), bare);
    assert!(entry.is_ok_and(|entry| entry.name == name) == bare);
    assert_eq!(JsonSelector::parse(text).is_ok(), bare);
    let header = HeaderEntry::parse(text);
    assert!(header.as_ref().is_ok_and(|entry| entry.name == name) == header.is_ok());
    // What may be wrong beside the name is an expression behind it.
    if !text.contains("$(") {
        assert_eq!(header.is_ok(), is_header(name));
        assert_eq!(TemplateEntry::parse(text).is_ok(), bare);
    }
    assert!(is_header(name) || header.is_err());
}

fn pairs(text: &str, name: &str, value: &str, fits: bool) {
    match Pair::parse(text) {
        Ok(pair) => assert!(fits && (&*pair.name, &*pair.value) == (name, value)),
        Err(error) => assert!(!fits && error == format!("invalid value: {text}")),
    }
    if let Ok(pair) = TemplatePair::parse(text) {
        assert_eq!((&*pair.name, &*pair.value.source), (name, value));
        assert!(!value.is_empty() && pair.value.syntax_error().is_none());
    }
    assert_eq!(
        Rename::parse(text).is_ok(),
        TemplatePair::parse(text).is_ok()
    );
    // Without an expression, nothing can be wrong with a value but its absence.
    if !value.contains("$(") {
        assert_eq!(TemplatePair::parse(text).is_ok(), fits && !value.is_empty());
    }
}

fn headers(text: &str, name: &str, value: &str, fits: bool) {
    if let Ok(pair) = HeaderPair::parse(text) {
        assert!(fits && is_header(name) && pair.name == name && pair.value.source == value);
    }
    let rename = HeaderRename::parse(text);
    assert_eq!(rename.is_ok(), fits && is_header(name) && is_header(value));
    if let Ok(removal) = HeaderRemoval::parse(text) {
        let regex = value.len() > 1 && value.starts_with('/') && value.ends_with('/');
        assert_eq!(matches!(removal.removal, Removal::Matching(_)), regex);
        assert_eq!(matches!(removal.removal, Removal::All), value.is_empty());
    }
}

fn is_header(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

/// A form field of a list of pairs, and one of names.
fn lists(text: &str) {
    let fits = |item: &String| item.contains(':') && !item.starts_with(':');
    assert_eq!(inferred("add", text), list(text, true, fits), "pairs");
    let bare = |item: &String| !item.starts_with(':');
    assert_eq!(inferred("remove", text), list(text, false, bare), "names");
}

fn inferred(operation: &str, text: &str) -> Value {
    let Value::Object(form) = json!({ operation: { "json": text } }) else {
        unreachable!()
    };
    let document = ResponseTransformer::schema().infer(None, form, &FormOptions::default());
    document[operation]["json"].clone()
}

/// The pieces if every one is a good element, else the whole if that is one, else the pieces for their errors.
fn list(text: &str, pairs: bool, good: impl Fn(&String) -> bool) -> Value {
    let trimmed = text
        .split(',')
        .map(str::trim_ascii)
        .filter(|piece| !piece.is_empty());
    let spelled = trimmed.enumerate().map(|(at, piece)| {
        let name = piece.split('=').next().unwrap_or_default();
        let word = !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
        if pairs && at > 0 && word && piece.contains('=') && !piece.contains(':') {
            format!("{name}:{}", &piece[name.len() + 1..])
        } else {
            piece.to_owned()
        }
    });
    let pieces: Vec<String> = spelled.collect();
    let whole = text.to_owned();
    if !text.contains(',') || pieces.is_empty() || (!pieces.iter().all(&good) && good(&whole)) {
        json!([whole])
    } else {
        json!(pieces)
    }
}
