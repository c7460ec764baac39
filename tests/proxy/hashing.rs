//! What consistent hashing goes by (proxy-and-routing.md 9.4).

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};
use tests::{Gateway, Request, Setup};

use crate::balancing::{ask, balanced, target, two};

/// So many that both of two targets have some: ports, and thus places on the ring, differ from run to run.
const USERS: usize = 30;

/// Checklist 33.
#[tokio::test]
async fn the_same_header_goes_to_the_same_target_on_every_node() {
    let [one, other] = two().await;
    let hashing = json!({ "hash_on": "header", "hash_on_header": "X-User" });
    let gateway = balanced(Setup::nodes(2), hashing, json!({})).await;
    target(&gateway, one.address(), 100).await;
    target(&gateway, other.address(), 100).await;
    gateway.settled().await;
    let mut homes = HashMap::new();
    for round in 0..4 {
        for user in 0..USERS {
            let request = Request::get("/").header("X-User", &format!("user-{user}"));
            let reply = gateway.nodes[round % 2]
                .send(&request)
                .await
                .expect_status(200);
            let home = homes.entry(user).or_insert_with(|| reply.echoed("host"));
            assert_eq!(*home, reply.echoed("host"), "user {user}, round {round}");
        }
    }
    assert!(
        one.requests() > 0 && other.requests() > 0,
        "both have users"
    );
    let before = (one.requests(), other.requests());
    ask(&gateway, 6).await;
    let without = (one.requests() - before.0, other.requests() - before.1);
    assert!(
        without == (6, 0) || without == (0, 6),
        "without the header: always the same, {without:?}"
    );
}

/// Checklist 33.
#[tokio::test]
async fn a_cookie_is_issued_once_and_leads_back() {
    let [one, other] = two().await;
    let hashing =
        json!({ "hash_on": "cookie", "hash_on_cookie": "home", "hash_on_cookie_path": "/shop" });
    let gateway = balanced(Setup::default(), hashing, json!({})).await;
    target(&gateway, one.address(), 100).await;
    target(&gateway, other.address(), 100).await;
    let reply = gateway.get("/").await.expect_status(200);
    let cookie = reply
        .header("set-cookie")
        .expect("a cookie is issued")
        .to_owned();
    let (pair, attributes) = cookie.split_once("; ").expect("a cookie has attributes");
    assert_eq!(attributes, "Path=/shop; Same-Site=Lax; HttpOnly");
    let value = pair.strip_prefix("home=").expect("the cookie's name");
    assert_eq!(value.len(), 36, "{value}");
    for _ in 0..6 {
        let again = gateway
            .send(Request::get("/").header("Cookie", pair))
            .await
            .expect_status(200);
        assert_eq!(again.echoed("host"), reply.echoed("host"));
        assert_eq!(again.header("set-cookie"), None);
    }
}

/// One thing to go by: what the upstream is told, a request that has it, and one that lacks it.
struct Case {
    name: &'static str,
    upstream: Value,
    request: fn(usize) -> Request,
    lacking: fn() -> Request,
}

fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "path",
            upstream: json!({ "hash_on": "path" }),
            request: |n| Request::get(&format!("/u/{n}")),
            lacking: || Request::get("/"),
        },
        Case {
            name: "query_arg",
            upstream: json!({ "hash_on": "query_arg", "hash_on_query_arg": "user" }),
            request: |n| Request::get(&format!("/?x={n}&user={n}")),
            lacking: || Request::get("/?x=1"),
        },
        Case {
            name: "uri_capture",
            upstream: json!({ "hash_on": "uri_capture", "hash_on_uri_capture": "user" }),
            request: |n| Request::get(&format!("/u/{n}")),
            lacking: || Request::get("/u/"),
        },
        Case {
            name: "consumer",
            upstream: json!({ "hash_on": "consumer" }),
            request: |n| Request::get(&format!("/?apikey=key-{n}")),
            lacking: || Request::get("/"),
        },
        Case {
            name: "a fallback",
            upstream: json!({
                "hash_on": "consumer", "hash_fallback": "header", "hash_fallback_header": "X-User",
            }),
            request: |n| Request::get("/").header("X-User", &n.to_string()),
            lacking: || Request::get("/"),
        },
    ]
}

/// The target that a request went to.
async fn home(gateway: &Gateway, request: Request) -> Option<String> {
    gateway
        .send(request)
        .await
        .expect_status(200)
        .echoed("host")
}

#[tokio::test]
async fn each_input_leads_to_its_target_and_none_to_always_the_same() {
    let [one, other] = two().await;
    let gateway = balanced(Setup::default(), json!({}), json!({})).await;
    target(&gateway, one.address(), 100).await;
    target(&gateway, other.address(), 100).await;
    let admin = gateway.admin();
    let route = json!({ "paths": ["~/u/(?<user>\\d*)"], "strip_path": false });
    admin.create("/services/orders/routes", route).await;
    let anonymous = admin
        .create("/consumers", json!({ "username": "anonymous" }))
        .await;
    let known = json!({ "anonymous": anonymous["id"] });
    for n in 0..USERS {
        admin
            .create("/consumers", json!({ "username": format!("user-{n}") }))
            .await;
        let key = json!({ "key": format!("key-{n}") });
        admin
            .create(&format!("/consumers/user-{n}/key-auth"), key)
            .await;
    }
    for case in cases() {
        let plain = json!({ "hash_on": "none", "hash_fallback": "none" });
        admin
            .patch("/upstreams/u.test", plain)
            .await
            .expect_status(200);
        admin
            .patch("/upstreams/u.test", case.upstream.clone())
            .await
            .expect_status(200);
        let plugin = match case.name {
            "consumer" => Some(admin.plugin("", "key-auth", known.clone()).await),
            _ => None,
        };
        let mut homes = HashMap::new();
        for n in (0..USERS).chain(0..USERS) {
            let found = home(&gateway, (case.request)(n)).await;
            let first = homes.entry(n).or_insert_with(|| found.clone());
            assert_eq!(*first, found, "{}: {n}", case.name);
        }
        let used: HashSet<_> = homes.into_values().collect();
        assert_eq!(used.len(), 2, "{}: both targets have somebody", case.name);
        let mut lacking = HashSet::new();
        for _ in 0..6 {
            lacking.insert(home(&gateway, (case.lacking)()).await);
        }
        assert_eq!(lacking.len(), 1, "{}", case.name);
        if let Some(plugin) = plugin {
            let path = format!("/plugins/{}", plugin["id"].as_str().expect("an id"));
            admin.delete(&path).await.expect_status(204);
        }
    }
}

/// The client's address is the same for every request of a test.
#[tokio::test]
async fn an_address_has_one_target() {
    let [one, other] = two().await;
    let gateway = balanced(Setup::default(), json!({ "hash_on": "ip" }), json!({})).await;
    target(&gateway, one.address(), 100).await;
    target(&gateway, other.address(), 100).await;
    ask(&gateway, 8).await;
    let mut requests = [one.requests(), other.requests()];
    requests.sort_unstable();
    assert_eq!(requests, [0, 8]);
}
