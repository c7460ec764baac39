//! Upstreams and targets beyond what the recorded answers show (admin-api.md 8.8).

use serde_json::{Value, json};

use crate::entities::tests::{context, created, document, entity, form_of, patched, refusal};
use crate::entities::{Context, Declared, Target, Upstream};

const OTHER: &str = "00000000-0000-4000-8000-0000000000aa";

fn upstream(mut more: Value) -> Value {
    more["name"] = "u.test".into();
    created("upstreams", more).into()
}

fn refused(mut more: Value) -> Value {
    more["name"] = "u.test".into();
    refusal(entity("upstreams").complete(document(more), &context()))
}

#[test]
fn algorithm_and_hash_on_rewrite_each_other_in_order() {
    let cases = [
        (json!({}), "round-robin", "none"),
        (
            json!({"algorithm": "consistent-hashing"}),
            "consistent-hashing",
            "none",
        ),
        (json!({"hash_on": "ip"}), "consistent-hashing", "ip"),
        (
            json!({"hash_on": "ip", "algorithm": "round-robin"}),
            "consistent-hashing",
            "ip",
        ),
        (
            json!({"algorithm": "consistent-hashing", "hash_on": "none"}),
            "round-robin",
            "none",
        ),
        (
            json!({"algorithm": "consistent-hashing", "hash_on": null}),
            "consistent-hashing",
            "none",
        ),
        (
            json!({"algorithm": "latency", "hash_on": "ip"}),
            "latency",
            "none",
        ),
        (
            json!({"algorithm": "least-connections", "hash_on": "none"}),
            "least-connections",
            "none",
        ),
        // What is cleared needs no companion any more.
        (
            json!({"algorithm": "latency", "hash_on": "header"}),
            "latency",
            "none",
        ),
        (json!({"hash_on": null}), "round-robin", "none"),
    ];
    for (input, algorithm, hash_on) in cases {
        let got = upstream(input.clone());
        assert_eq!(
            (&got["algorithm"], &got["hash_on"]),
            (&json!(algorithm), &json!(hash_on)),
            "{input}"
        );
    }
}

#[test]
fn updates_rewrite_over_what_is_stored() {
    let stored = json!({"name": "u.test", "hash_on": "ip"});
    let cases = [
        (
            json!({"algorithm": "least-connections"}),
            "least-connections",
            "none",
        ),
        (json!({"algorithm": "round-robin"}), "round-robin", "ip"),
        (json!({"hash_on": "none"}), "round-robin", "none"),
        (json!({"hash_on": null}), "consistent-hashing", "none"),
        (json!({"hash_on": "path"}), "consistent-hashing", "path"),
        (json!({"slots": 20}), "consistent-hashing", "ip"),
    ];
    for (patch, algorithm, hash_on) in cases {
        let got = patched("upstreams", stored.clone(), patch.clone()).expect("a good update");
        assert_eq!(
            (&got["algorithm"], &got["hash_on"]),
            (&json!(algorithm), &json!(hash_on)),
            "{patch}"
        );
    }
    let fallback = json!({"name": "u.test", "hash_on": "ip", "hash_fallback": "path"});
    let said = refusal(patched(
        "upstreams",
        fallback,
        json!({"algorithm": "latency"}),
    ));
    assert_eq!(said["hash_fallback"], "expected one of: none");
}

#[test]
fn each_way_of_hashing_needs_its_companions() {
    let by = |field: &str| {
        json!([format!(
            "failed conditional validation given value of field '{field}'"
        )])
    };
    let missing = "required field missing";
    let cases = [
        (
            json!({"hash_on": "header"}),
            "hash_on",
            "hash_on_header",
            missing,
        ),
        (
            json!({"hash_on": "cookie"}),
            "hash_on",
            "hash_on_cookie",
            missing,
        ),
        (
            json!({"hash_on": "query_arg"}),
            "hash_on",
            "hash_on_query_arg",
            missing,
        ),
        (
            json!({"hash_on": "uri_capture"}),
            "hash_on",
            "hash_on_uri_capture",
            missing,
        ),
        (
            json!({"hash_on": "ip", "hash_fallback": "header"}),
            "hash_fallback",
            "hash_fallback_header",
            missing,
        ),
        (
            json!({"hash_on": "ip", "hash_fallback": "cookie"}),
            "hash_fallback",
            "hash_on_cookie",
            missing,
        ),
        (
            json!({"hash_on": "ip", "hash_fallback": "query_arg"}),
            "hash_fallback",
            "hash_fallback_query_arg",
            missing,
        ),
        (
            json!({"hash_on": "ip", "hash_fallback": "uri_capture"}),
            "hash_fallback",
            "hash_fallback_uri_capture",
            missing,
        ),
        (
            json!({"hash_fallback": "ip"}),
            "hash_on",
            "hash_fallback",
            "expected one of: none",
        ),
        (
            json!({"hash_on": "cookie", "hash_on_cookie": "c", "hash_fallback": "ip"}),
            "hash_on",
            "hash_fallback",
            "expected one of: none",
        ),
        (
            json!({"hash_on": "consumer", "hash_fallback": "consumer"}),
            "hash_on",
            "hash_fallback",
            "expected one of: none, ip, header, cookie, path, query_arg, uri_capture",
        ),
        (
            json!({"hash_on": "ip", "hash_fallback": "ip"}),
            "hash_on",
            "hash_fallback",
            "expected one of: none, consumer, header, cookie, path, query_arg, uri_capture",
        ),
        (
            json!({"hash_on": "path", "hash_fallback": "path"}),
            "hash_on",
            "hash_fallback",
            "expected one of: none, consumer, ip, header, cookie, query_arg, uri_capture",
        ),
    ];
    for (input, condition, field, text) in cases {
        let said = refused(input.clone());
        assert_eq!(
            said,
            json!({"@entity": by(condition), field: text}),
            "{input}"
        );
    }
    let same = json!({"hash_on": "header", "hash_on_header": "a", "hash_fallback": "header", "hash_fallback_header": "a"});
    let text = "values of these fields must be distinct: 'hash_on_header', 'hash_fallback_header'";
    assert_eq!(refused(same), json!({"@entity": [text]}));
}

#[test]
fn values_of_upstreams_have_their_ranges() {
    let checks = |value: Value| json!({"healthchecks": value});
    let between = |low: i64, high: i64| format!("value should be between {low} and {high}");
    let cases = [
        (json!({"slots": 9}), json!({"slots": between(10, 65536)})),
        (
            json!({"slots": 65537}),
            json!({"slots": between(10, 65536)}),
        ),
        (
            json!({"algorithm": "random"}),
            json!({"algorithm": "expected one of: consistent-hashing, least-connections, round-robin, latency"}),
        ),
        (
            json!({"hash_on": "x"}),
            json!({"hash_on": "expected one of: none, consumer, ip, header, cookie, path, query_arg, uri_capture"}),
        ),
        (
            json!({"algorithm": 5}),
            json!({"algorithm": "expected a string"}),
        ),
        (
            json!({"host_header": "a b"}),
            json!({"host_header": "invalid value: a b"}),
        ),
        (
            json!({"hash_on_cookie": "a;b"}),
            json!({"hash_on_cookie": "bad cookie name 'a;b', allowed characters are A-Z, a-z, 0-9, '_', and '-'"}),
        ),
        (
            json!({"hash_on_cookie_path": "x"}),
            json!({"hash_on_cookie_path": "should start with: /"}),
        ),
        (
            json!({"hash_on_query_arg": ""}),
            json!({"hash_on_query_arg": "length must be at least 1"}),
        ),
        (
            checks(json!({"threshold": 101})),
            checks(json!({"threshold": between(0, 100)})),
        ),
        (
            checks(json!({"active": {"timeout": 65536, "concurrency": 0}})),
            checks(
                json!({"active": {"timeout": between(0, 65535), "concurrency": between(1, 2_147_483_648)}}),
            ),
        ),
        (
            checks(json!({"active": {"type": "udp"}})),
            checks(json!({"active": {"type": "expected one of: tcp, http, https, grpc, grpcs"}})),
        ),
        (
            checks(json!({"passive": {"unhealthy": {"http_statuses": [500, 1000]}}})),
            checks(json!({"passive": {"unhealthy": {"http_statuses": [null, between(100, 999)]}}})),
        ),
        (
            checks(json!({"active": {"healthy": {"successes": 256, "interval": -1}}})),
            checks(
                json!({"active": {"healthy": {"successes": between(0, 255), "interval": between(0, 65535)}}}),
            ),
        ),
        (
            checks(json!({"active": {"headers": {"a b": ["x"]}}})),
            checks(
                json!({"active": {"headers": "bad header name 'a b', allowed characters are A-Z, a-z, 0-9, '_', and '-'"}}),
            ),
        ),
    ];
    for (input, fields) in cases {
        assert_eq!(refused(input.clone()), fields, "{input}");
    }
}

#[test]
fn a_part_of_the_healthchecks_is_filled_up() {
    let got = upstream(json!({"healthchecks": {"active": {"healthy": {"interval": 0.5}}}}));
    let checks = &got["healthchecks"];
    assert_eq!(
        checks["active"]["healthy"],
        json!({"interval": 0.5, "http_statuses": [200, 302], "successes": 0})
    );
    assert_eq!(
        checks["passive"]["unhealthy"]["http_statuses"],
        json!([429, 500, 503])
    );
    let read: Upstream = read(&got);
    assert!(read.healthchecks.enabled());
    let plain: Upstream = self::read(&upstream(json!({})));
    assert!(!plain.healthchecks.enabled());
    let merged = patched(
        "upstreams",
        json!({"name": "u.test", "healthchecks": {"threshold": 10, "passive": {"type": "tcp"}}}),
        json!({"healthchecks": {"passive": {"unhealthy": {"timeouts": 3}}}}),
    );
    let merged = merged.expect("a good update");
    assert_eq!(merged["healthchecks"]["threshold"], 10);
    assert_eq!(merged["healthchecks"]["passive"]["type"], "tcp");
    assert_eq!(
        merged["healthchecks"]["passive"]["unhealthy"]["timeouts"],
        3
    );
}

fn read<T: Declared>(stored: &Value) -> T {
    let entity = entity(T::KIND);
    let read = entity.schema.read(stored.to_string().as_bytes());
    read.unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn upstreams_are_read_from_forms() {
    let form = form_of(
        "upstreams",
        "name=u&slots=20&healthchecks.active.healthy.interval=1.5&healthchecks.threshold=50",
    );
    assert_eq!(
        Value::from(form),
        json!({"name": "u", "slots": 20, "healthchecks": {"active": {"healthy": {"interval": 1.5}}, "threshold": 50}})
    );
}

#[test]
fn a_target_is_stored_in_its_one_spelling_with_times_to_the_millisecond() {
    let input = json!({"upstream": {"id": OTHER}, "target": "::1"});
    let now = Context {
        now: 1_700_000_000.123_9,
        ..context()
    };
    let got = entity("targets")
        .complete(document(input), &now)
        .expect("a target");
    assert_eq!(
        got["target"],
        "[0000:0000:0000:0000:0000:0000:0000:0001]:8000"
    );
    assert_eq!(got["created_at"].to_string(), "1700000000.123");
    assert_eq!(got["updated_at"], got["created_at"]);
    assert_eq!(got["weight"], 100);
    let later = Context {
        now: 1_700_000_001.5,
        ..context()
    };
    let merged = entity("targets").merge(&got, document(json!({"weight": 0})), &later);
    let merged = merged.expect("a good update");
    assert_eq!(
        (&merged["target"], &merged["created_at"]),
        (&got["target"], &got["created_at"])
    );
    assert_eq!(merged["updated_at"].to_string(), "1700000001.5");
    let target: Target = read(&merged.into());
    assert_eq!((target.weight(), target.target.port), (0, 8000));
}

#[test]
fn targets_of_one_upstream_differ_and_go_with_it() {
    let entity = entity("targets");
    let one = |upstream: &str, target: &str| {
        created(
            "targets",
            json!({"upstream": {"id": upstream}, "target": target}),
        )
    };
    let keys = |document| entity.unique_keys(&document);
    let third = "00000000-0000-4000-8000-0000000000bb";
    assert_eq!(keys(one(OTHER, "h.test")), keys(one(OTHER, "h.test:8000")));
    assert_ne!(keys(one(OTHER, "h.test")), keys(one(third, "h.test")));
    assert_ne!(keys(one(OTHER, "h.test")), keys(one(OTHER, "h.test:81")));
    let references = entity.references(&one(OTHER, "h.test"));
    assert!(references[0].cascade && references[0].to_kind == "upstreams");
}

#[test]
fn schemas_show_the_rewriting_as_shorthands() {
    let shown = entity("upstreams").render();
    assert_eq!(shown["shorthand_fields"][0]["algorithm"]["type"], "string");
    assert_eq!(shown["shorthand_fields"][1]["hash_on"]["type"], "string");
    let names: Vec<&String> = shown["fields"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|field| field.as_object()?.keys().next())
        .collect();
    assert_eq!(names[3..6], ["name", "algorithm", "hash_on"]);
    let times = &entity("targets").render()["fields"][1]["created_at"];
    assert_eq!(
        (&times["type"], &times["timestamp"], &times["auto"]),
        (&json!("number"), &json!(true), &json!(true))
    );
}
