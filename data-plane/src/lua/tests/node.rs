//! What is not of one request: `kong.node`, `kong.ip`, `kong.plugin`, `kong.nginx`, `kong.table`, `kong.configuration`,
//! `kong.vault`, `kong.db`.

use lua::pdk::Phase::{self, Access, Init, InitWorker, Log, Timer};
use serde_json::json;
use shared::settings::Networks;

use super::{INSTANCE, Scene, check, said};
use crate::config::Config;

fn everywhere(cases: &[(&str, &str)]) {
    for phase in [Init, InitWorker, Timer] {
        for (source, expected) in cases {
            assert_eq!(said(None, phase, source), *expected, "{source}");
        }
    }
}

#[test]
fn versions_are_told_anywhere() {
    let ours = format!("'{}'", env!("CARGO_PKG_VERSION"));
    everywhere(&[
        ("return kong.version, kong.version_num", "'3.10.0', 3010000"),
        ("return kong.headgate_version", &ours),
        ("return kong.pdk_major_version", "1"),
        (
            "kong.version = '4'",
            "error: Cannot modify kong.version. Protected by the sandbox.",
        ),
    ]);
}

#[test]
fn the_node_is_told() {
    let name = hostname::get()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    everywhere(&[
        ("return kong.node.get_hostname()", &format!("'{name}'")),
        // Tests run on threads that are no workers.
        (
            "return kong.node.get_id()",
            "error: this is no node that serves",
        ),
        (
            "return kong.nginx.get_statistics()",
            "error: this is no node that serves",
        ),
        ("return kong.nginx.get_subsystem()", "'http'"),
    ]);
    everywhere(&[
        (
            "local s = kong.node.get_memory_stats() local m = s.workers_lua_vms[1] \
             return type(m.http_allocated_gc), m.pid > 0, s.lua_shared_dicts",
            "'number', true, {}",
        ),
        (
            "local m = kong.node.get_memory_stats('M', 1).workers_lua_vms[1] \
             return (m.http_allocated_gc:gsub('%d+', 'n'))",
            "'n.n MiB'",
        ),
        (
            "kong.node.get_memory_stats('V')",
            "error: invalid unit 'V' (expected 'k/K', 'm/M', or 'g/G')",
        ),
        (
            "kong.node.get_memory_stats(1)",
            "error: unit must be a string (got number)",
        ),
        (
            "kong.node.get_memory_stats('k', -1)",
            "error: scale must be equal or greater than 0",
        ),
    ]);
}

#[test]
fn addresses_are_trusted_by_the_setting() {
    let config = Config {
        trusted_ips: Networks(vec!["10.0.0.0/8".parse().expect("a network")]),
        ..Config::default()
    };
    let scene = Scene {
        config,
        ..Scene::default()
    };
    check(
        &scene,
        &[
            (Access, "return kong.ip.is_trusted('10.9.9.9')", "true"),
            (Access, "return kong.ip.is_trusted('11.9.9.9')", "false"),
            (Log, "return kong.ip.is_trusted('no address')", "false"),
            (
                Access,
                "return kong.ip.is_trusted(nil)",
                "error: ip must be a string",
            ),
        ],
    );
    assert_eq!(
        said(None, Timer, "return kong.ip.is_trusted('10.9.9.9')"),
        "error: no configuration is served here"
    );
}

#[test]
fn tables_are_made_cleared_and_merged() {
    everywhere(&[
        (
            "local t = kong.table.new(4, 4) t.a = 1 kong.table.clear(t) return t",
            "{}",
        ),
        (
            "return kong.table.merge({ a = 1, b = 1 }, { b = 2 })",
            "{a = 1, b = 2}",
        ),
        ("return kong.table.merge(nil, { 1 })", "{1}"),
        ("return kong.table.merge()", "{}"),
    ]);
}

#[test]
fn a_plugin_knows_its_configuration_and_the_nodes() {
    let id = format!("'{INSTANCE}'");
    check(
        &Scene::default(),
        &[
            (Access, "return kong.plugin.get_id()", &id),
            (
                Access,
                "return kong.configuration.real_ip_header",
                "'x-real-ip'",
            ),
            (
                Access,
                "return kong.configuration.real_ip_recursive",
                "false",
            ),
            (
                Log,
                "return kong.configuration.proxy_listen[2], kong.configuration.join, kong.configuration.none",
                "'0.0.0.0:8443 http2 ssl backlog=16384', nil, nil",
            ),
            (
                Access,
                "kong.configuration.log_level = 'debug'",
                "error: Cannot modify kong.configuration.log_level. Protected by the sandbox.",
            ),
        ],
    );
    assert_eq!(
        said(None, Phase::Init, "return kong.configuration.log_level"),
        "nil"
    );
}

#[test]
fn secrets_are_found() {
    let scene = Scene {
        documents: vec![(
            "vaults",
            json!({
                "id": "00000000-0000-0000-0000-0000000000f0",
                "name": "env",
                "prefix": "mine",
                "config": {"prefix": "CARGO_"},
            }),
        )],
        ..Scene::default()
    };
    check(
        &scene,
        &[
            (
                Access,
                "return kong.vault.is_reference('{vault://env/a}')",
                "true",
            ),
            (Access, "return kong.vault.is_reference('env/a')", "false"),
            (Access, "return kong.vault.is_reference(1)", "false"),
            (
                Access,
                "return kong.vault.parse_reference('{vault://env/a/b}')",
                "{key = 'b', name = 'env', resource = 'a'}, nil",
            ),
            (
                Access,
                "return kong.vault.parse_reference('x')",
                "nil, 'not a reference [x]'",
            ),
            (
                Access,
                "return kong.vault.parse_reference(1)",
                "nil, 'reference is not a string [1]'",
            ),
            (
                Access,
                "return kong.vault.get('{vault://env/cargo-pkg-name}')",
                "'data-plane', nil",
            ),
            (
                Log,
                "return kong.vault.get('{vault://mine/pkg-name}')",
                "'data-plane', nil",
            ),
            (
                Access,
                "return kong.vault.get('{vault://env/none-such}')",
                "nil, 'the environment of this node has no 'NONE_SUCH''",
            ),
            (
                Access,
                "return kong.vault.get('x')",
                "nil, 'not a reference [x]'",
            ),
            (
                Access,
                "return kong.vault.try(function(options) return options.a, 2 end, { a = 1 })",
                "1, 2",
            ),
            (
                Access,
                "kong.vault.try()",
                "error: callback must be a function",
            ),
            (
                Access,
                "return kong.vault.update({ a = 'old', ['$refs'] = { a = '{vault://mine/pkg-name}' } }).a",
                "'data-plane'",
            ),
            (
                Access,
                "kong.vault.update()",
                "error: options must be a table",
            ),
        ],
    );
}

#[test]
fn documents_are_read() {
    let mut scene = super::routed();
    let bob = "00000000-0000-0000-0000-0000000000b0";
    scene.documents.extend([
        (
            "consumers",
            json!({"id": bob, "username": "bob", "custom_id": "7"}),
        ),
        (
            "upstreams",
            json!({"id": "00000000-0000-0000-0000-0000000000e0", "name": "pool.test"}),
        ),
        (
            "plugins",
            json!({
                "id": "00000000-0000-0000-0000-0000000000e1",
                "name": "key-auth",
                "instance_name": "mine",
                "config": {},
            }),
        ),
    ]);
    check(
        &scene,
        &[
            (
                Access,
                "return kong.db.routes:select_by_name('r').paths",
                "{'/api'}",
            ),
            (
                Access,
                "return kong.db.services:select_by_name('s').host",
                "'up.test'",
            ),
            (
                Access,
                "return kong.db.consumers:select_by_username('bob').custom_id",
                "'7'",
            ),
            (
                Access,
                "return kong.db.consumers:select_by_custom_id('7').username",
                "'bob'",
            ),
            (
                Access,
                "return kong.db.upstreams:select_by_name('pool.test').algorithm",
                "'round-robin'",
            ),
            (
                Access,
                "return kong.db.plugins:select_by_instance_name('mine').name",
                "'key-auth'",
            ),
            (
                Log,
                "return kong.db.snis:select_by_name('none')",
                "nil, nil",
            ),
            (
                Log,
                "return kong.db.keys:select_by_name('none')",
                "nil, nil",
            ),
            (
                Access,
                "return kong.db.consumers:select({ id = '00000000-0000-0000-0000-0000000000b0' }).username",
                "'bob'",
            ),
            (
                Access,
                "return kong.db.targets:select({ id = '00000000-0000-0000-0000-0000000000b0' })",
                "nil, nil",
            ),
            (
                Access,
                "return kong.db.certificates:select({ id = 'x' })",
                "nil, '[headgate] invalid primary key: 'id' is not a valid UUID'",
            ),
            (
                Access,
                "kong.db.consumers:select('x')",
                "error: primary_key must be a table",
            ),
            (
                Access,
                "kong.db.consumers:select_by_username(1)",
                "error: username must be a string",
            ),
            (
                Access,
                "return kong.db.consumers:cache_key('a', 'b')",
                "'consumers:a:b::::'",
            ),
            (
                Access,
                "return kong.db.consumers:cache_key({ id = 'a' })",
                "'consumers:a:::::'",
            ),
            (
                Access,
                "return kong.db.plugins:cache_key({ name = 'n', service = { id = 's' } })",
                "'plugins:n::s:::'",
            ),
            (Access, "return kong.db.consumers.insert", "nil"),
        ],
    );
    assert_eq!(
        said(
            None,
            Timer,
            "return kong.db.consumers:select_by_username('bob')"
        ),
        "error: no configuration is served here"
    );
}
