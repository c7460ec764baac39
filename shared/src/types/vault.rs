//! References to secrets that only a node knows: `{vault://env/my-secret}` (admin-api.md 6.2, 8.10).

use serde::{Deserialize, Deserializer};

use super::{Text, parse_text};
use crate::schema::{Described, Field};

/// A value, or where a node finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrVault<T> {
    /// The value itself.
    Here(T),
    /// In a vault.
    Vault(VaultReference),
}

/// `{vault://my-env/my-secret/member}`: a vault by its prefix or its type, a secret in it, and perhaps one member of
/// a secret that is JSON.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VaultReference(String);

/// The parts of a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VaultPath<'a> {
    /// Prefix of a vault, or the name of a type.
    pub vault: &'a str,
    /// Which secret.
    pub secret: &'a str,
    /// Which member of it.
    pub member: Option<&'a str>,
}

impl VaultReference {
    /// Takes a text that refers to a vault; `None`: it is a value.
    pub fn new(text: &str) -> Option<Self> {
        let refers = text.starts_with("{vault://") && text.ends_with('}');
        refers.then(|| VaultReference(text.to_owned()))
    }

    /// What it asks for; `None` if it cannot be found anywhere, as it names no vault or no secret.
    pub fn path(&self) -> Option<VaultPath<'_>> {
        let inner = self.0.strip_prefix("{vault://")?.strip_suffix('}')?;
        let inner = inner.split(['?', '#']).next().unwrap_or(inner);
        let mut parts = inner.splitn(3, '/');
        let (vault, secret) = (parts.next()?, parts.next()?);
        let member = parts.next().filter(|member| !member.is_empty());
        let named = !vault.is_empty() && !secret.is_empty();
        named.then_some(VaultPath {
            vault,
            secret,
            member,
        })
    }

    /// As it was written. It names a secret and is none.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<T> OrVault<T> {
    /// The value, if it is here.
    pub fn here(&self) -> Option<&T> {
        match self {
            OrVault::Here(value) => Some(value),
            OrVault::Vault(_) => None,
        }
    }
}

impl<'de, T: Text> Deserialize<'de> for OrVault<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        match VaultReference::new(&text) {
            Some(reference) => Ok(OrVault::Vault(reference)),
            None => parse_text(&text)
                .map(OrVault::Here)
                .map_err(serde::de::Error::custom),
        }
    }
}

impl<T: Described> Described for OrVault<T> {
    fn field() -> Field {
        T::field().referenceable()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_names_a_vault_a_secret_and_perhaps_a_member() {
        let path = |vault, secret, member| {
            Some(VaultPath {
                vault,
                secret,
                member,
            })
        };
        let cases = [
            ("{vault://env/key}", path("env", "key", None)),
            (
                "{vault://my-env/key/a/b}",
                path("my-env", "key", Some("a/b")),
            ),
            ("{vault://env/key/}", path("env", "key", None)),
            ("{vault://env/key?ttl=1#2}", path("env", "key", None)),
            ("{vault://env/}", None),
            ("{vault://env}", None),
            ("{vault:///key}", None),
            ("{vault://}", None),
        ];
        for (text, expected) in cases {
            let reference = VaultReference::new(text).expect(text);
            assert_eq!(reference.path(), expected, "{text}");
        }
        for value in ["env/key", "{vault://env/key", "vault://env/key}"] {
            assert_eq!(VaultReference::new(value), None, "{value}");
        }
    }
}
