//! The common definitions.

use super::*;
use crate::schema::typedefs as natives;

#[test]
fn definitions_hold_values_to_what_entities_do() {
    let none = Value::Null;
    let text = |text: &str| json!(text);
    for (typedef, value, expected) in [
        ("http_method", json!("GET"), none.clone()),
        ("http_method", json!("get"), text("invalid value: get")),
        (
            "protocol",
            json!("ftp"),
            text("expected one of: grpc, grpcs, http, https, tcp, tls, tls_passthrough, udp"),
        ),
        ("protocols", json!(["http", "tcp"]), none.clone()),
        (
            "protocols_http",
            json!(["http", "tcp"]),
            json!([null, "expected one of: grpc, grpcs, http, https"]),
        ),
        ("host", json!("a.test"), none.clone()),
        ("host", json!("a.test:80"), text("must not have a port")),
        ("host", json!("a b"), text("invalid value: a b")),
        ("host_with_optional_port", json!("a.test:80"), none.clone()),
        (
            "host_with_optional_port",
            json!("*.test"),
            text("invalid value: *.test"),
        ),
        (
            "host_with_optional_port",
            json!("a.test:99999"),
            text("invalid port number"),
        ),
        ("wildcard_host", json!("*.test"), none.clone()),
        (
            "wildcard_host",
            json!("a*b.test"),
            text("invalid wildcard: must be placed at leftmost or rightmost label"),
        ),
        ("ip", json!("::1"), none.clone()),
        ("ip", json!("a"), text("not an ip address: a")),
        ("ip_or_cidr", json!("10.0.0.0/8"), none.clone()),
        (
            "ip_or_cidr",
            json!("10.0.0.0/99"),
            text("invalid ip or cidr range: '10.0.0.0/99'"),
        ),
        ("cidr_v4", json!("10.0.0.0/8"), none.clone()),
        (
            "cidr_v4",
            json!("::/8"),
            text("invalid ip or cidr range: '::/8'"),
        ),
        ("port", json!(65535), none.clone()),
        (
            "port",
            json!(65536),
            text("value should be between 0 and 65535"),
        ),
        ("path", json!("/a%20b"), none.clone()),
        ("path", json!("a"), text("should start with: /")),
        ("path", json!("/a//b"), text("must not have empty segments")),
        (
            "path",
            json!("/a%zz"),
            text("invalid url-encoded value: '%zz'"),
        ),
        (
            "path",
            json!("/a b"),
            text(
                "invalid path: '/a b' (characters outside of the reserved list of RFC 3986 found)",
            ),
        ),
        ("url", json!("https://a.test/p?q"), none.clone()),
        ("url", json!("a.test/p"), text("missing host in url")),
        ("url", json!("//a.test/p"), text("missing scheme in url")),
        (
            "cookie_name",
            json!("a b"),
            text("bad cookie name 'a b', allowed characters are A-Z, a-z, 0-9, '_', and '-'"),
        ),
        (
            "header_name",
            json!("a b"),
            text("bad header name 'a b', allowed characters are A-Z, a-z, 0-9, '_', and '-'"),
        ),
        ("timeout", json!(2147483646), none.clone()),
        (
            "timeout",
            json!(2147483647i64),
            text("value should be between 0 and 2147483646"),
        ),
        ("uuid", json!("x"), text("expected a valid UUID")),
        ("auto_timestamp_s", json!(1.5), text("expected an integer")),
        (
            "auto_timestamp_ms",
            json!(-1),
            text("expected a valid timestamp"),
        ),
        (
            "name",
            json!("a b"),
            text(
                "invalid value 'a b': it must only contain alphanumeric and '., -, _, ~' characters",
            ),
        ),
        ("utf8_name", json!("ü"), none.clone()),
        (
            "utf8_name",
            json!("a b"),
            text(
                "invalid value 'a b': the only accepted ascii characters are alphanumerics or ., -, _, and ~",
            ),
        ),
        (
            "tag",
            json!("a,b"),
            text(
                "invalid tag 'a,b': expected printable ascii (except `,` and `/`) or valid utf-8 sequences",
            ),
        ),
        (
            "tags",
            json!(["a", "b/c"]),
            json!([
                null,
                "invalid tag 'b/c': expected printable ascii (except `,` and `/`) or valid utf-8 sequences"
            ]),
        ),
        ("sni", json!("1.2.3.4"), text("must not be an IP")),
        (
            "certificate",
            json!("x"),
            text("invalid certificate: PEM_read_bio_X509_AUX() failed"),
        ),
        (
            "methods",
            json!(["GET", "x"]),
            json!([null, "invalid value: x"]),
        ),
        (
            "hosts",
            json!(["a*"]),
            json!(["invalid wildcard: must be placed at leftmost or rightmost label"]),
        ),
        (
            "headers",
            json!({ "Host": ["x"] }),
            text("cannot contain 'host' header, which must be specified in the 'hosts' attribute"),
        ),
        ("headers", json!({ "X-A": ["x"] }), none.clone()),
        (
            "sources",
            json!([{}]),
            json!([{ "@entity": ["at least one of these fields must be non-empty: 'ip', 'port'"] }]),
        ),
        (
            "destinations",
            json!([{ "ip": "10.0.0.0/8" }]),
            none.clone(),
        ),
        ("semantic_version", json!("1.2.3"), none.clone()),
        (
            "semantic_version",
            json!("1..2"),
            text("must not have empty version segments"),
        ),
        (
            "semantic_version",
            json!("v1"),
            text("invalid version number: must be in format of X.Y.Z"),
        ),
        ("lua_code", json!({ "a": "return 1" }), none.clone()),
        (
            "ttl",
            json!(-1),
            text("value should be between 0 and 100000000"),
        ),
        (
            "queue",
            json!({ "max_batch_size": 0 }),
            json!({ "max_batch_size": "value should be between 1 and 1000000" }),
        ),
        (
            "queue",
            json!({ "concurrency_limit": 2 }),
            json!({ "concurrency_limit": "expected one of: -1, 1" }),
        ),
        (
            "pem",
            json!({}),
            json!({ "@entity": ["at least one of these fields must be non-empty: 'private_key', 'public_key'"] }),
        ),
        (
            "pem",
            json!({ "private_key": "{vault://env/key}" }),
            none.clone(),
        ),
        ("jwk", json!("x"), text("could not json decode jwk string")),
        (
            "jwk",
            json!("{}"),
            text("could not load JWK, likely not a valid key"),
        ),
        ("redis_host", json!("a b"), text("invalid value: a b")),
        (
            "redis_server_name",
            json!("1.2.3.4"),
            text("must not be an IP"),
        ),
        (
            "propagation",
            json!({}),
            json!({ "default_format": "required field missing" }),
        ),
        (
            "propagation",
            json!({ "default_format": "w3c", "inject": ["preserve"] }),
            none.clone(),
        ),
    ] {
        let said = fault(&format!("typedefs.{typedef}"), value.clone());
        match (said.as_str(), expected.as_str()) {
            // What is wrong with a certificate is said at length.
            (Some(said), Some(start)) if start.starts_with("invalid certificate") => {
                assert!(said.starts_with("invalid certificate: "), "{said}");
            }
            _ => assert_eq!(said, expected, "{typedef} {value}"),
        }
    }
}

#[test]
fn attributes_in_a_call_are_laid_over_the_definition() {
    let port =
        |attributes: &str, value: Value| fault(&format!("typedefs.port {attributes}"), value);
    assert_eq!(
        port("{ between = { 1, 2 } }", json!(3)),
        "value should be between 1 and 2"
    );
    assert_eq!(
        port("()", json!(70000)),
        "value should be between 0 and 65535"
    );
    let own = "typedefs.host { custom_validator = function(v) return v ~= 'x', 'not x' end }";
    assert_eq!(fault(own, json!("x")), "not x");
    assert_eq!(
        fault(own, json!("a b")),
        Value::Null,
        "it takes the place of the rule"
    );
    let shape = with_fields("{ a = typedefs.port { default = 80 } }, { b = typedefs.port }")
        .expect("a good schema");
    assert_eq!(
        judged(&shape.config, json!({})).0,
        json!({ "a": 80, "b": null })
    );
    let queue = with_fields("{ queue = typedefs.queue }").expect("a good schema");
    let expected = json!({ "queue": {
        "max_batch_size": 1, "max_coalescing_delay": 1, "max_entries": 10000, "max_bytes": null, "max_retry_time": 60,
        "initial_retry_delay": 0.01, "max_retry_delay": 60, "concurrency_limit": 1,
    } });
    assert_eq!(judged(&queue.config, json!({})), (expected, json!({})));
}

#[test]
fn every_rule_is_named_by_a_definition_and_every_named_rule_exists() {
    let source = include_str!("../typedefs.lua");
    for name in natives::names() {
        assert!(source.contains(&format!("\"{name}\"")), "{name}");
    }
    let names = "http_method, protocol, protocols, protocols_http, host, host_with_optional_port, wildcard_host, ip, \
        ip_or_cidr, cidr_v4, port, path, url, cookie_name, header_name, timeout, uuid, auto_timestamp_s, auto_timestamp_ms, \
        name, utf8_name, tag, tags, sni, certificate, key, methods, hosts, headers, sources, destinations, \
        semantic_version, queue, lua_code, ttl, redis_host, redis_server_name, pem, jwk, propagation";
    for name in names.split(", ") {
        let field = format!("{{ it = typedefs.{name} }}");
        assert!(with_fields(&field).is_ok(), "{name}");
        let called = format!("{{ it = typedefs.{name} {{ required = false }} }}");
        assert!(with_fields(&called).is_ok(), "{name}");
    }
    for name in ["no_consumer", "no_route", "no_service"] {
        let source = format!(
            "local typedefs = require 'kong.db.schema.typedefs'
             return {{ name = 'my-plugin', fields = {{ {{ {} = typedefs.{name} }} }} }}",
            &name[3..]
        );
        assert!(shape(&source).is_ok(), "{name}");
    }
}

#[test]
fn handlers_may_require_the_definitions_too() {
    let source = "return { PRIORITY = 1, VERSION = '1.0.0', port = require('kong.db.schema.typedefs').port { default = 1 } }";
    crate::answer_schemas(crate::Options::default());
    let plugin = shared::plugins::custom::read(Source {
        name: "defining",
        schema: "return { name = 'defining', fields = {} }",
        handler: source,
        trusted: false,
        on_error: shared::plugins::custom::OnError::Fail,
        folder: None,
    });
    assert!(plugin.is_ok(), "{plugin:?}");
}
