//! The shape of a document: schemas, fields and their kinds.

use std::borrow::Cow;

use serde_json::Value;

use super::{Check, Custom, Document, Pattern, Rules};

/// What one object may be told: its fields, in the order they are shown, and the rules between them.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    /// Kong's name of the schema (`services`), or of the record.
    pub name: Cow<'static, str>,
    /// What it is for.
    pub description: Cow<'static, str>,
    /// In the order in which documents show them.
    pub fields: Vec<Field>,
    /// Rules that read more than one field.
    pub checks: Vec<Check>,
    /// Write-only spellings that set other fields (`url`).
    pub shorthands: Vec<Shorthand>,
    /// Whether some fields depend on what the document says (routes by protocol, plugins by name).
    pub selector: Selector,
}

/// How a schema chooses the [`Variant`] that a document is held to.
#[derive(Clone, Debug, Default)]
pub enum Selector {
    /// One shape for all.
    #[default]
    None,
    /// By the first word of a set field that a variant names.
    Words {
        /// The set field that is read.
        field: &'static str,
        /// The words of each variant.
        variants: Vec<(&'static [&'static str], Variant)>,
    },
    /// By the plugin that the `name` field names.
    Plugin,
}

/// Fields that replace those of the same name, and checks that come on top.
#[derive(Clone, Debug, Default)]
pub struct Variant {
    /// Replace the schema's fields of the same name.
    pub fields: Vec<Field>,
    /// Run after the schema's own.
    pub checks: Vec<Check>,
}

/// A write-only field that is translated into others and never stored.
#[derive(Clone, Debug)]
pub struct Shorthand {
    /// Its own name, kind and rules.
    pub field: Field,
    /// What it stands for; a member that is null overrides what was sent.
    pub expand: fn(&Value) -> Document,
}

/// One member of a record, or the element of a list.
#[derive(Clone, Debug)]
pub struct Field {
    /// Member name; empty for elements.
    pub name: Cow<'static, str>,
    /// What kind of value it holds.
    pub kind: Kind,
    /// Whether null is refused.
    pub required: bool,
    /// What an absent member becomes.
    pub default: Option<Value>,
    /// Whether no two documents of the entity may share a value.
    pub unique: bool,
    /// Whether an absent value is made up on insert (ids, time stamps, keys).
    pub auto: bool,
    /// Whether a vault reference may stand for the value.
    pub referenceable: bool,
    /// Whether it may never change.
    pub immutable: bool,
    /// What it means.
    pub description: Cow<'static, str>,
    /// Single-value rules.
    pub rules: Rules,
    /// Whether a comma list in a form may write `name=value` for `name:value`.
    pub pairs: bool,
}

/// What happens to a document when the one it refers to is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDelete {
    /// The deletion is refused.
    Restrict,
    /// It goes as well.
    Cascade,
}

/// What kind of value a field holds.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Text.
    String,
    /// Any number.
    Number,
    /// A whole number.
    Integer,
    /// True or false.
    Boolean,
    /// A list that keeps duplicates.
    Array(Box<Field>),
    /// A list that drops duplicates, the first occurrence staying.
    Set(Box<Field>),
    /// An object of free member names.
    Map {
        /// Rules for names.
        keys: Box<Field>,
        /// Rules for values.
        values: Box<Field>,
    },
    /// An object of known members.
    Record(Schema),
    /// `{"id": …}` of another entity.
    Foreign {
        /// Which entity.
        kind: &'static str,
        /// What its deletion does.
        on_delete: OnDelete,
    },
    /// The configuration of the plugin that the document names.
    PluginConfig,
    /// Anything.
    Any,
}

impl Schema {
    /// A schema without rules between its fields.
    pub fn new(name: impl Into<Cow<'static, str>>, fields: Vec<Field>) -> Self {
        Schema {
            name: name.into(),
            fields,
            ..Schema::default()
        }
    }

    /// The field of that name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The shorthand of that name.
    pub fn shorthand(&self, name: &str) -> Option<&Shorthand> {
        self.shorthands
            .iter()
            .find(|shorthand| shorthand.field.name == name)
    }

    /// Adds a rule between fields.
    pub fn check(mut self, check: Check) -> Self {
        self.checks.push(check);
        self
    }

    /// Says what it is for.
    pub fn describe(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.description = text.into();
        self
    }
}

impl Field {
    /// A required field of this kind, without a name.
    pub fn new(kind: Kind) -> Self {
        Field {
            name: Cow::Borrowed(""),
            kind,
            required: true,
            default: None,
            unique: false,
            auto: false,
            referenceable: false,
            immutable: false,
            description: Cow::Borrowed(""),
            rules: Rules::default(),
            pairs: false,
        }
    }

    /// Required text.
    pub fn string() -> Self {
        Field::new(Kind::String)
    }

    /// A required list.
    pub fn array(element: Field) -> Self {
        Field::new(Kind::Array(Box::new(element)))
    }

    /// A required record.
    pub fn record(schema: Schema) -> Self {
        Field::new(Kind::Record(schema))
    }

    /// Gives it a name.
    pub fn named(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Says what it means.
    pub fn describe(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.description = text.into();
        self
    }

    /// Says what an absent member becomes.
    pub fn default_value(mut self, value: Value) -> Self {
        self.default = Some(value);
        self
    }

    /// Allows null.
    pub fn optional(mut self) -> Self {
        self.required = false;
        self
    }

    /// Refuses null.
    pub fn needed(mut self) -> Self {
        self.required = true;
        self
    }

    /// No two documents may share a value.
    pub fn unique(mut self) -> Self {
        self.unique = true;
        self
    }

    /// An absent value is made up on insert.
    pub fn auto(mut self) -> Self {
        self.auto = true;
        self
    }

    /// A vault reference may stand for the value.
    pub fn referenceable(mut self) -> Self {
        self.referenceable = true;
        self
    }

    /// A comma list in a form may write `name=value` for `name:value`.
    pub fn pairs(mut self) -> Self {
        self.pairs = true;
        self
    }

    /// A list becomes a set: duplicates are dropped.
    pub fn set(mut self) -> Self {
        self.kind = match self.kind {
            Kind::Array(element) => Kind::Set(element),
            other => other,
        };
        self
    }

    /// Changes the element of a list, or the values of a map.
    pub fn elements(mut self, change: impl FnOnce(Field) -> Field) -> Self {
        self.kind = match self.kind {
            Kind::Array(element) => Kind::Array(Box::new(change(*element))),
            Kind::Set(element) => Kind::Set(Box::new(change(*element))),
            Kind::Map { keys, values } => Kind::Map {
                keys,
                values: Box::new(change(*values)),
            },
            other => other,
        };
        self
    }

    /// What a deletion of the referred document does.
    pub fn on_delete(mut self, rule: OnDelete) -> Self {
        if let Kind::Foreign { on_delete, .. } = &mut self.kind {
            *on_delete = rule;
        }
        self
    }

    /// Numbers from `low` to `high`, both included.
    pub fn between(mut self, low: i64, high: i64) -> Self {
        self.rules.between = Some((low, high));
        self
    }

    /// Numbers above this one.
    pub fn gt(mut self, limit: i64) -> Self {
        self.rules.gt = Some(limit);
        self
    }

    /// One of these values, in the order the message shows them.
    pub fn one_of<T: Into<Value>>(mut self, values: impl IntoIterator<Item = T>) -> Self {
        self.rules.one_of = Some(values.into_iter().map(Into::into).collect());
        self
    }

    /// None of these values.
    pub fn not_one_of<T: Into<Value>>(mut self, values: impl IntoIterator<Item = T>) -> Self {
        self.rules.not_one_of = Some(values.into_iter().map(Into::into).collect());
        self
    }

    /// This value only.
    pub fn eq_value(mut self, value: Value) -> Self {
        self.rules.eq = Some(value);
        self
    }

    /// Any value but this one.
    pub fn ne_value(mut self, value: Value) -> Self {
        self.rules.ne = Some(value);
        self
    }

    /// Shortest text or list.
    pub fn len_min(mut self, length: usize) -> Self {
        self.rules.len_min = Some(length);
        self
    }

    /// Longest text or list.
    pub fn len_max(mut self, length: usize) -> Self {
        self.rules.len_max = Some(length);
        self
    }

    /// The only length.
    pub fn len_eq(mut self, length: usize) -> Self {
        self.rules.len_eq = Some(length);
        self
    }

    /// How text begins.
    pub fn starts_with(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.rules.starts_with = Some(text.into());
        self
    }

    /// A pattern that text must match.
    pub fn matching(mut self, pattern: &str) -> Self {
        self.rules.matches = Some(Pattern::new(pattern.to_owned()));
        self
    }

    /// Text that compiles as a regular expression.
    pub fn is_regex(mut self) -> Self {
        self.rules.is_regex = true;
        self
    }

    /// A function that says what is wrong with a value.
    pub fn custom(mut self, check: Custom) -> Self {
        self.rules.custom = Some(check);
        self
    }

    /// Sets of which a set field may touch only one.
    pub fn exclusive(mut self, sets: &[&'static [&'static str]]) -> Self {
        self.rules.exclusive = sets.to_vec();
        self
    }

    /// Whatever the other methods cannot say.
    pub fn with(self, change: impl FnOnce(Field) -> Field) -> Self {
        change(self)
    }

    /// One text for every rule that fails.
    pub fn err(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.rules.err = Some(text.into());
        self
    }
}
