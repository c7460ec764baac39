//! Custom plugins, for a person.

use std::fmt::Write;
use std::path::PathBuf;

use serde_json::Value;
use similar::{ChangeTag, TextDiff};

/// Digits of a digest that tell one version from another.
const DIGITS: usize = 8;

/// What a push made.
pub(super) fn pushed(before: Option<&Value>, after: &Value) -> String {
    let Some(before) = before else {
        return format!("created {}\n", about(after));
    };
    let mut out = format!("changed {}\n", about(after));
    for file in ["schema", "handler"] {
        let (old, new) = (text(before, file), text(after, file));
        if old != new {
            let diff = TextDiff::from_lines(old, new);
            let count = |tag| {
                diff.iter_all_changes()
                    .filter(|change| change.tag() == tag)
                    .count()
            };
            let (more, less) = (count(ChangeTag::Insert), count(ChangeTag::Delete));
            let _ = writeln!(out, "  {file}.lua: {more} lines added, {less} removed");
        }
    }
    for field in ["version", "priority", "phases"] {
        let (old, new) = (plain(&before[field]), plain(&after[field]));
        if old != new {
            let _ = writeln!(out, "  {field}: {old} -> {new}");
        }
    }
    out
}

/// What a push left as it is.
pub(super) fn unchanged(plugin: &Value) -> String {
    format!("unchanged {}\n", about(plugin))
}

/// What was written.
pub(super) fn pulled(plugin: &Value, written: &[PathBuf]) -> String {
    let files: Vec<String> = written
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    format!("pulled {} to {}\n", about(plugin), files.join(" and "))
}

/// One line for each plugin, under a line of headings.
pub(super) fn table(plugins: &[Value]) -> String {
    if plugins.is_empty() {
        return "no custom plugins\n".to_owned();
    }
    let heading = ["NAME", "VERSION", "PRIORITY", "SHA256", "PHASES"].map(str::to_owned);
    let row = |plugin: &Value| {
        [
            plain(&plugin["name"]),
            plain(&plugin["version"]),
            plain(&plugin["priority"]),
            digest(plugin),
            plain(&plugin["phases"]),
        ]
    };
    let rows: Vec<[String; 5]> = std::iter::once(heading)
        .chain(plugins.iter().map(row))
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths = [0, 1, 2, 3].map(width);
    let mut out = String::new();
    for row in &rows {
        for (text, width) in row.iter().zip(widths) {
            let _ = write!(out, "{text:width$}  ");
        }
        let _ = writeln!(out, "{}", row[4]);
    }
    out
}

/// `my-plugin 0.0.1 (sha256 1a2b3c4d, priority 1000, access, response)`
fn about(plugin: &Value) -> String {
    format!(
        "{} {} (sha256 {}, priority {}, {})",
        plain(&plugin["name"]),
        plain(&plugin["version"]),
        digest(plugin),
        plain(&plugin["priority"]),
        plain(&plugin["phases"]),
    )
}

fn digest(plugin: &Value) -> String {
    text(plugin, "sha256").chars().take(DIGITS).collect()
}

fn text<'a>(plugin: &'a Value, field: &str) -> &'a str {
    plugin[field].as_str().unwrap_or_default()
}

/// A value without quotes; a list with commas.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "no phases".to_owned(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plugin(version: &str, handler: &str) -> Value {
        json!({
            "name": "my-plugin", "version": version, "priority": 1000, "phases": ["access", "log"],
            "sha256": "0123456789abcdef", "schema": "return {}\n", "handler": handler,
        })
    }

    #[test]
    fn a_push_says_what_it_changed() {
        let (old, new) = (plugin("0.0.1", "a\nb\n"), plugin("0.0.2", "a\nc\nd\n"));
        assert_eq!(
            pushed(None, &old),
            "created my-plugin 0.0.1 (sha256 01234567, priority 1000, access, log)\n"
        );
        assert_eq!(
            pushed(Some(&old), &new),
            "changed my-plugin 0.0.2 (sha256 01234567, priority 1000, access, log)\n  \
             handler.lua: 2 lines added, 1 removed\n  version: 0.0.1 -> 0.0.2\n"
        );
    }

    #[test]
    fn a_list_stands_in_columns() {
        let mut other = plugin("1.0.0", "");
        other["name"] = json!("x");
        other["phases"] = json!([]);
        let mut broken = json!({ "name": "broken", "sha256": "ffffffffff" });
        broken["version"] = Value::Null;
        assert_eq!(
            table(&[broken, plugin("0.0.1", ""), other]),
            "NAME       VERSION  PRIORITY  SHA256    PHASES\n\
             broken     -        -         ffffffff  -\n\
             my-plugin  0.0.1    1000      01234567  access, log\n\
             x          1.0.0    1000      01234567  no phases\n"
        );
        assert_eq!(table(&[]), "no custom plugins\n");
    }
}
