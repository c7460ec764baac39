//! From what was sent to a document that may be stored.

use serde_json::{Map, Value};

use super::{Context, Entity, Transformation};
use crate::plugins::Catalog;
use crate::schema::{Document, FormOptions, Kind, Selector, Violations, at};

/// Seconds.
pub(super) const LONGEST_TTL: i64 = 100_000_000;

impl Entity {
    /// Gives the values of a form, which are all text, the types that the schema asks for. On an update of a plugin
    /// the stored `name` must be among them, since it says what `config` means.
    pub fn infer(&self, args: Document, catalog: &Catalog, options: &FormOptions) -> Document {
        let variant = self.variant(&args, catalog).ok().flatten();
        let mut out = self.schema.infer(variant, args, options);
        let ttl = out
            .get("ttl")
            .filter(|_| self.has_ttl)
            .and_then(Value::as_str);
        if let Some(number) = ttl.and_then(crate::schema::parse_number) {
            out.insert("ttl".to_owned(), number);
        }
        out
    }

    /// Makes a complete document of what was sent to create or replace one, or says everything that is wrong.
    ///
    /// References must be resolved to ids before.
    pub fn complete(&self, input: Document, cx: &Context) -> Result<Document, Violations> {
        let mut input = self.expand_shorthands(input)?;
        self.drop_computed(&mut input);
        let ttl = self.take_ttl(&mut input, cx)?.unwrap_or(Value::Null);
        self.fill_autos(&mut input, cx);
        let due = self.due_transformations(&input, cx);
        let mut document = self.finish(input, ttl, cx, false)?;
        due.into_iter().for_each(|apply| apply(&mut document));
        Ok(document)
    }

    /// Makes a complete document of a stored one and a partial update, or says everything that is wrong. The id stays.
    pub fn merge(
        &self,
        stored: &Document,
        patch: Document,
        cx: &Context,
    ) -> Result<Document, Violations> {
        let mut patch = self.expand_shorthands(patch)?;
        self.drop_computed(&mut patch);
        let ttl = self.take_ttl(&mut patch, cx)?;
        let ttl = ttl
            .or_else(|| stored.get("ttl").cloned())
            .unwrap_or(Value::Null);
        patch.shift_remove("id");
        let chosen = patch.get("name").or_else(|| stored.get("name")).cloned();
        let chosen: Document = chosen
            .map(|name| ("name".to_owned(), name))
            .into_iter()
            .collect();
        let variant = match self.schema.selector {
            Selector::Plugin => self.variant(&chosen, cx.catalog)?,
            _ => None,
        };
        let due = self.due_transformations(&patch, cx);
        let stale = self
            .transformations
            .iter()
            .filter(|made| !made.is_due(&patch));
        let stale: Vec<_> = stale.collect();
        let mut merged = self.schema.merge(variant, stored, patch);
        merged.shift_remove("ttl");
        if let Some(field) = self.schema.field("updated_at") {
            merged.insert("updated_at".to_owned(), stamp(&field.kind, cx.now));
        }
        let mut merged = self.finish(merged, ttl, cx, true)?;
        due.into_iter().for_each(|apply| apply(&mut merged));
        let mut refused = self.schema.frozen(stored, &merged);
        for made in stale
            .iter()
            .filter(|made| made.is_outdated(stored, &merged))
        {
            refused.entity_check(made.incomplete());
        }
        if refused.is_empty() {
            Ok(merged)
        } else {
            Err(refused)
        }
    }

    /// What is to be computed from these fields, once they have passed every check.
    fn due_transformations(&self, sent: &Document, cx: &Context) -> Vec<fn(&mut Document)> {
        let wanted = self.transformations.iter().filter(|_| cx.transform);
        let due = wanted.filter(|given| given.is_due(sent));
        due.map(|given| given.apply).collect()
    }

    /// Replaces shorthands by what they stand for, one after the other: a later one sees what an earlier one said.
    fn expand_shorthands(&self, mut input: Document) -> Result<Document, Violations> {
        let mut violations = Violations::default();
        for shorthand in &self.schema.shorthands {
            match input.shift_remove(shorthand.field.name.as_ref()) {
                None => {}
                Some(Value::Null) if shorthand.takes_null => {
                    input.extend((shorthand.expand)(&Value::Null));
                }
                Some(Value::Null) => {}
                Some(value) => match shorthand.field.check(&value) {
                    Ok(()) => input.extend((shorthand.expand)(&value)),
                    Err(node) => violations.attach(&shorthand.field.name, node),
                },
            }
        }
        if violations.is_empty() {
            Ok(input)
        } else {
            Err(violations)
        }
    }

    fn drop_computed(&self, input: &mut Document) {
        if let Some(computed) = &self.computed {
            computed.drop_from(input);
        }
    }

    /// Seconds to live become the end of life. `None`: nothing was said.
    fn take_ttl(&self, input: &mut Document, cx: &Context) -> Result<Option<Value>, Violations> {
        if !self.has_ttl {
            return Ok(None);
        }
        let Some(value) = input.shift_remove("ttl") else {
            return Ok(None);
        };
        match value.as_i64() {
            _ if value.is_null() => Ok(Some(Value::Null)),
            Some(0) => Ok(Some(Value::Null)),
            Some(ttl) if (1..=LONGEST_TTL).contains(&ttl) => {
                Ok(Some(Value::from(cx.now.floor() as i64 + ttl)))
            }
            _ => Err(Violations::one(
                "ttl",
                format!("must be an integer between 0 and {LONGEST_TTL}"),
            )),
        }
    }

    /// Makes up what the sender left open.
    fn fill_autos(&self, input: &mut Document, cx: &Context) {
        for field in self.schema.fields.iter().filter(|field| field.auto) {
            let name = field.name.as_ref();
            let given = input.get(name);
            let made = match &field.kind {
                kind if name == "updated_at" => Some(stamp(kind, cx.now)),
                kind if field.rules.timestamp => given
                    .is_none_or(Value::is_null)
                    .then(|| stamp(kind, cx.now)),
                _ if field.rules.uuid => given
                    .is_none()
                    .then(|| Value::String((cx.new_id)().to_string())),
                // An explicit null is kept: a credential that cannot be used yet.
                _ => given.is_none().then(|| Value::String((cx.random_text)())),
            };
            if let Some(made) = made {
                input.insert(name.to_owned(), made);
            }
        }
    }

    fn finish(
        &self,
        input: Document,
        ttl: Value,
        cx: &Context,
        updating: bool,
    ) -> Result<Document, Violations> {
        let variant = self.variant(&input, cx.catalog)?;
        let mut document: Map<String, Value> = self.schema.complete(variant, input);
        let violations = self.judge(variant, &document, cx.catalog, updating);
        if !violations.is_empty() {
            return Err(violations);
        }
        if self.has_ttl {
            document.insert("ttl".to_owned(), ttl);
        }
        Ok(document)
    }
}

impl Transformation {
    /// Whether the sender gave something to compute it from.
    fn is_due(&self, sent: &Document) -> bool {
        self.input.iter().any(|name| sent.contains_key(*name))
    }

    /// Whether what it was computed from differs between two documents.
    fn is_outdated(&self, stored: &Document, updated: &Document) -> bool {
        let mut needs = self.needs.iter();
        needs.any(|path| at(stored, path) != at(updated, path))
    }

    /// Said if it is.
    fn incomplete(&self) -> String {
        let fields = self.input.iter().chain(self.needs);
        let quoted: Vec<_> = fields.map(|path| format!("'{path}'")).collect();
        format!(
            "all or none of these fields must be set: {}",
            quoted.join(", ")
        )
    }
}

/// The time as a field of that kind shows it: whole seconds, or a number down to the millisecond.
fn stamp(kind: &Kind, now: f64) -> Value {
    match kind {
        Kind::Number => Value::from((now * 1000.0).floor() / 1000.0),
        _ => Value::from(now.floor() as i64),
    }
}
