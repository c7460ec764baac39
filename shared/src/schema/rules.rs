//! What may be wrong with a single value.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Value;

use super::{Bound, Custom, Pattern, numbers};
use crate::types::canonical;

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
    pub gt: Option<Bound>,
    /// Whether it is a time stamp.
    pub timestamp: bool,
    /// Whether it is a UUID.
    pub uuid: bool,
    /// Whether it must compile as a regular expression.
    pub is_regex: bool,
    /// Lowest and highest number.
    pub between: Option<(Bound, Bound)>,
    /// The only length.
    pub len_eq: Option<usize>,
    /// The least length; text without one must not be empty.
    pub len_min: Option<usize>,
    /// The greatest length.
    pub len_max: Option<usize>,
    /// How text begins.
    pub starts_with: Option<Cow<'static, str>>,
    /// A pattern that must not match.
    pub not_match: Option<Pattern>,
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
    pub custom: Option<Custom>,
    /// Sets of which a set may touch only one.
    pub exclusive: Vec<Vec<Cow<'static, str>>>,
    /// One text for every rule that fails.
    pub err: Option<Cow<'static, str>>,
}

/// Said of null where a value is needed.
pub(super) const REQUIRED: &str = "required field missing";

impl Rules {
    /// Says what is wrong with a value of the right type.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        let result = if value.is_null() {
            self.check_null()
        } else {
            self.check_present(value)
        };
        result.map_err(|text| self.err.as_ref().map_or(text, ToString::to_string))
    }

    fn check_null(&self) -> Result<(), String> {
        if self.required {
            return Err(REQUIRED.to_owned());
        }
        match (&self.eq, &self.ne) {
            (Some(eq), _) if !eq.is_null() => Err(format!("value must be {}", shown(eq))),
            (_, Some(Value::Null)) => Err("value must not be null".to_owned()),
            _ => Ok(()),
        }
    }

    fn check_present(&self, value: &Value) -> Result<(), String> {
        self.check_equality(value)?;
        self.check_number(value)?;
        self.check_format(value)?;
        self.check_length(value)?;
        self.check_text(value)?;
        self.check_elements(value)?;
        if let Some(custom) = &self.custom {
            custom.check(value)?;
        }
        self.check_exclusive(value)
    }

    fn check_equality(&self, value: &Value) -> Result<(), String> {
        let same = |other: &Value| numbers::same(other, value);
        if let Some(eq) = self.eq.as_ref().filter(|eq| !same(eq)) {
            return Err(format!("value must be {}", shown(eq)));
        }
        if let Some(ne) = self.ne.as_ref().filter(|ne| same(ne)) {
            return Err(format!("value must not be {}", shown(ne)));
        }
        if let Some(values) = self
            .not_one_of
            .as_ref()
            .filter(|values| values.iter().any(same))
        {
            return Err(format!("must not be one of: {}", listed(values)));
        }
        match &self.one_of {
            Some(values) if !values.iter().any(same) => {
                Err(format!("expected one of: {}", listed(values)))
            }
            _ => Ok(()),
        }
    }

    fn check_number(&self, value: &Value) -> Result<(), String> {
        let Value::Number(number) = value else {
            return Ok(());
        };
        let order = |bound| numbers::compare(number, bound);
        if let Some(limit) = self
            .gt
            .filter(|limit| order(*limit) != Some(Ordering::Greater))
        {
            return Err(format!("value must be greater than {limit}"));
        }
        if self.timestamp && order(Bound::Whole(0)) != Some(Ordering::Greater) {
            return Err("expected a valid timestamp".to_owned());
        }
        match self.between {
            Some((low, high))
                if !matches!(order(low), Some(Ordering::Greater | Ordering::Equal))
                    || !matches!(order(high), Some(Ordering::Less | Ordering::Equal)) =>
            {
                Err(format!("value should be between {low} and {high}"))
            }
            _ => Ok(()),
        }
    }

    fn check_format(&self, value: &Value) -> Result<(), String> {
        let Value::String(text) = value else {
            return Ok(());
        };
        if self.uuid && canonical(text).is_none() {
            return Err("expected a valid UUID".to_owned());
        }
        if self.is_regex && regex::Regex::new(text).is_err() {
            return Err(format!("not a valid regex: {text}"));
        }
        Ok(())
    }

    fn check_length(&self, value: &Value) -> Result<(), String> {
        let length = match value {
            Value::String(text) => text.len(),
            Value::Array(items) => items.len(),
            Value::Object(members) => members.len(),
            _ => return Ok(()),
        };
        if let Some(exact) = self.len_eq.filter(|exact| *exact != length) {
            return Err(format!("length must be {exact}"));
        }
        if let Some(least) = self.len_min.filter(|least| length < *least) {
            return Err(format!("length must be at least {least}"));
        }
        match self.len_max {
            Some(most) if length > most => Err(format!("length must be at most {most}")),
            _ => Ok(()),
        }
    }

    fn check_text(&self, value: &Value) -> Result<(), String> {
        let Value::String(text) = value else {
            return Ok(());
        };
        if let Some(start) = self
            .starts_with
            .as_ref()
            .filter(|start| !text.starts_with(start.as_ref()))
        {
            return Err(format!("should start with: {start}"));
        }
        let invalid = || Err(format!("invalid value: {text}"));
        if let Some(pattern) = &self.not_match
            && pattern.is_match(text)?
        {
            return invalid();
        }
        for (pattern, err) in &self.match_none {
            if pattern.is_match(text)? {
                return Err(err.to_string());
            }
        }
        if let Some(pattern) = &self.matches
            && !pattern.is_match(text)?
        {
            return invalid();
        }
        for (pattern, err) in &self.match_all {
            if !pattern.is_match(text)? {
                return Err(err.to_string());
            }
        }
        let Some((patterns, err)) = &self.match_any else {
            return Ok(());
        };
        for pattern in patterns {
            if pattern.is_match(text)? {
                return Ok(());
            }
        }
        Err(err.to_string())
    }

    fn check_elements(&self, value: &Value) -> Result<(), String> {
        let Value::Array(items) = value else {
            return Ok(());
        };
        if let Some(rules) = &self.elements {
            items.iter().try_for_each(|item| rules.check(item))?;
        }
        match &self.contains {
            Some(wanted) if !items.iter().any(|item| numbers::same(item, wanted)) => {
                Err(format!("expected to contain: {}", shown(wanted)))
            }
            _ => Ok(()),
        }
    }

    fn check_exclusive(&self, value: &Value) -> Result<(), String> {
        let Value::Array(items) = value else {
            return Ok(());
        };
        let mut touched: Vec<&Vec<Cow<'static, str>>> = Vec::new();
        for word in items.iter().filter_map(Value::as_str) {
            let mut sets = self.exclusive.iter();
            match sets.find(|set| set.iter().any(|one| one == word)) {
                Some(set) if !touched.contains(&set) => touched.push(set),
                _ => {}
            }
        }
        if touched.len() < 2 {
            return Ok(());
        }
        let sets = touched
            .iter()
            .map(|set| format!("({})", quoted_list(set)))
            .collect::<Vec<_>>();
        Err(format!(
            "these sets are mutually exclusive: {}",
            sets.join(", ")
        ))
    }
}

/// `'a', 'b'`.
pub(super) fn quoted_list<T: AsRef<str>>(names: &[T]) -> String {
    names
        .iter()
        .map(|name| format!("'{}'", name.as_ref()))
        .collect::<Vec<_>>()
        .join(", ")
}

fn shown(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn listed(values: &[Value]) -> String {
    values.iter().map(shown).collect::<Vec<_>>().join(", ")
}
