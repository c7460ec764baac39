//! Schemas as `/schemas` shows them.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::{Bound, Check, Condition, Field, Kind, Pattern, Rules, Schema, Variant};

impl Schema {
    /// `fields` and `entity_checks`, the fields of the variant in place of the schema's own.
    pub fn render(&self, variant: Option<&Variant>) -> Value {
        let fields = self
            .resolved(variant)
            .map(Field::render_named)
            .collect::<Vec<_>>();
        let checks = self
            .checks
            .iter()
            .chain(variant.map_or(&[][..], |variant| &variant.checks));
        let checks = checks.flat_map(Check::render).collect::<Vec<_>>();
        let mut out = Map::new();
        out.insert("fields".to_owned(), fields.into());
        if !checks.is_empty() {
            out.insert("entity_checks".to_owned(), checks.into());
        }
        if !self.shorthands.is_empty() {
            let shorthands = self
                .shorthands
                .iter()
                .map(|shorthand| shorthand.field.render_named());
            out.insert("shorthand_fields".to_owned(), shorthands.collect());
        }
        Value::Object(out)
    }
}

impl Field {
    /// An object with one member, its name.
    pub fn render_named(&self) -> Value {
        Value::Object(
            [(self.name.clone().into_owned(), self.render())]
                .into_iter()
                .collect(),
        )
    }

    fn render(&self) -> Value {
        let mut out = Map::new();
        out.insert("type".to_owned(), self.kind.name().into());
        let flags = [
            (
                "required",
                self.required && self.default != Some(Value::Null),
            ),
            ("unique", self.unique),
            ("auto", self.auto),
            ("referenceable", self.referenceable),
            ("immutable", self.immutable),
        ];
        out.extend(
            flags
                .into_iter()
                .filter(|(_, set)| *set)
                .map(|(name, _)| (name.to_owned(), Value::Bool(true))),
        );
        if let Some(default) = &self.default {
            out.insert("default".to_owned(), default.clone());
        }
        if !self.description.is_empty() {
            out.insert("description".to_owned(), self.description.as_ref().into());
        }
        self.rules.render(&mut out);
        self.kind.render(&mut out);
        Value::Object(out)
    }
}

impl Kind {
    fn render(&self, out: &mut Map<String, Value>) {
        match self {
            Kind::Array(element) | Kind::Set(element) => {
                drop(out.insert("elements".to_owned(), element.render_inner()))
            }
            Kind::Map { keys, values } => {
                out.insert("keys".to_owned(), keys.render_inner());
                out.insert("values".to_owned(), values.render_inner());
            }
            Kind::Record(schema) => {
                if let Value::Object(members) = schema.render(None) {
                    out.extend(members);
                }
            }
            Kind::Foreign { kind, .. } => drop(out.insert("reference".to_owned(), (*kind).into())),
            Kind::PluginConfig => drop(out.insert("abstract".to_owned(), true.into())),
            Kind::String | Kind::Number | Kind::Integer | Kind::Boolean | Kind::Any => {}
        }
    }
}

impl Field {
    /// As an element: that it must not be null goes without saying.
    fn render_inner(&self) -> Value {
        let mut value = self.render();
        if let Value::Object(members) = &mut value {
            members.remove("required");
        }
        value
    }
}

impl Rules {
    fn render(&self, out: &mut Map<String, Value>) {
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                out.insert(name.to_owned(), value);
            }
        };
        put("eq", self.eq.clone());
        put("ne", self.ne.clone());
        put("not_one_of", self.not_one_of.clone().map(Value::from));
        put("one_of", self.one_of.clone().map(Value::from));
        put("gt", self.gt.map(Bound::shown));
        put("timestamp", self.timestamp.then_some(Value::Bool(true)));
        put("uuid", self.uuid.then_some(Value::Bool(true)));
        put("is_regex", self.is_regex.then_some(Value::Bool(true)));
        put(
            "between",
            self.between
                .map(|(low, high)| json!([low.shown(), high.shown()])),
        );
        put("len_eq", self.len_eq.map(Value::from));
        put("len_min", self.len_min.map(Value::from));
        put("len_max", self.len_max.map(Value::from));
        put("starts_with", self.starts_with.as_deref().map(Value::from));
        put(
            "not_match",
            self.not_match
                .as_ref()
                .map(|pattern| pattern.source.as_ref().into()),
        );
        put(
            "match",
            self.matches
                .as_ref()
                .map(|pattern| pattern.source.as_ref().into()),
        );
        put("contains", self.contains.clone());
        put("err", self.err.as_deref().map(Value::from));
        let each = |patterns: &[(Pattern, Cow<'static, str>)]| {
            let shown = |(pattern, err): &(Pattern, Cow<'static, str>)| json!({ "pattern": pattern.source, "err": err });
            let shown: Vec<Value> = patterns.iter().map(shown).collect();
            (!shown.is_empty()).then(|| shown.into())
        };
        put("match_none", each(&self.match_none));
        put("match_all", each(&self.match_all));
        put(
            "match_any",
            self.match_any.as_ref().map(|(patterns, err)| {
                let sources: Vec<_> = patterns.iter().map(|pattern| &pattern.source).collect();
                json!({ "patterns": sources, "err": err })
            }),
        );
        put(
            "mutually_exclusive_subsets",
            (!self.exclusive.is_empty()).then(|| json!(self.exclusive)),
        );
        if let Some(elements) = &self.elements {
            let mut inner = Map::new();
            elements.render(&mut inner);
            put("elements", Some(inner.into()));
        }
    }

    fn to_value(&self) -> Value {
        let mut out = Map::new();
        self.render(&mut out);
        if self.required {
            out.insert("required".to_owned(), true.into());
        }
        Value::Object(out)
    }
}

impl Check {
    /// One object per branch; Kong nests a second branch in the first, but no client reads that far.
    fn render(&self) -> Vec<Value> {
        vec![match self {
            Check::AtLeastOneOf(fields) => json!({ "at_least_one_of": fields }),
            Check::OnlyOneOf(fields) => json!({ "only_one_of": fields }),
            Check::MutuallyExclusive(fields) => json!({ "mutually_exclusive": fields }),
            Check::MutuallyRequired(fields) => json!({ "mutually_required": fields }),
            Check::Distinct(fields) => json!({ "distinct": fields }),
            Check::MutuallyExclusiveSets(one, other) => {
                json!({ "mutually_exclusive_sets": { "set1": one, "set2": other } })
            }
            // A rule of the record itself, which is shown as little as any function.
            Check::Custom { fields, .. } if fields.is_empty() => return Vec::new(),
            Check::Custom { fields, .. } => {
                json!({ "custom_entity_check": { "field_sources": fields } })
            }
            Check::Conditional {
                if_field,
                if_match,
                then_field,
                then_match,
                then_err,
            } => {
                let mut rule = json!({
                    "if_field": if_field, "if_match": if_match.to_value(),
                    "then_field": then_field, "then_match": then_match.to_value(),
                });
                if let Some(err) = then_err {
                    rule["then_err"] = err.as_ref().into();
                }
                json!({ "conditional": rule })
            }
            Check::ConditionalAtLeastOneOf {
                if_field,
                conditions,
            } => {
                return conditions
                    .iter()
                    .map(|condition| condition.render(if_field))
                    .collect();
            }
        }]
    }
}

impl Condition {
    fn render(&self, if_field: &str) -> Value {
        let rule = json!({
            "if_field": if_field, "if_match": self.if_match.to_value(),
            "then_at_least_one_of": self.fields, "then_err": self.err,
        });
        json!({ "conditional_at_least_one_of": rule })
    }
}
