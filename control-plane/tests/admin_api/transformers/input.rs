//! Ways to say the same: JSON, forms, parts and files (transformers.md 1.1).

use super::{ADVANCED, REQUEST, RESPONSE, at, fill_in, found, tell};
use crate::client::Plane;
use serde_json::{Value, json};

/// Each plugin as it reads back when it was told nothing.
fn complete(plugin: &str) -> Value {
    let three = json!({ "body": [], "headers": [], "querystring": [] });
    let two = json!({ "headers": [], "json": [] });
    let typed = json!({ "headers": [], "json": [], "json_types": [] });
    let gated = json!({ "headers": [], "json": [], "json_types": [], "if_status": [] });
    match plugin {
        REQUEST => json!({
            "http_method": null,
            "remove": three, "rename": three, "add": three, "append": three,
            "replace": { "body": [], "headers": [], "querystring": [], "uri": null },
        }),
        RESPONSE => json!({
            "remove": two, "rename": two, "replace": typed, "add": typed, "append": typed,
        }),
        _ => json!({
            "remove": { "headers": [], "json": [], "if_status": [] },
            "rename": { "headers": [], "if_status": [] },
            "replace": { "headers": [], "json": [], "json_types": [], "if_status": [], "body": null },
            "add": gated, "append": gated,
            "allow": { "json": null },
            "transform": { "functions": [], "json": [], "if_status": [] },
            "dots_in_keys": true,
        }),
    }
}

#[tokio::test]
async fn every_list_reads_back_whoever_wrote_the_plugin_and_how() {
    let plane = Plane::start().await;
    for plugin in [REQUEST, RESPONSE, ADVANCED] {
        let expected = complete(plugin);
        let by_json = tell(&plane, plugin, &json!({})).await.expect(201);
        assert_eq!(by_json["config"], expected, "{plugin} by JSON");
        let bare = plane.post("/plugins", json!({ "name": plugin })).await;
        assert_eq!(bare.expect(201)["config"], expected, "{plugin} bare");
        let read = plane.get(&format!("/plugins/{}", bare.id())).await;
        assert_eq!(read.expect(200)["config"], expected, "{plugin} read back");
        plane.delete(&format!("/plugins/{}", bare.id())).await;
        let by_form = fill_in(&plane, plugin, "enabled=true").await.expect(201);
        assert_eq!(by_form["config"], expected, "{plugin} by form");
        let one = tell(&plane, plugin, &at("add.headers", json!(["a:1"])))
            .await
            .expect(201);
        let mut with_one = expected.clone();
        with_one["add"]["headers"] = json!(["a:1"]);
        assert_eq!(one["config"], with_one, "{plugin} with one entry");
    }
    let file = json!({ "_format_version": "3.0", "plugins": [
        { "name": REQUEST }, { "name": RESPONSE, "config": {} }, { "name": ADVANCED, "config": { "add": {} } },
    ] });
    plane.post("/config", file).await.expect(201);
    let listed = plane.get("/plugins").await.expect(200);
    for plugin in listed["data"].as_array().expect("a list") {
        let name = plugin["name"].as_str().expect("a name");
        assert_eq!(plugin["config"], complete(name), "{name} by file");
    }
}

#[tokio::test]
async fn a_list_has_the_same_elements_in_every_notation_of_a_form() {
    let plane = Plane::start().await;
    for (fields, expected) in [
        ("config.add.headers=a:1", json!(["a:1"])),
        ("config.add.headers[]=a:1", json!(["a:1"])),
        (
            "config.add.headers[]=a:1&config.add.headers[]=b:2",
            json!(["a:1", "b:2"]),
        ),
        (
            "config.add.headers[1]=a:1&config.add.headers[2]=b:2",
            json!(["a:1", "b:2"]),
        ),
        (
            "config.add.headers[2]=b:2&config.add.headers[1]=a:1",
            json!(["a:1", "b:2"]),
        ),
        (
            "config.add.headers=a:1&config.add.headers=b:2",
            json!(["a:1", "b:2"]),
        ),
        (
            "config[add][headers][]=a:1&config%5Badd%5D%5Bheaders%5D%5B%5D=b:2",
            json!(["a:1", "b:2"]),
        ),
        // The comma rule is for the bare key with one value only.
        ("config.add.headers[]=a:1,b:2", json!(["a:1,b:2"])),
        ("config.add.headers[1]=a:1,b:2", json!(["a:1,b:2"])),
        (
            "config.add.headers=a:1,b:2&config.add.headers=c:3",
            json!(["a:1,b:2", "c:3"]),
        ),
    ] {
        for plugin in [REQUEST, RESPONSE, ADVANCED] {
            let made = fill_in(&plane, plugin, fields).await.expect(201);
            assert_eq!(made["config"]["add"]["headers"], expected, "{fields}");
        }
    }
}

#[tokio::test]
async fn parts_say_what_forms_say() {
    let plane = Plane::start().await;
    let part = |name: &str, value: &str| {
        format!("--X\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let body = part("name", REQUEST)
        + &part("config.remove.headers", "x-a, x-b")
        + &part("config.add.headers[]", "a:1,b:2")
        + &part("config.add.querystring[1]", "q:1")
        + &part("config.http_method", "")
        + "--X--\r\n";
    let headers = [("content-type", "multipart/form-data; boundary=X")];
    let made = plane.raw("POST", "/plugins", &headers, &body).await;
    let config = made.expect(201)["config"].take();
    assert_eq!(config["remove"]["headers"], json!(["x-a", "x-b"]));
    assert_eq!(config["add"]["headers"], json!(["a:1,b:2"]));
    assert_eq!(config["add"]["querystring"], json!(["q:1"]));
    assert_eq!(config["http_method"], Value::Null);
}

/// Plugin, field, value under the bare key of a form or a file, and what is stored.
fn comma_rules() -> Vec<(&'static str, &'static str, &'static str, Value)> {
    vec![
        (REQUEST, "remove.headers", "x-a, x-b", json!(["x-a", "x-b"])),
        (
            REQUEST,
            "remove.headers",
            "x-a,,x-b ,",
            json!(["x-a", "x-b"]),
        ),
        (
            REQUEST,
            "add.headers",
            "h1:v1,h2:v2",
            json!(["h1:v1", "h2:v2"]),
        ),
        (
            REQUEST,
            "add.headers",
            "h1:$(headers.a),h2:v2",
            json!(["h1:$(headers.a)", "h2:v2"]),
        ),
        (
            REQUEST,
            "add.headers",
            "Cache-Control:no-cache,no-store",
            json!(["Cache-Control:no-cache,no-store"]),
        ),
        (
            REQUEST,
            "add.headers",
            "Set-Cookie:a=1,b=2",
            json!(["Set-Cookie:a=1,b=2"]),
        ),
        (
            RESPONSE,
            "add.headers",
            "Set-Cookie:a=1,b=2",
            json!(["Set-Cookie:a=1,b=2"]),
        ),
        (
            RESPONSE,
            "add.json",
            "p1:v1,p2=v2",
            json!(["p1:v1", "p2:v2"]),
        ),
        (
            RESPONSE,
            "add.json",
            "p1:v1,p2:v2",
            json!(["p1:v1", "p2:v2"]),
        ),
        (RESPONSE, "add.json", "p1:a,b", json!(["p1:a,b"])),
        (RESPONSE, "add.json", "p1=v1,p2=v2", Value::Null),
        (
            RESPONSE,
            "replace.json",
            "a:x=1,b.c-d_1=v=2",
            json!(["a:x=1", "b.c-d_1:v=2"]),
        ),
        (RESPONSE, "append.json", "a:1,b c=2", json!(["a:1,b c=2"])),
        (RESPONSE, "rename.json", "a:b,c=d", json!(["a:b", "c:d"])),
        (RESPONSE, "remove.json", "a, b", json!(["a", "b"])),
        (
            RESPONSE,
            "add.json_types",
            "number, string",
            json!(["number", "string"]),
        ),
        (
            REQUEST,
            "add.querystring",
            "q1:v2,q2=v1",
            json!(["q1:v2", "q2:v1"]),
        ),
        (REQUEST, "add.querystring", "q:1,2", json!(["q:1,2"])),
        (
            REQUEST,
            "rename.querystring",
            "a:b,c=d",
            json!(["a:b", "c:d"]),
        ),
        (
            REQUEST,
            "append.body",
            "q1:v2,q2=v1",
            json!(["q1:v2", "q2:v1"]),
        ),
        (REQUEST, "rename.headers", "a:b,c:d", json!(["a:b", "c:d"])),
        (REQUEST, "remove.body", "a", json!(["a"])),
        // What is no list is never split.
        (REQUEST, "replace.uri", "/a,b", json!("/a,b")),
        (ADVANCED, "replace.body", "a,b=1", json!("a,b=1")),
        (
            ADVANCED,
            "add.json",
            "p1:v1,p2=v2",
            json!(["p1:v1", "p2:v2"]),
        ),
        (
            ADVANCED,
            "add.if_status",
            "500,502-504",
            json!(["500", "502-504"]),
        ),
        (
            ADVANCED,
            "remove.headers",
            "h1:v1,h2",
            json!(["h1:v1", "h2"]),
        ),
        (ADVANCED, "allow.json", "a,b[*].c", json!(["a", "b[*].c"])),
        (ADVANCED, "transform.json", "a,b:1", json!(["a", "b:1"])),
        (ADVANCED, "dots_in_keys", "false", json!(false)),
    ]
}

/// A-c3 of the page is among these.
#[tokio::test]
async fn commas_part_what_forms_and_files_say_under_a_bare_key() {
    let plane = Plane::start().await;
    for (plugin, field, text, expected) in comma_rules() {
        let fields = format!("config.{field}={}", text.replace('+', "%2B"));
        let made = fill_in(&plane, plugin, &fields).await;
        match &expected {
            Value::Null => assert_eq!(made.status, 400, "{plugin} {field} {text}: {made:?}"),
            _ => assert_eq!(
                found(&made.expect(201)["config"], field),
                &expected,
                "{plugin} {field} {text} by form"
            ),
        }
        // A file says it nested or dotted.
        for config in [at(field, json!(text)), json!({ field: text })] {
            let file = json!({ "_format_version": "3.0", "plugins": [{ "name": plugin, "config": config }] });
            let loaded = plane.post("/config", file).await;
            // Numbers and booleans of a file have their own notation.
            if expected.is_null() || expected.is_boolean() {
                assert_eq!(loaded.status, 400, "{plugin} {field} {text}: {loaded:?}");
                continue;
            }
            loaded.expect(201);
            let listed = plane.get("/plugins").await.expect(200);
            assert_eq!(
                found(&listed["data"][0]["config"], field),
                &expected,
                "{plugin} {field} {text} by file as {config}"
            );
            plane
                .post("/config", json!({ "_format_version": "3.0" }))
                .await
                .expect(201);
        }
    }
}

#[tokio::test]
async fn a_file_of_yaml_may_use_dotted_names() {
    let plane = Plane::start().await;
    let text = "_format_version: '3.0'
plugins:
- name: request-transformer
  config:
    add.headers: x-a:1, x-b:2
    add:
      querystring:
      - q:1,2
    remove.body: secret
    replace.uri: /new
";
    let headers = [("content-type", "text/yaml")];
    plane
        .raw("POST", "/config", &headers, text)
        .await
        .expect(201);
    let listed = plane.get("/plugins").await.expect(200);
    let config = &listed["data"][0]["config"];
    assert_eq!(config["add"]["headers"], json!(["x-a:1", "x-b:2"]));
    assert_eq!(config["add"]["querystring"], json!(["q:1,2"]));
    assert_eq!(config["remove"]["body"], json!(["secret"]));
    assert_eq!(config["replace"]["uri"], "/new");
    assert_eq!(config["append"]["headers"], json!([]));
}

#[tokio::test]
async fn json_takes_lists_only_and_parts_none_of_their_elements() {
    let plane = Plane::start().await;
    for (plugin, field, text, _) in comma_rules() {
        if matches!(field, "replace.uri" | "replace.body" | "dots_in_keys") {
            continue;
        }
        let refused = tell(&plane, plugin, &at(field, json!(text)))
            .await
            .expect(400);
        let expected = at(field, json!("expected an array"));
        assert_eq!(refused["fields"]["config"], expected, "{plugin} {field}");
    }
    let config = json!({ "add": { "headers": ["a:1,b:2"], "querystring": ["p1:v1,p2=v2"] } });
    let made = tell(&plane, REQUEST, &config).await.expect(201);
    assert_eq!(made["config"]["add"]["headers"], json!(["a:1,b:2"]));
    assert_eq!(made["config"]["add"]["querystring"], json!(["p1:v1,p2=v2"]));
}

#[tokio::test]
async fn nothing_in_a_form_is_null_which_no_list_and_no_record_may_be() {
    let plane = Plane::start().await;
    let null = json!("required field missing");
    for (plugin, fields, path) in [
        (REQUEST, "config.add.headers=", "add.headers"),
        (REQUEST, "config.add=", "add"),
        (RESPONSE, "config.append.json_types=", "append.json_types"),
        (ADVANCED, "config.remove.if_status=", "remove.if_status"),
    ] {
        let refused = fill_in(&plane, plugin, fields).await.expect(400);
        assert_eq!(
            refused["fields"]["config"],
            at(path, null.clone()),
            "{fields}"
        );
    }
    let fields = "config.http_method=&config.replace.uri=";
    let made = fill_in(&plane, REQUEST, fields).await.expect(201);
    assert_eq!(made["config"]["http_method"], Value::Null);
    assert_eq!(made["config"]["replace"]["uri"], Value::Null);
    let made = fill_in(&plane, ADVANCED, "config.replace.body=&config.allow.json=").await;
    let made = made.expect(201);
    assert_eq!(made["config"]["replace"]["body"], Value::Null);
    assert_eq!(made["config"]["allow"]["json"], Value::Null);
}

#[tokio::test]
async fn a_patch_changes_the_lists_it_names() {
    let plane = Plane::start().await;
    let config =
        json!({ "add": { "headers": ["a:1"], "querystring": ["q:1"] }, "http_method": "POST" });
    let made = plane
        .post("/plugins", json!({ "name": REQUEST, "config": config }))
        .await;
    let path = format!("/plugins/{}", made.id());
    let patch = json!({ "config": { "add": { "headers": ["b:2"] } } });
    let patched = plane.patch(&path, patch).await.expect(200);
    assert_eq!(patched["config"]["add"]["headers"], json!(["b:2"]));
    assert_eq!(patched["config"]["add"]["querystring"], json!(["q:1"]));
    assert_eq!(patched["config"]["http_method"], "POST");
    let by_form = plane
        .form("PATCH", &path, "config.add.headers=c:3,d:4")
        .await;
    assert_eq!(
        by_form.expect(200)["config"]["add"]["headers"],
        json!(["c:3", "d:4"])
    );
}
