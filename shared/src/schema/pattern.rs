//! A pattern with its source, compiled once.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use regex::Regex;

/// A rule's pattern: a regular expression, or one of another language.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// As it was written, and as `/schemas` shows it.
    pub source: Cow<'static, str>,
    matcher: Matcher,
}

/// Says whether a pattern occurs in a text, or why that cannot be told.
type Foreign = Arc<dyn Fn(&str) -> Result<bool, String> + Send + Sync>;

#[derive(Clone)]
enum Matcher {
    Regex(Regex),
    Foreign(Foreign),
}

impl Pattern {
    /// Compiles a regular expression that is part of the program.
    ///
    /// # Panics
    /// If it does not compile: the declaration is wrong.
    pub fn new(source: impl Into<Cow<'static, str>>) -> Self {
        Pattern::parse(source).expect("a declared pattern compiles")
    }

    /// Compiles a regular expression that arrived at run time.
    pub fn parse(source: impl Into<Cow<'static, str>>) -> Result<Self, regex::Error> {
        let source = source.into();
        Ok(Pattern {
            matcher: Matcher::Regex(Regex::new(&source)?),
            source,
        })
    }

    /// A pattern of another language, and what matches it.
    pub fn foreign(
        source: impl Into<Cow<'static, str>>,
        is_match: impl Fn(&str) -> Result<bool, String> + Send + Sync + 'static,
    ) -> Self {
        Pattern {
            source: source.into(),
            matcher: Matcher::Foreign(Arc::new(is_match)),
        }
    }

    /// Whether it occurs in the text.
    ///
    /// # Errors
    /// Only of a foreign pattern: what is said of a value of which it cannot be told.
    pub fn is_match(&self, text: &str) -> Result<bool, String> {
        match &self.matcher {
            Matcher::Regex(regex) => Ok(regex.is_match(text)),
            Matcher::Foreign(is_match) => is_match(text),
        }
    }

    /// The source, if it is a regular expression.
    pub(super) fn regex(&self) -> Option<&str> {
        matches!(self.matcher, Matcher::Regex(_)).then_some(&*self.source)
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Matcher::Regex(_) => "Regex",
            Matcher::Foreign(_) => "Foreign",
        })
    }
}
