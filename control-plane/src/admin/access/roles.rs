//! What a role may do.

use super::super::endpoints::{Action, Fixed};
use http::Method;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Each role may do what the one before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look at the configuration, and have documents checked that are not stored.
    Read,
    /// Change the configuration.
    Write,
    /// Change custom plugins as well: code that nodes run (custom-plugins.md 7.2).
    Code,
    /// Hand out tokens, read the audit, steer the process.
    Admin,
}

impl Role {
    /// The words, in the order of power.
    pub const WORDS: [&'static str; 4] = ["read", "write", "code", "admin"];

    /// Reads one of the words.
    pub fn parse(word: &str) -> Option<Role> {
        match word {
            "read" => Some(Role::Read),
            "write" => Some(Role::Write),
            "code" => Some(Role::Code),
            "admin" => Some(Role::Admin),
            _ => None,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Role::WORDS[*self as usize])
    }
}

/// The role that a request needs.
pub fn needed(action: &Action, method: &Method) -> Role {
    let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    match action {
        Action::Fixed(Fixed::AdminTokens | Fixed::AdminToken | Fixed::Audit) => Role::Admin,
        Action::Fixed(Fixed::Tokens | Fixed::Cache | Fixed::CacheKey | Fixed::LogLevel)
            if !reads =>
        {
            Role::Admin
        }
        Action::Fixed(Fixed::SetLogLevel) => Role::Admin,
        Action::Fixed(Fixed::ValidateEntity | Fixed::ValidatePlugin | Fixed::ValidateVault) => {
            Role::Read
        }
        Action::Fixed(Fixed::ValidateCustomPlugin) => Role::Code,
        _ if reads => Role::Read,
        _ if action.is_of_custom_plugins() => Role::Code,
        _ => Role::Write,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::endpoints;

    #[test]
    fn roles_are_words_in_the_order_of_power() {
        assert!(Role::Read < Role::Write && Role::Write < Role::Code && Role::Code < Role::Admin);
        for word in Role::WORDS {
            let role = Role::parse(word).expect("a word of the list");
            assert_eq!(role.to_string(), word);
            assert_eq!(serde_json::to_value(role).expect("a word"), word);
        }
        assert_eq!(Role::parse("root"), None);
    }

    #[test]
    fn every_address_asks_for_a_role() {
        let cases = [
            ("/services", Method::GET, Role::Read),
            ("/services", Method::POST, Role::Write),
            ("/services/{services}", Method::DELETE, Role::Write),
            ("/custom-plugins", Method::GET, Role::Read),
            ("/custom-plugins", Method::POST, Role::Code),
            (
                "/custom-plugins/{custom_plugins}",
                Method::PATCH,
                Role::Code,
            ),
            (
                "/custom-plugins/{custom_plugins}",
                Method::DELETE,
                Role::Code,
            ),
            ("/custom-plugins/validate", Method::POST, Role::Code),
            (
                "/custom-plugins/{custom_plugins}/status",
                Method::GET,
                Role::Read,
            ),
            ("/schemas/plugins/validate", Method::POST, Role::Read),
            ("/schemas/vaults/validate", Method::POST, Role::Read),
            ("/headgate/tokens", Method::POST, Role::Admin),
            ("/headgate/admin-tokens", Method::GET, Role::Admin),
            ("/headgate/admin-tokens", Method::POST, Role::Admin),
            ("/headgate/admin-tokens/{name}", Method::DELETE, Role::Admin),
            ("/headgate/audit", Method::GET, Role::Admin),
            ("/cache", Method::DELETE, Role::Admin),
            ("/cache/{key}", Method::GET, Role::Read),
            ("/debug/node/log-level", Method::GET, Role::Read),
            ("/debug/node/log-level/{level}", Method::PUT, Role::Admin),
        ];
        let all = endpoints::all(true);
        for (path, method, role) in cases {
            let endpoint = all.iter().find(|endpoint| endpoint.path == path);
            let endpoint = endpoint.unwrap_or_else(|| panic!("no endpoint '{path}'"));
            assert_eq!(needed(&endpoint.action, &method), role, "{method} {path}");
        }
    }
}
