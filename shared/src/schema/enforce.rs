//! Checks between fields, run on a complete document.

use std::borrow::Cow;

use serde_json::Value;

use super::rules::quoted_list;
use super::validate::is_vault_reference;
use super::{Check, Document, Kind, Run, Schema, Variant, Violations};

impl Check {
    /// Adds what it finds, unless a field that it reads is wrong already.
    pub(super) fn run(
        &self,
        schema: &Schema,
        variant: Option<&Variant>,
        document: &Document,
        updating: bool,
        violations: &mut Violations,
    ) {
        let reads = self.reads();
        if reads
            .iter()
            .any(|path| is_reference(schema, variant, document, path))
        {
            return;
        }
        // Whether something is there at all can be said of a wrong value too.
        let tolerant = match self {
            Check::AtLeastOneOf(_) | Check::OnlyOneOf(_) => true,
            Check::Custom { tolerant, .. } => *tolerant,
            _ => false,
        };
        if !tolerant && reads.iter().any(|path| violations.concerns(path)) {
            return;
        }
        match self {
            Check::Conditional { .. } => self.run_conditional(document, violations),
            Check::ConditionalAtLeastOneOf {
                if_field,
                conditions,
            } => {
                let value = at(document, if_field);
                let applies = conditions
                    .iter()
                    .find(|condition| condition.if_match.check(value).is_ok());
                if let Some(condition) = applies
                    .filter(|condition| !condition.fields.iter().any(|path| given(document, path)))
                {
                    violations
                        .entity_check(condition.err.replace("%s", &quoted_list(&condition.fields)));
                }
            }
            Check::Custom { within, run, .. } => {
                run_custom(within.as_deref(), run, document, violations)
            }
            Check::MutuallyExclusiveSets(one, other) => {
                let set = |paths: &[Cow<'static, str>]| {
                    let given = paths.iter().filter(|path| given(document, path));
                    let given: Vec<_> = given.collect();
                    (!given.is_empty()).then(|| format!("({})", quoted_list(&given)))
                };
                if let (Some(one), Some(other)) = (set(one), set(other)) {
                    violations
                        .entity_check(format!("these sets are mutually exclusive: {one}, {other}"));
                }
            }
            Check::AtLeastOneOf(_) if !self.holds(document) => {
                let prefix = if updating { "when updating, " } else { "" };
                violations.entity_check(format!(
                    "{prefix}{}: {}",
                    self.general_text(),
                    quoted_list(&reads)
                ));
            }
            _ if !self.holds(document) => {
                violations.entity_check(format!(
                    "{}: {}",
                    self.general_text(),
                    quoted_list(&reads)
                ));
            }
            _ => {}
        }
    }

    fn run_conditional(&self, document: &Document, violations: &mut Violations) {
        let Check::Conditional {
            if_field,
            if_match,
            then_field,
            then_match,
            then_err,
        } = self
        else {
            return;
        };
        let condition = at(document, if_field);
        let on_null = if_match.eq == Some(Value::Null);
        if (condition.is_null() && !on_null) || if_match.check(condition).is_err() {
            return;
        }
        if let Err(text) = then_match.check(at(document, then_field)) {
            violations.entity_check(match then_err {
                Some(own) => own.to_string(),
                None => format!("failed conditional validation given value of field '{if_field}'"),
            });
            violations.insert(&then_field.split('.').collect::<Vec<_>>(), text);
        }
    }

    /// Whether one of the counting rules is met.
    fn holds(&self, document: &Document) -> bool {
        let count = |fields: &[Cow<'static, str>]| {
            fields.iter().filter(|path| given(document, path)).count()
        };
        match self {
            Check::AtLeastOneOf(fields) => count(fields) >= 1,
            Check::OnlyOneOf(fields) => count(fields) == 1,
            Check::MutuallyExclusive(fields) => count(fields) <= 1,
            Check::MutuallyRequired(fields) => {
                matches!(count(fields), n if n == 0 || n == fields.len())
            }
            Check::Distinct(fields) => {
                let values: Vec<_> = fields
                    .iter()
                    .map(|path| at(document, path))
                    .filter(|v| !v.is_null())
                    .collect();
                values
                    .iter()
                    .enumerate()
                    .all(|(n, value)| !values[..n].contains(value))
            }
            _ => true,
        }
    }

    fn general_text(&self) -> &'static str {
        match self {
            Check::AtLeastOneOf(_) => "at least one of these fields must be non-empty",
            Check::OnlyOneOf(_) => "exactly one of these fields must be non-empty",
            Check::MutuallyExclusive(_) => "only one or none of these fields must be set",
            Check::MutuallyRequired(_) => "all or none of these fields must be set",
            _ => "values of these fields must be distinct",
        }
    }
}

/// Errors of a record as a whole are told of the document; those of its members stay where they are.
fn run_custom(within: Option<&str>, run: &Run, document: &Document, out: &mut Violations) {
    let Some(record) = within else {
        return run.on(document, out);
    };
    let Some(Value::Object(members)) = document.get(record) else {
        return;
    };
    let mut found = Violations::default();
    run.on(members, &mut found);
    out.lift(record, found);
}

/// The value at a dotted path; null if there is none.
pub(crate) fn at<'a>(document: &'a Document, path: &str) -> &'a Value {
    let mut names = path.split('.');
    let first = names
        .next()
        .and_then(|name| document.get(name))
        .unwrap_or(&Value::Null);
    names.fold(first, |value, name| value.get(name).unwrap_or(&Value::Null))
}

/// Whether there is anything at a path: not null, not empty.
fn given(document: &Document, path: &str) -> bool {
    match at(document, path) {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        _ => true,
    }
}

/// Whether a vault reference stands at a path that allows one.
fn is_reference(
    schema: &Schema,
    variant: Option<&Variant>,
    document: &Document,
    path: &str,
) -> bool {
    let (name, rest) = match path.split_once('.') {
        Some((name, rest)) => (name, Some(rest)),
        None => (path, None),
    };
    let Some(field) = schema.resolved(variant).find(|field| field.name == name) else {
        return false;
    };
    match (rest, &field.kind, document.get(name)) {
        (None, ..) => field.referenceable && is_vault_reference(at(document, path)),
        (Some(rest), Kind::Record(inner), Some(Value::Object(members))) => {
            is_reference(inner, None, members, rest)
        }
        _ => false,
    }
}
