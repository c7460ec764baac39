//! The members of an API, and where its service and its route have them.

use crate::admin::body::Arguments;
use serde_json::{Value, json};
use shared::schema::{Document, Violations};

/// Members of the service, by their names in an API.
const OF_SERVICE: &[(&str, &str)] = &[
    ("id", "id"),
    ("created_at", "created_at"),
    ("upstream_url", "url"),
    ("retries", "retries"),
    ("upstream_connect_timeout", "connect_timeout"),
    ("upstream_send_timeout", "write_timeout"),
    ("upstream_read_timeout", "read_timeout"),
];
/// Members of the route.
const OF_ROUTE: &[(&str, &str)] = &[
    ("uris", "paths"),
    ("hosts", "hosts"),
    ("methods", "methods"),
    ("strip_uri", "strip_path"),
    ("preserve_host", "preserve_host"),
];
/// What `url` becomes, and `https_only`.
const DERIVED: &[(&str, &str)] = &[
    ("upstream_url", "host"),
    ("upstream_url", "port"),
    ("upstream_url", "path"),
    ("upstream_url", "protocol"),
    ("https_only", "protocols"),
];
const HTTPS_ONLY: &str = "https_only";

/// What was sent, by the document that it belongs to.
#[derive(Debug, Default, PartialEq)]
pub struct Parts {
    pub service: Document,
    pub route: Document,
}

/// Sorts the members of an API; what no API has is an error.
pub fn split(arguments: Arguments) -> Result<Parts, Violations> {
    let mut parts = Parts::default();
    let mut violations = Violations::default();
    let find = |table: &[(&str, &'static str)], name: &str| {
        let found = table.iter().find(|(api, _)| *api == name);
        found.map(|(_, field)| *field)
    };
    for (name, value) in arguments.document {
        if name == "name" {
            parts.service.insert(name.clone(), value.clone());
            parts.route.insert(name, value);
        } else if let Some(field) = find(OF_SERVICE, &name) {
            parts.service.insert(field.to_owned(), value);
        } else if let Some(field) = find(OF_ROUTE, &name) {
            parts.route.insert(field.to_owned(), value);
        } else if name == HTTPS_ONLY {
            match protocols(&value, arguments.form) {
                Some(protocols) => drop(parts.route.insert("protocols".to_owned(), protocols)),
                None => violations.insert(&[HTTPS_ONLY], "expected a boolean"),
            }
        } else {
            violations.insert(&[&name], "unknown field");
        }
    }
    match violations.is_empty() {
        true => Ok(parts),
        false => Err(violations),
    }
}

/// The route's protocols.
fn protocols(https_only: &Value, form: bool) -> Option<Value> {
    match https_only {
        Value::Bool(true) => Some(json!(["https"])),
        Value::Bool(false) | Value::Null => Some(json!(["http", "https"])),
        Value::String(text) if form => match text.as_str() {
            "true" => Some(json!(["https"])),
            "false" | "" => Some(json!(["http", "https"])),
            _ => None,
        },
        _ => None,
    }
}

/// An API, read from its documents.
pub fn shown(service: &Document, route: &Document) -> Value {
    let mut shown = Document::new();
    let get = |document: &Document, field: &str| document.get(field).cloned().unwrap_or_default();
    shown.insert("id".to_owned(), get(service, "id"));
    shown.insert("name".to_owned(), get(service, "name"));
    for (name, field) in OF_SERVICE {
        shown.insert((*name).to_owned(), get(service, field));
    }
    shown.insert("upstream_url".to_owned(), upstream_url(service).into());
    for (name, field) in OF_ROUTE {
        shown.insert((*name).to_owned(), get(route, field));
    }
    let https_only = get(route, "protocols") == json!(["https"]);
    shown.insert(HTTPS_ONLY.to_owned(), https_only.into());
    Value::Object(shown)
}

/// The URL that the service was made of; a port that goes without saying is left out.
fn upstream_url(service: &Document) -> String {
    let text = |field: &str| {
        service
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let (protocol, host, path) = (text("protocol"), text("host"), text("path"));
    let host = match host.contains(':') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    };
    let port = match (protocol, service.get("port").and_then(Value::as_u64)) {
        ("http", Some(80)) | ("https", Some(443)) | (_, None) => String::new(),
        (_, Some(port)) => format!(":{port}"),
    };
    format!("{protocol}://{host}{port}{path}")
}

/// Errors about a service or a route, under the names that an API's members have.
pub fn told(found: Violations) -> Violations {
    let tables = OF_SERVICE.iter().chain(OF_ROUTE).chain(DERIVED);
    found.renamed(|field| {
        let known = tables.clone().find(|(_, own)| *own == field);
        known.map_or(field, |(api, _)| *api).to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(value: Value) -> Document {
        value.as_object().cloned().expect("an object")
    }

    #[test]
    fn members_go_to_the_service_or_to_the_route() {
        let sent = json!({
            "name": "a", "upstream_url": "http://h", "uris": ["/a"], "https_only": true,
            "upstream_send_timeout": 5, "strip_uri": false,
        });
        let arguments = Arguments {
            document: document(sent),
            form: false,
        };
        let parts = split(arguments).expect("known members");
        let service = json!({ "name": "a", "url": "http://h", "write_timeout": 5 });
        assert_eq!(Value::Object(parts.service), service);
        let route =
            json!({ "name": "a", "paths": ["/a"], "protocols": ["https"], "strip_path": false });
        assert_eq!(Value::Object(parts.route), route);
    }

    #[test]
    fn what_no_api_has_is_named() {
        let arguments = Arguments {
            document: document(json!({ "paths": [], "https_only": 1, "host": "h" })),
            form: false,
        };
        let found = split(arguments).expect_err("wrong").fields();
        let expected = json!({
            "paths": "unknown field", "host": "unknown field", "https_only": "expected a boolean",
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn the_url_of_a_service_leaves_out_what_goes_without_saying() {
        for (service, url) in [
            (
                json!({ "protocol": "http", "host": "h", "port": 80, "path": null }),
                "http://h",
            ),
            (
                json!({ "protocol": "https", "host": "h", "port": 443, "path": "/p" }),
                "https://h/p",
            ),
            (
                json!({ "protocol": "http", "host": "h", "port": 443 }),
                "http://h:443",
            ),
            (
                json!({ "protocol": "http", "host": "::1", "port": 8080 }),
                "http://[::1]:8080",
            ),
        ] {
            assert_eq!(upstream_url(&document(service)), url);
        }
    }
}
