//! `/apis`, as Kong had them before services and routes: a thin view that keeps one service and one route of the same
//! name, written together (admin-api.md 2.6). A service without such a route is no API.

mod members;

use super::body::Arguments;
use super::error::Failure;
use super::lookup::{self, Key};
use super::query::{next_address, token};
use super::reply::Reply;
use super::serve::Call;
use super::{Admin, Answer};
use crate::store::{Filter, Page, Rejection, Stored, Write, WriteError};
use http::{Method, StatusCode};
use members::Parts;
use serde_json::{Value, json};
use shared::entities::{self, Entity};
use shared::schema::{Document, Violations};
use uuid::Uuid;

const SERVICES: &str = "services";
const ROUTES: &str = "routes";
/// How often a change is tried again when somebody else changed the service or the route meanwhile.
const ATTEMPTS: usize = 100;

/// The two documents that an API is.
struct Api {
    service: Stored,
    route: Stored,
}

/// `GET` and `POST /apis`
pub async fn collection(call: Call<'_>) -> Answer {
    match call.method {
        Method::GET => list(&call).await,
        _ => {
            let (service, route) = call.admin.new_api(call.arguments.clone(), None, None)?;
            insert(&call, StatusCode::CREATED, service, route).await
        }
    }
}

/// `GET`, `PUT`, `PATCH` and `DELETE /apis/{api}`
pub async fn item(call: Call<'_>) -> Answer {
    let key = lookup::key(entity(SERVICES), call.key(0))?;
    match call.method {
        Method::GET => {
            let api = call.admin.found_api(&key).await?;
            Ok(Reply::ok(&api.shown()))
        }
        Method::PUT => put(call, key).await,
        Method::PATCH => patch(call, key).await,
        _ => delete(call, key).await,
    }
}

async fn list(call: &Call<'_>) -> Answer {
    let page = Page {
        size: call.query.size()?,
        after: call.query.offset_id()?,
        filter: Filter::None,
        search: None,
    };
    let services = call.admin.store.list(SERVICES, page).await?;
    let mut data = Vec::new();
    for service in services.documents {
        if let Some(api) = call.admin.api_of(service).await? {
            data.push(api.shown());
        }
    }
    let mut body = json!({ "data": data, "next": null });
    if let Some(id) = services.next {
        let token = token(&[&id.to_string()]);
        let sent = [("size", call.query.first("size"))];
        body["next"] = json!(next_address("/apis", &token, &sent));
        body["offset"] = json!(token);
    }
    Ok(Reply::ok(&body))
}

/// Creates or replaces what `key` names; what is a service but no API is left alone.
async fn put(call: Call<'_>, key: Key) -> Answer {
    let admin = call.admin;
    let known = match admin.find(entity(SERVICES), &key).await? {
        None => None,
        Some(service) => Some(
            admin
                .api_of(service)
                .await?
                .ok_or_else(Failure::not_found)?,
        ),
    };
    let arguments = call.arguments.clone();
    let (service, route) = admin.new_api(arguments, Some(&key), known.as_ref())?;
    if known.is_none() {
        return insert(&call, StatusCode::OK, service, route).await;
    }
    let reply = Reply::ok(&members::shown(&service, &route));
    let writes = [(SERVICES, service), (ROUTES, route)]
        .map(|(kind, document)| Write::Upsert { kind, document });
    Ok(call.commit(writes.into(), reply).await?)
}

async fn patch(call: Call<'_>, key: Key) -> Answer {
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let api = call.admin.found_api(&key).await?;
        let parts = call.admin.parts(call.arguments.clone())?;
        let (service, route) = call.admin.merged_api(&api, parts)?;
        let reply = Reply::ok(&members::shown(&service, &route));
        let writes = vec![
            update(SERVICES, service, &api.service),
            update(ROUTES, route, &api.route),
        ];
        match call.commit(writes, reply).await {
            Err(WriteError::Rejected {
                reason: reason @ (Rejection::Changed { .. } | Rejection::NotFound { .. }),
                ..
            }) => last = Some(reason),
            done => return Ok(done?),
        }
    }
    Err(last.expect("every attempt left its reason").into())
}

async fn delete(call: Call<'_>, key: Key) -> Answer {
    let api = call.admin.found_api(&key).await?;
    let writes = [(ROUTES, api.route.id), (SERVICES, api.service.id)]
        .map(|(kind, id)| Write::Delete { kind, id });
    let reply = Reply::empty(StatusCode::NO_CONTENT);
    Ok(call.commit(writes.into(), reply).await?)
}

async fn insert(call: &Call<'_>, status: StatusCode, service: Document, route: Document) -> Answer {
    let reply = Reply::json(status, &members::shown(&service, &route));
    let writes = [(SERVICES, service), (ROUTES, route)]
        .map(|(kind, document)| Write::Insert { kind, document });
    Ok(call.commit(writes.into(), reply).await?)
}

fn update(kind: &'static str, document: Document, stored: &Stored) -> Write {
    Write::Update {
        kind,
        document,
        expected: Some(stored.revision),
    }
}

fn entity(kind: &str) -> &'static Entity {
    entities::find(kind).expect("a kind of the list")
}

impl Api {
    fn shown(&self) -> Value {
        members::shown(&self.service.document, &self.route.document)
    }
}

impl Admin {
    async fn found_api(&self, key: &Key) -> Result<Api, Failure> {
        let service = self.find(entity(SERVICES), key).await?;
        let service = service.ok_or_else(Failure::not_found)?;
        self.api_of(service).await?.ok_or_else(Failure::not_found)
    }

    /// The API that a service is, if it has a route of its own name.
    async fn api_of(&self, service: Stored) -> Result<Option<Api>, Failure> {
        let Some(name) = service.document.get("name").and_then(Value::as_str) else {
            return Ok(None);
        };
        let route = self.store.find(ROUTES, "name", name).await?;
        let own = json!({ "id": service.id });
        let route = route.filter(|route| route.document.get("service") == Some(&own));
        Ok(route.map(|route| Api { service, route }))
    }

    /// What was sent, as members of a service and of a route.
    fn parts(&self, arguments: Arguments) -> Result<Parts, Failure> {
        let form = arguments.form;
        let split = members::split(arguments);
        let mut parts = split.map_err(|found| Failure::schema_violation(&found))?;
        if form {
            let infer =
                |kind, document| entity(kind).infer(document, &self.catalog, &self.form_options());
            parts.service = infer(SERVICES, parts.service);
            parts.route = infer(ROUTES, parts.route);
        }
        Ok(parts)
    }

    /// The complete documents of a new API, or of one that takes the place of `known`.
    fn new_api(
        &self,
        arguments: Arguments,
        key: Option<&Key>,
        known: Option<&Api>,
    ) -> Result<(Document, Document), Failure> {
        let Parts {
            mut service,
            mut route,
        } = self.parts(arguments)?;
        match key {
            Some(Key::Id(id)) => drop(service.insert("id".to_owned(), json!(id))),
            Some(Key::Field(_, name)) => {
                service.insert("name".to_owned(), json!(name));
                route.insert("name".to_owned(), json!(name));
            }
            None => {}
        }
        if service.get("name").is_none_or(Value::is_null) {
            let found = Violations::one("name", "required field missing");
            return Err(Failure::schema_violation(&found));
        }
        let id = || json!(Uuid::new_v4());
        match known {
            Some(api) => {
                service.insert("id".to_owned(), json!(api.service.id));
                route.insert("id".to_owned(), json!(api.route.id));
            }
            None => drop(service.entry("id").or_insert_with(id)),
        }
        let reference = json!({ "id": service.get("id") });
        route.insert("service".to_owned(), reference);
        self.both(
            |context| entity(SERVICES).complete(service, context),
            |context| entity(ROUTES).complete(route, context),
        )
    }

    fn merged_api(&self, api: &Api, parts: Parts) -> Result<(Document, Document), Failure> {
        let Parts { mut service, route } = parts;
        if service.get("name").is_some_and(Value::is_null) {
            let found = Violations::one("name", "required field missing");
            return Err(Failure::schema_violation(&found));
        }
        service.shift_remove("id");
        self.both(
            |context| entity(SERVICES).merge(&api.service.document, service, context),
            |context| entity(ROUTES).merge(&api.route.document, route, context),
        )
    }

    /// Both documents, or everything that is wrong with them in the words of an API.
    fn both(
        &self,
        service: impl FnOnce(&entities::Context<'_>) -> Result<Document, Violations>,
        route: impl FnOnce(&entities::Context<'_>) -> Result<Document, Violations>,
    ) -> Result<(Document, Document), Failure> {
        match (self.examined(service), self.examined(route)) {
            (Ok(service), Ok(route)) => Ok((service, route)),
            (service, route) => {
                let mut found = members::told(service.err().unwrap_or_default());
                let of_route = members::told(route.err().unwrap_or_default());
                found.extend(of_route);
                Err(Failure::schema_violation(&found))
            }
        }
    }
}
