//! `GET /openapi.json`: the Admin API as an OpenAPI 3.1 document.
//!
//! It is made of what the API itself is made of: the addresses of [`super::endpoints`], the schemas of the entity list
//! and of the plugin catalog. Only what no entity declares is written by hand, as an [`About`] beside the code that
//! answers it; [`fixed`] lists those. [`operations`] says what the verbs take and answer, [`bodies`] what they carry,
//! [`refusals`] how they fail.

mod about;
pub mod bodies;
mod fixed;
mod operations;
mod refusals;
pub mod shape;

pub use about::{About, query};

use super::Answer;
use super::endpoints::Endpoint;
use super::reply::Reply;
use super::serve::Call;
use super::status::KONG_VERSION;
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Map, Value, json};
use shared::plugins::Catalog;
use std::sync::{Arc, Mutex, PoisonError};

/// The document and the plugins that it was made for, once somebody has asked for it.
pub type Cached = Mutex<Option<(Arc<Catalog>, Bytes)>>;

/// `GET /openapi.json`
pub fn serve(call: &Call<'_>) -> Answer {
    let admin = call.admin;
    let cached = || admin.openapi.lock().unwrap_or_else(PoisonError::into_inner);
    let known = cached().clone();
    let known = known.filter(|(catalog, _)| Arc::ptr_eq(catalog, &admin.catalog));
    if let Some((_, bytes)) = known {
        return Ok(Reply::json_bytes(StatusCode::OK, bytes));
    }
    let document = document(&admin.endpoints, &admin.catalog);
    let bytes = Bytes::from(document.to_string());
    *cached() = Some((admin.catalog.clone(), bytes.clone()));
    Ok(Reply::json_bytes(StatusCode::OK, bytes))
}

/// What [`serve`] answers.
pub fn about() -> About {
    let object = || json!({ "type": "object" });
    let shape = json!({
        "type": "object",
        "properties": { "openapi": { "const": "3.1.0" }, "info": object(), "paths": object(), "components": object() },
        "required": ["openapi", "info", "paths", "components"],
    });
    About::new("This document").answers(200, shape)
}

/// The whole document.
fn document(endpoints: &[Arc<Endpoint>], catalog: &Catalog) -> Value {
    let mut paths = Map::new();
    for endpoint in endpoints.iter().filter(|endpoint| !endpoint.alias) {
        paths.insert(endpoint.path.clone(), operations::of(endpoint));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Headgate Admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": format!(
                "Speaks Kong {KONG_VERSION}. Every path also answers OPTIONS, and HEAD where it answers GET; a slash \
                 at the end of a path makes no difference. Bodies are JSON, or forms in Kong's notation \
                 (`service.id=…`, `paths[]=…`, `config.add.headers[1]=…`)."
            ),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        // A listener on loopback asks for no token.
        "security": [{}, { "bearer": [] }, { "token": [] }],
        "paths": paths,
        "components": {
            "schemas": bodies::schemas(catalog),
            "responses": refusals::responses(),
            "headers": operations::headers(),
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
                "token": { "type": "apiKey", "in": "header", "name": "Kong-Admin-Token" },
            },
        },
    })
}

#[cfg(test)]
mod tests;
