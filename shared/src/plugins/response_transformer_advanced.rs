//! What `response-transformer-advanced` may be told (transformers.md 4.1).

use derive::{PluginConfig, Record};
use serde::Deserialize;

use crate::types::{
    Entry, HeaderRemoval, HeaderRename, JsonSelector, JsonType, LuaFunction, Pair, StatusRange,
};

/// Changes responses by their status before they reach the client, in the order remove, rename, replace, add, append.
#[derive(Clone, Debug, Deserialize, PluginConfig)]
#[plugin(
    name = "response-transformer-advanced",
    priority = 800,
    protocols("grpc", "grpcs", "http", "https")
)]
pub struct ResponseTransformerAdvanced {
    /// What is taken away.
    pub remove: Remove,
    /// What gets another name.
    pub rename: Renames,
    /// What gets another value, if it is there.
    pub replace: Replace,
    /// What is set, if it is not there.
    pub add: Set,
    /// What is set, beside what is there.
    pub append: Set,
    /// What may stay.
    pub allow: Allow,
    /// What functions change.
    pub transform: Transform,
    /// Whether a dot in a name is an ordinary character; otherwise names are paths.
    #[schema(default = true)]
    pub dots_in_keys: bool,
}

/// Names to take away.
#[derive(Clone, Debug, Deserialize, Record)]
pub struct Remove {
    /// Headers: `name` whole, `name:value` that value of a list, `name:/regular expression/` those it finds.
    #[schema(default = [])]
    pub headers: Vec<HeaderRemoval>,
    /// Names of members of a JSON body, or paths such as `a.b[*].c`.
    #[schema(default = [])]
    pub json: Vec<Entry>,
    /// Only for these statuses: `404`, `500-599`.
    #[schema(default = [])]
    pub if_status: Vec<StatusRange>,
}

/// Names and their new names.
#[derive(Clone, Debug, Deserialize, Record)]
pub struct Renames {
    /// Headers, `old:new`.
    #[schema(default = [])]
    pub headers: Vec<HeaderRename>,
    /// Only for these statuses: `404`, `500-599`.
    #[schema(default = [])]
    pub if_status: Vec<StatusRange>,
}

/// Names and their new values.
#[derive(Clone, Debug, Deserialize, Record)]
pub struct Replace {
    /// The whole body.
    pub body: Option<String>,
    /// Members of a JSON body, `name:value`.
    #[schema(default = [], pairs)]
    pub json: Vec<Pair>,
    /// What the values of `json` are, in the same order; strings where the list ends.
    #[schema(default = [])]
    pub json_types: Vec<JsonType>,
    /// Headers, `name:value`.
    #[schema(default = [])]
    pub headers: Vec<Pair>,
    /// Only for these statuses: `404`, `500-599`.
    #[schema(default = [])]
    pub if_status: Vec<StatusRange>,
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
    /// Only for these statuses: `404`, `500-599`.
    #[schema(default = [])]
    pub if_status: Vec<StatusRange>,
}

/// What may stay.
#[derive(Clone, Debug, Deserialize, Record)]
pub struct Allow {
    /// Names of members of a JSON body, or paths; without any, all may.
    pub json: Option<Vec<Entry>>,
}

/// What functions change.
#[derive(Clone, Debug, Deserialize, Record)]
pub struct Transform {
    /// Lua chunks that return a function from body to body.
    #[schema(default = [])]
    pub functions: Vec<LuaFunction>,
    /// Members that are given to the functions; without any, the whole body is.
    #[schema(default = [], pairs)]
    pub json: Vec<JsonSelector>,
    /// Only for these statuses: `404`, `500-599`.
    #[schema(default = [])]
    pub if_status: Vec<StatusRange>,
}
