//! What an entity or a plugin may be told, as a value: types, rules, checks, defaults.

use serde_json::{Map, Value};

/// One object as it is stored and answered: member names to values.
pub type Document = Map<String, Value>;
