//! A regular expression with its source, compiled once.

use std::borrow::Cow;

use regex::Regex;

/// A rule's regular expression.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// As it was written, and as `/schemas` shows it.
    pub source: Cow<'static, str>,
    regex: Regex,
}

impl Pattern {
    /// Compiles a pattern that is part of the program.
    ///
    /// # Panics
    /// If it does not compile: the declaration is wrong.
    pub fn new(source: impl Into<Cow<'static, str>>) -> Self {
        Pattern::parse(source).expect("a declared pattern compiles")
    }

    /// Compiles a pattern that arrived at run time.
    pub fn parse(source: impl Into<Cow<'static, str>>) -> Result<Self, regex::Error> {
        let source = source.into();
        Ok(Pattern {
            regex: Regex::new(&source)?,
            source,
        })
    }

    /// Whether it occurs in the text.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}
