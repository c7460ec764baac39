//! HTTP methods.

use std::ops::Deref;

use super::{Text, text_value};
use crate::schema::{Field, Pattern};

/// A method in upper-case letters, known or not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Method(String);

impl Text for Method {
    fn parse(text: &str) -> Result<Self, String> {
        if text.bytes().all(|b| b.is_ascii_uppercase()) {
            Ok(Method(text.to_owned()))
        } else {
            Err(format!("invalid value: {text}"))
        }
    }

    fn describe(mut field: Field) -> Field {
        field.rules.matches = Some(Pattern::new("^[A-Z]+$"));
        field
    }
}

text_value!(Method);

impl Deref for Method {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}
