//! What is refused, with the reference's texts, beyond the recorded cases.

use super::*;

#[test]
fn refusals_beyond_the_recorded_ones() {
    let path = "cannot set 'methods' when 'protocols' is 'tcp', 'tls', 'tls_passthrough' or 'udp'";
    let snis =
        "'snis' can only be set when 'protocols' is 'grpcs', 'https', 'tls' or 'tls_passthrough'";
    let conditional = "failed conditional validation given value of field 'protocol'";
    for (kind, input, fields) in [
        (
            "services",
            json!({"host": "a:80"}),
            json!({"host": "must not have a port"}),
        ),
        (
            "services",
            json!({"host": "a b"}),
            json!({"host": "invalid value: a b"}),
        ),
        (
            "services",
            json!({"host": "h", "path": "/%zz"}),
            json!({"path": "invalid url-encoded value: '%zz'"}),
        ),
        (
            "services",
            json!({"host": "h", "protocol": "tcp", "path": "/"}),
            json!({"@entity": [conditional], "path": "value must be null"}),
        ),
        (
            "services",
            json!({"host": "h", "client_certificate": {}}),
            json!({"client_certificate": {"id": "missing primary key"}}),
        ),
        (
            "services",
            json!({"host": "h", "client_certificate": {"id": "x"}, "protocol": "https"}),
            json!({"client_certificate": {"id": "expected a valid UUID"}}),
        ),
        (
            "services",
            json!({"host": "h", "tls_verify_depth": 65, "protocol": "tls"}),
            json!({"tls_verify_depth": "value should be between 0 and 64"}),
        ),
        (
            "services",
            json!({"host": "h", "protocol": null}),
            json!({"protocol": "required field missing"}),
        ),
        (
            "services",
            json!({"host": "h", "id": "x"}),
            json!({"id": "expected a valid UUID"}),
        ),
        (
            "services",
            json!({"host": "h", "created_at": -1}),
            json!({"created_at": "expected a valid timestamp"}),
        ),
        (
            "services",
            json!({"host": "h", "ttl": 5}),
            json!({"ttl": "unknown field"}),
        ),
        (
            "routes",
            json!({"protocols": ["http", "tcp"], "paths": ["/"]}),
            json!({"protocols": "these sets are mutually exclusive: ('http', 'https'), ('tcp', 'tls', 'udp')"}),
        ),
        (
            "routes",
            json!({"protocols": [], "paths": ["/"]}),
            json!({"protocols": "length must be at least 1"}),
        ),
        (
            "routes",
            json!({"protocols": ["tcp"], "methods": ["GET"], "sources": [{"port": 1}]}),
            json!({"methods": path}),
        ),
        (
            "routes",
            json!({"protocols": ["tcp"]}),
            json!({"@entity": ["must set one of 'sources', 'destinations', 'snis' when 'protocols' is 'tcp', 'tls' or 'udp'"]}),
        ),
        (
            "routes",
            json!({"protocols": ["tls_passthrough"]}),
            json!({"@entity": ["must set snis when 'protocols' is 'tls_passthrough'"]}),
        ),
        (
            "routes",
            json!({"protocols": ["http"]}),
            json!({"@entity": ["must set one of 'methods', 'hosts', 'headers', 'paths' when 'protocols' is 'http'"]}),
        ),
        (
            "routes",
            json!({"protocols": ["http"], "paths": ["/"], "snis": ["a"]}),
            json!({"@entity": [snis], "snis": "length must be 0"}),
        ),
        (
            "routes",
            json!({"protocols": ["grpc"], "paths": ["/"], "strip_path": true}),
            json!({"strip_path": "cannot set 'strip_path' when 'protocols' is 'grpc' or 'grpcs'"}),
        ),
        (
            "routes",
            json!({"paths": ["/"], "sources": [{"ip": "1.2.3.4"}]}),
            json!({"sources": "cannot set 'sources' when 'protocols' is 'http' or 'https'"}),
        ),
        (
            "routes",
            json!({"protocols": ["udp"], "sources": [{"ip": "x"}, {}]}),
            json!({"sources": [
            {"ip": "invalid ip or cidr range: 'x'"},
            {"@entity": ["at least one of these fields must be non-empty: 'ip', 'port'"]}]}),
        ),
        (
            "routes",
            json!({"headers": {"Host": ["a"]}}),
            json!({"headers": "cannot contain 'host' header, which must be specified in the 'hosts' attribute"}),
        ),
        (
            "routes",
            json!({"headers": {"a": "x"}}),
            json!({"headers": "expected an array"}),
        ),
        (
            "routes",
            json!({"paths": ["/a/../b"]}),
            json!({"paths": ["non-normalized path, consider use '/b' instead"]}),
        ),
        (
            "routes",
            json!({"paths": ["/a//b"]}),
            json!({"paths": ["non-normalized path, consider use '/a/b' instead"]}),
        ),
        (
            "routes",
            json!({"paths": ["/"], "regex_priority": 1.5}),
            json!({"regex_priority": "expected an integer"}),
        ),
        (
            "routes",
            json!({"paths": ["/"], "path_handling": "v2"}),
            json!({"path_handling": "expected one of: v0, v1"}),
        ),
        (
            "routes",
            json!({"snis": ["1.2.3.4"]}),
            json!({"snis": ["must not be an IP"]}),
        ),
        (
            "routes",
            json!({"snis": ["a.b:80"]}),
            json!({"snis": ["must not have a port"]}),
        ),
        (
            "routes",
            json!({"paths": [null]}),
            json!({"paths": ["required field missing"]}),
        ),
        (
            "plugins",
            json!({"name": "nope", "config": 5, "enabled": 1}),
            json!({"name": "plugin 'nope' not enabled; add it to the 'plugins' configuration property"}),
        ),
        (
            "plugins",
            json!({"name": 5}),
            json!({"name": "expected a string"}),
        ),
        (
            "plugins",
            json!({"name": "key-auth", "consumer": {"id": OTHER}}),
            json!({"consumer": "value must be null"}),
        ),
        (
            "plugins",
            json!({"name": "key-auth", "protocols": null}),
            json!({"protocols": "required field missing"}),
        ),
        (
            "keyauth_credentials",
            json!({"consumer": {"id": OTHER}, "ttl": -1}),
            json!({"ttl": "must be an integer between 0 and 100000000"}),
        ),
        (
            "acls",
            json!({"consumer": {"id": OTHER}}),
            json!({"group": "required field missing"}),
        ),
        (
            "acls",
            json!({"consumer": {"id": OTHER}, "group": ""}),
            json!({"group": "length must be at least 1"}),
        ),
    ] {
        assert_eq!(
            refusal(create(kind, input.clone())),
            fields,
            "{kind} {input}"
        );
    }
}
