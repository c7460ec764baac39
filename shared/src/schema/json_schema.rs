//! Schemas as JSON Schema (2020-12), the dialect of OpenAPI 3.1.
//!
//! What a function checks (a host name, a template) cannot be said in JSON Schema and is left out: everything a
//! schema takes fits, but not everything that fits is taken.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::{Bound, Field, Kind, Pattern, Rules, Schema, Variant};

/// Which documents a JSON Schema describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// What is stored and answered: every member, defaults filled in.
    Answer,
    /// What creates or replaces a document.
    Whole,
    /// What changes a part of one.
    Part,
}

impl Schema {
    /// The objects of this schema, the fields of the variant in place of its own.
    pub fn json_schema(&self, variant: Option<&Variant>, purpose: Purpose) -> Value {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for field in self.resolved(variant) {
            properties.insert(field.name.to_string(), field.json_schema(purpose));
            if field.is_needed(purpose) {
                required.push(Value::from(field.name.as_ref()));
            }
        }
        if purpose != Purpose::Answer {
            let shorthands = self.shorthands.iter().map(|shorthand| &shorthand.field);
            properties.extend(shorthands.map(|field| {
                let mut shown = field.clone().optional().json_schema(purpose);
                shown["writeOnly"] = true.into();
                (field.name.to_string(), shown)
            }));
        }
        let mut out = Map::new();
        out.insert("type".to_owned(), "object".into());
        if !self.description.is_empty() {
            out.insert("description".to_owned(), self.description.as_ref().into());
        }
        out.insert("properties".to_owned(), properties.into());
        if !required.is_empty() {
            out.insert("required".to_owned(), required.into());
        }
        out.insert("additionalProperties".to_owned(), false.into());
        out.into()
    }
}

impl Field {
    /// The values of this field.
    pub fn json_schema(&self, purpose: Purpose) -> Value {
        if self.rules.eq == Some(Value::Null) {
            return json!({ "type": "null" });
        }
        let mut out = self.kind.json_schema(purpose);
        self.rules.json_schema(&self.kind, purpose, &mut out);
        if self.referenceable {
            let vault = json!({ "type": "string", "pattern": r"^\{vault://.*\}$" });
            out = [("anyOf".to_owned(), json!([out, vault]))]
                .into_iter()
                .collect();
        }
        if !self.required {
            allow_null(&mut out);
        }
        if !self.description.is_empty() {
            out.insert("description".to_owned(), self.description.as_ref().into());
        }
        if let Some(default) = &self.default {
            out.insert("default".to_owned(), default.clone());
        }
        out.into()
    }

    /// Whether a document lacks something without this member.
    fn is_needed(&self, purpose: Purpose) -> bool {
        match purpose {
            Purpose::Answer => true,
            Purpose::Whole => {
                let made_up = self.auto || matches!(self.kind, Kind::Record(_));
                self.required && self.default.is_none() && !made_up
            }
            Purpose::Part => false,
        }
    }
}

fn allow_null(out: &mut Map<String, Value>) {
    if let Some(Value::Array(any)) = out.get_mut("anyOf") {
        any.push(json!({ "type": "null" }));
        return;
    }
    let Some(Value::String(kind)) = out.get("type").cloned() else {
        return;
    };
    out.insert("type".to_owned(), json!([kind, "null"]));
    if let Some(Value::Array(words)) = out.get_mut("enum") {
        words.push(Value::Null);
    }
}

impl Kind {
    fn json_schema(&self, purpose: Purpose) -> Map<String, Value> {
        // A list or a map is replaced whole, even by a partial update.
        let inner = match purpose {
            Purpose::Answer => Purpose::Answer,
            Purpose::Whole | Purpose::Part => Purpose::Whole,
        };
        let shown = match self {
            Kind::String => json!({ "type": "string" }),
            Kind::Number => json!({ "type": "number" }),
            Kind::Integer => json!({ "type": "integer" }),
            Kind::Boolean => json!({ "type": "boolean" }),
            Kind::Array(element) => json!({ "type": "array", "items": element.json_schema(inner) }),
            // Duplicates may be sent; they are dropped.
            Kind::Set(element) if purpose == Purpose::Answer => {
                json!({ "type": "array", "items": element.json_schema(inner), "uniqueItems": true })
            }
            Kind::Set(element) => json!({ "type": "array", "items": element.json_schema(inner) }),
            Kind::Map { keys, values } => json!({
                "type": "object",
                "propertyNames": keys.json_schema(inner),
                "additionalProperties": values.json_schema(inner),
            }),
            Kind::Record(schema) => schema.json_schema(None, purpose),
            Kind::Foreign { .. } => foreign(purpose),
            Kind::PluginConfig => json!({ "type": "object" }),
            Kind::Any => json!({}),
        };
        match shown {
            Value::Object(members) => members,
            _ => unreachable!("every arm writes an object"),
        }
    }
}

/// Answers give the id; a sender may give any unique field instead.
fn foreign(purpose: Purpose) -> Value {
    let id = json!({ "type": "string", "format": "uuid" });
    match purpose {
        Purpose::Answer => json!({
            "type": "object",
            "properties": { "id": id },
            "required": ["id"],
            "additionalProperties": false,
        }),
        Purpose::Whole | Purpose::Part => json!({
            "type": "object",
            "properties": { "id": id },
            "minProperties": 1,
        }),
    }
}

impl Rules {
    fn json_schema(&self, kind: &Kind, purpose: Purpose, out: &mut Map<String, Value>) {
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                out.insert(name.to_owned(), value);
            }
        };
        put("const", self.eq.clone());
        put("enum", self.one_of.clone().map(Value::from));
        let (low, high) = self.between.unzip();
        put("minimum", low.and_then(Bound::number));
        put("maximum", high.and_then(Bound::number));
        let above = self.gt.or(self.timestamp.then_some(Bound::Whole(0)));
        put("exclusiveMinimum", above.and_then(Bound::number));
        put("format", self.uuid.then(|| "uuid".into()));
        let (least, most) = self.lengths(kind, purpose);
        let (min, max) = match kind {
            Kind::String => ("minLength", "maxLength"),
            Kind::Array(_) | Kind::Set(_) => ("minItems", "maxItems"),
            _ => ("minProperties", "maxProperties"),
        };
        put(min, least.map(Value::from));
        put(max, most.map(Value::from));
        let wanted = self.contains.clone();
        put("contains", wanted.map(|value| json!({ "const": value })));
        let more = self.more();
        put("allOf", (!more.is_empty()).then(|| more.into()));
    }

    /// The least and the greatest length, in what JSON Schema counts: characters, where the rules count bytes.
    fn lengths(&self, kind: &Kind, purpose: Purpose) -> (Option<usize>, Option<usize>) {
        let text = matches!(kind, Kind::String);
        let least = self.len_eq.or(self.len_min).or(text.then_some(1));
        let most = self.len_eq.or(self.len_max);
        // A long character is one to JSON Schema and several to the rule.
        let uncertain = text && purpose == Purpose::Answer;
        let least = least.filter(|least| *least > 0 && (*least == 1 || !uncertain));
        (least, most)
    }

    /// What takes a schema of its own, since there may be several.
    fn more(&self) -> Vec<Value> {
        let refused = |value: Value| json!({ "not": value });
        let text = |pattern: &Pattern| Some(json!({ "type": "string", "pattern": ecma(pattern)? }));
        let free = |pattern: &Pattern| Some(json!({ "pattern": ecma(pattern)? }));
        let mut more = Vec::new();
        more.extend(
            self.ne
                .clone()
                .map(|value| refused(json!({ "const": value }))),
        );
        more.extend(
            self.not_one_of
                .clone()
                .map(|words| refused(json!({ "enum": words }))),
        );
        more.extend(
            self.starts_with
                .as_deref()
                .map(|start| json!({ "pattern": format!("^{}", regex::escape(start)) })),
        );
        let not = self.not_match.as_ref();
        more.extend(not.and_then(text).map(refused));
        more.extend(self.matches.as_ref().and_then(free));
        more.extend(
            self.match_all
                .iter()
                .filter_map(|(pattern, _)| free(pattern)),
        );
        let none = self
            .match_none
            .iter()
            .filter_map(|(pattern, _)| text(pattern));
        more.extend(none.map(refused));
        if let Some((patterns, _)) = &self.match_any {
            let any: Option<Vec<Value>> = patterns.iter().map(free).collect();
            more.extend(any.map(|any| json!({ "anyOf": any })));
        }
        for (position, one) in self.exclusive.iter().enumerate() {
            more.extend(self.exclusive[position + 1..].iter().map(|other| {
                let holds = |words: &[Cow<'static, str>]| json!({ "contains": { "enum": words } });
                refused(json!({ "type": "array", "allOf": [holds(one), holds(other)] }))
            }));
        }
        more
    }
}

/// The pattern, if it means the same in JavaScript's syntax, which is that of JSON Schema.
fn ecma(pattern: &Pattern) -> Option<&str> {
    let source = pattern.regex()?;
    let plain = source.replace("(?:", "(");
    let differs = ["(?", "\\p", "\\P", "\\A", "\\z", "\\x{", "[[", "[]", "&&"];
    (!differs.iter().any(|construct| plain.contains(construct))).then_some(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(field: Field) -> Value {
        field.json_schema(Purpose::Whole)
    }

    #[test]
    fn rules_have_their_words_in_json_schema() {
        let port = Field::new(Kind::Integer)
            .between(0, 65535)
            .default_value(80.into());
        let word = Field::string().one_of(["a", "b"]).optional();
        let cases = [
            (
                port,
                json!({ "type": "integer", "minimum": 0, "maximum": 65535, "default": 80 }),
            ),
            (
                word,
                json!({ "type": ["string", "null"], "enum": ["a", "b", null], "minLength": 1 }),
            ),
            (
                Field::string().len_min(0).len_max(3),
                json!({ "type": "string", "maxLength": 3 }),
            ),
            (
                Field::string().matching("^[a-z]+$"),
                json!({ "type": "string", "minLength": 1, "allOf": [{ "pattern": "^[a-z]+$" }] }),
            ),
            (
                Field::string().not_one_of(["env"]),
                json!({ "type": "string", "minLength": 1, "allOf": [{ "not": { "enum": ["env"] } }] }),
            ),
            (
                Field::string().optional().eq_value(Value::Null),
                json!({ "type": "null" }),
            ),
            (
                Field::array(Field::string()).len_min(1),
                json!({ "type": "array", "items": { "type": "string", "minLength": 1 }, "minItems": 1 }),
            ),
            (
                Field::string().referenceable(),
                json!({ "anyOf": [
                    { "type": "string", "minLength": 1 },
                    { "type": "string", "pattern": "^\\{vault://.*\\}$" },
                ] }),
            ),
        ];
        for (field, expected) in cases {
            assert_eq!(rendered(field), expected);
        }
    }

    #[test]
    fn patterns_that_javascript_reads_otherwise_are_left_out() {
        assert_eq!(ecma(&Pattern::new("^(?:a|b)$")), Some("^(?:a|b)$"));
        for source in ["^(?i:host)$", r"\p{L}", "[[:alpha:]]", r"\Aa\z"] {
            assert_eq!(ecma(&Pattern::new(source)), None, "{source}");
        }
    }

    #[test]
    fn what_must_be_sent_is_what_nothing_fills_in() {
        let inner = Schema::new("inner", vec![Field::string().named("must")]);
        let schema = Schema::new(
            "outer",
            vec![
                Field::string().named("plain"),
                Field::string().named("filled").default_value("x".into()),
                Field::string().named("made_up").auto(),
                Field::string().named("free").optional(),
                Field::array(Field::record(inner.clone())).named("list"),
                Field::record(inner).named("inner"),
            ],
        );
        let shown = |purpose| schema.json_schema(None, purpose);
        assert_eq!(shown(Purpose::Whole)["required"], json!(["plain", "list"]));
        assert_eq!(shown(Purpose::Part)["required"], Value::Null);
        assert_eq!(
            shown(Purpose::Answer)["required"].as_array().map(Vec::len),
            Some(6)
        );
        let part = shown(Purpose::Part);
        assert_eq!(part["properties"]["inner"]["required"], Value::Null);
        // An element is never half sent.
        let element = &part["properties"]["list"]["items"];
        assert_eq!(element["required"], json!(["must"]));
    }

    #[test]
    fn sets_that_exclude_each_other_cannot_be_mixed() {
        let field = Field::array(Field::string()).exclusive(&[&["a"], &["b", "c"]]);
        let expected = json!([{ "not": { "type": "array", "allOf": [
            { "contains": { "enum": ["a"] } }, { "contains": { "enum": ["b", "c"] } },
        ] } }]);
        assert_eq!(rendered(field)["allOf"], expected);
    }
}
