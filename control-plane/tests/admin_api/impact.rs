//! What a dry run foretells is what the write then does: random configurations and changes, its answer held against the
//! router and the chains of what is stored before and after.

use crate::client::Plane;
use http::HeaderMap;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};
use shared::chain::{Scope, Scopes};
use shared::entities::Route;
use shared::model::Model;
use shared::plugins::Catalog;
use shared::router::{Query, Router, split_host};
use shared::sync::State;
use std::collections::BTreeSet;
use std::sync::Arc;
use uuid::Uuid;

const SERVICES: usize = 2;
const ROUTES: usize = 5;
const CONSUMERS: usize = 2;
const PLUGINS: [&str; 3] = [
    "correlation-id",
    "request-termination",
    "request-transformer",
];
const HOSTS: [&str; 5] = ["a.test", "b.test", "x.a.test", "*.a.test", "a.*"];
const PATHS: [&str; 7] = ["/", "/a", "/a/b", "/ab", "/b", r"~/a/\d+", "~/(a|b)/c$"];
const METHODS: [&str; 2] = ["GET", "POST"];

fn operation(method: &str, path: String, body: Value) -> Value {
    json!({ "method": method, "path": path, "body": body })
}

/// A route by its id: which of two equal routes wins is decided by that.
fn route_path(number: usize) -> String {
    format!("/routes/{}", Uuid::from_u128(0x2000_0000 + number as u128))
}

fn put_route(number: usize, mut body: Value) -> Value {
    body["name"] = json!(format!("r{number}"));
    operation("PUT", route_path(number), body)
}

fn route() -> impl Strategy<Value = Value> {
    (
        0..ROUTES,
        prop::option::of(0..SERVICES),
        subsequence(&METHODS[..], 0..=1),
        subsequence(&HOSTS[..], 0..=2),
        subsequence(&PATHS[..], 1..=3),
        select(&["", "1", "~*^v[0-9]"][..]),
        0..3_i64,
    )
        .prop_map(|(number, service, methods, hosts, paths, header, priority)| {
            let some = |list: Vec<&str>| if list.is_empty() { Value::Null } else { json!(list) };
            let headers = if header.is_empty() { Value::Null } else { json!({ "x-a": [header] }) };
            let body = json!({
                "methods": some(methods), "hosts": some(hosts), "paths": paths, "headers": headers,
                "regex_priority": priority,
                "service": service.map(|number| json!({ "name": format!("s{number}") })),
            });
            put_route(number, body)
        })
}

/// A plugin whose id follows from its name and scope, so that no two collide.
fn plugin() -> impl Strategy<Value = Value> {
    (
        0..PLUGINS.len(),
        prop::option::weighted(0.4, 0..ROUTES),
        prop::option::weighted(0.4, 0..SERVICES),
        prop::option::weighted(0.3, 0..CONSUMERS),
        0..4_u8,
    )
        .prop_map(|(name, route, service, consumer, what)| {
            let place = |number: Option<usize>| number.map_or(0, |number| number as u128 + 1);
            let number = (((name as u128 * 16 + place(route)) * 16 + place(service)) * 16
                + place(consumer))
                + 0x1000_0000;
            let path = format!("/plugins/{}", Uuid::from_u128(number));
            if what == 3 {
                return operation("DELETE", path, Value::Null);
            }
            let refer = |key: &str, letter: &str, number: Option<usize>| {
                number.map(|number| json!({ key: format!("{letter}{number}") }))
            };
            let config = match (PLUGINS[name], what) {
                ("request-termination", 1) => json!({ "status_code": 418 }),
                ("correlation-id", 1) => json!({ "header_name": "X-Other" }),
                _ => json!({}),
            };
            let body = json!({
                "name": PLUGINS[name], "enabled": what != 2, "config": config,
                "route": refer("name", "r", route),
                "service": refer("name", "s", service),
                "consumer": refer("username", "c", consumer),
            });
            operation("PUT", path, body)
        })
}

fn change() -> impl Strategy<Value = Value> {
    let switch = (0..SERVICES, any::<bool>()).prop_map(|(number, enabled)| {
        operation(
            "PATCH",
            format!("/services/s{number}"),
            json!({ "enabled": enabled }),
        )
    });
    let delete =
        (0..ROUTES).prop_map(|number| operation("DELETE", route_path(number), Value::Null));
    prop_oneof![4 => route(), 4 => plugin(), 1 => switch, 1 => delete]
}

/// Services, consumers and all routes, so that whatever refers to them finds them; then more.
fn setup() -> impl Strategy<Value = Vec<Value>> {
    let fixed = || {
        let services = (0..SERVICES).map(|n| {
            operation(
                "PUT",
                format!("/services/s{n}"),
                json!({ "host": "h.test" }),
            )
        });
        let consumers =
            (0..CONSUMERS).map(|n| operation("PUT", format!("/consumers/c{n}"), json!({})));
        let routes = (0..ROUTES).map(|n| put_route(n, json!({ "paths": [format!("/r{n}")] })));
        services
            .chain(consumers)
            .chain(routes)
            .collect::<Vec<Value>>()
    };
    let random = (
        prop::collection::vec(route(), 0..6),
        prop::collection::vec(plugin(), 0..6),
    );
    random.prop_map(move |(routes, plugins)| [fixed(), routes, plugins].concat())
}

/// What is stored, as nodes get it.
struct Side {
    state: State,
    model: Model,
    routes: Vec<Arc<Route>>,
    router: Router,
    plugins: Vec<Uuid>,
    scopes: Scopes,
}

impl Side {
    async fn read(plane: &Plane) -> Side {
        let mut state = State::new();
        for kind in ["services", "routes", "consumers", "plugins"] {
            let page = plane.get(&format!("/{kind}?size=1000")).await.expect(200);
            for document in page["data"].as_array().expect("a list") {
                let id = document["id"].as_str().and_then(|id| id.parse().ok());
                let payload = document.to_string().into();
                state.insert(&Arc::from(kind), id.expect("an id"), payload);
            }
        }
        let model = Model::build(&state, None, Catalog::builtin()).expect("nodes take it");
        let routes: Vec<Arc<Route>> = model.routes.values().cloned().collect();
        let router = Router::of_routes(routes.iter().map(|route| &**route), None);
        let (mut plugins, mut scopes) = (Vec::new(), Scopes::default());
        for (place, (id, plugin)) in (0..).zip(model.plugins.iter()) {
            let name = Arc::from(plugin.document.name.as_str());
            scopes.add(plugin.priority(), &name, Scope::of(&plugin.document), place);
            plugins.push(*id);
        }
        scopes.sort();
        Side {
            state,
            model,
            routes,
            router,
            plugins,
            scopes,
        }
    }

    /// The id of the route that gets a request which is written as the answer writes it.
    fn winner(&self, request: &Value) -> Value {
        winner(&self.router, request)
            .map_or(Value::Null, |place| json!(self.routes[place].id.uuid()))
    }

    fn chain(&self, route: Option<&Route>, consumer: Option<Uuid>) -> Vec<Uuid> {
        let service = route
            .and_then(|route| route.service.as_ref())
            .map(|service| service.uuid());
        let scope = (route.map(|route| route.id.uuid()), service);
        let chain = self.scopes.chain(scope.0, scope.1);
        let chosen = chain
            .steps()
            .iter()
            .filter_map(|step| step.choose(&self.scopes, consumer, || scope));
        chosen.map(|place| self.plugins[place as usize]).collect()
    }

    /// What a request could notice of a plugin, beside where it applies.
    fn told(&self, id: &Uuid) -> Option<String> {
        let plugin = self.model.plugins.get(id)?;
        Some(plugin.document.config.get().to_owned())
    }

    fn ids(&self) -> BTreeSet<(String, Uuid)> {
        self.state
            .iter()
            .map(|(kind, id, _)| (kind.to_string(), *id))
            .collect()
    }
}

fn winner(router: &Router, request: &Value) -> Option<usize> {
    let text = |name: &str| request[name].as_str().unwrap_or_default();
    let mut headers = HeaderMap::new();
    for (name, value) in request["headers"].as_object().into_iter().flatten() {
        let name: http::HeaderName = name.parse().expect("a name");
        headers.insert(
            name,
            value
                .as_str()
                .and_then(|text| text.parse().ok())
                .expect("a value"),
        );
    }
    let (host, port) = split_host(text("host"), 8000);
    let query = Query {
        method: text("method"),
        host: Some(host),
        port,
        path: text("path"),
        headers: &headers,
        sni: None,
        https: false,
    };
    router.find(&query).map(|found| found.index as usize)
}

/// Requests made from what a route spells out, without the code that is under test.
fn own_requests(route: &Route, document: &Value) -> Vec<Value> {
    let list = |name: &str, otherwise: &str| -> Vec<String> {
        match &document[name] {
            Value::Array(items) => items
                .iter()
                .map(|item| item.as_str().expect("text").to_owned())
                .collect(),
            _ => vec![otherwise.to_owned()],
        }
    };
    let plain = |text: &String| !text.contains(['*', '~']);
    let headers = match document["headers"]["x-a"][0].as_str() {
        None => json!({}),
        Some("1") => json!({ "x-a": "1" }),
        Some(_) => json!({ "x-a": "v0" }),
    };
    let mut requests = Vec::new();
    for method in list("methods", "GET") {
        for host in list("hosts", "probe.invalid")
            .iter()
            .filter(|host| plain(host))
        {
            for path in list("paths", "/").iter().filter(|path| plain(path)) {
                requests.push(
                    json!({ "method": method, "host": host, "path": path, "headers": headers }),
                );
            }
        }
    }
    assert!(requests.len() <= 64, "{:?}", route.id);
    requests
}

fn strings(list: &Value) -> Vec<&Value> {
    list.as_array().expect("a list").iter().collect()
}

fn check_routes(told: &Value, before: &Side, after: &Side) {
    let routes = &told["impact"]["routes"];
    assert_eq!(routes["complete"], true);
    let moved = strings(&routes["moved"]);
    assert_eq!(routes["moved_total"], moved.len(), "the cases are small");
    for one in &moved {
        assert_eq!(one["before"]["id"], before.winner(one), "{one}");
        assert_eq!(one["after"]["id"], after.winner(one), "{one}");
        assert_ne!(one["before"]["id"], one["after"]["id"]);
    }
    let same = |a: &Value, b: &Value| {
        ["method", "host", "path", "headers"]
            .iter()
            .all(|name| a[*name] == b[*name])
    };
    for side in [before, after] {
        for route in &side.routes {
            let payload = side
                .state
                .get("routes", &route.id.uuid())
                .expect("it is stored");
            let document: Value = serde_json::from_slice(payload).expect("JSON");
            for request in own_requests(route, &document) {
                let moves = before.winner(&request) != after.winner(&request);
                let listed = moved.iter().any(|one| same(one, &request));
                assert_eq!(listed, moves, "{request} of {document}: {routes}");
            }
        }
    }
    for standing in strings(&routes["shadowed"]) {
        let id = &standing["route"]["id"];
        let alone = after
            .routes
            .iter()
            .find(|route| json!(route.id.uuid()) == *id);
        let alone = Router::of_routes(alone.map(|route| &**route), None);
        for request in strings(&standing["requests"]) {
            assert_eq!(before.winner(request), *id);
            assert!(
                winner(&alone, request).is_some(),
                "it still asks for {request}"
            );
            assert_ne!(after.winner(request), *id);
        }
    }
    for standing in strings(&routes["newly_matched"]) {
        for request in strings(&standing["requests"]) {
            assert_eq!(after.winner(request), standing["route"]["id"]);
        }
    }
    let lost = moved.iter().filter(|one| one["after"].is_null()).count();
    assert_eq!(routes["unmatched_total"], lost);
}

fn check_chains(told: &Value, before: &Side, after: &Side) {
    let plugins = &told["impact"]["plugins"];
    assert_eq!(plugins["complete"], true);
    let ids = |turns: &Value| -> Vec<Uuid> {
        let ids = turns.as_array().into_iter().flatten();
        ids.map(|turn| {
            turn["id"]
                .as_str()
                .and_then(|id| id.parse().ok())
                .expect("an id")
        })
        .collect()
    };
    let same_route = |shown: &Value, route: &Route| shown["id"] == json!(route.id.uuid());
    // Everything that is told is so.
    for chain in strings(&plugins["chains"]) {
        let consumer = chain["consumer"]["id"]
            .as_str()
            .and_then(|id| id.parse().ok());
        let mut places: Vec<Option<&Route>> = after
            .routes
            .iter()
            .filter(|route| {
                strings(&chain["routes"])
                    .iter()
                    .any(|shown| same_route(shown, route))
            })
            .map(|route| Some(&**route))
            .collect();
        assert_eq!(chain["routes_total"], places.len());
        if chain["without_route"] == true {
            places.push(None);
        }
        for place in places {
            assert_eq!(
                ids(&chain["after"]),
                after.chain(place, consumer),
                "{chain}"
            );
            let old = match place {
                None => Some(before.chain(None, consumer)),
                Some(route) => {
                    let old = before.model.routes.get(&route.id.uuid());
                    old.map(|old| before.chain(Some(old), consumer))
                }
            };
            assert_eq!(chain["before"].is_null(), old.is_none(), "{chain}");
            assert_eq!(ids(&chain["before"]), old.unwrap_or_default(), "{chain}");
        }
    }
    // Everything that is so is told.
    let consumers: Vec<Option<Uuid>> = std::iter::once(None)
        .chain(after.model.consumers.keys().copied().map(Some))
        .collect();
    let places = after
        .routes
        .iter()
        .map(|route| Some(&**route))
        .chain([None]);
    for place in places {
        for consumer in &consumers {
            let old = match place {
                None => Some(before.chain(None, *consumer)),
                Some(route) => {
                    let old = before.model.routes.get(&route.id.uuid());
                    old.map(|old| before.chain(Some(old), *consumer))
                }
            };
            let new = after.chain(place, *consumer);
            let retold = |id: &Uuid| {
                before
                    .told(id)
                    .is_some_and(|told| Some(told) != after.told(id))
            };
            let differs = old.clone().unwrap_or_default() != new || new.iter().any(retold);
            let listed = strings(&plugins["chains"]).into_iter().any(|chain| {
                let for_it =
                    chain["consumer"].is_null() || chain["consumer"]["id"] == json!(consumer);
                let there = match place {
                    None => chain["without_route"] == true,
                    Some(route) => strings(&chain["routes"])
                        .iter()
                        .any(|shown| same_route(shown, route)),
                };
                for_it
                    && there
                    && ids(&chain["after"]) == new
                    && ids(&chain["before"]) == old.clone().unwrap_or_default()
            });
            assert!(
                listed || !differs,
                "{place:?} {consumer:?}: {old:?} {new:?} {plugins}"
            );
        }
    }
}

fn check_documents(told: &Value, before: &Side, after: &Side) {
    let listed = |name: &str| -> BTreeSet<(String, Uuid)> {
        let entries = strings(&told[name]).into_iter();
        let place = |entry: &Value| {
            let id = entry["id"].as_str().and_then(|id| id.parse().ok());
            (
                entry["kind"].as_str().expect("a kind").to_owned(),
                id.expect("an id"),
            )
        };
        entries.map(place).collect()
    };
    let (old, new) = (before.ids(), after.ids());
    assert_eq!(listed("created"), new.difference(&old).cloned().collect());
    assert_eq!(listed("deleted"), old.difference(&new).cloned().collect());
    for entry in strings(&told["changed"]) {
        let id: Uuid = entry["id"]
            .as_str()
            .and_then(|id| id.parse().ok())
            .expect("an id");
        let kind = entry["kind"].as_str().expect("a kind");
        for (name, values) in entry["fields"].as_object().expect("an object") {
            for (side, when) in [(before, "before"), (after, "after")] {
                let payload = side.state.get(kind, &id).expect("it is stored");
                let document: Value = serde_json::from_slice(payload).expect("JSON");
                // Made anew by each write.
                if name != "created_at" {
                    assert_eq!(values[when], document[name], "{kind} {name}");
                }
            }
        }
    }
}

async fn check(setup: Vec<Value>, changes: Vec<Value>) {
    let plane = Plane::start().await;
    plane
        .post("/headgate/batch", json!({ "operations": setup }))
        .await
        .expect(200);
    let before = Side::read(&plane).await;
    let batch = json!({ "operations": changes });
    let told = plane.post("/headgate/batch?dry_run=1", batch.clone()).await;
    let done = plane.post("/headgate/batch", batch).await;
    if told.status != 200 {
        assert_eq!((told.status, told.json()), (done.status, done.json()));
        return;
    }
    let told = told.json();
    assert_eq!(done.status, 200, "{done:?}");
    assert_eq!(told["valid"], true);
    let after = Side::read(&plane).await;
    check_documents(&told, &before, &after);
    check_routes(&told, &before, &after);
    check_chains(&told, &before, &after);
    plane.stop().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_a_dry_run_foretells_is_what_the_write_does(
        setup in setup(),
        changes in prop::collection::vec(change(), 1..4),
    ) {
        let runtime = tokio::runtime::Runtime::new().expect("threads");
        runtime.block_on(check(setup, changes));
    }
}
