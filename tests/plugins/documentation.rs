//! The command lines of the transformers' documentation, byte for byte, and the results it prints.

use serde_json::{Value, json};
use tests::curl::curl;
use tests::upstream::Seen;
use tests::wire::Reply;
use tests::{Gateway, Request, Upstream, script};

/// Where the documentation puts a plugin: the path its URL goes to, and further form fields.
const SCOPES: [(&str, &str); 8] = [
    ("/services/example-service/plugins", ""),
    ("/routes/example-route/plugins", ""),
    ("/consumers/example-consumer/plugins", ""),
    ("/plugins", ""),
    ("/plugins", "service_id={service}"),
    ("/plugins", "route_id={route}"),
    ("/plugins", "consumer_id={consumer}"),
    ("/apis/example-service/plugins", ""),
];

/// A gateway with the service, the route and the consumer that the documentation speaks of.
struct Documented {
    gateway: Gateway,
    upstream: Upstream,
    ids: [(&'static str, String); 3],
}

impl Documented {
    async fn start() -> Documented {
        let (gateway, upstream) = (Gateway::start().await, Upstream::start().await);
        let admin = gateway.admin();
        let service = admin.service("example-service", &upstream).await;
        let route = json!({ "name": "example-route", "paths": ["/"], "strip_path": false });
        let route = admin
            .create("/services/example-service/routes", route)
            .await;
        // What the legacy `/apis` paths look for is a service with a route of its name.
        admin
            .create(
                "/services/example-service/routes",
                json!({ "name": "example-service", "hosts": ["x"] }),
            )
            .await;
        admin
            .plugin("/routes/example-route", "key-auth", json!({}))
            .await;
        let consumer = admin
            .create("/consumers", json!({ "username": "example-consumer" }))
            .await;
        admin
            .create(
                "/consumers/example-consumer/key-auth",
                json!({ "key": "secret" }),
            )
            .await;
        let id = |document: &Value| {
            document["id"]
                .as_str()
                .expect("a document has an id")
                .to_owned()
        };
        let ids = [
            ("{service}", id(&service)),
            ("{route}", id(&route)),
            ("{consumer}", id(&consumer)),
        ];
        Documented {
            gateway,
            upstream,
            ids,
        }
    }

    /// Runs the documented command once per place a plugin can be put, and checks each time what it does.
    async fn everywhere(&self, command: &str, check: impl AsyncFn(&Documented, &str)) {
        for (path, field) in SCOPES {
            let mut command = command.replace("/services/example-service/plugins", path);
            if !field.is_empty() && !command.contains("application/json") {
                command = format!("{command} --data \"{field}\"");
            } else if !field.is_empty() {
                continue;
            }
            for (name, id) in &self.ids {
                command = command.replace(name, id);
            }
            let plugin = self.run(&command).await;
            check(self, &command).await;
            let id = plugin["id"].as_str().expect("a plugin has an id");
            self.gateway
                .admin()
                .delete(&format!("/plugins/{id}"))
                .await
                .expect_status(204);
        }
    }

    async fn run(&self, command: &str) -> Value {
        let admin = self.gateway.admin();
        let reply = curl(command, &[("localhost:8001", admin.address())]).await;
        assert_eq!(reply.status, 201, "{command}\n{reply}");
        admin.note(tests::admin::revision_of(&reply).expect("a write answers with its revision"));
        reply.json()
    }

    async fn send(&self, request: Request) -> Reply {
        self.gateway.send(request.header("apikey", "secret")).await
    }

    /// What the upstream sees of a request.
    async fn seen(&self, request: Request, command: &str) -> Seen {
        let reply = self.send(request).await;
        assert_eq!(reply.status, 200, "{command}\n{reply}");
        self.upstream.last()
    }

    /// What the client gets of a response.
    async fn got(&self, response: Value, command: &str) -> Reply {
        let reply = self.send(Request::get(&script(&response))).await;
        assert_eq!(
            Some(u64::from(reply.status)),
            response["status"].as_u64().or(Some(200)),
            "{command}\n{reply}"
        );
        reply
    }
}

fn values<'a>(headers: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    let lines = headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
    lines.map(|(_, value)| value.as_str()).collect()
}

/// A JSON response with one header.
fn answer(status: u16, header: (&str, &str), body: Value) -> Value {
    let headers = [["Content-Type", "application/json"], [header.0, header.1]];
    json!({ "status": status, "headers": headers, "json": body })
}

#[tokio::test]
async fn request_transformer_adds_headers_in_every_documented_form() {
    let documented = Documented::start().await;
    let commands = [
        r#"curl -X POST http://localhost:8001/services/example-service/plugins \
            --data "name=request-transformer" \
            --data "config.add.headers[1]=h1:v1" \
            --data "config.add.headers[2]=h2:v1""#,
        r#"curl -X POST http://localhost:8001/services/example-service/plugins \
            --data "name=request-transformer" \
            --data "config.add.headers=h1:v1,h2:v1""#,
        r#"curl -X POST http://localhost:8001/services/example-service/plugins \
            --header 'content-type: application/json' \
            --data '{"name": "request-transformer", "config": {"add": {"headers": ["h1:v1", "h2:v1"]}}}'"#,
    ];
    for command in commands {
        let check = async |documented: &Documented, command: &str| {
            let seen = documented.seen(Request::get("/"), command).await;
            assert_eq!(
                (seen.header("h1"), seen.header("h2")),
                (Some("v1"), Some("v1")),
                "{command}"
            );
            let seen = documented
                .seen(Request::get("/").header("h1", "own"), command)
                .await;
            assert_eq!(
                (seen.header("h1"), seen.header("h2")),
                (Some("own"), Some("v1")),
                "{command}"
            );
        };
        documented.everywhere(command, check).await;
    }
}

#[tokio::test]
async fn request_transformer_adds_querystring_and_header() {
    let documented = Documented::start().await;
    let command = r#"curl -X POST http://localhost:8001/services/example-service/plugins \
        --data "name=request-transformer" \
        --data "config.add.querystring=q1:v2,q2=v1" \
        --data "config.add.headers=h1:v1""#;
    let check = async |documented: &Documented, command: &str| {
        for (sent, expected) in [("/a", ["q1=v2", "q2=v1"]), ("/a?q1=v1", ["q1=v1", "q2=v1"])] {
            let seen = documented.seen(Request::get(sent), command).await;
            let (path, query) = seen.path.split_once('?').expect("a query");
            assert_eq!((path, pairs(query)), ("/a", expected.to_vec()), "{command}");
            assert_eq!(seen.header("h1"), Some("v1"), "{command}");
        }
    };
    documented.everywhere(command, check).await;
}

#[tokio::test]
async fn request_transformer_appends_headers_and_removes_a_body_parameter() {
    let documented = Documented::start().await;
    let command = r#"curl -X POST http://localhost:8001/services/example-service/plugins \
        --data "name=request-transformer" \
        --data "config.append.headers=h1:v2,h2:v1" \
        --data "config.remove.body=p1""#;
    let check = async |documented: &Documented, command: &str| {
        for (sent, expected) in [("p1=v1&p2=v1", "p2=v1"), ("p2=v1", "p2=v1")] {
            let request = Request::new("POST", "/").header("h1", "v1").form(sent);
            let seen = documented.seen(request, command).await;
            assert_eq!(values(&seen.headers, "h1"), ["v1", "v2"], "{command}");
            assert_eq!(values(&seen.headers, "h2"), ["v1"], "{command}");
            assert_eq!(String::from_utf8_lossy(&seen.body), expected, "{command}");
            assert_eq!(
                seen.header("content-length"),
                Some(expected.len().to_string().as_str()),
                "{command}"
            );
        }
        let request = Request::new("POST", "/").json(&json!({ "p1": "v1", "p2": "v1" }));
        let seen = documented.seen(request, command).await;
        assert_eq!(
            serde_json::from_slice::<Value>(&seen.body).ok(),
            Some(json!({ "p2": "v1" })),
            "{command}"
        );
    };
    documented.everywhere(command, check).await;
}

#[tokio::test]
async fn request_transformer_does_everything_at_once() {
    let documented = Documented::start().await;
    let command = r#"curl -X POST http://localhost:8001/services/example-service/plugins \
        --data "name=request-transformer"  \
        --data "config.remove.headers=x-toremove, x-another-one" \
        --data "config.remove.querystring=qs-old-name, qs-another" \
        --data "config.remove.body=formparam-toremove, formparam-another-one" \
        --data "config.rename.headers=header-old-name:header-new-name, another-old-header:another-new-header" \
        --data "config.rename.querystring=qs2-old-name:qs2-new-name" \
        --data "config.rename.body=param-old:param-new, param2-old:param2-new" \
        --data "config.add.headers=x-new-header:value,x-another-header:something" \
        --data "config.add.querystring=new-param:some_value, another-param:some_value" \
        --data "config.add.body=new-form-param:some_value, another-form-param:some_value""#;
    let check = async |documented: &Documented, command: &str| {
        let body = "formparam-toremove=1&param-old=a&param2-old=b&formparam-another-one=2";
        let request = Request::new("POST", "/p?qs-old-name=1&qs2-old-name=2&qs-another=3")
            .header("x-toremove", "1")
            .header("X-Another-One", "1")
            .header("header-old-name", "old")
            .header("x-another-header", "own")
            .form(body);
        let seen = documented.seen(request, command).await;
        for absent in ["x-toremove", "x-another-one", "header-old-name"] {
            assert_eq!(seen.header(absent), None, "{absent}: {command}");
        }
        for (name, value) in [
            ("header-new-name", "old"),
            ("x-new-header", "value"),
            ("x-another-header", "own"),
        ] {
            assert_eq!(values(&seen.headers, name), [value], "{name}: {command}");
        }
        assert_eq!(
            pairs(seen.path.split_once('?').expect("a query").1),
            [
                "another-param=some_value",
                "new-param=some_value",
                "qs2-new-name=2",
            ]
        );
        assert_eq!(
            pairs(&String::from_utf8_lossy(&seen.body)),
            [
                "another-form-param=some_value",
                "new-form-param=some_value",
                "param-new=a",
                "param2-new=b",
            ]
        );
    };
    documented.everywhere(command, check).await;
}

fn pairs(text: &str) -> Vec<&str> {
    let mut pairs: Vec<&str> = text.split('&').collect();
    pairs.sort_unstable();
    pairs
}

#[tokio::test]
async fn request_transformer_rewrites_the_path_by_a_template() {
    let (gateway, upstream) = (Gateway::start().await, Upstream::start().await);
    let admin = gateway.admin();
    admin.service("requests", &upstream).await;
    let route = json!({ "name": "user", "paths": ["~/requests/user/(?<user_id>\\w+)"], "strip_path": false });
    admin.create("/services/requests/routes", route).await;
    let command = r#"curl -X POST http://localhost:8001/routes/user/plugins \
        --data "name=request-transformer" \
        --data "config.replace.uri=/v2/users/\$(uri_captures['user_id'])" \
        --data "config.add.headers=x-user:\$(uri_captures['user_id'])" \
        --data "config.add.querystring=from:\$(headers['x-from'])""#;
    let reply = curl(command, &[("localhost:8001", admin.address())])
        .await
        .expect_status(201);
    admin.note(tests::admin::revision_of(&reply).expect("a write answers with its revision"));
    gateway
        .send(Request::get("/requests/user/foo").header("X-From", "here"))
        .await
        .expect_status(200);
    let seen = upstream.last();
    assert_eq!(
        (seen.path.as_str(), seen.header("x-user")),
        ("/v2/users/foo?from=here", Some("foo"))
    );
}

#[tokio::test]
async fn response_transformer_adds_headers_in_every_documented_form() {
    let documented = Documented::start().await;
    for plugin in ["response-transformer", "response-transformer-advanced"] {
        let commands = [
            r#"curl -X POST http://localhost:8001/services/example-service/plugins \
                --data "name=response-transformer" \
                --data "config.add.headers[1]=h1:v1" \
                --data "config.add.headers[2]=h2:v1""#,
            r#"curl -X POST http://localhost:8001/services/example-service/plugins \
                --data "name=response-transformer" \
                --data "config.add.headers=h1:v1,h2:v1""#,
            r#"curl -X POST http://localhost:8001/services/example-service/plugins \
                -H 'Content-Type: application/json' \
                -d '{"name": "response-transformer", "config": {"add": {"headers": ["h1:v1", "h2:v1"]}}}'"#,
        ];
        for command in commands {
            let command = command.replace("response-transformer", plugin);
            let check = async |documented: &Documented, command: &str| {
                let reply = documented
                    .got(answer(200, ("h1", "own"), json!({})), command)
                    .await;
                assert_eq!(values(&reply.headers, "h1"), ["own"], "{command}");
                assert_eq!(values(&reply.headers, "h2"), ["v1"], "{command}");
            };
            documented.everywhere(&command, check).await;
        }
    }
}

#[tokio::test]
async fn response_transformer_adds_body_properties_and_a_header() {
    let documented = Documented::start().await;
    let command = r#"curl -X POST http://localhost:8001/services/example-service/plugins \
        --data "name=response-transformer" \
        --data "config.add.json=p1:v1,p2=v2" \
        --data "config.add.headers=h1:v1""#;
    let check = async |documented: &Documented, command: &str| {
        let cases = [
            (json!({}), json!({ "p1": "v1", "p2": "v2" })),
            (json!({ "p1": "v2" }), json!({ "p1": "v2", "p2": "v2" })),
        ];
        for (upstream, client) in cases {
            let reply = documented
                .got(answer(200, ("h2", "v1"), upstream), command)
                .await;
            assert_eq!(reply.json(), client, "{command}");
            assert_eq!(
                (reply.header("h1"), reply.header("h2")),
                (Some("v1"), Some("v1")),
                "{command}"
            );
        }
        let reply = documented
            .got(answer(200, ("h1", "v2"), json!({})), command)
            .await;
        assert_eq!(values(&reply.headers, "h1"), ["v2"], "{command}");
    };
    documented.everywhere(command, check).await;
    documented
        .everywhere(
            &command.replace("response-transformer", "response-transformer-advanced"),
            check,
        )
        .await;
}

#[tokio::test]
async fn response_transformer_appends_headers_and_removes_a_body_property() {
    let documented = Documented::start().await;
    let command = r#"curl -X POST http://localhost:8001/services/example-service/plugins \
        --data "name=response-transformer" \
        --data "config.append.headers=h1:v2,h2:v1" \
        --data "config.remove.json=p1""#;
    let check = async |documented: &Documented, command: &str| {
        let cases = [
            (json!({ "p2": "v2" }), json!({ "p2": "v2" })),
            (json!({ "p1": "v1", "p2": "v1" }), json!({ "p2": "v1" })),
        ];
        for (upstream, client) in cases {
            let reply = documented
                .got(answer(200, ("h1", "v1"), upstream), command)
                .await;
            assert_eq!(reply.json(), client, "{command}");
            assert_eq!(values(&reply.headers, "h1"), ["v1", "v2"], "{command}");
            assert_eq!(values(&reply.headers, "h2"), ["v1"], "{command}");
        }
    };
    documented.everywhere(command, check).await;
    documented
        .everywhere(
            &command.replace("response-transformer", "response-transformer-advanced"),
            check,
        )
        .await;
}

#[tokio::test]
async fn response_transformer_takes_comma_lists_with_blanks() {
    let documented = Documented::start().await;
    let command = r#"curl -X POST http://localhost:8001/services/example-service/plugins \
        --data "name=response-transformer" \
        --data "config.remove.headers=x-toremove, x-another-one" \
        --data "config.remove.json=json-key-toremove, another-json-key" \
        --data "config.add.headers=x-new-header:value,x-another-header:something" \
        --data "config.add.json=new-json-key:some_value, another-json-key:some_value" \
        --data "config.append.headers=x-existing-header:some_value, x-another-header:some_value""#;
    let check = async |documented: &Documented, command: &str| {
        let body = json!({ "json-key-toremove": 1, "another-json-key": 2, "kept": 3 });
        let mut response = answer(200, ("x-existing-header", "own"), body);
        let lines = response["headers"]
            .as_array_mut()
            .expect("headers are a list");
        lines.extend([json!(["X-ToRemove", "1"]), json!(["x-another-one", "2"])]);
        let reply = documented.got(response, command).await;
        assert_eq!(
            (reply.header("x-toremove"), reply.header("x-another-one")),
            (None, None),
            "{command}"
        );
        assert_eq!(reply.header("x-new-header"), Some("value"), "{command}");
        assert_eq!(
            values(&reply.headers, "x-existing-header"),
            ["own", "some_value"],
            "{command}"
        );
        assert_eq!(
            values(&reply.headers, "x-another-header"),
            ["something", "some_value"],
            "{command}"
        );
        let expected =
            json!({ "kept": 3, "new-json-key": "some_value", "another-json-key": "some_value" });
        assert_eq!(reply.json(), expected, "{command}");
    };
    documented.everywhere(command, check).await;
}

#[tokio::test]
async fn the_whole_body_is_replaced_on_a_500() {
    let documented = Documented::start().await;
    let command = r#"curl -X POST http://localhost:8001/services/example-service/plugins \
        --data "name=response-transformer-advanced" \
        --data "config.replace.body={\"error\": \"internal server error\"}" \
        --data "config.replace.if_status=500""#;
    let check = async |documented: &Documented, command: &str| {
        let html = |status: u16| json!({ "status": status, "headers": [["Content-Type", "text/html"]], "body": "<h1>x</h1>" });
        let reply = documented.got(html(500), command).await;
        assert_eq!(
            reply.text(),
            r#"{"error": "internal server error"}"#,
            "{command}"
        );
        for status in [200, 404, 503] {
            assert_eq!(
                documented.got(html(status), command).await.text(),
                "<h1>x</h1>",
                "{status}: {command}"
            );
        }
    };
    documented.everywhere(command, check).await;
}

#[tokio::test]
async fn a_plugin_on_a_consumer_leaves_others_alone() {
    let documented = Documented::start().await;
    let admin = documented.gateway.admin();
    admin
        .create("/consumers", json!({ "username": "other" }))
        .await;
    admin
        .create("/consumers/other/key-auth", json!({ "key": "others" }))
        .await;
    documented
        .run(
            r#"curl -X POST http://localhost:8001/consumers/example-consumer/plugins \
        --data "name=request-transformer" --data "config.add.headers=h1:v1""#,
        )
        .await;
    documented.seen(Request::get("/"), "with the plugin").await;
    assert_eq!(documented.upstream.last().header("h1"), Some("v1"));
    documented
        .gateway
        .send(Request::get("/").header("apikey", "others"))
        .await
        .expect_status(200);
    assert_eq!(documented.upstream.last().header("h1"), None);
}
