//! Fields, said in one line each: what the derives write, and what a schema made at run time is built with.

use std::borrow::Cow;

use serde_json::Value;

use super::{Bound, Custom, Field, Kind, OnDelete, Pattern, Rules, Schema};

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
            secret: false,
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

    /// It may never change.
    pub fn immutable(mut self) -> Self {
        self.immutable = true;
        self
    }

    /// Its value must not be repeated by errors, logs and the audit; a list's elements and a map's values neither.
    pub fn secret(mut self) -> Self {
        self.secret = true;
        self.elements(Field::secret)
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
        self.rules.between = Some((Bound::Whole(low), Bound::Whole(high)));
        self
    }

    /// Numbers above this one.
    pub fn gt(mut self, limit: i64) -> Self {
        self.rules.gt = Some(Bound::Whole(limit));
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
    pub fn custom(
        mut self,
        check: impl Fn(&Value) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.rules.custom = Some(Custom::new(check));
        self
    }

    /// Sets of which a set field may touch only one.
    pub fn exclusive(mut self, sets: &[&'static [&'static str]]) -> Self {
        let set = |words: &&[&'static str]| words.iter().copied().map(Cow::Borrowed).collect();
        self.rules.exclusive = sets.iter().map(set).collect();
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
