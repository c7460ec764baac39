//! What `request-transformer` may be told (transformers.md 2.1).

use derive::{PluginConfig, Record};
use serde::Deserialize;

use crate::types::{
    HeaderEntry, HeaderPair, HeaderRename, Method, Rename, Template, TemplateEntry, TemplatePair,
};

/// Changes requests before they reach the upstream, in the order remove, rename, replace, add, append.
#[derive(Clone, Debug, Deserialize, PluginConfig)]
#[plugin(name = "request-transformer", priority = 801)]
pub struct RequestTransformer {
    /// The method that the upstream sees. GET, HEAD and TRACE take the fields of a form into the query.
    pub http_method: Option<Method>,
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
}

impl RequestTransformer {
    /// What is taken although every request will fail by it: templates that do not compile, where that is not refused
    /// (transformers.md 2.2).
    pub fn doubts(&self) -> Vec<String> {
        let uri = self.replace.uri.iter();
        let removed = (self.remove.headers.iter().map(|entry| &entry.unused))
            .chain(self.remove.querystring.iter().map(|entry| &entry.unused))
            .chain(self.remove.body.iter().map(|entry| &entry.unused));
        let headers = [
            &self.replace.headers,
            &self.add.headers,
            &self.append.headers,
        ];
        let set = headers.into_iter().flatten().map(|entry| &entry.value);
        let doubt = |template: &Template| {
            let error = template.syntax_error()?;
            Some(format!(
                "the template {} does not compile: {error}",
                template.source
            ))
        };
        uri.chain(removed).chain(set).filter_map(doubt).collect()
    }
}

/// Names to take away.
#[derive(Clone, Debug, Deserialize, Record)]
pub struct Remove {
    /// Names of members of a JSON, form or multipart body.
    #[schema(default = [])]
    pub body: Vec<TemplateEntry>,
    /// Names of headers.
    #[schema(default = [])]
    pub headers: Vec<HeaderEntry>,
    /// Names of query parameters.
    #[schema(default = [])]
    pub querystring: Vec<TemplateEntry>,
}

/// Names and their new names.
#[derive(Clone, Debug, Deserialize, Record)]
pub struct Renames {
    /// Members of the body, `old:new`; `new` may hold `$(…)`, rendered per request.
    #[schema(default = [], pairs)]
    pub body: Vec<Rename>,
    /// Headers, `old:new`.
    #[schema(default = [])]
    pub headers: Vec<HeaderRename>,
    /// Query parameters, `old:new`; `new` may hold `$(…)`, rendered per request.
    #[schema(default = [], pairs)]
    pub querystring: Vec<Rename>,
}

/// Names and their new values.
#[derive(Clone, Debug, Deserialize, Record)]
pub struct Replace {
    /// Members of the body, `name:value`. `$(…)` in a value is rendered per request.
    #[schema(default = [], pairs)]
    pub body: Vec<TemplatePair>,
    /// Headers, `name:value`. `$(…)` in a value is rendered per request. `host` sets the Host and the TLS server name.
    #[schema(default = [])]
    pub headers: Vec<HeaderPair>,
    /// Query parameters, `name:value`. `$(…)` in a value is rendered per request.
    #[schema(default = [], pairs)]
    pub querystring: Vec<TemplatePair>,
    /// The path that the upstream sees, from `/` on; `$(…)` is rendered per request.
    pub uri: Option<Template>,
}

/// Names and values.
#[derive(Clone, Debug, Deserialize, Record)]
pub struct Set {
    /// Members of the body, `name:value`. `$(…)` in a value is rendered per request.
    #[schema(default = [], pairs)]
    pub body: Vec<TemplatePair>,
    /// Headers, `name:value`. `$(…)` in a value is rendered per request.
    #[schema(default = [])]
    pub headers: Vec<HeaderPair>,
    /// Query parameters, `name:value`. `$(…)` in a value is rendered per request.
    #[schema(default = [], pairs)]
    pub querystring: Vec<TemplatePair>,
}
