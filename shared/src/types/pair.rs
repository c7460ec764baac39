//! `name:value` entries of the transformers.
//!
//! One reading for all: the name is what stands before the first colon, the run of colons that follows is one
//! separator, the rest is the value.

use regex::Regex;

use super::header::is_header_name;
use super::{Template, Text, text_value};

/// A name to remove; what follows a colon is ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What stands before the first colon.
    pub name: String,
}

/// A name to remove from a request. What follows a colon is not compared, but rendered (transformers.md 2.3).
#[derive(Clone, Debug, PartialEq)]
pub struct TemplateEntry {
    /// What stands before the first colon.
    pub name: String,
    /// Rendered per request, for its failure alone.
    pub unused: Template,
}

/// The same for a header; its name is checked.
#[derive(Clone, Debug, PartialEq)]
pub struct HeaderEntry {
    /// What stands before the first colon.
    pub name: String,
    /// Rendered per request, for its failure alone.
    pub unused: Template,
}

/// A name and a value, neither of them checked. An empty value means that the entry does nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// What stands before the first colon.
    pub name: String,
    /// What follows; may be empty.
    pub value: String,
}

/// A header and its value, a template. An empty value means that the entry does nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct HeaderPair {
    /// Checked.
    pub name: String,
    /// Rendered per request.
    pub value: Template,
}

/// A header and its new name, both checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderRename {
    /// The name it has.
    pub from: String,
    /// The name it gets.
    pub to: String,
}

/// A member and its new name, a template.
#[derive(Clone, Debug, PartialEq)]
pub struct Rename {
    /// The name it has.
    pub from: String,
    /// The name it gets.
    pub to: Template,
}

/// A member and its value, a template that is not empty and compiles.
#[derive(Clone, Debug, PartialEq)]
pub struct TemplatePair {
    /// What stands before the first colon.
    pub name: String,
    /// Rendered per request.
    pub value: Template,
}

/// A response header to remove, whole or by value.
#[derive(Clone, Debug)]
pub struct HeaderRemoval {
    /// What stands before the first colon.
    pub name: String,
    /// Which of its values go.
    pub removal: Removal,
}

/// Which values of a header go.
#[derive(Clone, Debug)]
pub enum Removal {
    /// The header itself.
    All,
    /// Those equal to this text.
    Value(String),
    /// Written `/…/`: those that match.
    Matching(Regex),
}

/// A member, `name` or `name:value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonSelector {
    /// What stands before the first colon.
    pub name: String,
    /// What the member must be, as text.
    pub value: Option<String>,
}

/// Name and value; the value is empty without a colon.
fn split(text: &str) -> (&str, &str) {
    let end = text.find(':').unwrap_or(text.len());
    (&text[..end], text[end..].trim_start_matches(':'))
}

/// Name and value of an entry that has a name.
fn named(text: &str) -> Result<(&str, &str), String> {
    if text.starts_with(':') {
        Err(invalid(text))
    } else {
        Ok(split(text))
    }
}

/// Name and value of an entry that has a name and a colon.
fn pair(text: &str) -> Result<(&str, &str), String> {
    if text.contains(':') {
        named(text)
    } else {
        Err(invalid(text))
    }
}

fn invalid(text: &str) -> String {
    format!("invalid value: {text}")
}

fn header(name: &str) -> Result<String, String> {
    if is_header_name(name) {
        Ok(name.to_owned())
    } else {
        Err(format!("'{name}' is not a valid header"))
    }
}

/// A name and a template that is present and compiles.
fn compiled(text: &str) -> Result<(String, Template), String> {
    let (name, value) = named(text)?;
    if value.is_empty() {
        return Err(format!("key '{name}' has no value"));
    }
    let template = Template::parse(value).map_err(|error| unsupported(value, &error))?;
    match template.syntax_error() {
        Some(error) => Err(unsupported(value, error)),
        None => Ok((name.to_owned(), template)),
    }
}

fn unsupported(value: &str, error: &str) -> String {
    format!("value '{value}' is not in supported format, error:{error}")
}

impl Text for Entry {
    fn parse(text: &str) -> Result<Self, String> {
        named(text).map(|(name, _)| Entry {
            name: name.to_owned(),
        })
    }
}

impl Text for TemplateEntry {
    fn parse(text: &str) -> Result<Self, String> {
        let (name, value) = named(text)?;
        Ok(TemplateEntry {
            name: name.to_owned(),
            unused: Template::parse(value)?,
        })
    }
}

impl Text for HeaderEntry {
    fn parse(text: &str) -> Result<Self, String> {
        let (name, value) = split(text);
        Ok(HeaderEntry {
            name: header(name)?,
            unused: Template::parse(value)?,
        })
    }
}

impl Text for Pair {
    fn parse(text: &str) -> Result<Self, String> {
        pair(text).map(|(name, value)| Pair {
            name: name.to_owned(),
            value: value.to_owned(),
        })
    }
}

impl Text for HeaderPair {
    fn parse(text: &str) -> Result<Self, String> {
        let (name, value) = pair(text)?;
        Ok(HeaderPair {
            name: header(name)?,
            value: Template::parse(value)?,
        })
    }
}

impl Text for HeaderRename {
    fn parse(text: &str) -> Result<Self, String> {
        let (from, to) = pair(text)?;
        Ok(HeaderRename {
            from: header(from)?,
            to: header(to)?,
        })
    }
}

impl Text for Rename {
    fn parse(text: &str) -> Result<Self, String> {
        compiled(text).map(|(from, to)| Rename { from, to })
    }
}

impl Text for TemplatePair {
    fn parse(text: &str) -> Result<Self, String> {
        compiled(text).map(|(name, value)| TemplatePair { name, value })
    }
}

impl Text for HeaderRemoval {
    fn parse(text: &str) -> Result<Self, String> {
        let (name, value) = named(text)?;
        let removal = match value
            .strip_prefix('/')
            .and_then(|rest| rest.strip_suffix('/'))
        {
            Some(source) => Removal::Matching(
                Regex::new(source).map_err(|_| format!("not a valid regex: {source}"))?,
            ),
            None if value.is_empty() => Removal::All,
            None => Removal::Value(value.to_owned()),
        };
        Ok(HeaderRemoval {
            name: name.to_owned(),
            removal,
        })
    }
}

impl Text for JsonSelector {
    fn parse(text: &str) -> Result<Self, String> {
        let (name, value) = named(text)?;
        let value = Some(value).filter(|value| !value.is_empty());
        Ok(JsonSelector {
            name: name.to_owned(),
            value: value.map(str::to_owned),
        })
    }
}

text_value!(
    Entry,
    TemplateEntry,
    HeaderEntry,
    Pair,
    HeaderPair,
    HeaderRename,
    Rename,
    TemplatePair,
    HeaderRemoval,
    JsonSelector
);
