//! Names and tags.

use std::fmt;
use std::ops::Deref;

use super::{Text, text_value};

/// A name that may stand in a URL: ASCII alphanumerics, `.`, `-`, `_`, `~`, and anything beyond ASCII.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(String);

/// A label that lists can be filtered by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(String);

impl Text for Name {
    fn parse(text: &str) -> Result<Self, String> {
        let allowed = |c: char| {
            !c.is_ascii() || c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '~')
        };
        if text.chars().all(allowed) {
            Ok(Name(text.to_owned()))
        } else {
            Err(format!(
                "invalid value '{text}': the only accepted ascii characters are alphanumerics or ., -, _, and ~"
            ))
        }
    }
}

impl Text for Tag {
    fn parse(text: &str) -> Result<Self, String> {
        let allowed = |c: char| !c.is_ascii() || (matches!(c, ' '..='~') && c != ',' && c != '/');
        if text.chars().all(allowed) {
            Ok(Tag(text.to_owned()))
        } else {
            Err(format!(
                "invalid tag '{text}': expected printable ascii (except `,` and `/`) or valid utf-8 sequences"
            ))
        }
    }
}

text_value!(Name, Tag);

impl Deref for Name {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Deref for Tag {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}
