//! What may be wrong with a single value.

use std::borrow::Cow;

use serde_json::Value;

use super::Pattern;

/// The rules of one field, in the order in which they are tried; the first that fails speaks.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// The only value allowed.
    pub eq: Option<Value>,
    /// A value that is refused.
    pub ne: Option<Value>,
    /// Values that are refused.
    pub not_one_of: Option<Vec<Value>>,
    /// The values allowed.
    pub one_of: Option<Vec<Value>>,
    /// A number that must be exceeded.
    pub gt: Option<i64>,
    /// Whether it is a time stamp.
    pub timestamp: bool,
    /// Whether it is a UUID.
    pub uuid: bool,
    /// Whether it must compile as a regular expression.
    pub is_regex: bool,
    /// Lowest and highest number.
    pub between: Option<(i64, i64)>,
    /// The only length.
    pub len_eq: Option<usize>,
    /// The least length; text without one must not be empty.
    pub len_min: Option<usize>,
    /// The greatest length.
    pub len_max: Option<usize>,
    /// How text begins.
    pub starts_with: Option<Cow<'static, str>>,
    /// Patterns that must not match, each with a text of its own.
    pub match_none: Vec<(Pattern, Cow<'static, str>)>,
    /// A pattern that must match.
    pub matches: Option<Pattern>,
    /// Patterns that must all match, each with a text of its own.
    pub match_all: Vec<(Pattern, Cow<'static, str>)>,
    /// Patterns of which one must match, with the text if none does.
    pub match_any: Option<(Vec<Pattern>, Cow<'static, str>)>,
    /// An element that a list must hold.
    pub contains: Option<Value>,
    /// Rules for each element, in the condition of a check.
    pub elements: Option<Box<Rules>>,
    /// Whether null is refused, in the consequence of a check.
    pub required: bool,
    /// Anything else.
    pub custom: Option<fn(&Value) -> Result<(), String>>,
    /// Sets of which a set may touch only one.
    pub exclusive: Vec<&'static [&'static str]>,
    /// One text for every rule that fails.
    pub err: Option<Cow<'static, str>>,
}
