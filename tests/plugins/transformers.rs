//! What the transformers do together with the rest of the gateway: Host and TLS, answers that no upstream made, each
//! other, many requests at a time. What they do alone is in `parity/vectors`.

use serde_json::{Value, json};
use tests::authority::alone;
use tests::tls::Front;
use tests::wire::{Conn, Reply};
use tests::{Gateway, Port, Request, Setup, Upstream, eventually, script};

/// A gateway whose service `orders` and route `all` take every path to the upstream.
async fn gateway(setup: Setup, upstream: &Upstream) -> Gateway {
    let gateway = Gateway::with(setup).await;
    let admin = gateway.admin();
    admin.service("orders", upstream).await;
    let route = json!({ "name": "all", "paths": ["/"], "strip_path": false });
    admin.create("/services/orders/routes", route).await;
    gateway
}

async fn plugin(gateway: &Gateway, name: &str, config: Value) {
    gateway.admin().plugin("/routes/all", name, config).await;
}

#[tokio::test]
async fn a_replaced_host_is_also_the_name_for_tls_and_holds_over_retries() {
    let upstream = Upstream::start().await;
    let front = Front::of(upstream.address(), &alone(&rcgen::PKCS_ECDSA_P256_SHA256)).await;
    let gateway = gateway(Setup::default(), &upstream).await;
    let admin = gateway.admin();
    let service = json!({ "url": format!("https://{}", front.address), "retries": 3 });
    admin
        .patch("/services/orders", service)
        .await
        .expect_status(200);
    let preserve = json!({ "preserve_host": true });
    admin
        .patch("/routes/all", preserve)
        .await
        .expect_status(200);
    let config = json!({ "replace": { "headers": ["host:$(query_params.h)"] } });
    plugin(&gateway, "request-transformer", config).await;
    for (host, name) in [("one.test", "one.test"), ("two.test:8443", "two.test")] {
        gateway
            .get(&format!("/x?h={host}"))
            .await
            .expect_status(200);
        assert_eq!(upstream.last().header("host"), Some(host));
        assert_eq!(front.name().as_deref(), Some(name));
    }
    let path = script(&json!({ "close_first": 2, "body": "third try" }));
    let reply = gateway.get(&format!("{path}?h=three.test")).await;
    assert_eq!(reply.expect_status(200).text(), "third try");
    assert_eq!(upstream.last().header("host"), Some("three.test"));
    assert_eq!(front.name().as_deref(), Some("three.test"));
}

#[tokio::test]
async fn a_replaced_path_is_the_whole_path() {
    let upstream = Upstream::start().await;
    let gateway = gateway(Setup::default(), &upstream).await;
    let admin = gateway.admin();
    let path = json!({ "path": "/base" });
    admin
        .patch("/services/orders", path)
        .await
        .expect_status(200);
    let route = json!({ "paths": [r"~/v1/(?<id>\d+)"], "strip_path": true });
    admin.patch("/routes/all", route).await.expect_status(200);
    gateway.get("/v1/7/rest?q=1").await.expect_status(200);
    assert_eq!(upstream.last().path, "/base/rest?q=1");
    let config = json!({ "replace": { "uri": "/new/$(uri_captures.id)/$(headers.host)" } });
    plugin(&gateway, "request-transformer", config).await;
    gateway.get("/v1/7/rest?q=1").await.expect_status(200);
    assert_eq!(upstream.last().path, "/new/7/gateway.test?q=1");
}

/// A header and a member of the body that the plugin adds to every answer.
fn marked() -> Value {
    json!({ "add": { "headers": ["X-Seen:1"], "json": ["seen:1"], "json_types": ["number"] } })
}

#[track_caller]
fn is_marked(reply: Reply, status: u16) -> Value {
    let reply = reply.expect_status(status);
    assert_eq!(reply.header("x-seen"), Some("1"), "{reply}");
    let length = reply.body.len().to_string();
    assert_eq!(reply.header("content-length"), Some(&*length), "{reply}");
    let body = reply.json();
    assert_eq!(body["seen"], 1, "{reply}");
    body
}

#[tokio::test]
async fn answers_that_no_upstream_made_are_transformed_too() {
    let upstream = Upstream::start().await;
    for name in ["response-transformer", "response-transformer-advanced"] {
        let setup = Setup::node_flags(["--transform-max-body-size", "1000"]);
        let gateway = gateway(setup, &upstream).await;
        plugin(&gateway, name, marked()).await;
        // Too long a body for another transformer.
        let remove = json!({ "remove": { "body": ["a"] } });
        plugin(&gateway, "request-transformer", remove).await;
        let long = Request::new("POST", "/x").json(&json!({ "a": "y".repeat(2000) }));
        let body = is_marked(gateway.send(long).await, 413);
        assert_eq!(body["message"], "Payload too large");
        // Nobody to ask.
        let admin = gateway.admin();
        let closed = Port::hold();
        let nowhere = json!({ "url": format!("http://{}", closed.address()), "retries": 0 });
        admin
            .patch("/services/orders", nowhere)
            .await
            .expect_status(200);
        let json = || Request::get("/x").header("Accept", "application/json");
        let body = is_marked(gateway.send(json()).await, 502);
        assert!(body["request_id"].is_string(), "{body}");
        // A route without a service.
        let none = json!({ "service": null });
        admin.patch("/routes/all", none).await.expect_status(200);
        let body = is_marked(gateway.get("/x").await, 503);
        assert_eq!(body["message"], "no Service found with those values");
        // Another plugin's answers.
        plugin(
            &gateway,
            "request-termination",
            json!({ "status_code": 403, "message": "closed" }),
        )
        .await;
        let body = is_marked(gateway.get("/x").await, 403);
        assert_eq!(body["message"], "closed");
        plugin(&gateway, "key-auth", json!({})).await;
        let body = is_marked(gateway.get("/x").await, 401);
        assert_eq!(body["message"], "No API key found in request");
        // No route: only what is global was selected.
        admin.delete("/routes/all").await.expect_status(204);
        let unmarked = gateway.get("/x").await.expect_status(404);
        assert_eq!(unmarked.header("x-seen"), None);
        admin.plugin("", name, marked()).await;
        let body = is_marked(gateway.get("/x").await, 404);
        assert_eq!(body["message"], "no Route matched with those values");
    }
}

#[tokio::test]
async fn the_advanced_transformer_runs_before_the_other() {
    let upstream = Upstream::start().await;
    let advanced = json!({ "add": { "headers": ["X-By:advanced"], "json": ["by:advanced"] } });
    let plain = json!({
        "remove": { "json": ["a"] },
        "add": { "headers": ["X-By:plain"], "json": ["by:plain", "also:plain"] },
    });
    let both = [
        ("response-transformer-advanced", advanced),
        ("response-transformer", plain),
    ];
    // Whichever was there first.
    for order in [[0, 1], [1, 0]] {
        let gateway = gateway(Setup::default(), &upstream).await;
        for at in order {
            plugin(&gateway, both[at].0, both[at].1.clone()).await;
        }
        let headers = [["Content-Type", "application/json"]];
        let answer = json!({ "headers": headers, "body": r#"{"a":1,"b":2}"# });
        let reply = gateway.get(&script(&answer)).await.expect_status(200);
        assert_eq!(reply.text(), r#"{"b":2,"by":"advanced","also":"plain"}"#);
        assert_eq!(reply.header("x-by"), Some("advanced"));
    }
}

#[tokio::test]
async fn bodies_that_arrive_bit_by_bit_do_not_mix() {
    let upstream = Upstream::start().await;
    let gateway = gateway(Setup::default(), &upstream).await;
    let config = json!({ "add": { "body": ["who:$(headers['x-who'])"] } });
    plugin(&gateway, "request-transformer", config).await;
    plugin(&gateway, "response-transformer", marked()).await;
    gateway.settled().await;
    let clients = (0..8).map(async |who| {
        let mut conn = Conn::plain(gateway.node().proxy).await.expect("it listens");
        let body = json!({ "n": who, "pad": who.to_string().repeat(3000) }).to_string();
        let head = Request::new("POST", "/x")
            .header("Content-Type", "application/json")
            .header("Content-Length", &body.len().to_string())
            .header("X-Who", &who.to_string())
            .bytes("gateway.test");
        conn.send(&head).await.expect("an open connection");
        for piece in body.as_bytes().chunks(1000) {
            conn.send(piece).await.expect("an open connection");
            tokio::task::yield_now().await;
        }
        let reply = conn.reply("POST").await;
        let echo = is_marked(reply, 200);
        let got: Value = serde_json::from_str(echo["body"].as_str().expect("an echoed body"))
            .expect("the upstream got JSON");
        let expected =
            json!({ "n": who, "pad": who.to_string().repeat(3000), "who": who.to_string() });
        assert_eq!(got, expected);
    });
    futures_util::future::join_all(clients).await;
}

#[tokio::test]
async fn another_method_for_the_upstream_leaves_no_client_waiting() {
    let upstream = Upstream::start().await;
    let gateway = gateway(Setup::default(), &upstream).await;
    let config = json!({ "http_method": "HEAD" });
    plugin(&gateway, "request-transformer", config).await;
    plugin(
        &gateway,
        "response-transformer",
        json!({ "add": { "headers": ["x-n:1"] } }),
    )
    .await;
    let answer = script(&json!({ "body": "five!" }));
    for method in ["GET", "POST", "HEAD"] {
        let reply = gateway.send(Request::new(method, &answer)).await;
        let reply = reply.expect_status(200);
        assert_eq!((reply.note, &*reply.text()), ("", ""), "{method}: {reply}");
        assert_eq!(upstream.last().method, "HEAD", "{method}");
    }
    let made = gateway.admin().list("routes/all/plugins").await;
    let made = made
        .iter()
        .find(|plugin| plugin["name"] == "request-transformer");
    let id = made.expect("it was just made")["id"]
        .as_str()
        .expect("an id");
    let config = json!({ "config": { "http_method": "GET" } });
    let patched = gateway
        .admin()
        .patch(&format!("/plugins/{id}"), config)
        .await;
    patched.expect_status(200);
    let reply = gateway.send(Request::new("HEAD", &answer)).await;
    let reply = reply.expect_status(200);
    assert_eq!((reply.note, &*reply.text()), ("", ""), "{reply}");
    assert_eq!(upstream.last().method, "GET");
}

#[tokio::test]
async fn a_body_of_a_megabyte_is_changed_both_ways() {
    let upstream = Upstream::start().await;
    let gateway = gateway(Setup::default(), &upstream).await;
    let add = json!({ "add": { "body": ["b:1"] } });
    plugin(&gateway, "request-transformer", add).await;
    plugin(
        &gateway,
        "response-transformer",
        json!({ "add": { "json": ["c:1"] } }),
    )
    .await;
    let pad = "y".repeat(1 << 20);
    let request = Request::new("POST", "/x").json(&json!({ "a": pad }));
    let reply = gateway.send(request).await.expect_status(200);
    let (echo, seen) = (reply.json(), upstream.last());
    assert_eq!(echo["c"], "1");
    let expected = format!("{{\"a\":\"{pad}\",\"b\":\"1\"}}");
    assert!(seen.body == expected.as_bytes(), "the member is added");
}

#[tokio::test]
async fn an_old_client_gets_a_length_and_a_closed_connection() {
    let upstream = Upstream::start().await;
    let gateway = gateway(Setup::default(), &upstream).await;
    plugin(&gateway, "response-transformer", marked()).await;
    gateway.settled().await;
    let headers = [["Content-Type", "application/json"]];
    let answer = json!({ "headers": headers, "chunks": ["{\"a\":", "1}"] });
    let mut request = Request::get(&script(&answer));
    request.version = "1.0";
    let mut conn = Conn::plain(gateway.node().proxy).await.expect("it listens");
    conn.send(&request.bytes("gateway.test"))
        .await
        .expect("an open connection");
    let reply = conn.reply("GET").await;
    assert_eq!(reply.header("transfer-encoding"), None);
    assert_eq!(is_marked(reply, 200)["a"], 1);
    assert!(conn.closes_within(std::time::Duration::from_secs(5)).await);
}

#[tokio::test]
async fn with_untrusted_lua_off_a_template_fails_and_text_does_not() {
    let upstream = Upstream::start().await;
    let gateway = gateway(Setup::node_flags(["--untrusted-lua", "off"]), &upstream).await;
    let config = json!({ "add": { "headers": ["x-text:a$ (b) $(c"] } });
    plugin(&gateway, "request-transformer", config).await;
    let reply = gateway.get("/x").await.expect_status(200);
    assert_eq!(reply.echoed("x-text").as_deref(), Some("a$ (b) $(c"));
    let made = gateway.admin().list("routes/all/plugins").await;
    let path = format!("/plugins/{}", made[0]["id"].as_str().expect("an id"));
    let config = json!({ "config": { "add": { "headers": ["x-t:$(headers.host)"] } } });
    gateway
        .admin()
        .patch(&path, config)
        .await
        .expect_status(200);
    let reply = gateway.get("/x").await.expect_status(500);
    assert_eq!(reply.json()["message"], "An unexpected error occurred");
    let line = "failed to render the template $(headers.host), error:loading of untrusted Lua code disabled \
                because 'untrusted_lua' config option is set to 'off'";
    let process = &gateway.node().process;
    eventually(line, || async { process.stderr().contains(line) }).await;
}

#[tokio::test]
async fn whoever_configures_what_can_only_fail_is_warned() {
    let upstream = Upstream::start().await;
    let gateway = gateway(Setup::default(), &upstream).await;
    let config = json!({ "add": { "headers": ["x:$(a b)"] }, "replace": { "uri": "/$()" } });
    plugin(&gateway, "request-transformer", config).await;
    let planes = [&gateway.control_plane.process, &gateway.node().process];
    for process in planes {
        for line in [
            "every request will fail: the template $(a b) does not compile: [string \"TMP\"]:1: ')' expected near 'b'",
            "every request will fail: the template /$() does not compile: [string \"TMP\"]:1: unexpected symbol near ')'",
        ] {
            eventually(line, || async { process.stderr().contains(line) }).await;
        }
    }
    gateway.get("/x").await.expect_status(500);
    assert_eq!(upstream.requests(), 0);
}
