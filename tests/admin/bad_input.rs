//! Whatever a stranger sends is answered with a 4xx that names the field, and nothing of it is stored.

use serde_json::{Value, json};
use tests::admin::Admin;
use tests::{Gateway, Request, Setup};

const COLLECTIONS: [&str; 7] = [
    "services",
    "routes",
    "consumers",
    "plugins",
    "key-auths",
    "acls",
    "upstreams",
];

async fn counts(admin: &Admin) -> Vec<usize> {
    let mut counts = Vec::new();
    for collection in COLLECTIONS {
        counts.push(admin.list(collection).await.len());
    }
    counts
}

async fn head(admin: &Admin) -> Value {
    admin
        .get("/headgate/data-planes")
        .await
        .expect_status(200)
        .json()["head_revision"]
        .clone()
}

/// Where the member of an error tree lies, as a JSON pointer; empty for answers without one.
struct Case {
    request: Request,
    status: u16,
    names: &'static str,
}

fn case(method: &str, path: &str, body: Value, status: u16, names: &'static str) -> Case {
    Case {
        request: Request::new(method, path).json(&body),
        status,
        names,
    }
}

fn form(path: &str, body: &str, status: u16, names: &'static str) -> Case {
    Case {
        request: Request::new("POST", path).form(body),
        status,
        names,
    }
}

fn raw(content_type: &str, body: &str, status: u16) -> Case {
    let request = Request::new("POST", "/services")
        .header("Content-Type", content_type)
        .body(body);
    Case {
        request,
        status,
        names: "",
    }
}

fn cases() -> Vec<Case> {
    let transformer = |config: Value| json!({ "name": "request-transformer", "config": config });
    let unknown = "00000000-0000-4000-8000-000000000000";
    vec![
        case(
            "POST",
            "/services",
            json!({ "host": "a", "bogus": 1 }),
            400,
            "/fields/bogus",
        ),
        case("POST", "/services", json!({}), 400, "/fields/host"),
        case(
            "POST",
            "/services",
            json!({ "host": 5 }),
            400,
            "/fields/host",
        ),
        case(
            "POST",
            "/services",
            json!({ "host": "a", "port": "80" }),
            400,
            "/fields/port",
        ),
        case(
            "POST",
            "/services",
            json!({ "host": "a", "port": 65536 }),
            400,
            "/fields/port",
        ),
        case(
            "POST",
            "/services",
            json!({ "host": "a", "port": 1.5 }),
            400,
            "/fields/port",
        ),
        case(
            "POST",
            "/services",
            json!({ "host": "a", "retries": -1 }),
            400,
            "/fields/retries",
        ),
        case(
            "POST",
            "/services",
            json!({ "host": "a", "path": "x" }),
            400,
            "/fields/path",
        ),
        case(
            "POST",
            "/services",
            json!({ "host": "a b" }),
            400,
            "/fields/host",
        ),
        case(
            "POST",
            "/services",
            json!({ "host": "a", "id": "1" }),
            400,
            "/fields/id",
        ),
        case(
            "POST",
            "/services",
            json!({ "host": "a", "name": "a b" }),
            400,
            "/fields/name",
        ),
        case(
            "POST",
            "/services",
            json!({ "host": "a", "name": "known" }),
            409,
            "/fields/name",
        ),
        case(
            "POST",
            "/services",
            json!({ "host": "a", "tags": "x" }),
            400,
            "/fields/tags",
        ),
        case(
            "POST",
            "/services",
            json!({ "url": "not a url" }),
            400,
            "/fields",
        ),
        case(
            "PATCH",
            "/services/known",
            json!({ "port": null, "host": null }),
            400,
            "/fields/host",
        ),
        case(
            "PUT",
            "/services/known",
            json!({ "port": 1 }),
            400,
            "/fields/host",
        ),
        case(
            "PATCH",
            "/services/nobody",
            json!({ "port": 1 }),
            404,
            "/fields/name",
        ),
        case("POST", "/routes", json!({}), 400, "/fields/@entity"),
        case(
            "POST",
            "/routes",
            json!({ "paths": ["x"] }),
            400,
            "/fields/paths/0",
        ),
        case(
            "POST",
            "/routes",
            json!({ "paths": ["/a", "~/("] }),
            400,
            "/fields/paths/1",
        ),
        case(
            "POST",
            "/routes",
            json!({ "paths": ["/"], "protocols": ["gopher"] }),
            400,
            "/fields/protocols/0",
        ),
        case(
            "POST",
            "/routes",
            json!({ "paths": ["/"], "service": { "id": unknown } }),
            400,
            "/fields/service",
        ),
        case(
            "POST",
            "/routes",
            json!({ "paths": ["/"], "service": { "name": "nobody" } }),
            400,
            "/fields/service",
        ),
        case(
            "POST",
            "/routes",
            json!({ "paths": ["/"], "service": "known" }),
            400,
            "/fields/service",
        ),
        case(
            "POST",
            "/services/nobody/routes",
            json!({ "paths": ["/"] }),
            404,
            "",
        ),
        case("POST", "/consumers", json!({}), 400, "/fields/@entity"),
        case(
            "POST",
            "/consumers/nobody/key-auth",
            json!({ "key": "k" }),
            404,
            "",
        ),
        case(
            "POST",
            "/key-auths",
            json!({ "key": "k" }),
            400,
            "/fields/consumer",
        ),
        case(
            "POST",
            "/consumers/someone/key-auth",
            json!({ "key": "taken" }),
            409,
            "/fields/key",
        ),
        case(
            "POST",
            "/consumers/someone/acls",
            json!({}),
            400,
            "/fields/group",
        ),
        case(
            "POST",
            "/consumers/someone/acls",
            json!({ "group": "g" }),
            409,
            "/fields",
        ),
        case("POST", "/plugins", json!({}), 400, "/fields/name"),
        case(
            "POST",
            "/plugins",
            json!({ "name": "no-such-plugin" }),
            400,
            "/fields/name",
        ),
        case(
            "POST",
            "/plugins",
            json!({ "name": "key-auth", "config": [] }),
            400,
            "/fields/config",
        ),
        case("POST", "/plugins", json!({ "name": "acl" }), 400, "/fields"),
        case(
            "POST",
            "/plugins",
            transformer(json!({ "bogus": 1 })),
            400,
            "/fields/config/bogus",
        ),
        case(
            "POST",
            "/plugins",
            transformer(json!({ "add": 5 })),
            400,
            "/fields/config/add",
        ),
        case(
            "POST",
            "/plugins",
            transformer(json!({ "add": null })),
            400,
            "/fields/config/add",
        ),
        case(
            "POST",
            "/plugins",
            transformer(json!({ "add": { "headers": "a:b" } })),
            400,
            "/fields/config/add/headers",
        ),
        case(
            "POST",
            "/plugins",
            transformer(json!({ "add": { "headers": ["a:b", "x"] } })),
            400,
            "/fields/config/add/headers/1",
        ),
        case(
            "POST",
            "/plugins",
            transformer(json!({ "http_method": "get" })),
            400,
            "/fields/config/http_method",
        ),
        case(
            "POST",
            "/plugins",
            json!({ "name": "request-transformer", "service": { "id": unknown } }),
            400,
            "/fields/service",
        ),
        case(
            "POST",
            "/plugins",
            json!({ "name": "request-transformer", "service_id": "nobody" }),
            400,
            "/fields",
        ),
        case(
            "POST",
            "/services/nobody/plugins",
            transformer(json!({})),
            404,
            "",
        ),
        case(
            "DELETE",
            "/services/with-route",
            json!({}),
            400,
            "/fields/@referenced_by",
        ),
        form("/services", "host=a&port=many", 400, "/fields/port"),
        form("/services", "host=a&port=2.5", 400, "/fields/port"),
        form(
            "/services",
            "host=a&nonsense.deep[3]=1",
            400,
            "/fields/nonsense",
        ),
        form("/routes", "paths[2]=/b", 400, "/fields/paths"),
        form(
            "/plugins",
            "name=request-transformer&config.add.headers=x",
            400,
            "/fields/config/add/headers/0",
        ),
        form(
            "/plugins",
            "name=response-transformer&config.add.json_types=int",
            400,
            "/fields/config/add/json_types/0",
        ),
        raw("application/json", "{", 400),
        raw("application/json", "", 400),
        raw("application/json", "[]", 400),
        raw("application/json", "null", 400),
        raw("application/json", "{\"host\":\"a\"} x", 400),
        raw("application/json", "\u{feff}{\"host\":\"a\"}", 400),
        raw("text/plain", "host=a", 415),
        raw(
            "multipart/form-data; boundary=x",
            "--x\r\nContent-Disposition: form-data; name=\"host\"\r\n\r\na",
            400,
        ),
        raw(
            "application/json",
            &format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000)),
            400,
        ),
    ]
}

#[tokio::test]
async fn bad_input_is_refused_by_field_and_leaves_nothing_behind() {
    let gateway = Gateway::with(Setup::nodes(0)).await;
    let admin = gateway.admin();
    admin
        .create("/services", json!({ "name": "known", "host": "a" }))
        .await;
    admin
        .create("/services", json!({ "name": "with-route", "host": "a" }))
        .await;
    admin
        .create("/services/with-route/routes", json!({ "paths": ["/"] }))
        .await;
    admin
        .create("/consumers", json!({ "username": "someone" }))
        .await;
    admin
        .create("/consumers/someone/key-auth", json!({ "key": "taken" }))
        .await;
    admin
        .create("/consumers/someone/acls", json!({ "group": "g" }))
        .await;
    let (before, head_before) = (counts(admin).await, head(admin).await);
    let mut wrong = Vec::new();
    for Case {
        request,
        status,
        names,
    } in cases()
    {
        let reply = admin.send(&request).await;
        let sent = String::from_utf8_lossy(request.body.as_deref().unwrap_or_default());
        let what = format!(
            "{} {} {}",
            request.method,
            request.path,
            sent.chars().take(100).collect::<String>()
        );
        let named = names.is_empty()
            || reply.status != 0 && reply.json().pointer(names).is_some_and(|v| !v.is_null());
        if reply.status != status || !named {
            wrong.push(format!(
                "{what}\n  expected {status} naming '{names}', got {reply}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(counts(admin).await, before, "something was stored");
    assert_eq!(
        head(admin).await,
        head_before,
        "a refused write takes no revision"
    );
}

#[tokio::test]
async fn a_body_over_the_limit_is_a_413() {
    let setup = Setup {
        control_plane: vec!["--admin-max-body-size".into(), "1k".into()],
        ..Setup::nodes(0)
    };
    let gateway = Gateway::with(setup).await;
    let admin = gateway.admin();
    let long = json!({ "host": "a", "tags": ["x".repeat(2000)] });
    admin
        .post("/services", long.clone())
        .await
        .expect_status(413);
    let chunked = Request::new("POST", "/services")
        .json(&long)
        .header("Transfer-Encoding", "chunked");
    admin.send(&chunked).await.expect_status(413);
    admin.create("/services", json!({ "host": "a" })).await;
    assert_eq!(admin.list("services").await.len(), 1);
}

#[tokio::test]
async fn lua_that_does_not_compile_is_refused_in_the_words_of_lua() {
    let gateway = Gateway::with(Setup::nodes(0)).await;
    let admin = gateway.admin();
    let functions =
        json!({ "transform": { "functions": ["return function(data) return end end"] } });
    let template = json!({ "add": { "querystring": ["q:$(headers['a'] .. )"] } });
    for (plugin, config, field, said) in [
        (
            "response-transformer-advanced",
            functions,
            "/fields/config/transform/functions/0",
            "Error parsing function: [string \"return function(data) return end end\"]:1: '<eof>' expected near 'end'",
        ),
        (
            "request-transformer",
            template,
            "/fields/config/add/querystring/0",
            "value '$(headers['a'] .. )' is not in supported format, error:[string \"TMP\"]:1: unexpected symbol near ')'",
        ),
    ] {
        let reply = admin
            .post("/plugins", json!({ "name": plugin, "config": config }))
            .await
            .expect_status(400);
        let reply = reply.json();
        assert_eq!(
            reply.pointer(field),
            Some(&json!(said)),
            "{plugin}: {reply}"
        );
    }
}

#[tokio::test]
async fn a_wrong_write_between_good_ones_does_not_stop_them() {
    let gateway = Gateway::start().await;
    let admin = gateway.admin();
    admin.create("/routes", json!({ "paths": ["/one"] })).await;
    admin
        .post("/routes", json!({ "paths": ["~/("] }))
        .await
        .expect_status(400);
    admin.create("/routes", json!({ "paths": ["/two"] })).await;
    for path in ["/one", "/two"] {
        gateway.get(path).await.expect_status(503);
    }
}
