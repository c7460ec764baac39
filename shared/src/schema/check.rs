//! Rules that read more than one field. Their errors go to `@entity`.

use std::borrow::Cow;

use super::{Document, Rules, Violations};

/// A rule between fields. Field names may be paths (`config.allow`).
#[derive(Clone, Debug)]
pub enum Check {
    /// One of these must not be null.
    AtLeastOneOf(Vec<Cow<'static, str>>),
    /// Exactly one of these must not be null.
    OnlyOneOf(Vec<Cow<'static, str>>),
    /// At most one of these may be other than null.
    MutuallyExclusive(Vec<Cow<'static, str>>),
    /// All of these are null, or none.
    MutuallyRequired(Vec<Cow<'static, str>>),
    /// No two of these are equal.
    Distinct(Vec<Cow<'static, str>>),
    /// If one field meets some rules, another must meet others.
    Conditional {
        /// What is read.
        if_field: Cow<'static, str>,
        /// When the rule applies.
        if_match: Box<Rules>,
        /// What is held to it.
        then_field: Cow<'static, str>,
        /// To what.
        then_match: Box<Rules>,
        /// A text in place of the general one.
        then_err: Option<Cow<'static, str>>,
    },
    /// By what one field says, one of several others must not be null.
    ConditionalAtLeastOneOf {
        /// What is read.
        if_field: Cow<'static, str>,
        /// Tried in order; the first that meets its rules speaks.
        conditions: Vec<Condition>,
    },
    /// Anything else: fields that are read, and a function that adds what it finds.
    Custom {
        /// Not run if one of these has an error already.
        fields: Vec<Cow<'static, str>>,
        /// What is run on the whole document.
        run: fn(&Document, &mut Violations),
    },
}

/// One branch of a [`Check::ConditionalAtLeastOneOf`].
#[derive(Clone, Debug)]
pub struct Condition {
    /// When it applies.
    pub if_match: Rules,
    /// Of which one must not be null.
    pub fields: &'static [&'static str],
    /// What is said if all are; `%s` is the list of fields.
    pub err: &'static str,
}
