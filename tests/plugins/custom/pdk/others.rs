//! The rest of the PDK: context, node, tables, cache, vaults, other entities; what is in tier 2.

use serde_json::Value;
use tests::Request;

use super::{Row, Scene};

pub fn scenes() -> Vec<Scene> {
    let scene = |name, rows| Scene {
        name,
        request: Request::get("/others"),
        answer: Value::Null,
        rows,
    };
    vec![
        scene("context", CONTEXT),
        scene("node", NODE),
        scene("cache", CACHE),
        scene("entities", ENTITIES),
        scene("log functions", LOG),
        scene("answers that are refused", REFUSED),
        scene("requests that are refused", REQUESTS),
    ]
}

const CONTEXT: &[Row] = &[
    (
        "access",
        "(function() kong.ctx.shared.a = 1 kong.ctx.plugin.b = 2 return kong.ctx.shared.a, kong.ctx.plugin.b, kong.ctx.shared.b end)()",
        "[1,2,null]",
    ),
    ("log", "kong.ctx.shared.a, kong.ctx.plugin.b", "[1,2]"),
    ("header_filter", "kong.ctx.plugin.b", "[2]"),
    ("access", "type(kong.plugin.get_id())", r#"["string"]"#),
    ("access", "#kong.plugin.get_id()", "[36]"),
    ("access", "kong.table.new(4, 4)", "[{}]"),
    ("access", "kong.table.clear({ 1, 2, a = 3 })", "[null]"),
    (
        "access",
        "(function() local t = { 1, a = 2 } kong.table.clear(t) return t end)()",
        "[{}]",
    ),
    (
        "access",
        "kong.table.merge({ a = 1, b = 1 }, { b = 2 })",
        r#"[{"a":1,"b":2}]"#,
    ),
    ("access", "kong.table.merge()", "[{}]"),
    ("access", "kong.table.merge({ a = 1 })", r#"[{"a":1}]"#),
];

const NODE: &[Row] = &[
    ("access", "#kong.node.get_id()", "[36]"),
    ("access", "type(kong.node.get_hostname())", r#"["string"]"#),
    (
        "access",
        "kong.node.get_memory_stats().workers_lua_vms[1].http_allocated_gc",
        r#"["$number"]"#,
    ),
    (
        "access",
        "type(kong.node.get_memory_stats('b').workers_lua_vms[1].http_allocated_gc)",
        r#"["number"]"#,
    ),
    (
        "access",
        "kong.node.get_memory_stats('m', 2).workers_lua_vms[1].http_allocated_gc:find('MiB', 1, true) ~= nil",
        "[true]",
    ),
    (
        "access",
        "type(kong.node.get_memory_stats().workers_lua_vms[1].pid)",
        r#"["number"]"#,
    ),
    (
        "access",
        "kong.ip.is_trusted('127.0.0.1'), kong.ip.is_trusted('10.0.0.1')",
        "[true,false]",
    ),
    ("access", "kong.ip.is_trusted(1)", "!ip must be a string"),
    ("access", "kong.nginx.get_subsystem()", r#"["http"]"#),
    (
        "access",
        "type(kong.nginx.get_statistics().connections_active)",
        r#"["number"]"#,
    ),
    (
        "access",
        "type(kong.nginx.get_statistics().total_requests)",
        r#"["number"]"#,
    ),
    (
        "access",
        "kong.version, kong.version_num",
        r#"["3.10.0",3010000]"#,
    ),
    ("access", "type(kong.headgate_version)", r#"["string"]"#),
    ("access", "type(kong.configuration)", r#"["table"]"#),
    (
        "access",
        "(function() kong.configuration.x = 1 end)()",
        "!Protected by the sandbox.",
    ),
    ("access", "kong.configuration.pg_password", "[null]"),
    (
        "access",
        "kong.vault.is_reference('{vault://env/x}'), kong.vault.is_reference('x')",
        "[true,false]",
    ),
    (
        "access",
        "kong.vault.parse_reference('{vault://env/my-secret/key}').name",
        r#"["env"]"#,
    ),
    ("access", "(kong.vault.parse_reference('x'))", "[null]"),
    (
        "access",
        "(kong.vault.get('{vault://env/headgate-none}'))",
        "[null]",
    ),
    (
        "access",
        "type(select(2, kong.vault.get('{vault://env/headgate-none}')))",
        r#"["string"]"#,
    ),
    (
        "access",
        "kong.vault.try(function(options) return options.a end, { a = 5 })",
        "[5]",
    ),
    (
        "access",
        "type(kong.vault.update({ a = 1 }))",
        r#"["table"]"#,
    ),
    (
        "access",
        "kong.client.tls.request_client_certificate()",
        "!function cannot be called in access phase (only in: certificate)",
    ),
    (
        "access",
        "kong.client.tls.disable_session_reuse()",
        "!function cannot be called in access phase (only in: certificate)",
    ),
];

const CACHE: &[Row] = &[
    (
        "access",
        "(function() local v, err, level = kong.cache:get('k', nil, function(a, b) return a + b end, 1, 2) return v, err, level end)()",
        "[3,null,3]",
    ),
    (
        "access",
        "(function() kong.cache:get('k2', nil, function() return { a = { 1 } } end) local v, err, level = kong.cache:get('k2', nil, function() error('not again') end) return v, err, type(level) end)()",
        r#"[{"a":[1]},null,"number"]"#,
    ),
    (
        "access",
        "(function() kong.cache:get('none', { neg_ttl = 10 }, function() return nil end) return (kong.cache:get('none', nil, function() return 1 end)) end)()",
        "[null]",
    ),
    (
        "access",
        "kong.cache:get('fails', nil, function() return nil, 'went wrong' end)",
        r#"[null,"failed to get from node cache: went wrong"]"#,
    ),
    (
        "access",
        "type((select(2, kong.cache:get('throws', nil, function() error('thrown') end))))",
        r#"["string"]"#,
    ),
    (
        "access",
        "(function() kong.cache:get('k3', { ttl = 60 }, function() return 'v' end) local ttl, err, value = kong.cache:probe('k3') return type(ttl), err, value end)()",
        r#"["number",null,"v"]"#,
    ),
    ("access", "(kong.cache:probe('never'))", "[null]"),
    (
        "access",
        "(function() kong.cache:get('k4', nil, function() return 1 end) kong.cache:invalidate('k4') return (kong.cache:get('k4', nil, function() return 2 end)) end)()",
        "[2]",
    ),
    (
        "access",
        "(function() kong.cache:get('k5', nil, function() return 1 end) kong.cache:invalidate_local('k5') return (kong.cache:get('k5', nil, function() return 2 end)) end)()",
        "[2]",
    ),
    (
        "access",
        "(function() kong.cache:safe_set('k6', 'set') return (kong.cache:get('k6', nil, function() return 'called' end)) end)()",
        r#"["set"]"#,
    ),
    (
        "access",
        "(function() kong.cache:safe_set('k7', 1) return (kong.cache:renew('k7', nil, function() return 2 end)), (kong.cache:get('k7', nil, function() return 3 end)) end)()",
        "[2,2]",
    ),
    ("access", "type(kong.cache.get_bulk)", r#"["function"]"#),
    (
        "access",
        "(function() local bulk = { n = 1, 'k8', nil, function() return 8 end, nil } return type(kong.cache:get_bulk(bulk)) end)()",
        r#"["table"]"#,
    ),
    (
        "access",
        "type((select(2, kong.cache:get('fn', nil, function() return function() end end))))",
        r#"["string"]"#,
    ),
    (
        "access",
        "kong.cache:get(1, nil, function() end)",
        "!key must be a string",
    ),
];

const ENTITIES: &[Row] = &[
    (
        "access",
        "kong.db.services:select({ id = kong.router.get_service().id }).name",
        r#"["orders"]"#,
    ),
    (
        "access",
        "kong.db.services:select_by_name('orders').port",
        r#"["$upstream"]"#,
    ),
    (
        "access",
        "kong.db.routes:select_by_name('auth').paths",
        r#"[["/auth"]]"#,
    ),
    (
        "access",
        "kong.db.consumers:select_by_username('bob').custom_id",
        r#"["c-bob"]"#,
    ),
    (
        "access",
        "kong.db.consumers:select_by_custom_id('c-bob').username",
        r#"["bob"]"#,
    ),
    (
        "access",
        "(kong.db.consumers:select_by_username('alice'))",
        "[null]",
    ),
    (
        "access",
        "(kong.db.plugins:select({ id = kong.plugin.get_id() })).name",
        r#"["pdk"]"#,
    ),
    (
        "access",
        "(kong.db.upstreams:select_by_name('none'))",
        "[null]",
    ),
    (
        "access",
        "(kong.db.targets:select({ id = '00000000-0000-4000-8000-00000000ffff' }))",
        "[null]",
    ),
    (
        "access",
        "(kong.db.certificates:select({ id = '00000000-0000-4000-8000-00000000ffff' }))",
        "[null]",
    ),
    (
        "access",
        "(kong.db.snis:select_by_name('none.test'))",
        "[null]",
    ),
    (
        "access",
        "(kong.db.keys:select({ id = '00000000-0000-4000-8000-00000000ffff' }))",
        "[null]",
    ),
    (
        "access",
        "kong.db.consumers:cache_key('00000000-0000-4000-8000-0000000000b0')",
        r#"["$string"]"#,
    ),
    ("access", "kong.db.services.insert", "[null]"),
    (
        "access",
        "type(kong.dns.resolve('localhost'))",
        r#"["table"]"#,
    ),
    (
        "access",
        "kong.dns.toip('localhost', 80)",
        r#"["127.0.0.1",80]"#,
    ),
    (
        "access",
        "(kong.dns.toip('127.0.0.9', 80))",
        r#"["127.0.0.9"]"#,
    ),
    (
        "access",
        "type((select(2, kong.dns.toip('none.invalid', 80))))",
        r#"["string"]"#,
    ),
];

const LOG: &[Row] = &[
    ("access", "kong.log('x')", "[]"),
    ("access", "kong.log.inspect.on()", "[]"),
    ("access", "kong.log.inspect.off()", "[]"),
    (
        "access",
        "kong.log.set_serialize_value(1, 2)",
        "!key must be a string",
    ),
    (
        "access",
        "kong.log.set_serialize_value('a', 2, { mode = 'x' })",
        "!mode must be 'set', 'add' or 'replace'",
    ),
];

const REFUSED: &[Row] = &[
    (
        "access",
        "kong.response.error('500')",
        "!code must be a number",
    ),
    (
        "access",
        "kong.response.error(600)",
        "!code must be a number between 400 and 599",
    ),
    (
        "access",
        "kong.response.error(500, 5)",
        "!message must be a nil, a string or a table",
    ),
    (
        "access",
        "kong.response.error(500, 'x', 5)",
        "!headers must be a nil or table",
    ),
    (
        "access",
        "kong.response.set_status('x')",
        "!code must be a number",
    ),
    (
        "access",
        "kong.response.set_raw_body('x')",
        "!function cannot be called in access phase (only in: body_filter)",
    ),
    (
        "access",
        "kong.response.get_raw_body()",
        "!function cannot be called in access phase (only in: body_filter)",
    ),
];

const REQUESTS: &[Row] = &[
    (
        "access",
        "kong.service.request.set_scheme(1)",
        "!scheme must be a string",
    ),
    (
        "access",
        "kong.service.request.set_scheme('gopher')",
        "!invalid scheme: gopher",
    ),
    (
        "access",
        "kong.service.request.set_path(1)",
        "!path must be a string",
    ),
    (
        "access",
        "kong.service.request.set_path('x')",
        "!path must start with /",
    ),
    (
        "access",
        "kong.service.request.set_raw_query(1)",
        "!query must be a string",
    ),
    (
        "access",
        "kong.service.request.set_query(1)",
        "!args must be a table",
    ),
    (
        "access",
        "kong.service.request.clear_query_arg(1)",
        "!query argument name must be a string",
    ),
    (
        "access",
        "kong.service.request.set_method(1)",
        "!method must be a string",
    ),
    (
        "access",
        "kong.service.request.set_method('FOO')",
        "!invalid method: FOO",
    ),
    (
        "access",
        "kong.service.request.set_header('X', nil)",
        r#"!invalid header value for "X": got nil, expected array of string, string, number or boolean"#,
    ),
    (
        "access",
        "kong.service.request.add_header('X', nil)",
        r#"!invalid header value for "X": got nil, expected array of string, string, number or boolean"#,
    ),
    (
        "access",
        "kong.service.request.clear_header(1)",
        "!must be a string",
    ),
    (
        "access",
        "kong.service.request.set_headers('x')",
        "!headers must be a table",
    ),
    (
        "access",
        "kong.service.request.set_raw_body(1)",
        "!body must be a string",
    ),
    (
        "access",
        "kong.service.request.set_body('x')",
        "!args must be a table",
    ),
    (
        "access",
        "kong.service.request.set_body({}, 1)",
        "!mime must be a string",
    ),
];
