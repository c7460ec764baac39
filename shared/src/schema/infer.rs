//! Form values are text; the schema says what they mean (admin-api.md 2.3, 2.4).

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::{Document, Field, FormOptions, Kind, Schema, Variant, numbers};

impl Schema {
    /// Gives known members their types. What cannot be read stays text, so that its error says so.
    pub fn infer(
        &self,
        variant: Option<&Variant>,
        args: Document,
        options: &FormOptions,
    ) -> Document {
        let known = |name: &str| {
            let field = self.resolved(variant).find(|field| field.name == name);
            field.or_else(|| self.shorthand(name).map(|shorthand| &shorthand.field))
        };
        let infer = |(name, value): (String, Value)| match known(&name) {
            Some(field) => {
                let value = field.infer(value, options);
                (name, value)
            }
            None => (name, value),
        };
        args.into_iter().map(infer).collect()
    }
}

impl Field {
    fn infer(&self, value: Value, options: &FormOptions) -> Value {
        match (&self.kind, value) {
            (_, Value::String(text)) if text.is_empty() => Value::Null,
            (Kind::Number | Kind::Integer, Value::String(text)) => {
                numbers::parse(&text).unwrap_or(Value::String(text))
            }
            (Kind::Boolean, Value::String(text)) => match text.as_str() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                _ => Value::String(text),
            },
            (Kind::Array(element) | Kind::Set(element), Value::Array(items)) => items
                .into_iter()
                .map(|item| element.infer(item, options))
                .collect(),
            (Kind::Array(element) | Kind::Set(element), Value::String(text))
                if options.comma_lists =>
            {
                self.comma_list(element, text, options)
            }
            // An object here is a list with holes, and is reported as one.
            (Kind::Array(element) | Kind::Set(element), scalar)
                if !scalar.is_object() && !scalar.is_null() =>
            {
                Value::Array(vec![element.infer(scalar, options)])
            }
            (Kind::Map { values, .. }, Value::Object(members)) => members
                .into_iter()
                .map(|(key, item)| (key, values.infer(item, options)))
                .collect(),
            (Kind::Record(schema), Value::Object(members)) => {
                Value::Object(schema.infer(None, members, options))
            }
            (Kind::Foreign { .. }, Value::Object(members)) => {
                let text = Field::string();
                members
                    .into_iter()
                    .map(|(key, item)| (key, text.infer(item, options)))
                    .collect()
            }
            (_, value) => value,
        }
    }

    /// The list that a text stands for, if the field is a list of scalars; any other value stays as it is.
    pub(crate) fn split_text(&self, value: Value) -> Value {
        match (&self.kind, value) {
            (Kind::Array(element) | Kind::Set(element), Value::String(text))
                if !text.is_empty() && is_scalar(element) =>
            {
                self.comma_list(element, text, &FormOptions::default())
            }
            (_, value) => value,
        }
    }

    /// A scalar under the bare key of a list: the pieces between commas if they are all good elements, the whole if
    /// only that is, else the pieces, whose errors are then told.
    fn comma_list(&self, element: &Field, text: String, options: &FormOptions) -> Value {
        let splits = is_scalar(element) && text.contains(',');
        let pieces = if splits {
            self.pieces(element, &text, options)
        } else {
            Vec::new()
        };
        let good = |item: &Value| element.check(item).is_ok();
        let whole = element.infer(Value::String(text), options);
        if pieces.is_empty() || (!pieces.iter().all(good) && good(&whole)) {
            Value::Array(vec![whole])
        } else {
            Value::Array(pieces)
        }
    }

    fn pieces(&self, element: &Field, text: &str, options: &FormOptions) -> Vec<Value> {
        let pieces = text
            .split(',')
            .map(str::trim_ascii)
            .filter(|piece| !piece.is_empty());
        let spelled = pieces
            .enumerate()
            .map(|(at, piece)| match piece.contains(':') {
                // The often-copied `p1:v1,p2=v2`.
                false if at > 0 && self.pairs && PAIR.is_match(piece) => {
                    piece.replacen('=', ":", 1)
                }
                _ => piece.to_owned(),
            });
        spelled
            .map(|piece| element.infer(Value::String(piece), options))
            .collect()
    }
}

/// Whether commas may separate such elements.
fn is_scalar(element: &Field) -> bool {
    matches!(element.kind, Kind::String | Kind::Number | Kind::Integer)
}

static PAIR: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^[A-Za-z0-9_.\-]+=").expect("a constant pattern compiles"));
