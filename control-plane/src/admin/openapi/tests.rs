use super::*;
use crate::admin::endpoints;
use std::collections::BTreeSet;

fn made() -> Value {
    let endpoints: Vec<_> = endpoints::all(true).into_iter().map(Arc::new).collect();
    document(&endpoints, Catalog::builtin())
}

fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().expect("an object").iter();
    let operations = paths.flat_map(|(path, item)| {
        let methods = item.as_object().expect("an object").iter();
        let methods = methods.filter(|(name, _)| *name != "parameters");
        methods.map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    });
    operations.collect()
}

/// Every value in a document.
fn walk<'a>(value: &'a Value, visit: &mut impl FnMut(&'a Value)) {
    visit(value);
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, visit)),
        Value::Object(members) => members.values().for_each(|member| walk(member, visit)),
        _ => {}
    }
}

#[test]
fn every_address_and_method_is_in_the_document() {
    let document = made();
    let listed: BTreeSet<(String, String)> = endpoints::all(true)
        .into_iter()
        .filter(|endpoint| !endpoint.alias)
        .flat_map(|endpoint| {
            let methods = endpoint.methods.iter();
            let methods = methods.map(|method| method.as_str().to_ascii_lowercase());
            methods
                .map(move |method| (endpoint.path.clone(), method))
                .collect::<Vec<_>>()
        })
        .collect();
    let described = operations(&document);
    let described: BTreeSet<(String, String)> = described
        .into_iter()
        .map(|(path, method, _)| (path.to_owned(), method.to_owned()))
        .collect();
    assert_eq!(described, listed);
}

#[test]
fn every_reference_has_a_target() {
    let document = made();
    let mut seen = 0;
    walk(&document, &mut |value| {
        if let Some(target) = value.get("$ref").and_then(Value::as_str) {
            seen += 1;
            let pointer = target
                .strip_prefix('#')
                .expect("a reference into the document");
            assert!(document.pointer(pointer).is_some(), "{target}");
        }
    });
    assert!(seen > 100, "{seen}");
}

#[test]
fn every_component_is_used() {
    let document = made();
    let text = document.to_string();
    for name in document["components"]["schemas"]
        .as_object()
        .expect("an object")
        .keys()
    {
        assert!(
            text.contains(&format!("\"#/components/schemas/{name}\"")),
            "{name}"
        );
    }
}

#[test]
fn operations_have_ids_of_their_own_and_links_lead_to_them() {
    let document = made();
    let operations = operations(&document);
    let ids: BTreeSet<&str> = operations
        .iter()
        .map(|(_, _, operation)| operation["operationId"].as_str().expect("an id"))
        .collect();
    assert_eq!(ids.len(), operations.len());
    let mut links = 0;
    for (path, _, operation) in operations {
        let created = &operation["responses"]["201"]["links"];
        for link in created.as_object().into_iter().flat_map(Map::values) {
            links += 1;
            assert!(
                ids.contains(link["operationId"].as_str().expect("an id")),
                "{path}"
            );
        }
    }
    assert!(links > 10, "{links}");
}

#[test]
fn every_open_segment_is_a_parameter() {
    let document = made();
    for (path, item) in document["paths"].as_object().expect("an object") {
        let open = path.matches('{').count();
        let parameters = item["parameters"].as_array().map_or(0, Vec::len);
        assert_eq!(parameters, open, "{path}");
        for parameter in item["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().expect("a name");
            assert!(path.contains(&format!("{{{name}}}")), "{path}");
        }
    }
}

#[test]
fn bodies_follow_the_declarations() {
    let document = made();
    let schemas = &document["components"]["schemas"];
    let new = &schemas["services.new"];
    assert_eq!(new["required"], json!(["host"]));
    assert_eq!(new["properties"]["port"]["maximum"], 65535);
    assert_eq!(new["properties"]["url"]["writeOnly"], true);
    assert_eq!(schemas["services"]["properties"]["url"], Value::Null);
    assert_eq!(schemas["services.change"]["required"], Value::Null);
    let config = &schemas["plugins.key-auth"]["properties"]["config"];
    assert_eq!(config["properties"]["key_names"]["type"], "array");
    let forced = &schemas["acls.new.of.consumer"]["required"];
    assert_eq!(forced, &json!(["group"]));
    let post = &document["paths"]["/consumers/{consumers}/acls"]["post"];
    let body = &post["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(body, &shape::component("acls.new.of.consumer"));
}

#[test]
fn operations_name_every_status_they_may_answer() {
    let document = made();
    let cases: [(&str, &str, &[&str]); 6] = [
        ("/services", "get", &["200", "400", "401", "403", "500"]),
        (
            "/services",
            "post",
            &[
                "200", "201", "202", "400", "401", "403", "408", "409", "413", "415", "500",
            ],
        ),
        (
            "/services/{services}",
            "get",
            &["200", "400", "401", "403", "404", "500"],
        ),
        (
            "/services/{services}",
            "delete",
            &["200", "202", "204", "400", "401", "403", "404", "500"],
        ),
        (
            "/routes/{routes}/service",
            "delete",
            &["400", "401", "403", "404", "405", "500"],
        ),
        ("/filter-chains", "get", &["400", "401", "403", "500"]),
    ];
    for (path, method, expected) in cases {
        let responses = document["paths"][path][method]["responses"].as_object();
        let mut statuses: Vec<&str> = responses
            .expect("an object")
            .keys()
            .map(String::as_str)
            .collect();
        statuses.sort_unstable();
        assert_eq!(statuses, expected, "{method} {path}");
    }
}
