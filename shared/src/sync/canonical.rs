//! The one spelling of a document: made once when it is written, then stored, hashed and sent as it is.

use bytes::Bytes;
use serde_json::{Map, Value};

/// Writes a document as compact JSON with sorted members at every level.
///
/// Number text stays as it was validated: RFC 8785 would push large integers through a double.
pub fn canonical(document: &Map<String, Value>) -> Bytes {
    let mut out = String::with_capacity(512);
    write_object(document, &mut out);
    Bytes::from(out)
}

fn write_object(members: &Map<String, Value>, out: &mut String) {
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_unstable_by_key(|(name, _)| *name);
    out.push('{');
    for (index, (name, value)) in sorted.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_text(name, out);
        out.push(':');
        write_value(value, out);
    }
    out.push('}');
}

fn write_value(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => out.push_str(number.as_str()),
        Value::String(text) => write_text(text, out),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_value(item, out);
            }
            out.push(']');
        }
        Value::Object(members) => write_object(members, out),
    }
}

fn write_text(text: &str, out: &mut String) {
    out.push_str(&serde_json::to_string(text).expect("a string always has a JSON form"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_sorted_at_every_level_and_numbers_keep_their_text() {
        let cases = [
            (r#"{ "b": 1, "a": 2 }"#, r#"{"a":2,"b":1}"#),
            (
                r#"{"z":{"y":[{"d":null,"c":true}],"x":"é\n"}}"#,
                r#"{"z":{"x":"é\n","y":[{"c":true,"d":null}]}}"#,
            ),
            (
                r#"{"n":12345678901234567890123, "f":1.10, "e":1e+2}"#,
                r#"{"e":1e+2,"f":1.10,"n":12345678901234567890123}"#,
            ),
            ("{}", "{}"),
        ];
        for (given, expected) in cases {
            let document: Map<String, Value> = serde_json::from_str(given).unwrap();
            assert_eq!(canonical(&document), expected.as_bytes(), "{given}");
        }
    }
}
