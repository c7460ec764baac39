//! Values written as Lua tables, as they occur inside messages.

use serde_json::{Map, Value};

/// The compact form: `{id="…"}`, keys sorted, null as `null`.
pub fn inline(value: &Value) -> String {
    match value {
        Value::Array(items) => braces(entries(items, inline)),
        Value::Object(members) => braces(
            sorted(members)
                .into_iter()
                .map(|(k, v)| format!("{}={}", key(k), inline(v))),
        ),
        Value::String(text) => format!("\"{text}\""),
        other => other.to_string(),
    }
}

fn braces(parts: impl IntoIterator<Item = String>) -> String {
    format!("{{{}}}", parts.into_iter().collect::<Vec<_>>().join(","))
}

/// List items bare; after a gap with their index.
fn entries(items: &[Value], shown: fn(&Value) -> String) -> Vec<String> {
    let mut gap = false;
    let mut out = Vec::new();
    for (at, item) in items.iter().enumerate() {
        match item {
            Value::Null => gap = true,
            item if gap => out.push(format!("[{}]={}", at + 1, shown(item))),
            item => out.push(shown(item)),
        }
    }
    out
}

fn sorted(members: &Map<String, Value>) -> Vec<(&str, &Value)> {
    let mut members: Vec<_> = members
        .iter()
        .map(|(key, value)| (key.as_str(), value))
        .collect();
    members.sort_by_key(|(key, _)| *key);
    members
}

fn key(text: &str) -> String {
    if is_identifier(text) {
        text.to_owned()
    } else {
        format!("[\"{text}\"]")
    }
}

fn is_identifier(text: &str) -> bool {
    let begins = text
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    begins && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The long form, as Penlight prints tables: one entry a line, two blanks of indent per level.
pub fn dump(value: &Value) -> String {
    let mut out = String::new();
    dump_into(&mut out, value, 1);
    out
}

fn dump_into(out: &mut String, value: &Value, depth: usize) {
    let lines: Vec<(Option<String>, &Value)> = match value {
        Value::Array(items) => numbered(items),
        Value::Object(members) => sorted(members)
            .into_iter()
            .map(|(k, v)| (Some(key(k)), v))
            .collect(),
        Value::String(text) => return out.push_str(&quoted(text)),
        other => return out.push_str(&other.to_string()),
    };
    if lines.is_empty() {
        return out.push_str("{}");
    }
    out.push_str("{\n");
    for (at, (key, item)) in lines.iter().enumerate() {
        out.push_str(&"  ".repeat(depth));
        if let Some(key) = key {
            out.push_str(key);
            out.push_str(" = ");
        }
        dump_into(out, item, depth + 1);
        out.push_str(if at + 1 < lines.len() { ",\n" } else { "\n" });
    }
    out.push_str(&"  ".repeat(depth - 1));
    out.push('}');
}

fn numbered(items: &[Value]) -> Vec<(Option<String>, &Value)> {
    let leading = items.iter().take_while(|item| !item.is_null()).count();
    let present = items.iter().enumerate().filter(|(_, item)| !item.is_null());
    present
        .map(|(at, item)| ((at >= leading).then(|| format!("[{}]", at + 1)), item))
        .collect()
}

/// Double quotes; text with line ends in long brackets.
fn quoted(text: &str) -> String {
    if text.contains('\n') && !text.contains('\r') {
        let level = (0..)
            .map(|n| "=".repeat(n))
            .find(|level| !text.contains(&format!("]{level}]")));
        let level = level.unwrap_or_default();
        let lead = if text.starts_with('\n') { "\n" } else { "" };
        return format!("[{level}[{lead}{text}]{level}]");
    }
    let escaped = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\r', "\\r")
        .replace('\n', "\\n");
    format!("\"{escaped}\"")
}
