//! What `response-transformer` may be told (transformers.md 3.1).

use derive::{PluginConfig, Record};
use serde::Deserialize;

use crate::types::{Entry, HeaderRename, JsonType, Pair};

/// Changes responses before they reach the client, in the order remove, rename, replace, add, append.
#[derive(Clone, Debug, Deserialize, PluginConfig)]
#[plugin(
    name = "response-transformer",
    priority = 800,
    protocols("grpc", "grpcs", "http", "https")
)]
pub struct ResponseTransformer {
    /// What is taken away.
    pub remove: Remove,
    /// What gets another name.
    pub rename: Renames,
    /// What gets another value, if it is there.
    pub replace: Set,
    /// What is set, if it is not there.
    pub add: Set,
    /// What is set, beside what is there.
    pub append: Set,
}

/// Names to take away.
#[derive(Clone, Debug, Deserialize, Record)]
pub struct Remove {
    /// Names of members of a JSON body.
    #[schema(default = [])]
    pub json: Vec<Entry>,
    /// Names of headers.
    #[schema(default = [])]
    pub headers: Vec<Entry>,
}

/// Names and their new names.
#[derive(Clone, Debug, Deserialize, Record)]
pub struct Renames {
    /// Headers, `old:new`.
    #[schema(default = [])]
    pub headers: Vec<HeaderRename>,
    /// Members of a JSON body, `old:new`.
    #[schema(default = [], pairs)]
    pub json: Vec<Pair>,
}

/// Names and values.
#[derive(Clone, Debug, Deserialize, Record)]
pub struct Set {
    /// Members of a JSON body, `name:value`.
    #[schema(default = [], pairs)]
    pub json: Vec<Pair>,
    /// What the values of `json` are, in the same order; strings where the list ends.
    #[schema(default = [])]
    pub json_types: Vec<JsonType>,
    /// Headers, `name:value`.
    #[schema(default = [])]
    pub headers: Vec<Pair>,
}
