//! Custom plugins: what is taken, what is refused and how, and everything that has to know them (custom-plugins.md 7).

use crate::client::{Answer, Plane};
use serde_json::{Value, json};

mod fits;
mod roles;
mod switched_off;
mod trusted;

/// `schema.lua` of a plugin whose `config` has these fields.
pub fn schema(name: &str, fields: &str) -> String {
    format!(
        "local typedefs = require \"kong.db.schema.typedefs\"\n\
         return {{\n  name = \"{name}\",\n  fields = {{\n    {{ consumer = typedefs.no_consumer }},\n    \
         {{ protocols = typedefs.protocols_http }},\n    \
         {{ config = {{ type = \"record\", fields = {{ {fields} }} }} }},\n  }},\n}}\n"
    )
}

/// `handler.lua` with a method for `access`.
pub fn handler(priority: i32) -> String {
    format!(
        "local Handler = {{ PRIORITY = {priority}, VERSION = \"1.2.3\" }}\n\
         function Handler:access(conf)\n  kong.service.request.set_header(\"X-Greeting\", conf.greeting)\nend\n\
         return Handler\n"
    )
}

pub const GREETING: &str = "{ greeting = { type = \"string\", default = \"hello\" } }";

pub fn greeter() -> Value {
    json!({ "name": "greeter", "schema": schema("greeter", GREETING), "handler": handler(7) })
}

/// A control plane that has the greeter.
pub async fn plane() -> Plane {
    let plane = Plane::start().await;
    plane.post("/custom-plugins", greeter()).await.expect(201);
    plane
}

fn fields(answer: &Answer) -> Value {
    let body = answer.expect(400);
    assert_eq!(
        (&body["code"], &body["name"]),
        (&json!(2), &json!("schema violation")),
        "{body}"
    );
    body["fields"].clone()
}

#[tokio::test]
async fn it_is_an_entity_like_the_others_with_what_is_computed_beside_it() {
    let plane = Plane::start().await;
    let made = plane.post("/custom-plugins", greeter()).await.expect(201);
    let text = format!("{}{}", schema("greeter", GREETING), handler(7));
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    let digest: String = digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let computed = ["sha256", "priority", "version", "phases"].map(|name| made[name].clone());
    assert_eq!(
        computed,
        [json!(digest), json!(7), json!("1.2.3"), json!(["access"])]
    );
    assert_eq!(
        (&made["name"], &made["tags"]),
        (&json!("greeter"), &Value::Null)
    );
    let id = made["id"].as_str().expect("an id");
    for path in ["/custom-plugins/greeter", &format!("/custom-plugins/{id}")] {
        assert_eq!(plane.get(path).await.expect(200), made, "{path}");
    }
    assert_eq!(
        plane.get("/custom-plugins").await.expect(200)["data"],
        json!([made])
    );
    let changed = plane
        .patch("/custom-plugins/greeter", json!({ "tags": ["a"] }))
        .await;
    let changed = changed.expect(200);
    assert_eq!(
        (&changed["sha256"], &changed["tags"]),
        (&made["sha256"], &json!(["a"]))
    );
    let tagged = plane.get("/custom-plugins?tags=a").await.expect(200);
    assert_eq!(tagged["data"][0]["priority"], 7);
    let new = json!({ "schema": schema("greeter", GREETING), "handler": handler(9) });
    let put = plane.put("/custom-plugins/greeter", new).await.expect(200);
    assert_eq!((&put["id"], &put["priority"]), (&made["id"], &json!(9)));
    assert_eq!(plane.delete("/custom-plugins/greeter").await.status, 204);
    plane.get("/custom-plugins/greeter").await.expect(404);
}

#[tokio::test]
async fn what_is_computed_is_not_stored_and_may_be_sent_back() {
    let plane = plane().await;
    let shown = plane.get("/custom-plugins/greeter").await.expect(200);
    let before = plane.running.hub.released_revision();
    // decK: what it read, with PUT.
    let id = shown["id"].as_str().expect("an id");
    let back = plane
        .put(&format!("/custom-plugins/{id}"), shown.clone())
        .await
        .expect(200);
    for field in [
        "id", "name", "schema", "handler", "sha256", "priority", "version", "phases",
    ] {
        assert_eq!(back[field], shown[field], "{field}");
    }
    let mut edited = shown.clone();
    edited["handler"] = json!(handler(8));
    let edited = plane
        .patch("/custom-plugins/greeter", edited)
        .await
        .expect(200);
    assert_eq!(
        edited["priority"], 8,
        "what it was before is not taken for what it is"
    );
    assert_ne!(edited["sha256"], shown["sha256"]);
    let exported = plane.get("/config").await.expect(200)["config"].to_string();
    assert!(
        exported.contains("custom_plugins") && !exported.contains("sha256"),
        "{exported}"
    );
    assert!(before <= plane.running.hub.released_revision());
}

#[tokio::test]
async fn source_comes_as_json_as_a_form_or_as_files() {
    let plane = Plane::start().await;
    let (schema, handler) = (schema("greeter", GREETING), handler(7));
    let encode = |text: &str| {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let form = format!(
        "name=greeter&schema={}&handler={}&tags=a,b",
        encode(&schema),
        encode(&handler)
    );
    let made = plane
        .form("POST", "/custom-plugins", &form)
        .await
        .expect(201);
    assert_eq!(
        (&made["handler"], &made["tags"]),
        (&json!(handler), &json!(["a", "b"]))
    );
    plane.delete("/custom-plugins/greeter").await;
    let part = |name: &str, file: &str, text: &str| {
        format!(
            "--B\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{file}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n{text}\r\n"
        )
    };
    let files = format!(
        "--B\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\ngreeter\r\n{}{}--B--\r\n",
        part("schema", "schema.lua", &schema),
        part("handler", "handler.lua", &handler)
    );
    let multipart = [("content-type", "multipart/form-data; boundary=B")];
    let made = plane
        .raw("POST", "/custom-plugins", &multipart, &files)
        .await
        .expect(201);
    assert_eq!(
        (&made["schema"], &made["handler"]),
        (&json!(schema), &json!(handler))
    );
}

#[tokio::test]
async fn files_that_are_no_text_are_refused_by_their_part() {
    let plane = Plane::start().await;
    let mut body =
        b"--B\r\nContent-Disposition: form-data; name=\"handler\"\r\n\r\n\xff\xfe\r\n--B--\r\n"
            .to_vec();
    let request = |body: Vec<u8>| {
        let request = http::Request::builder()
            .method("POST")
            .uri("/custom-plugins");
        let request = request.header("host", "admin.test");
        let request = request.header("content-type", "multipart/form-data; boundary=B");
        let body = http_body_util::Full::new(bytes::Bytes::from(body));
        request.body(body).expect("a request")
    };
    let refused = plane.send(request(body.clone())).await;
    assert_eq!(
        fields(&refused),
        json!({ "handler": "expected text in UTF-8" })
    );
    // What is compiled is no source either.
    let at = body
        .iter()
        .position(|byte| *byte == 0xff)
        .expect("it is there");
    body[at] = 0x1b;
    body[at + 1] = b'L';
    let refused = fields(&plane.send(request(body)).await);
    let said = "expected Lua source, got a control character (0x1b) at byte 1";
    assert_eq!(refused["handler"], said);
}

#[tokio::test]
async fn what_does_not_load_is_refused_with_its_line() {
    let plane = Plane::start().await;
    let good_schema = schema("greeter", GREETING);
    let table = |rest: &str| format!("return {{ PRIORITY = 1, VERSION = \"1.0.0\", {rest} }}");
    let cases = [
        (
            json!({ "handler": "local x =\nreturn {" }),
            json!({ "handler": "handler.lua:2: unexpected symbol near 'return'" }),
        ),
        (
            json!({ "schema": "return {\n  name = = 1\n}" }),
            json!({ "schema": "schema.lua:2: unexpected symbol near '='" }),
        ),
        (
            json!({ "handler": "\n\nerror('not today')" }),
            json!({ "handler": "handler.lua:3: not today" }),
        ),
        (
            json!({ "handler": "return 1" }),
            json!({ "handler": "handler.lua must return a table with PRIORITY, VERSION and methods, got number" }),
        ),
        (
            json!({ "handler": "return { VERSION = \"1.0.0\" }" }),
            json!({ "handler": "Plugin \"greeter\" cannot be loaded because its PRIORITY field is not a valid integer number. Got: \"nil\"." }),
        ),
        (
            json!({ "handler": "return { PRIORITY = 1, VERSION = \"1.0\" }" }),
            json!({ "handler": "Plugin \"greeter\" cannot be loaded because its VERSION field does not follow the \"x.y.z\" format. Got: \"1.0\"." }),
        ),
        (
            json!({ "handler": table("response = print, body_filter = print") }),
            json!({ "handler": "Plugin \"greeter\" can't be loaded because it implements both `response` and `header_filter` or `body_filter` methods." }),
        ),
        (
            json!({ "handler": table("init_worker = print") }),
            json!({ "handler": "Plugin \"greeter\" can't implement init_worker" }),
        ),
        (
            json!({ "handler": "local ffi = require \"ffi\"\nreturn {}" }),
            json!({ "handler": "handler.lua:1: require 'ffi' not allowed within sandbox" }),
        ),
        (
            json!({ "name": "other" }),
            json!({ "schema": "name: expected 'other', got 'greeter'" }),
        ),
        (
            json!({ "name": "Greeter" }),
            json!({ "name": "invalid value: Greeter" }),
        ),
        (
            json!({ "name": "key-auth" }),
            json!({ "name": "'key-auth' is the name of a built-in plugin" }),
        ),
        (
            json!({ "handler": null }),
            json!({ "handler": "required field missing" }),
        ),
        (
            json!({ "colour": "red" }),
            json!({ "colour": "unknown field" }),
        ),
    ];
    for (change, expected) in cases {
        let mut body = json!({ "name": "greeter", "schema": good_schema, "handler": handler(1) });
        for (name, value) in change.as_object().expect("an object") {
            body[name] = value.clone();
        }
        for (method, path) in [
            ("POST", "/custom-plugins"),
            ("POST", "/custom-plugins/validate"),
        ] {
            let refused = plane.json(method, path, body.clone()).await;
            let said = fields(&refused);
            assert_eq!(said, expected, "{path} {change}");
        }
    }
    assert_eq!(
        plane.get("/custom-plugins").await.expect(200)["data"],
        json!([])
    );
    // A handler that never ends is given up.
    let body = json!({ "name": "greeter", "schema": good_schema, "handler": "while true do end" });
    let refused = plane.post("/custom-plugins", body).await;
    let said = fields(&refused)["handler"].to_string();
    assert!(said.contains("execution time limit exceeded"), "{said}");
}

#[tokio::test]
async fn validation_says_what_storing_would_and_stores_nothing() {
    let plane = Plane::start().await;
    let said = plane
        .post("/custom-plugins/validate", greeter())
        .await
        .expect(200);
    assert_eq!(
        (&said["priority"], &said["phases"]),
        (&json!(7), &json!(["access"]))
    );
    assert_eq!(
        plane.get("/custom-plugins").await.expect(200)["data"],
        json!([])
    );
    plane.post("/custom-plugins", greeter()).await.expect(201);
    let plugin = plane
        .post("/plugins", json!({ "name": "greeter" }))
        .await
        .id();
    // It stands for the one that has its name.
    plane
        .post("/custom-plugins/validate", greeter())
        .await
        .expect(200);
    let mut other = greeter();
    other["schema"] = json!(schema(
        "greeter",
        "{ n = { type = \"integer\", required = true } }"
    ));
    let refused = plane
        .post("/custom-plugins/validate", other)
        .await
        .expect(409);
    assert!(
        refused["fields"]["plugins"][&plugin].is_object(),
        "{refused}"
    );
    let stored = plane.get("/custom-plugins/greeter").await.expect(200);
    assert_eq!(stored["schema"], greeter()["schema"]);
}

#[tokio::test]
async fn plugins_of_it_are_validated_completed_and_listed_like_those_of_the_program() {
    let plane = plane().await;
    let made = plane
        .post("/plugins", json!({ "name": "greeter" }))
        .await
        .expect(201);
    assert_eq!(made["config"], json!({ "greeting": "hello" }));
    assert_eq!(made["protocols"], json!(["grpc", "grpcs", "http", "https"]));
    let refused = plane.post(
        "/plugins",
        json!({ "name": "greeter", "config": { "greting": "x" } }),
    );
    assert_eq!(
        fields(&refused.await),
        json!({ "config": { "greting": "unknown field" } })
    );
    let consumer = plane.consumer("ada").await;
    let of_consumer = json!({ "name": "greeter", "consumer": { "id": consumer } });
    let refused = plane.post("/plugins", of_consumer).await;
    assert_eq!(
        fields(&refused),
        json!({ "consumer": "value must be null" })
    );
    let form = plane.form(
        "POST",
        "/plugins",
        "name=greeter&config.greeting=42&instance_name=n",
    );
    // A form's texts take the type that the schema asks for; the key is taken already.
    form.await.expect(409);
    let unknown = plane.post("/plugins", json!({ "name": "greetr" })).await;
    let body = unknown.expect(400);
    let said = "plugin 'greetr' not enabled; add it to the 'plugins' configuration property";
    assert_eq!(body["fields"]["name"], said);
    assert_eq!(body["hints"]["name"], "did you mean 'greeter'?");

    let root = plane.get("/").await.expect(200);
    let about = &root["plugins"]["available_on_server"]["greeter"];
    assert_eq!(about, &json!({ "version": "1.2.3", "priority": 7 }));
    assert_eq!(root["plugins"]["enabled_in_cluster"], json!(["greeter"]));
    let enabled = plane.get("/plugins/enabled").await.expect(200)["enabled_plugins"].clone();
    assert!(
        enabled
            .as_array()
            .expect("a list")
            .contains(&json!("greeter")),
        "{enabled}"
    );
    let shown = plane.get("/schemas/plugins/greeter").await.expect(200);
    let config = shown["fields"].as_array().expect("a list").iter();
    let config = config
        .filter_map(|field| field.get("config"))
        .next()
        .expect("it has one");
    assert_eq!(config["fields"][0]["greeting"]["default"], "hello");
    let whole = plane.get("/plugins/schema/greeter").await.expect(200);
    assert_eq!(whole["fields"][0]["greeting"]["type"], "string");
    let checked = json!({ "name": "greeter", "config": { "greeting": 5 } });
    let refused = plane.post("/schemas/plugins/validate", checked).await;
    assert_eq!(
        fields(&refused),
        json!({ "config": { "greeting": "expected a string" } })
    );
    let described = plane.get("/openapi.json").await.expect(200);
    let schemas = &described["components"]["schemas"];
    assert!(schemas["plugins.new.greeter"].is_object());
    assert_eq!(
        schemas["custom_plugins"]["properties"]["sha256"]["readOnly"],
        true
    );

    // And none of it once it is gone.
    let id = made["id"].as_str().expect("an id");
    assert_eq!(plane.delete(&format!("/plugins/{id}")).await.status, 204);
    assert_eq!(plane.delete("/custom-plugins/greeter").await.status, 204);
    plane.get("/schemas/plugins/greeter").await.expect(404);
    plane
        .post("/plugins", json!({ "name": "greeter" }))
        .await
        .expect(400);
    let described = plane.get("/openapi.json").await.expect(200);
    assert!(described["components"]["schemas"]["plugins.new.greeter"].is_null());
}

#[tokio::test]
async fn batches_and_files_may_use_what_they_bring() {
    let plane = Plane::start().await;
    let operations = json!({ "operations": [
        { "method": "POST", "path": "/custom-plugins", "body": greeter() },
        { "method": "POST", "path": "/plugins", "body": { "name": "greeter" } },
    ] });
    let tried = plane
        .post("/headgate/batch?dry_run=1", operations.clone())
        .await
        .expect(200);
    assert_eq!(
        (&tried["valid"], &tried["created"][1]["kind"]),
        (&json!(true), &json!("plugins"))
    );
    let done = plane.post("/headgate/batch", operations).await.expect(200);
    assert_eq!(done["results"][0]["body"]["priority"], 7);
    assert_eq!(
        done["results"][1]["body"]["config"],
        json!({ "greeting": "hello" })
    );
    // Both change in one revision, since neither could alone.
    let schema = schema("greeter", "{ n = { type = \"integer\", required = true } }");
    let file = json!({
        "_format_version": "3.0",
        "custom_plugins": [{ "name": "greeter", "schema": schema, "handler": handler(3) }],
        "plugins": [{ "name": "greeter", "config": { "n": 5 } }],
    });
    let tried = plane
        .post("/config?dry_run=1", file.clone())
        .await
        .expect(200);
    assert_eq!(tried["valid"], true, "{tried}");
    plane.post("/config", file.clone()).await.expect(201);
    let plugins = plane.get("/plugins").await.expect(200);
    assert_eq!(plugins["data"][0]["config"], json!({ "n": 5 }));
    let exported = plane.get("/config").await.expect(200)["config"].clone();
    let again = plane
        .post("/config?mode=prune", json!({ "config": exported }))
        .await
        .expect(200);
    assert_eq!(
        again,
        json!({ "created": 0, "changed": 0, "unchanged": 2, "deleted": 0 })
    );
    plane
        .post("/config", json!({ "_format_version": "3.0" }))
        .await
        .expect(201);
    assert_eq!(
        plane.get("/custom-plugins").await.expect(200)["data"],
        json!([])
    );
}

#[tokio::test]
async fn they_are_there_after_a_restart() {
    let plane = plane().await;
    let plugin = plane
        .post("/plugins", json!({ "name": "greeter" }))
        .await
        .id();
    let folder = plane.stop().await;
    let plane = Plane::start_in(folder, &[]).await;
    let patch = json!({ "config": { "greeting": "again" } });
    let patched = plane
        .patch(&format!("/plugins/{plugin}"), patch)
        .await
        .expect(200);
    assert_eq!(patched["config"]["greeting"], "again");
}

#[tokio::test]
async fn nodes_are_listed_with_what_they_run() {
    let plane = plane().await;
    let status = plane
        .get("/custom-plugins/greeter/status")
        .await
        .expect(200);
    assert_eq!(
        (&status["name"], &status["version"]),
        (&json!("greeter"), &json!("1.2.3"))
    );
    assert_eq!(status["data"], json!([]), "nobody has joined");
    plane.get("/custom-plugins/none/status").await.expect(404);
}
