//! What every method of every address takes and answers.

use super::about::{About, query};
use super::{bodies, fixed, refusals, shape};
use crate::admin::endpoints::{Action, Endpoint, Link};
use crate::admin::{dry_run, groups, list};
use http::Method;
use serde_json::{Map, Value, json};
use shared::entities::{self, CustomPlugin, Entity};
use shared::types::Referenced;

/// The path item of an address.
pub fn of(endpoint: &Endpoint) -> Value {
    let mut item = Map::new();
    let parameters: Vec<Value> = names(&endpoint.path).map(path_parameter).collect();
    if !parameters.is_empty() {
        item.insert("parameters".to_owned(), parameters.into());
    }
    for method in endpoint.methods {
        let verb = method.as_str().to_ascii_lowercase();
        item.insert(verb, operation(endpoint, method));
    }
    item.into()
}

/// Headers that some answers have.
pub fn headers() -> Value {
    json!({
        "Revision": { "description": "The revision that the write became.", "schema": { "type": "integer" } },
        "Applied": {
            "description": "How many of the connected nodes run the write: `2/3`.",
            "schema": { "type": "string", "pattern": "^[0-9]+/[0-9]+$" },
        },
    })
}

fn operation(endpoint: &Endpoint, method: &Method) -> Value {
    let about = about(endpoint.action, method);
    let mut out = json!({
        "operationId": id(method, &endpoint.path),
        "summary": about.summary,
        "tags": [endpoint.path.split('/').nth(1).filter(|first| !first.is_empty()).unwrap_or("root")],
    });
    let mut parameters = about.query.clone();
    if about.writes {
        parameters.extend(waiting());
    }
    if about.writes && endpoint.action.writes_documents() {
        parameters.push(dry_run::parameter());
    }
    if !parameters.is_empty() {
        out["parameters"] = parameters.into();
    }
    if !about.body.is_empty() {
        let content = about.body.iter();
        let content: Map<String, Value> = content
            .map(|(kind, schema)| ((*kind).to_owned(), json!({ "schema": schema })))
            .collect();
        // A write without a body is one that says nothing.
        out["requestBody"] = json!({ "required": false, "content": content });
    }
    out["responses"] = responses(endpoint, method, &about);
    out
}

fn responses(endpoint: &Endpoint, method: &Method, about: &About) -> Value {
    let has_body = [Method::POST, Method::PUT, Method::PATCH].contains(method);
    let mut out = Map::new();
    for (status, content) in &about.answers {
        let mut answer = json!({ "description": about.summary });
        if let Some((kind, shape)) = content {
            answer["content"] = json!({ *kind: { "schema": shape } });
        }
        if about.writes && *status < 300 {
            answer["headers"] = json!({ "Headgate-Revision": header("Revision") });
            if let Some(links) = links(endpoint, *status) {
                answer["links"] = links;
            }
        }
        out.insert(status.to_string(), answer);
    }
    if about.writes {
        out.insert("202".to_owned(), waited(about));
        if endpoint.action.writes_documents() {
            let answer = out
                .entry("200")
                .or_insert_with(|| json!({ "description": "A dry run" }));
            let schema = &mut answer["content"]["application/json"]["schema"];
            *schema = match schema.take() {
                Value::Null => dry_run::shape(),
                written => json!({ "anyOf": [written, dry_run::shape()] }),
            };
        }
    }
    let shared: &[u16] = match has_body {
        true => &[400, 401, 403, 408, 413, 415, 500],
        false => &[400, 401, 403, 500],
    };
    for status in shared.iter().chain(&about.refuses) {
        out.insert(status.to_string(), refusals::reference(*status, has_body));
    }
    out.into()
}

/// The answer to a write that too few nodes ran in time: what it would have been otherwise.
fn waited(about: &About) -> Value {
    let shapes = about
        .answers
        .iter()
        .filter_map(|(_, content)| content.as_ref());
    let shapes: Vec<&Value> = shapes.map(|(_, shape)| shape).collect();
    let mut answer = json!({
        "description": "Written, but not enough nodes ran it in time",
        "headers": { "Headgate-Revision": header("Revision"), "Headgate-Applied": header("Applied") },
    });
    if !shapes.is_empty() {
        answer["content"] = json!({ "application/json": { "schema": { "anyOf": shapes } } });
    }
    answer
}

fn header(name: &str) -> Value {
    json!({ "$ref": format!("#/components/headers/{name}") })
}

/// Where a document that was just created is found.
fn links(endpoint: &Endpoint, status: u16) -> Option<Value> {
    let entity = match endpoint.action {
        Action::Collection(entity) => entity,
        Action::Children(link) if !link.child.nested_only => link.child,
        _ => return None,
    };
    let path = format!("/{}/{{{}}}", entity.path, entity.kind);
    let link = |method: Method| {
        let parameters = json!({ entity.kind: "$response.body#/id" });
        json!({ "operationId": id(&method, &path), "parameters": parameters })
    };
    let links = json!({ "read": link(Method::GET), "change": link(Method::PATCH), "delete": link(Method::DELETE) });
    (status == 201).then_some(links)
}

fn about(action: Action, method: &Method) -> About {
    match action {
        Action::Collection(entity) => collection(entity, method),
        Action::Item(entity) if groups::is_shown_whole(entity, method) => groups::about_show(),
        Action::Item(entity) => item(entity, method).refuses(404),
        Action::Children(link) => children(link, method).refuses(404),
        Action::Child(link) => child(link, method).refuses(404),
        Action::Parent(link) => parent(link, method).refuses(404),
        Action::Fixed(fixed) => fixed::about(fixed, method),
    }
}

fn collection(entity: &'static Entity, method: &Method) -> About {
    if *method == Method::POST {
        return create(entity, None);
    }
    let mut about = About::new("A page of the list").paged();
    if bodies::has_tags(entity) {
        let text = "All of these tags (`a,b`) or one of them (`a/b`).";
        about = about.query("tags", shape::text(), text);
    }
    about = searched(about, entity);
    for field in list::narrowing(entity) {
        about = about.query(field, shape::text(), "Only the one that has this value.");
    }
    about.answers(200, bodies::listed(entity))
}

fn searched(about: About, entity: &Entity) -> About {
    if list::searched(entity).is_empty() {
        return about;
    }
    let shape = json!({ "type": "string", "minLength": 1, "maxLength": list::LONGEST_FILTER });
    let text = "Only those whose names, hosts or paths hold this text.";
    about.query("filter", shape, text)
}

fn create(entity: &'static Entity, owner: Option<&str>) -> About {
    About::new("Creates a document")
        .writes()
        .takes(bodies::whole(entity, owner))
        .answers(201, bodies::answer(entity))
        .refuses(409)
}

/// The verbs on one document.
fn item(entity: &'static Entity, method: &Method) -> About {
    one(entity, None, method)
}

fn one(entity: &'static Entity, owner: Option<&str>, method: &Method) -> About {
    match *method {
        Method::PUT => About::new("Creates or replaces the document")
            .writes()
            .takes(bodies::whole(entity, owner))
            .answers(200, bodies::answer(entity))
            .refuses(409),
        Method::PATCH => About::new("Changes part of the document")
            .writes()
            .takes(bodies::part(entity))
            .answers(200, bodies::answer(entity))
            .refuses(409),
        Method::DELETE => {
            let about = About::new("Deletes the document and what goes with it");
            let about = about.writes().answers_nothing(204);
            match entity.kind == CustomPlugin::KIND {
                true => about.refuses(409), // while plugins use it
                false => about,
            }
        }
        _ => About::new("The document").answers(200, bodies::answer(entity)),
    }
}

fn children(link: Link, method: &Method) -> About {
    match *method {
        Method::POST => create(link.child, Some(link.field)),
        _ => searched(
            About::new("A page of those that belong to it").paged(),
            link.child,
        )
        .answers(200, bodies::listed(link.child)),
    }
}

fn child(link: Link, method: &Method) -> About {
    if link.child.nested_only && *method == Method::PUT {
        return one(link.child, None, &Method::PATCH);
    }
    one(link.child, Some(link.field), method)
}

fn parent(link: Link, method: &Method) -> About {
    match *method {
        Method::DELETE => About::new("Never deletes what another document refers to").refuses(405),
        _ => one(link.parent, None, method),
    }
}

/// What every write of documents understands (sync-protocol.md 3.2).
fn waiting() -> [Value; 2] {
    let quorum = json!({ "type": "string", "pattern": "^applied(:(all|[0-9]{1,9}|[0-9]{1,2}(\\.[0-9]+)?%|100%))?$" });
    [
        query(
            "wait",
            quorum,
            "Answer only when so many of the nodes run the write: `applied`, `applied:95%`, `applied:1`.",
        ),
        query(
            "timeout",
            shape::text(),
            "How long to wait at most, 10 minutes at most: `500ms`, `5s`, `1m`.",
        ),
    ]
}

/// The names of the open segments of a path.
fn names(path: &str) -> impl Iterator<Item = &str> {
    let segments = path.split('/');
    segments.filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
}

fn path_parameter(name: &str) -> Value {
    let lookup = entities::find(name).map(|entity| entity.lookup);
    let (description, shape) = match lookup {
        Some(Some(field)) => (format!("Its id or its `{field}`."), shape::text()),
        Some(None) => ("Its id.".to_owned(), shape::text()),
        None => (format!("The {name}."), shape::text()),
    };
    let mut shape = shape;
    shape["minLength"] = 1.into();
    json!({ "name": name, "in": "path", "required": true, "description": description, "schema": shape })
}

/// `get-services-routes`
fn id(method: &Method, path: &str) -> String {
    let verb = method.as_str().to_ascii_lowercase();
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    let name: Vec<String> = segments
        .map(|segment| segment.replace('{', "by-").replace('}', ""))
        .collect();
    match name.is_empty() {
        true => format!("{verb}-root"),
        false => format!("{verb}-{}", name.join("-")),
    }
}
