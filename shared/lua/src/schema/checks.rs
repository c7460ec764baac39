//! Entity checks: rules that read more than one field.

use std::borrow::Cow;

use shared::schema::{Check, Condition, Field, Kind};

use super::node::Node;

type Names = Vec<Cow<'static, str>>;

/// Every entity check that there is.
const CHECKS: &[&str] = &[
    "at_least_one_of",
    "conditional",
    "conditional_at_least_one_of",
    "custom_entity_check",
    "distinct",
    "mutually_exclusive",
    "mutually_exclusive_sets",
    "mutually_required",
    "only_one_of",
];

/// What is said if nothing else is.
const NONE_GIVEN: &str = "at least one of these fields must be non-empty: %s";

impl Node<'_> {
    /// The `entity_checks` of this table, which read these fields.
    pub(super) fn checks(&self, fields: &[Field]) -> Result<Vec<Check>, String> {
        self.children("entity_checks", |entry| self.deeper(|| entry.check(fields)))
    }

    fn check(&self, fields: &[Field]) -> Result<Check, String> {
        let names = self.names()?;
        let [name] = names.as_slice() else {
            return Err(self.own_fault(format!("expected one name, got {}", names.len())));
        };
        if !CHECKS.contains(&name.as_str()) {
            let known = CHECKS.join(", ");
            return Err(self.fault(name, format!("unknown check, expected one of: {known}")));
        }
        let list = || self.fields_of(name, fields);
        match name.as_str() {
            "at_least_one_of" => return Ok(Check::AtLeastOneOf(list()?)),
            "only_one_of" => return Ok(Check::OnlyOneOf(list()?)),
            "distinct" => return Ok(Check::Distinct(list()?)),
            "mutually_exclusive" => return Ok(Check::MutuallyExclusive(list()?)),
            "mutually_required" => return Ok(Check::MutuallyRequired(list()?)),
            _ => {}
        }
        let rule = self.child(name)?.expect("its name was read");
        match name.as_str() {
            "mutually_exclusive_sets" => Ok(Check::MutuallyExclusiveSets(
                rule.fields_of("set1", fields)?,
                rule.fields_of("set2", fields)?,
            )),
            "conditional" => rule.conditional(fields),
            "conditional_at_least_one_of" => rule.conditional_at_least_one_of(fields),
            _ => rule.custom_entity_check(fields),
        }
    }

    fn conditional(&self, fields: &[Field]) -> Result<Check, String> {
        self.knows(&[
            "if_field",
            "if_match",
            "then_field",
            "then_match",
            "then_err",
        ])?;
        Ok(Check::Conditional {
            if_field: self.field_of("if_field", fields)?,
            if_match: Box::new(self.needed("if_match")?.condition()?),
            then_field: self.field_of("then_field", fields)?,
            then_match: Box::new(self.needed("then_match")?.condition()?),
            then_err: self.text("then_err")?.map(Cow::Owned),
        })
    }

    fn conditional_at_least_one_of(&self, fields: &[Field]) -> Result<Check, String> {
        self.knows(&[
            "else_match",
            "else_then_at_least_one_of",
            "else_then_err",
            "if_field",
            "if_match",
            "then_at_least_one_of",
            "then_err",
        ])?;
        let branch = |condition: &str, names: &str, err: &str| {
            Ok::<_, String>(Condition {
                if_match: self.needed(condition)?.condition()?,
                fields: self.fields_of(names, fields)?,
                err: self.text(err)?.map_or(NONE_GIVEN.into(), Cow::Owned),
            })
        };
        let mut conditions = vec![branch("if_match", "then_at_least_one_of", "then_err")?];
        if self.has("else_match") {
            let otherwise = ("else_match", "else_then_at_least_one_of", "else_then_err");
            conditions.push(branch(otherwise.0, otherwise.1, otherwise.2)?);
        }
        Ok(Check::ConditionalAtLeastOneOf {
            if_field: self.field_of("if_field", fields)?,
            conditions,
        })
    }

    fn custom_entity_check(&self, fields: &[Field]) -> Result<Check, String> {
        self.knows(&[
            "field_sources",
            "fn",
            "run_with_invalid_fields",
            "run_with_missing_fields",
        ])?;
        let sources = self.fields_of("field_sources", fields)?;
        let way = self.function("fn")?;
        let way = way.ok_or_else(|| self.fault("fn", "required field missing"))?;
        let missing = self.boolean("run_with_missing_fields")?.unwrap_or_default();
        let names = sources.iter().map(ToString::to_string).collect();
        Ok(Check::Custom {
            within: None,
            tolerant: self.boolean("run_with_invalid_fields")?.unwrap_or_default(),
            run: self.program.entity_check(way, names, missing),
            fields: sources,
        })
    }

    fn needed(&self, key: &str) -> Result<Node<'_>, String> {
        self.child(key)?
            .ok_or_else(|| self.fault(key, "required field missing"))
    }

    /// Refuses entries of other names.
    pub(super) fn knows(&self, known: &[&str]) -> Result<(), String> {
        let names = self.names()?;
        match names.iter().find(|name| !known.contains(&name.as_str())) {
            Some(name) => {
                let known = known.join(", ");
                Err(self.fault(name, format!("unknown field, expected one of: {known}")))
            }
            None => Ok(()),
        }
    }

    fn field_of(&self, key: &str, fields: &[Field]) -> Result<Cow<'static, str>, String> {
        let name = self.needed_text(key)?;
        self.known(key, &name, fields)?;
        Ok(name.into())
    }

    fn fields_of(&self, key: &str, fields: &[Field]) -> Result<Names, String> {
        let names = self.needed_words(key)?;
        for name in &names {
            self.known(key, name, fields)?;
        }
        Ok(names.into_iter().map(Cow::Owned).collect())
    }

    fn known(&self, key: &str, name: &str, fields: &[Field]) -> Result<(), String> {
        match exists(name, fields) {
            true => Ok(()),
            false => Err(self.fault(key, format!("unknown field '{name}'"))),
        }
    }
}

/// Whether a dotted name leads to a field.
fn exists(name: &str, fields: &[Field]) -> bool {
    let (first, rest) = match name.split_once('.') {
        Some((first, rest)) => (first, Some(rest)),
        None => (name, None),
    };
    let found = fields.iter().find(|field| field.name == first);
    match (found.map(|field| &field.kind), rest) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(Kind::Record(record)), Some(rest)) => exists(rest, &record.fields),
        (Some(kind), Some(_)) => {
            matches!(kind, Kind::Map { .. } | Kind::Any | Kind::Foreign { .. })
        }
    }
}
