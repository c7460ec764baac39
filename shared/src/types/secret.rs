//! Texts that are never shown.

use std::fmt;

use serde::{Deserialize, Deserializer};

use crate::schema::{Described, Field};

/// What stands for a secret wherever it would be told.
pub const HIDDEN: &str = "******";

/// A key, a password or a private key: it is stored and answered, but prints as [`HIDDEN`], and its field is declared
/// secret, so that no error, log or audit row repeats it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Secret(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Secret(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Secret)
    }
}

impl Described for Secret {
    fn field() -> Field {
        Field::string().secret()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_as_stars_and_its_field_is_declared_so() {
        let secret: Secret = serde_json::from_str("\"open sesame\"").expect("a text");
        assert_eq!(secret.expose(), "open sesame");
        assert_eq!(format!("{:?}", Some(secret)), "Some(******)");
        assert!(Secret::field().secret);
    }
}
