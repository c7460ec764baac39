//! What can be wrong with settings, said so that it can be put right.

use std::fmt;

/// A complaint about one setting that the settings' own rules found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The setting.
    pub name: &'static str,
    /// What is wrong.
    pub message: String,
}

impl Violation {
    /// A complaint about the setting `name`.
    pub fn new(name: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { name, message }
    }
}

/// One reason not to start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// A key that no setting has.
    #[error("{place}: unknown setting '{key}'{}", hint(.suggestion))]
    UnknownKey {
        /// The key.
        key: String,
        /// File and line.
        place: String,
        /// What may have been meant.
        suggestion: Option<String>,
    },
    /// A value that the setting does not take.
    #[error("{name} (from {origin}): got '{got}', expected {expected}{}", note(.why))]
    BadValue {
        /// The setting.
        name: &'static str,
        /// Where the value came from.
        origin: String,
        /// The value.
        got: String,
        /// What a value looks like.
        expected: &'static str,
        /// What is wrong with this one; may be empty.
        why: String,
    },
    /// A value that asks for something to come.
    #[error(
        "{name} (from {origin}): got '{got}', but {missing} is not built yet; leave it out or say `off`"
    )]
    NotBuilt {
        /// The setting.
        name: &'static str,
        /// Where the value came from.
        origin: String,
        /// The value.
        got: String,
        /// What is missing.
        missing: &'static str,
    },
    /// Values that do not go together.
    #[error("{name} (from {origin}): {message}")]
    Contradiction {
        /// The setting.
        name: &'static str,
        /// Where its value came from.
        origin: String,
        /// What is wrong.
        message: String,
    },
    /// A settings file that cannot be read.
    #[error("{place}: {message}")]
    File {
        /// The file, and the line if there is one.
        place: String,
        /// What is wrong.
        message: String,
    },
}

fn hint(suggestion: &Option<String>) -> String {
    let hint = suggestion.as_ref().map(|text| format!(" ({text})"));
    hint.unwrap_or_default()
}

fn note(why: &str) -> String {
    if why.is_empty() {
        String::new()
    } else {
        format!(" ({why})")
    }
}

/// Every reason not to start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettingErrors(pub Vec<SettingError>);

impl SettingErrors {
    /// `value` if nothing is wrong.
    pub fn or<T>(self, value: impl FnOnce() -> T) -> Result<T, Self> {
        if self.0.is_empty() {
            Ok(value())
        } else {
            Err(self)
        }
    }
}

impl From<SettingError> for SettingErrors {
    fn from(error: SettingError) -> Self {
        Self(vec![error])
    }
}

/// One line for each.
impl fmt::Display for SettingErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.0.iter().enumerate() {
            if at > 0 {
                writeln!(f)?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SettingErrors {}
