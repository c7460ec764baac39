//! A file of 200 documents of every kind, as decK's users write them.

use serde_json::{Value, json};

/// Everything that a file can hold, as the Admin API lists it.
pub const COLLECTIONS: &[&str] = &[
    "services",
    "routes",
    "plugins",
    "consumers",
    "key-auths",
    "basic-auths",
    "hmac-auths",
    "jwts",
    "acls",
    "upstreams",
    "certificates",
    "snis",
    "ca_certificates",
    "vaults",
    "keys",
    "key-sets",
    "consumer_groups",
];

/// A consumer, its credentials and group, and its plugin.
pub const PER_CONSUMER: u32 = 7;
/// Keys that belong to a set.
pub const KEYS_IN_SETS: u32 = CELLS;
const CELLS: u32 = 10;
const AUTHORITIES: u32 = 3;
const VAULTS: u32 = 2;
const GROUPS: u32 = 3;

/// The file, and how many documents it makes.
pub fn content(tag: &str) -> (Value, u32) {
    let of_cells = |one: fn(u32) -> Value| -> Value { (0..CELLS).map(one).collect() };
    let mut content = json!({
        "_format_version": "3.0",
        "_info": { "select_tags": [tag] },
        "services": of_cells(service),
        "consumers": of_cells(consumer),
        "upstreams": of_cells(upstream),
        "certificates": of_cells(certificate),
        "key_sets": of_cells(|number| json!({ "name": format!("set{number}") })),
        "keys": of_cells(key),
        "ca_certificates": (1..=AUTHORITIES).map(authority).collect::<Value>(),
        "vaults": (1..=VAULTS).map(vault).collect::<Value>(),
        "consumer_groups": [{ "name": "gold" }, { "name": "silver" }, { "name": "bronze" }],
        "plugins": [{ "name": "response-transformer", "config": { "add": { "headers": ["x-all:1"] } } }],
    });
    content["consumers"][0]["groups"] = json!([{ "name": "gold" }]);
    // A service with two routes and two plugins; an upstream with two targets; a certificate with a name; a key and
    // its set. And a member of a group, and a plugin for all.
    let of_cell = 5 + PER_CONSUMER + 3 + 2 + 2;
    (
        content,
        CELLS * of_cell + AUTHORITIES + VAULTS + GROUPS + 1 + 1,
    )
}

/// The file without one kind of credentials.
pub fn without(content: &Value, kind: &str) -> Value {
    let mut content = content.clone();
    let consumers = content["consumers"].as_array_mut().into_iter().flatten();
    for consumer in consumers.filter_map(Value::as_object_mut) {
        consumer.remove(kind);
    }
    content
}

fn service(number: u32) -> Value {
    let expiring = json!({ "name": "key-auth", "config": { "key_names": ["x-key"] } });
    json!({
        "name": format!("s{number}"),
        "url": format!("http://s{number}.test:8080/base"),
        "tags": ["kept", format!("cell{number}")],
        "plugins": [{
            "name": "request-transformer",
            "config": { "add": { "headers": [format!("x-cell:{number}")] }, "remove": { "headers": ["x-a", "x-b"] } },
        }],
        "routes": [
            { "name": format!("r{number}a"), "paths": [format!("/a/{number}")], "methods": ["POST", "GET"], "plugins": [expiring] },
            { "name": format!("r{number}b"), "hosts": [format!("h{number}.test"), "*.wild.test"], "strip_path": false,
              "headers": { "x-version": ["1", "2"] }, "paths": ["~/b/\\d+$"] },
        ],
    })
}

fn consumer(number: u32) -> Value {
    json!({
        "username": format!("c{number}"),
        "custom_id": format!("custom-{number}"),
        "keyauth_credentials": [{ "key": format!("key-{number}") }],
        "basicauth_credentials": [{ "username": format!("user-{number}"), "password": format!("pass-{number}") }],
        "hmacauth_credentials": [{ "username": format!("hmac-{number}"), "secret": "s" }],
        "jwt_secrets": [{ "key": format!("iss-{number}"), "secret": "s", "algorithm": "HS256" }],
        "acls": [{ "group": "readers" }],
        "plugins": [{ "name": "correlation-id", "config": { "header_name": format!("x-id-{number}") } }],
    })
}

fn upstream(number: u32) -> Value {
    json!({
        "name": format!("u{number}.test"),
        // Written out, since decK sends the default of what is not, and this follows from `hash_on`.
        "algorithm": "consistent-hashing",
        "hash_on": "header",
        "hash_on_header": "x-user",
        "healthchecks": { "active": { "http_path": "/ping", "healthy": { "interval": 5 } } },
        "targets": [{ "target": format!("10.0.0.{number}:80") }, { "target": "b.test:8000", "weight": 50 }],
    })
}

fn certificate(number: u32) -> Value {
    let name = format!("n{number}.test");
    let made = rcgen::generate_simple_self_signed(vec![name.clone()]).expect("a certificate");
    json!({
        // decK asks for it: there is no name to know a certificate by.
        "id": format!("00000000-0000-4000-8000-{number:012}"),
        "cert": made.cert.pem(),
        "key": made.signing_key.serialize_pem(),
        "snis": [{ "name": name }],
    })
}

fn key(number: u32) -> Value {
    let made = rcgen::KeyPair::generate().expect("a key");
    json!({
        "name": format!("key{number}"),
        "kid": format!("kid{number}"),
        "set": { "name": format!("set{number}") },
        "pem": { "public_key": made.public_key_pem(), "private_key": made.serialize_pem() },
    })
}

fn authority(number: u32) -> Value {
    let mut params = rcgen::CertificateParams::new(Vec::new()).expect("no names are valid names");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let name = format!("authority {number}");
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, name);
    let key = rcgen::KeyPair::generate().expect("a key");
    let made = params.self_signed(&key).expect("a certificate");
    json!({ "cert": made.pem() })
}

fn vault(number: u32) -> Value {
    json!({
        "name": "env",
        "prefix": format!("vault-{number}"),
        "description": "Secrets in the environment.",
        "config": { "prefix": format!("SECRET{number}_") },
    })
}
