//! Where this node finds the secrets that configurations only refer to (admin-api.md 8.10).

use std::collections::HashMap;

use serde_json::Value;
use shared::entities::vault::TYPES;
use shared::model::Model;
use shared::types::VaultReference;

/// Why a reference stands for nothing. Names what was looked for, never what was found.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// It names no vault or no secret.
    #[error("'{0}' names no vault or no secret (expected {{vault://vault/secret}})")]
    Malformed(String),
    /// No vault has that prefix, and no type that name.
    #[error("there is no vault '{0}'")]
    NoVault(String),
    /// The environment has no such variable.
    #[error("the environment of this node has no '{0}'")]
    NoVariable(String),
    /// The secret is no JSON object with that member.
    #[error(
        "'{variable}' in the environment of this node holds no JSON object with a text '{member}'"
    )]
    NoMember {
        /// The variable.
        variable: String,
        /// What was looked for in it.
        member: String,
    },
}

/// The vaults of one revision.
pub struct Vaults<'m> {
    /// Prefix of the vault, and what its variables begin with.
    prefixes: HashMap<&'m str, &'m str>,
    variable: &'m dyn Fn(&str) -> Option<String>,
}

impl<'m> Vaults<'m> {
    /// The vaults of a model, read from what `variable` gives for a name: the environment.
    pub fn new(model: &'m Model, variable: &'m dyn Fn(&str) -> Option<String>) -> Self {
        let types = TYPES.iter().map(|name| (*name, ""));
        let own = model.vaults.values().map(|vault| {
            let begins = vault.config.prefix.as_deref().unwrap_or_default();
            (vault.prefix.as_str(), begins)
        });
        Self {
            prefixes: types.chain(own).collect(),
            variable,
        }
    }

    /// The secret that a reference stands for.
    ///
    /// # Errors
    /// See [`VaultError`].
    pub fn find(&self, reference: &VaultReference) -> Result<String, VaultError> {
        let path = reference.path();
        let path = path.ok_or_else(|| VaultError::Malformed(reference.as_str().to_owned()))?;
        let begins = self.prefixes.get(path.vault);
        let begins = begins.ok_or_else(|| VaultError::NoVault(path.vault.to_owned()))?;
        let variable = format!("{begins}{}", path.secret)
            .replace('-', "_")
            .to_ascii_uppercase();
        let secret = (self.variable)(&variable);
        let secret = secret.ok_or_else(|| VaultError::NoVariable(variable.clone()))?;
        let Some(member) = path.member else {
            return Ok(secret);
        };
        let object: Option<Value> = serde_json::from_str(&secret).ok();
        let found = object
            .as_ref()
            .and_then(|object| object.get(member)?.as_str());
        found
            .map(str::to_owned)
            .ok_or_else(|| VaultError::NoMember {
                variable,
                member: member.to_owned(),
            })
    }
}

/// A variable of this process.
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use shared::entities::Vault;
    use uuid::Uuid;

    use super::*;

    fn model(prefix: &str, begins: Option<&str>) -> Model {
        let id = Uuid::from_u128(1);
        let vault: Vault = serde_json::from_value(serde_json::json!({
            "id": id, "prefix": prefix, "name": "env", "config": { "prefix": begins },
        }))
        .expect("a vault");
        let mut model = Model::default();
        model.vaults = [(id, Arc::new(vault))].into_iter().collect();
        model
    }

    #[test]
    fn a_reference_is_a_variable_of_the_environment() {
        let model = model("my-env", Some("app-"));
        let variable = |name: &str| match name {
            "TLS_KEY" => Some("one".to_owned()),
            "APP_TLS_KEY" => Some(r#"{"a":"two","n":1}"#.to_owned()),
            _ => None,
        };
        let vaults = Vaults::new(&model, &variable);
        let find = |text: &str| {
            let reference = VaultReference::new(text).expect("a reference");
            vaults.find(&reference).map_err(|error| error.to_string())
        };
        let cases = [
            ("{vault://env/tls-key}", Ok("one")),
            ("{vault://env/TLS_KEY}", Ok("one")),
            ("{vault://my-env/tls-key/a}", Ok("two")),
            (
                "{vault://env/none}",
                Err("the environment of this node has no 'NONE'"),
            ),
            ("{vault://aws/x}", Err("there is no vault 'aws'")),
            (
                "{vault://my-env/tls-key/n}",
                Err(
                    "'APP_TLS_KEY' in the environment of this node holds no JSON object with a text 'n'",
                ),
            ),
            (
                "{vault://env}",
                Err(
                    "'{vault://env}' names no vault or no secret (expected {vault://vault/secret})",
                ),
            ),
        ];
        for (text, expected) in cases {
            let found = find(text);
            assert_eq!(found.as_deref().map_err(String::as_str), expected, "{text}");
        }
    }
}
