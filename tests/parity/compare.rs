//! Picks the facts a step asks for, and tells in words how two replies differ.

use serde_json::{Map, Number, Value, json};

/// Keeps selected facts: `status`, `headers`, `header:<name>`, `body`, `json:<dotted.path>`, `keys:<dotted.path>` (sorted
/// member names), `plugin_fields`.
pub fn pick(reply: &Value, only: &[String]) -> Value {
    let mut headers = Map::new();
    let mut body = Map::new();
    for fact in only {
        let document = &reply["body"]["json"];
        match fact.split_once(':') {
            Some(("header", name)) => {
                drop(headers.insert(name.into(), reply["headers"][name].clone()))
            }
            Some(("json", path)) => drop(body.insert(path.into(), at(document, path).clone())),
            Some(("keys", path)) => drop(body.insert(fact.clone(), keys(at(document, path)))),
            None if fact == "headers" => {
                headers = reply["headers"].as_object().cloned().unwrap_or_default()
            }
            None if fact == "body" => body = reply["body"].as_object().cloned().unwrap_or_default(),
            None if fact == "plugin_fields" => {
                drop(body.insert(fact.clone(), plugin_fields(document)))
            }
            _ => {}
        }
    }
    json!({ "status": reply["status"], "headers": headers, "body": body })
}

fn at<'a>(document: &'a Value, path: &str) -> &'a Value {
    let parts = path.split('.').filter(|part| !part.is_empty());
    parts.fold(document, |value, part| {
        match (value, part.parse::<usize>()) {
            (Value::Array(items), Ok(index)) => items.get(index).unwrap_or(&Value::Null),
            _ => value.get(part).unwrap_or(&Value::Null),
        }
    })
}

fn keys(value: &Value) -> Value {
    let mut names: Vec<String> = match value {
        Value::Object(map) => map.keys().cloned().collect(),
        // A schema's `fields`: a list of objects with one member.
        Value::Array(items) => items
            .iter()
            .map(|item| single_key(item).unwrap_or_else(|| item.to_string()))
            .collect(),
        _ => return Value::Null,
    };
    names.sort_unstable();
    json!(names)
}

fn single_key(item: &Value) -> Option<String> {
    match item {
        Value::Object(map) if map.len() == 1 => map.keys().next().cloned(),
        Value::String(text) => Some(text.clone()),
        _ => None,
    }
}

/// The dotted names of the fields of a plugin's `config`.
fn plugin_fields(document: &Value) -> Value {
    let mut names = Vec::new();
    for field in list(&document["fields"]) {
        if let Some(config) = field.get("config") {
            walk(&config["fields"], "", 0, &mut names);
        }
    }
    names.sort_unstable();
    json!(names)
}

fn walk(fields: &Value, prefix: &str, depth: usize, names: &mut Vec<String>) {
    for (name, field) in list(fields).iter().filter_map(Value::as_object).flatten() {
        names.push(format!("{prefix}{name}"));
        if depth < 4 && field["type"] == "record" {
            walk(
                &field["fields"],
                &format!("{prefix}{name}."),
                depth + 1,
                names,
            );
        }
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Every difference in words, by path.
pub fn differences(expected: &Value, got: &Value) -> Vec<String> {
    let mut found = Vec::new();
    differ(expected, got, "", &mut found);
    found
}

fn differ(expected: &Value, got: &Value, path: &str, found: &mut Vec<String>) {
    match (expected, got) {
        (Value::Object(a), Value::Object(b)) => {
            let mut names: Vec<&String> = a.keys().chain(b.keys()).collect();
            names.sort_unstable();
            names.dedup();
            for name in names {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                match (a.get(name), b.get(name)) {
                    (Some(a), Some(b)) => differ(a, b, &path, found),
                    (Some(a), None) => {
                        found.push(format!("{path}: expected {}, missing", short(a)))
                    }
                    (None, b) => found.push(format!(
                        "{path}: unexpected {}",
                        short(b.unwrap_or(&Value::Null))
                    )),
                }
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                differ(a, b, &format!("{path}[{index}]"), found);
            }
        }
        (Value::Number(a), Value::Number(b)) if same_number(a, b) => {}
        _ if expected == got => {}
        _ => found.push(format!(
            "{path}: expected {}, got {}",
            short(expected),
            short(got)
        )),
    }
}

/// 1 equals 1.0, whatever the spelling.
fn same_number(a: &Number, b: &Number) -> bool {
    let (a, b) = (a.to_string(), b.to_string());
    match (a.parse::<i128>(), b.parse::<i128>()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b || a.parse::<f64>().ok() == b.parse::<f64>().ok(),
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(400) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
