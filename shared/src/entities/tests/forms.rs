//! Forms: what their texts mean by the schema, and the comma rule (admin-api.md 2.4).

use serde_json::{Value, json};

use super::{document, entity, form_of};
use crate::plugins::Catalog;
use crate::schema::FormOptions;

#[test]
fn forms_mean_what_the_schema_says() {
    for (kind, body, expected) in [
        (
            "services",
            "name=&host=h&port=80&enabled=false&retries=x",
            json!({"name": null, "host": "h", "port": 80, "enabled": false, "retries": "x"}),
        ),
        (
            "services",
            "port=2.5&enabled=1&colour=",
            json!({"port": 2.5, "enabled": "1", "colour": ""}),
        ),
        (
            "routes",
            "methods=GET,POST&hosts=a, b&paths=~/a{1,2}&protocols[]=http",
            json!({"methods": ["GET", "POST"], "hosts": ["a", "b"], "paths": ["~/a{1,2}"], "protocols": ["http"]}),
        ),
        (
            "routes",
            "hosts[]=a,b&paths[1]=/a&paths[2]=/b&service.id=X&headers.x-a[1]=v",
            json!({"hosts": ["a,b"], "paths": ["/a", "/b"], "service": {"id": "X"}, "headers": {"x-a": ["v"]}}),
        ),
        ("routes", "hosts[2]=b", json!({"hosts": {"2": "b"}})),
        (
            "plugins",
            "name=key-auth&config.key_names=a,b&config.hide_credentials=true",
            json!({"name": "key-auth", "config": {"key_names": ["a", "b"], "hide_credentials": true}}),
        ),
        (
            "plugins",
            "name=nope&config.x=1",
            json!({"name": "nope", "config": {"x": "1"}}),
        ),
        (
            "services",
            "url=http://h/p&name=",
            json!({"url": "http://h/p", "name": null}),
        ),
        ("keyauth_credentials", "ttl=60", json!({"ttl": 60})),
    ] {
        assert_eq!(
            Value::Object(form_of(kind, body)),
            expected,
            "{kind} {body}"
        );
    }
}

#[test]
fn comma_lists_follow_the_table_of_the_transformers() {
    for (key, value, expected) in [
        ("remove.headers", "x-a, x-b", json!(["x-a", "x-b"])),
        ("add.headers", "h1:v1,h2:v2", json!(["h1:v1", "h2:v2"])),
        (
            "add.headers",
            "Cache-Control:no-cache,no-store",
            json!(["Cache-Control:no-cache,no-store"]),
        ),
        (
            "add.headers",
            "Set-Cookie:a=1,b=2",
            json!(["Set-Cookie:a=1,b=2"]),
        ),
        ("add.headers[]", "a:1,b:2", json!(["a:1,b:2"])),
        ("add.json", "p1:v1,p2=v2", json!(["p1:v1", "p2:v2"])),
        ("remove.json", "p1,p2", json!(["p1", "p2"])),
        ("add.headers", "x,y", json!(["x", "y"])),
    ] {
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("name", "response-transformer")
            .append_pair(&format!("config.{key}"), value)
            .finish();
        let got = form_of("plugins", &body);
        let (operation, list) = key
            .trim_end_matches("[]")
            .split_once('.')
            .expect("two names");
        assert_eq!(got["config"][operation][list], expected, "{key}={value}");
    }
    let body =
        "name=request-transformer&config.add.querystring=q1:v2,q2=v1&config.replace.uri=/a,b";
    let got = form_of("plugins", body);
    assert_eq!(
        got["config"],
        json!({"add": {"querystring": ["q1:v2", "q2:v1"]}, "replace": {"uri": "/a,b"}})
    );
}

#[test]
fn comma_lists_can_be_switched_off() {
    let args = document(json!({"methods": "GET,POST"}));
    let exact = FormOptions { comma_lists: false };
    let got = entity("routes").infer(args, Catalog::builtin(), &exact);
    assert_eq!(got["methods"], json!(["GET,POST"]));
}
