//! Rules that read more than one field. Their errors go to `@entity`.

use std::borrow::Cow;

use super::{Document, Rules, Run, Violations};

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
    /// Of one of two sets all must be null.
    MutuallyExclusiveSets(Vec<Cow<'static, str>>, Vec<Cow<'static, str>>),
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
        /// The record that it is about; the document itself if there is none.
        within: Option<Cow<'static, str>>,
        /// What it reads.
        fields: Vec<Cow<'static, str>>,
        /// Whether it is run even if one of these has an error already.
        tolerant: bool,
        /// What is run on the record.
        run: Run,
    },
}

/// One branch of a [`Check::ConditionalAtLeastOneOf`].
#[derive(Clone, Debug)]
pub struct Condition {
    /// When it applies.
    pub if_match: Rules,
    /// Of which one must not be null.
    pub fields: Vec<Cow<'static, str>>,
    /// What is said if all are; `%s` is the list of fields.
    pub err: Cow<'static, str>,
}

impl Check {
    /// A function of the program, which is not run if one of the fields that it reads has an error already.
    pub fn custom<const N: usize>(
        fields: [&'static str; N],
        run: impl Fn(&Document, &mut Violations) + Send + Sync + 'static,
    ) -> Check {
        Check::Custom {
            within: None,
            fields: fields.map(Cow::Borrowed).to_vec(),
            tolerant: false,
            run: Run::new(run),
        }
    }

    /// The same rule, said of a document that holds the record under this name.
    pub fn prefixed(self, record: &'static str) -> Check {
        let one = |field: Cow<'static, str>| Cow::Owned(format!("{record}.{field}"));
        let all = |fields: Vec<Cow<'static, str>>| fields.into_iter().map(one).collect();
        match self {
            Check::AtLeastOneOf(fields) => Check::AtLeastOneOf(all(fields)),
            Check::OnlyOneOf(fields) => Check::OnlyOneOf(all(fields)),
            Check::MutuallyExclusive(fields) => Check::MutuallyExclusive(all(fields)),
            Check::MutuallyRequired(fields) => Check::MutuallyRequired(all(fields)),
            Check::Distinct(fields) => Check::Distinct(all(fields)),
            Check::MutuallyExclusiveSets(first, second) => {
                Check::MutuallyExclusiveSets(all(first), all(second))
            }
            Check::Conditional {
                if_field,
                if_match,
                then_field,
                then_match,
                then_err,
            } => Check::Conditional {
                if_field: one(if_field),
                if_match,
                then_field: one(then_field),
                then_match,
                then_err,
            },
            Check::Custom {
                fields,
                tolerant,
                run,
                ..
            } => Check::Custom {
                within: Some(record.into()),
                fields: all(fields),
                tolerant,
                run,
            },
            Check::ConditionalAtLeastOneOf {
                if_field,
                conditions,
            } => {
                let conditions = conditions.into_iter().map(|condition| {
                    let fields = condition.fields.into_iter().map(one).collect();
                    Condition {
                        fields,
                        ..condition
                    }
                });
                Check::ConditionalAtLeastOneOf {
                    if_field: one(if_field),
                    conditions: conditions.collect(),
                }
            }
        }
    }

    /// The paths it reads.
    pub(super) fn reads(&self) -> Vec<&str> {
        match self {
            Check::AtLeastOneOf(fields)
            | Check::OnlyOneOf(fields)
            | Check::MutuallyExclusive(fields)
            | Check::MutuallyRequired(fields)
            | Check::Distinct(fields)
            | Check::Custom { fields, .. } => fields.iter().map(AsRef::as_ref).collect(),
            Check::MutuallyExclusiveSets(one, other) => {
                one.iter().chain(other).map(AsRef::as_ref).collect()
            }
            Check::Conditional {
                if_field,
                then_field,
                ..
            } => vec![if_field, then_field],
            Check::ConditionalAtLeastOneOf {
                if_field,
                conditions,
            } => {
                let mut reads = vec![if_field.as_ref()];
                for field in conditions.iter().flat_map(|condition| &condition.fields) {
                    if !reads.contains(&field.as_ref()) {
                        reads.push(field);
                    }
                }
                reads
            }
        }
    }
}
