//! The shape of a document: schemas, fields and their kinds.

use std::borrow::Cow;

use serde_json::Value;

use super::{Check, Document, Rules};

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
    /// One shape for all, but nothing is judged unless the `name` field holds one of these names.
    Named {
        /// The names that are known.
        names: &'static [&'static str],
        /// What is said of any other.
        unknown: fn(&str) -> String,
    },
}

/// Fields that replace those of the same name, and checks that come on top.
#[derive(Clone, Debug, Default)]
pub struct Variant {
    /// Replace the schema's fields of the same name.
    pub fields: Vec<Field>,
    /// Run after the schema's own.
    pub checks: Vec<Check>,
}

/// A spelling that is translated into other fields before anything is checked. Its own name is stored only if it is
/// among those.
#[derive(Clone, Debug)]
pub struct Shorthand {
    /// Its own name, kind and rules.
    pub field: Field,
    /// Whether null is translated too; else it says nothing.
    pub takes_null: bool,
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
    /// Whether its value must not appear in errors, logs and the audit.
    pub secret: bool,
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
