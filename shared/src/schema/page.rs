//! Schemas for people to read: a table of fields, in Markdown.

use std::fmt::Write;

use serde_json::Value;

use super::{Check, Field, Kind, OnDelete, Rules, Schema};

/// One row for each field, nested ones as `record.field`, then the rules between fields.
pub fn table(schema: &Schema) -> String {
    let mut text =
        String::from("| field | type | default | rules | what it is |\n|---|---|---|---|---|\n");
    rows(&mut text, "", schema);
    for shorthand in &schema.shorthands {
        let field = &shorthand.field;
        let _ = writeln!(
            text,
            "| `{}` | {} | | write-only | {} |",
            field.name,
            kind(&field.kind),
            cell(&field.description)
        );
    }
    let between: Vec<String> = schema.checks.iter().filter_map(said).collect();
    if !between.is_empty() {
        text.push_str("\nBetween fields:\n\n");
        between
            .iter()
            .for_each(|line| text.push_str(&format!("- {line}\n")));
    }
    text
}

fn rows(text: &mut String, prefix: &str, schema: &Schema) {
    for field in &schema.fields {
        let name = format!("{prefix}{}", field.name);
        let default = field.default.as_ref().map(default).unwrap_or_default();
        let _ = writeln!(
            text,
            "| `{name}` | {} | {default} | {} | {} |",
            kind(&field.kind),
            rules(field).join("; "),
            cell(&field.description)
        );
        match &field.kind {
            Kind::Record(record) => rows(text, &format!("{name}."), record),
            Kind::Array(element) | Kind::Set(element) => {
                if let Kind::Record(record) = &element.kind {
                    rows(text, &format!("{name}[]."), record);
                }
            }
            _ => {}
        }
    }
}

fn default(value: &Value) -> String {
    // A record's default is that of its fields.
    match value {
        Value::Object(_) => String::new(),
        other => format!("`{}`", cell(&other.to_string())),
    }
}

fn kind(kind: &Kind) -> String {
    match kind {
        Kind::String => "string".to_owned(),
        Kind::Number => "number".to_owned(),
        Kind::Integer => "integer".to_owned(),
        Kind::Boolean => "boolean".to_owned(),
        Kind::Array(element) => format!("array of {}", self::kind(&element.kind)),
        Kind::Set(element) => format!("set of {}", self::kind(&element.kind)),
        Kind::Map { values, .. } => format!("map to {}", self::kind(&values.kind)),
        Kind::Record(_) => "record".to_owned(),
        Kind::Foreign { kind, .. } => format!("reference to {kind}"),
        Kind::PluginConfig => "record of the plugin".to_owned(),
        Kind::Any => "anything".to_owned(),
    }
}

/// What is said of a field, shortly.
fn rules(field: &Field) -> Vec<String> {
    let mut said = Vec::new();
    if field.required && !field.auto && field.default.is_none() && !is_record(field) {
        said.push("required".to_owned());
    }
    for (holds, word) in [
        (field.unique, "unique"),
        (field.auto, "made up if absent"),
        (field.immutable, "never changes"),
        (field.referenceable, "may be a vault reference"),
    ] {
        said.extend(holds.then(|| word.to_owned()));
    }
    if let Kind::Foreign { on_delete, .. } = field.kind {
        said.push(
            match on_delete {
                OnDelete::Cascade => "goes with it",
                OnDelete::Restrict => "keeps it from being deleted",
            }
            .to_owned(),
        );
    }
    of_value(&field.rules, &mut said);
    if let Kind::Array(element) | Kind::Set(element) = &field.kind {
        let mut each = Vec::new();
        of_value(&element.rules, &mut each);
        said.extend(each.into_iter().map(|rule| format!("each {rule}")));
    }
    said
}

fn is_record(field: &Field) -> bool {
    matches!(field.kind, Kind::Record(_))
}

fn of_value(rules: &Rules, said: &mut Vec<String>) {
    let words = |values: &[Value]| -> String {
        let words: Vec<String> = values
            .iter()
            .map(|value| format!("`{}`", plain(value)))
            .collect();
        words.join(", ")
    };
    if let Some(value) = &rules.eq {
        said.push(format!("always `{}`", plain(value)));
    }
    if let Some(values) = &rules.one_of {
        said.push(format!("one of {}", words(values)));
    }
    if let Some(values) = &rules.not_one_of {
        said.push(format!("none of {}", words(values)));
    }
    if let Some(limit) = rules.gt {
        said.push(format!("above {limit}"));
    }
    if let Some((low, high)) = rules.between {
        said.push(format!("{low} to {high}"));
    }
    if let Some(length) = rules.len_eq {
        said.push(format!("length {length}"));
    }
    if let Some(length) = rules.len_min {
        said.push(format!("length {length} or more"));
    }
    if let Some(length) = rules.len_max {
        said.push(format!("length {length} or less"));
    }
    if rules.uuid {
        said.push("a UUID".to_owned());
    }
    if rules.is_regex {
        said.push("a regular expression".to_owned());
    }
}

/// What a rule between fields says, as far as it says so itself.
fn said(check: &Check) -> Option<String> {
    let list = |names: &[std::borrow::Cow<'static, str>]| {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        names.join(", ")
    };
    match check {
        Check::AtLeastOneOf(names) => Some(format!("at least one of {}", list(names))),
        Check::OnlyOneOf(names) => Some(format!("exactly one of {}", list(names))),
        Check::MutuallyExclusive(names) => Some(format!("at most one of {}", list(names))),
        Check::MutuallyRequired(names) => Some(format!("all or none of {}", list(names))),
        Check::MutuallyExclusiveSets(one, other) => {
            Some(format!("none of {}, or none of {}", list(one), list(other)))
        }
        Check::Distinct(names) => Some(format!("{} differ", list(names))),
        Check::Conditional {
            if_field,
            then_field,
            ..
        } => Some(format!(
            "what `{then_field}` may be depends on `{if_field}`"
        )),
        Check::ConditionalAtLeastOneOf {
            if_field,
            conditions,
        } => {
            let mut names: Vec<_> = conditions
                .iter()
                .flat_map(|one| one.fields.clone())
                .collect();
            names.sort_unstable();
            names.dedup();
            Some(format!("by `{if_field}`, at least one of {}", list(&names)))
        }
        Check::Custom { .. } => None,
    }
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Text that stays within a cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
