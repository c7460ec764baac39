//! How plugins arrive (section 7): what the control plane refuses and in which words, and what happens to those in use.
//! [`super::nodes`] shows what nodes do with them.

use serde_json::{Value, json};
use tests::wire::Reply;

use super::{Stage, schema, source};

/// A handler that shows its version in every answer.
pub(super) fn versioned(version: &str) -> String {
    format!(
        "local Plugin = {{ PRIORITY = 10, VERSION = \"{version}\" }}\n\
         function Plugin:access() kong.response.set_header(\"X-Version\", \"{version}\") end\n\
         return Plugin\n"
    )
}

/// Which half of the source is wrong, how, and what the field's message holds.
type Refused = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
);

/// Source that is refused; `NAME` in it is the plugin's name.
const REFUSED: &[Refused] = &[
    (
        "syntax",
        "handler",
        "local Plugin = {\n\nreturn",
        &["handler.lua:3:", "unexpected symbol"],
    ),
    (
        "syntax",
        "schema",
        "return {",
        &["schema.lua:1:", "unexpected symbol"],
    ),
    (
        "throws",
        "handler",
        "\nerror(\"thrown at load\")",
        &["handler.lua:2: thrown at load"],
    ),
    (
        "throws",
        "schema",
        "error(\"thrown at load\")",
        &["schema.lua:1: thrown at load"],
    ),
    ("no table", "handler", "return 1", &["table"]),
    ("no table", "schema", "return \"x\"", &["table"]),
    ("nothing", "handler", "", &[]),
    (
        "no version",
        "handler",
        "return { PRIORITY = 1 }",
        &["VERSION"],
    ),
    (
        "no priority",
        "handler",
        "return { VERSION = \"1.0.0\" }",
        &["PRIORITY"],
    ),
    (
        "version of two",
        "handler",
        "return { PRIORITY = 1, VERSION = \"1.0\" }",
        &["VERSION"],
    ),
    (
        "version of text",
        "handler",
        "return { PRIORITY = 1, VERSION = \"a.b.c\" }",
        &["VERSION"],
    ),
    (
        "version of a number",
        "handler",
        "return { PRIORITY = 1, VERSION = 1 }",
        &["VERSION"],
    ),
    (
        "half a priority",
        "handler",
        "return { PRIORITY = 1.5, VERSION = \"1.0.0\" }",
        &["PRIORITY"],
    ),
    (
        "priority of text",
        "handler",
        "return { PRIORITY = \"1\", VERSION = \"1.0.0\" }",
        &["PRIORITY"],
    ),
    (
        "a phase that is no function",
        "handler",
        "return { PRIORITY = 1, VERSION = \"1.0.0\", access = 5 }",
        &["access"],
    ),
    (
        "response and body_filter",
        "handler",
        "local f = function() end return { PRIORITY = 1, VERSION = \"1.0.0\", response = f, body_filter = f }",
        &[
            "Plugin \"NAME\" can't be loaded because it implements both `response` and `header_filter` or `body_filter` methods.",
        ],
    ),
    (
        "response and header_filter",
        "handler",
        "local f = function() end return { PRIORITY = 1, VERSION = \"1.0.0\", response = f, header_filter = f }",
        &[
            "Plugin \"NAME\" can't be loaded because it implements both `response` and `header_filter` or `body_filter` methods.",
        ],
    ),
    (
        "init_worker",
        "handler",
        "return { PRIORITY = 1, VERSION = \"1.0.0\", init_worker = function() end }",
        &["Plugin \"NAME\" can't implement init_worker"],
    ),
    (
        "unknown module at load",
        "handler",
        "local x = require \"nope.module\" return { PRIORITY = 1, VERSION = \"1.0.0\" }",
        &["nope.module"],
    ),
    (
        "unknown module in a phase",
        "handler",
        "return { PRIORITY = 1, VERSION = \"1.0.0\", access = function() require('nope.module') end }",
        &["nope.module"],
    ),
    (
        "a module that only trusted plugins have",
        "handler",
        "return { PRIORITY = 1, VERSION = \"1.0.0\", access = function() require \"ffi\" end }",
        &["ffi"],
    ),
    (
        "a request at load",
        "handler",
        "local method = kong.request.get_method() return { PRIORITY = 1, VERSION = \"1.0.0\" }",
        &["handler.lua:1:"],
    ),
    (
        "a header at load",
        "handler",
        "kong.response.set_header(\"X\", \"1\") return { PRIORITY = 1, VERSION = \"1.0.0\" }",
        &["handler.lua:1:"],
    ),
    (
        "io at load",
        "handler",
        "io.open(\"/etc/passwd\") return { PRIORITY = 1, VERSION = \"1.0.0\" }",
        &["handler.lua:1:"],
    ),
    ("binary", "handler", "\u{1b}LJ\u{2}", &[]),
    (
        "another name",
        "schema",
        "return { name = \"other\", fields = {} }",
        &["NAME"],
    ),
    ("no name", "schema", "return { fields = {} }", &["name"]),
    (
        "no fields",
        "schema",
        "return { name = \"NAME\" }",
        &["fields"],
    ),
    (
        "config is no record",
        "schema",
        "return { name = \"NAME\", fields = { { config = { type = \"string\" } } } }",
        &["config"],
    ),
    (
        "unknown type",
        "schema",
        "return { name = \"NAME\", fields = { { config = { type = \"record\", fields = { { a = { type = \"strnig\" } } } } } } }",
        &["strnig"],
    ),
    (
        "array without elements",
        "schema",
        "return { name = \"NAME\", fields = { { config = { type = \"record\", fields = { { a = { type = \"array\" } } } } } } }",
        &["elements"],
    ),
    (
        "unknown module",
        "schema",
        "local x = require \"nope.module\" return { name = \"NAME\", fields = {} }",
        &["nope.module"],
    ),
];

#[tokio::test]
async fn source_that_is_wrong_is_refused_with_its_place_and_the_old_one_serves_on() {
    let stage = Stage::start(&[]).await;
    let admin = stage.gateway.admin();
    stage.alone("good", &versioned("1.0.0")).await;
    stage.gateway.settled().await;
    let (before, mut problems) = (admin.revision(), Vec::new());
    for (what, field, text, holds) in REFUSED {
        // As a new plugin, and as a change of the one that runs.
        for (name, method) in [("fresh", "POST"), ("good", "PATCH")] {
            let mut body = source(name, "", &versioned("2.0.0"));
            body[field] = json!(text.replace("NAME", name));
            let reply = match method {
                "POST" => admin.post("/custom-plugins", body.clone()).await,
                _ => {
                    admin
                        .patch("/custom-plugins/good", json!({ *field: body[field] }))
                        .await
                }
            };
            let answer = serde_json::from_slice::<Value>(&reply.body).unwrap_or_default();
            let message = answer["fields"][field].to_string().replace("\\\"", "\"");
            let missing: Vec<_> = holds
                .iter()
                .map(|text| text.replace("NAME", name))
                .filter(|text| !message.contains(text))
                .collect();
            if reply.status != 400 || answer["fields"][field].is_null() || !missing.is_empty() {
                problems.push(format!(
                    "{what} in {field}, {method}: {missing:?} missing in {reply}"
                ));
                let _ = admin.delete("/custom-plugins/fresh").await;
            }
        }
        let reply = stage.get("/good").await;
        if (reply.status, reply.header("x-version")) != (200, Some("1.0.0")) {
            problems.push(format!(
                "{what} in {field}: the old one no longer serves: {reply}"
            ));
        }
    }
    if admin.revision() != before {
        problems.push("what was refused made a revision".to_owned());
    }
    assert!(
        problems.is_empty(),
        "{} of them: {problems:#?}",
        problems.len()
    );
}

#[tokio::test]
async fn names_and_sizes_are_checked_and_validate_stores_nothing() {
    let stage = Stage::start(&[]).await;
    let admin = stage.gateway.admin();
    for name in [
        "key-auth",
        "Upper",
        "",
        "-dash",
        "a b",
        "a.b",
        "../x",
        "pre-function",
        &"n".repeat(65),
    ] {
        let refused = admin
            .post("/custom-plugins", source(name, "", &versioned("1.0.0")))
            .await;
        let refused = refused.expect_status(400).json();
        assert!(refused["fields"]["name"].is_string(), "'{name}': {refused}");
    }
    let long = format!("{}--{}", versioned("1.0.0"), "x".repeat(1024 * 1024));
    for field in ["handler", "schema"] {
        let mut body = source("long", "", &versioned("1.0.0"));
        body[field] = json!(long);
        let refused = admin
            .post("/custom-plugins", body)
            .await
            .expect_status(400)
            .json();
        assert!(
            refused["fields"][field].is_string(),
            "{field}: {}",
            refused["message"]
        );
    }
    let body = source(
        "tried",
        "{ a = { type = \"string\", required = true } }",
        &versioned("1.2.3"),
    );
    admin
        .post("/custom-plugins/validate", body.clone())
        .await
        .expect_status(200);
    admin.get("/custom-plugins/tried").await.expect_status(404);
    let mut broken = body.clone();
    broken["handler"] = json!("error('x')");
    admin
        .post("/custom-plugins/validate", broken)
        .await
        .expect_status(400);
    // What is not there can not be used.
    let unknown = admin
        .post("/plugins", json!({ "name": "tried" }))
        .await
        .expect_status(400)
        .json();
    assert_eq!(
        unknown["fields"]["name"],
        "plugin 'tried' not enabled; add it to the 'plugins' configuration property"
    );
    let stored = admin.create("/custom-plugins", body.clone()).await;
    for (field, value) in [
        ("name", json!("tried")),
        ("schema", body["schema"].clone()),
        ("handler", body["handler"].clone()),
        ("priority", json!(10)),
        ("version", json!("1.2.3")),
        ("phases", json!(["access"])),
        ("tags", Value::Null),
    ] {
        assert_eq!(stored[field], value, "{field} of {stored}");
    }
    for field in ["id", "sha256"] {
        assert!(stored[field].is_string(), "{field} of {stored}");
    }
    for field in ["created_at", "updated_at"] {
        assert!(stored[field].is_number(), "{field} of {stored}");
    }
    admin.post("/custom-plugins", body).await.expect_status(409);
    let fields = admin
        .get("/schemas/plugins/tried")
        .await
        .expect_status(200)
        .json();
    let config = fields["fields"]
        .as_array()
        .expect("a list of fields")
        .iter();
    let config = config.filter_map(|field| field.get("config")).next();
    let config = config.expect("there is a field config");
    let a = json!({ "type": "string", "required": true });
    let shown = &config["fields"][0]["a"];
    assert_eq!(
        (&shown["type"], &shown["required"]),
        (&a["type"], &a["required"]),
        "{config}"
    );
    let missing = admin
        .post("/plugins", json!({ "name": "tried" }))
        .await
        .expect_status(400)
        .json();
    assert_eq!(
        missing["fields"]["config"]["a"], "required field missing",
        "{missing}"
    );
    let wrong = json!({ "name": "tried", "config": { "a": 1, "b": 2 } });
    let wrong = admin
        .post("/plugins", wrong)
        .await
        .expect_status(400)
        .json();
    let expected = json!({ "a": "expected a string", "b": "unknown field" });
    assert_eq!(wrong["fields"]["config"], expected, "{wrong}");
}

#[tokio::test]
async fn source_comes_as_form_and_as_uploaded_files_too() {
    let stage = Stage::start(&[]).await;
    let admin = stage.gateway.admin();
    let part = |name: &str, file: &str, text: &str| {
        let file = match file {
            "" => String::new(),
            file => format!("; filename=\"{file}\"\r\nContent-Type: application/octet-stream"),
        };
        format!("--X\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{text}\r\n")
    };
    let handler = versioned("3.0.0");
    let body = part("name", "", "uploaded")
        + &part("schema", "schema.lua", &schema("uploaded", ""))
        + &part("handler", "handler.lua", &handler)
        + "--X--\r\n";
    let request = tests::Request::new("POST", "/custom-plugins")
        .header("Content-Type", "multipart/form-data; boundary=X")
        .body(body);
    let stored = admin.send(&request).await.expect_status(201).json();
    assert_eq!(
        (&stored["handler"], &stored["version"]),
        (&json!(handler), &json!("3.0.0"))
    );
    let escaped = |text: &str| -> String {
        let escape = |byte: &u8| match byte.is_ascii_alphanumeric() {
            true => char::from(*byte).to_string(),
            false => format!("%{byte:02X}"),
        };
        text.as_bytes().iter().map(escape).collect()
    };
    let form = format!(
        "name=formed&schema={}&handler={}",
        escaped(&schema("formed", "")),
        escaped(&handler)
    );
    let stored = admin
        .form("/custom-plugins", &form)
        .await
        .expect_status(201)
        .json();
    assert_eq!(
        (&stored["handler"], &stored["version"]),
        (&json!(handler), &json!("3.0.0"))
    );
    for name in ["uploaded", "formed"] {
        stage.route(name, &format!("/{name}")).await;
        stage.plugin(name, name, json!({})).await;
        let reply = stage
            .gateway
            .get(&format!("/{name}"))
            .await
            .expect_status(200);
        assert_eq!(reply.header("x-version"), Some("3.0.0"), "{name}");
    }
}

/// A plugin whose answer shows `config.a`, and its own version.
fn showing(version: &str) -> String {
    format!(
        "local Plugin = {{ PRIORITY = 10, VERSION = \"{version}\" }}\n\
         function Plugin:access(conf)\n\
           kong.response.set_header(\"X-Version\", \"{version}\")\n\
           kong.response.set_header(\"X-A\", conf.a .. \" \" .. tostring(conf.b))\n\
         end\n\
         return Plugin\n"
    )
}

fn shown(reply: &Reply) -> (u16, Option<&str>, Option<&str>) {
    (reply.status, reply.header("x-version"), reply.header("x-a"))
}

#[tokio::test]
async fn a_plugin_in_use_is_changed_only_in_ways_that_its_configurations_survive() {
    let stage = Stage::start(&[]).await;
    let admin = stage.gateway.admin();
    stage
        .push_with(
            "used",
            "{ a = { type = \"string\", default = \"one\" } }",
            &showing("1.0.0"),
        )
        .await;
    stage.route("used", "/used").await;
    let config = stage.plugin("used", "used", json!({})).await;
    let id = config["id"].as_str().expect("an id").to_owned();
    assert_eq!(
        shown(&stage.gateway.get("/used").await),
        (200, Some("1.0.0"), Some("one nil"))
    );
    let before = admin
        .get("/custom-plugins/used")
        .await
        .expect_status(200)
        .json();
    // A schema that the stored configuration does not fit.
    for fields in [
        "{ a = { type = \"number\" } }",
        "{ b = { type = \"string\" } }",
        "{ a = { type = \"string\" } }, { b = { type = \"string\", required = true } }",
    ] {
        let change = json!({ "schema": schema("used", fields), "handler": showing("2.0.0") });
        let refused = admin
            .patch("/custom-plugins/used", change)
            .await
            .expect_status(409);
        assert!(
            refused.text().contains(&id),
            "the configuration is named: {refused}"
        );
        let after = admin
            .get("/custom-plugins/used")
            .await
            .expect_status(200)
            .json();
        assert_eq!(after, before, "nothing is stored");
        assert_eq!(
            shown(&stage.get("/used").await),
            (200, Some("1.0.0"), Some("one nil"))
        );
    }
    // One that it fits.
    let fields = "{ a = { type = \"string\" } }, { b = { type = \"number\", default = 7 } }";
    let change = json!({ "schema": schema("used", fields), "handler": showing("2.0.0") });
    admin
        .patch("/custom-plugins/used", change)
        .await
        .expect_status(200);
    assert_eq!(
        shown(&stage.gateway.get("/used").await),
        (200, Some("2.0.0"), Some("one 7"))
    );
    // Schema and configuration change together, in one revision.
    let document = |fields: &str, version: &str, config: Value| {
        json!({
            "_format_version": "3.0",
            "custom_plugins": [source("used", fields, &showing(version))],
            "services": [{
                "name": "orders", "url": stage.upstream.url(),
                "routes": [{
                    "name": "used", "paths": ["/used"],
                    "plugins": [{ "name": "used", "config": config }],
                }],
            }],
        })
    };
    let load = stage.gateway.steady_traffic("/used").await;
    let numbers = "{ a = { type = \"number\", required = true } }, { b = { type = \"string\" } }";
    let changed = document(numbers, "3.0.0", json!({ "a": 5, "b": "text" }));
    admin.post("/config", changed).await.expect_status(201);
    assert_eq!(
        shown(&stage.gateway.get("/used").await),
        (200, Some("3.0.0"), Some("5 text"))
    );
    let wrong = document(numbers, "4.0.0", json!({ "a": "five" }));
    let refused = admin.post("/config", wrong).await.expect_status(400);
    assert!(refused.text().contains("expected a number"), "{refused}");
    assert_eq!(
        shown(&stage.gateway.get("/used").await),
        (200, Some("3.0.0"), Some("5 text"))
    );
    load.stop().await.assert_flawless();
    // In use it stays.
    let refused = admin
        .delete("/custom-plugins/used")
        .await
        .expect_status(409);
    assert!(refused.text().contains("used"), "{refused}");
    let all = admin.list("plugins").await;
    let path = format!("/plugins/{}", all[0]["id"].as_str().expect("an id"));
    admin.delete(&path).await.expect_status(204);
    admin
        .delete("/custom-plugins/used")
        .await
        .expect_status(204);
    let reply = stage.gateway.get("/used").await;
    assert_eq!(shown(&reply), (200, None, None));
    admin.get("/schemas/plugins/used").await.expect_status(404);
}
