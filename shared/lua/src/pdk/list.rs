//! The list of declared functions. A test of the data plane asks that each has its behaviour there.

use super::{Declared, Phases};

const fn declared(name: &'static str, letters: &str) -> Declared {
    Declared {
        name,
        phases: Phases::letters(letters),
    }
}

/// Everywhere.
const ALL: &str = "icwabrhflpt";
/// Where there is a request: the page's *request*.
const REQUEST: &str = "wabrhfl";

/// Where code may wait.
const WAITING: &str = "icwarpt";
/// Where there is a client: all but `i`.
const CLIENT_SIDE: &str = "cwabrhflp";

/// Every function of the PDK and of `ngx` that needs to know a request, a worker or a node. What needs neither is in
/// `modules`.
pub static GROUPS: &[&[Declared]] = &[
    LOG,
    CTX,
    REQUEST_GROUP,
    CLIENT,
    SERVICE,
    SERVICE_REQUEST,
    SERVICE_RESPONSE,
    RESPONSE,
    NODE,
    CACHE,
    DNS,
    NGX,
    NGX_SHARED,
];

/// `kong.log`.
const LOG: &[Declared] = &[
    declared("kong.log()", ALL),
    declared("kong.log.emerg", ALL),
    declared("kong.log.alert", ALL),
    declared("kong.log.crit", ALL),
    declared("kong.log.err", ALL),
    declared("kong.log.warn", ALL),
    declared("kong.log.notice", ALL),
    declared("kong.log.info", ALL),
    declared("kong.log.debug", ALL),
    declared("kong.log.inspect()", ALL),
    declared("kong.log.inspect.on", ALL),
    declared("kong.log.inspect.off", ALL),
    declared("kong.log.deprecation", ALL),
    declared("kong.log.set_serialize_value", "cwarhfl"),
    declared("kong.log.serialize", "l"),
];

/// `kong.ctx`.
const CTX: &[Declared] = &[declared("kong.ctx[]", REQUEST)];

/// `kong.request`.
const REQUEST_GROUP: &[Declared] = &[
    declared("kong.request.get_scheme", REQUEST),
    declared("kong.request.get_host", REQUEST),
    declared("kong.request.get_port", "cwabrhfl"),
    declared("kong.request.get_forwarded_scheme", REQUEST),
    declared("kong.request.get_forwarded_host", REQUEST),
    declared("kong.request.get_forwarded_port", REQUEST),
    declared("kong.request.get_forwarded_path", REQUEST),
    declared("kong.request.get_forwarded_prefix", REQUEST),
    declared("kong.request.get_http_version", REQUEST),
    declared("kong.request.get_method", REQUEST),
    declared("kong.request.get_path", REQUEST),
    declared("kong.request.get_raw_path", REQUEST),
    declared("kong.request.get_path_with_query", REQUEST),
    declared("kong.request.get_raw_query", REQUEST),
    declared("kong.request.get_query_arg", REQUEST),
    declared("kong.request.get_query", REQUEST),
    declared("kong.request.get_header", REQUEST),
    declared("kong.request.get_headers", REQUEST),
    declared("kong.request.get_raw_body", "war"),
    declared("kong.request.get_body", "war"),
    declared("kong.request.get_start_time", REQUEST),
    declared("kong.request.get_uri_captures", REQUEST),
];

/// `kong.client`.
const CLIENT: &[Declared] = &[
    declared("kong.client.get_ip", CLIENT_SIDE),
    declared("kong.client.get_port", CLIENT_SIDE),
    declared("kong.client.get_forwarded_ip", CLIENT_SIDE),
    declared("kong.client.get_forwarded_port", CLIENT_SIDE),
    declared("kong.client.get_credential", "arhfl"),
    declared("kong.client.get_consumer", "arhfl"),
    declared("kong.client.get_consumer_groups", "arhfl"),
    declared("kong.client.load_consumer", "arhfl"),
    declared("kong.client.get_protocol", "arhfl"),
    declared("kong.client.authenticate", "a"),
    declared("kong.client.tls.request_client_certificate", "c"),
    declared("kong.client.tls.disable_session_reuse", "c"),
    declared(
        "kong.client.tls.get_full_client_certificate_chain",
        "warhfl",
    ),
    declared("kong.client.tls.set_client_verify", "wab"),
];

/// `kong.service`, `kong.router`.
const SERVICE: &[Declared] = &[
    declared("kong.router.get_route", "abrhfl"),
    declared("kong.router.get_service", "abrhfl"),
    declared("kong.service.set_upstream", "a"),
    declared("kong.service.set_target", "a"),
    declared("kong.service.set_retries", "a"),
    declared("kong.service.set_timeouts", "a"),
    declared("kong.service.set_target_retry_callback", "a"),
    declared("kong.service.set_tls_cert_key", "wab"),
    declared("kong.service.set_tls_verify", "wab"),
    declared("kong.service.set_tls_verify_depth", "wab"),
    declared("kong.service.set_tls_verify_store", "wab"),
];

/// `kong.service.request`.
const SERVICE_REQUEST: &[Declared] = &[
    declared("kong.service.request.set_scheme", "wab"),
    declared("kong.service.request.set_path", "wab"),
    declared("kong.service.request.set_raw_query", "wa"),
    declared("kong.service.request.set_query", "wa"),
    declared("kong.service.request.clear_query_arg", "wa"),
    declared("kong.service.request.set_method", "wa"),
    declared("kong.service.request.set_header", "wab"),
    declared("kong.service.request.add_header", "wab"),
    declared("kong.service.request.clear_header", "wab"),
    declared("kong.service.request.set_headers", "wab"),
    declared("kong.service.request.set_raw_body", "wab"),
    declared("kong.service.request.set_body", "wa"),
    declared("kong.service.request.enable_buffering", "wab"),
];

/// `kong.service.response`.
const SERVICE_RESPONSE: &[Declared] = &[
    declared("kong.service.response.get_status", "rhfl"),
    declared("kong.service.response.get_header", "rhfl"),
    declared("kong.service.response.get_headers", "rhfl"),
    declared("kong.service.response.get_raw_body", "rhfl"),
    declared("kong.service.response.get_body", "rhfl"),
];

/// `kong.response`.
const RESPONSE: &[Declared] = &[
    declared("kong.response.get_status", "rhfl"),
    declared("kong.response.get_header", "rhfl"),
    declared("kong.response.get_headers", "rhfl"),
    declared("kong.response.get_source", "rhfl"),
    declared("kong.response.set_status", "warh"),
    declared("kong.response.set_header", "warh"),
    declared("kong.response.add_header", "warh"),
    declared("kong.response.clear_header", "warh"),
    declared("kong.response.set_headers", "warh"),
    declared("kong.response.get_raw_body", "f"),
    declared("kong.response.set_raw_body", "f"),
    declared("kong.response.exit", "warhp"),
    declared("kong.response.error", "warh"),
];

/// `kong.node`, `kong.vault`, `kong.db` and what else is not of one request.
const NODE: &[Declared] = &[
    declared("kong.node.get_id", ALL),
    declared("kong.node.get_hostname", ALL),
    declared("kong.node.get_memory_stats", ALL),
    declared("kong.ip.is_trusted", ALL),
    declared("kong.plugin.get_id", ALL),
    declared("kong.nginx.get_subsystem", ALL),
    declared("kong.nginx.get_statistics", ALL),
    declared("kong.configuration[]", ALL),
    declared("kong.vault.is_reference", ALL),
    declared("kong.vault.parse_reference", ALL),
    declared("kong.vault.get", ALL),
    declared("kong.db.routes.select", ALL),
    declared("kong.db.routes.cache_key", ALL),
    declared("kong.db.services.select", ALL),
    declared("kong.db.services.cache_key", ALL),
    declared("kong.db.consumers.select", ALL),
    declared("kong.db.consumers.cache_key", ALL),
    declared("kong.db.plugins.select", ALL),
    declared("kong.db.plugins.cache_key", ALL),
    declared("kong.db.upstreams.select", ALL),
    declared("kong.db.upstreams.cache_key", ALL),
    declared("kong.db.targets.select", ALL),
    declared("kong.db.targets.cache_key", ALL),
    declared("kong.db.certificates.select", ALL),
    declared("kong.db.certificates.cache_key", ALL),
    declared("kong.db.snis.select", ALL),
    declared("kong.db.snis.cache_key", ALL),
    declared("kong.db.keys.select", ALL),
    declared("kong.db.keys.cache_key", ALL),
    declared("kong.db.routes.select_by_name", ALL),
    declared("kong.db.services.select_by_name", ALL),
    declared("kong.db.consumers.select_by_username", ALL),
    declared("kong.db.consumers.select_by_custom_id", ALL),
    declared("kong.db.plugins.select_by_instance_name", ALL),
    declared("kong.db.upstreams.select_by_name", ALL),
    declared("kong.db.snis.select_by_name", ALL),
    declared("kong.db.keys.select_by_name", ALL),
];

/// `kong.cache`.
const CACHE: &[Declared] = &[
    declared("kong.cache.get", ALL),
    declared("kong.cache.renew", ALL),
    declared("kong.cache.get_bulk", ALL),
    declared("kong.cache.probe", ALL),
    declared("kong.cache.safe_set", ALL),
    declared("kong.cache.invalidate", ALL),
    declared("kong.cache.invalidate_local", ALL),
    declared("kong.cache.purge", ALL),
];

/// `kong.dns`.
const DNS: &[Declared] = &[
    declared("kong.dns.resolve", WAITING),
    declared("kong.dns.toip", WAITING),
];

/// `ngx`.
const NGX: &[Declared] = &[
    declared("ngx[]", ALL),
    declared("ngx[]=", ALL),
    declared("ngx.log", ALL),
    declared("ngx.get_phase", ALL),
    declared("ngx.arg[]", "f"),
    declared("ngx.arg[]=", "f"),
    declared("ngx.var[]", REQUEST),
    declared("ngx.var[]=", REQUEST),
    declared("ngx.header[]", "warhfl"),
    declared("ngx.header[]=", "warhfl"),
    declared("ngx.resp.get_headers", "warhfl"),
    declared("ngx.resp.add_header", "warhf"),
    declared("ngx.req.get_headers", REQUEST),
    declared("ngx.req.get_method", REQUEST),
    declared("ngx.req.http_version", REQUEST),
    declared("ngx.req.start_time", REQUEST),
    declared("ngx.req.is_internal", REQUEST),
    declared("ngx.req.raw_header", REQUEST),
    declared("ngx.req.get_uri_args", REQUEST),
    declared("ngx.req.get_post_args", "warhfl"),
    declared("ngx.req.set_uri_args", "warhf"),
    declared("ngx.req.set_header", "warhf"),
    declared("ngx.req.clear_header", "warhf"),
    declared("ngx.req.set_method", "warh"),
    declared("ngx.req.set_uri", "warhf"),
    declared("ngx.req.read_body", "war"),
    declared("ngx.req.discard_body", "war"),
    declared("ngx.req.get_body_data", "warl"),
    declared("ngx.req.get_body_file", "warl"),
    declared("ngx.req.set_body_data", "war"),
    declared("ngx.req.socket", REQUEST),
    declared("ngx.print", "war"),
    declared("ngx.say", "war"),
    declared("ngx.send_headers", "war"),
    declared("ngx.flush", "war"),
    declared("ngx.eof", "war"),
    declared("ngx.exit", "cwabrhpt"),
    declared("ngx.redirect", "war"),
    declared("ngx.exec", "war"),
    declared("ngx.sleep", "icwarpt"),
    declared("ngx.thread.spawn", "icwarpt"),
    declared("ngx.thread.wait", "icwarpt"),
    declared("ngx.thread.kill", "icwarpt"),
    declared("ngx.timer.at", ALL),
    declared("ngx.timer.every", ALL),
    declared("ngx.timer.running_count", ALL),
    declared("ngx.timer.pending_count", ALL),
    declared("ngx.location.capture", ALL),
    declared("ngx.location.capture_multi", ALL),
    declared("ngx.socket.tcp", WAITING),
    declared("ngx.socket.udp", WAITING),
    declared("ngx.socket.stream", WAITING),
    declared("ngx.socket.connect", WAITING),
];

/// `ngx.shared`.
const NGX_SHARED: &[Declared] = &[
    declared("ngx.shared.kong_plugins.add", ALL),
    declared("ngx.shared.kong_plugins.capacity", ALL),
    declared("ngx.shared.kong_plugins.delete", ALL),
    declared("ngx.shared.kong_plugins.expire", ALL),
    declared("ngx.shared.kong_plugins.flush_all", ALL),
    declared("ngx.shared.kong_plugins.flush_expired", ALL),
    declared("ngx.shared.kong_plugins.free_space", ALL),
    declared("ngx.shared.kong_plugins.get", ALL),
    declared("ngx.shared.kong_plugins.get_keys", ALL),
    declared("ngx.shared.kong_plugins.get_stale", ALL),
    declared("ngx.shared.kong_plugins.incr", ALL),
    declared("ngx.shared.kong_plugins.llen", ALL),
    declared("ngx.shared.kong_plugins.lpop", ALL),
    declared("ngx.shared.kong_plugins.lpush", ALL),
    declared("ngx.shared.kong_plugins.replace", ALL),
    declared("ngx.shared.kong_plugins.rpop", ALL),
    declared("ngx.shared.kong_plugins.rpush", ALL),
    declared("ngx.shared.kong_plugins.safe_add", ALL),
    declared("ngx.shared.kong_plugins.safe_set", ALL),
    declared("ngx.shared.kong_plugins.set", ALL),
    declared("ngx.shared.kong_plugins.ttl", ALL),
];
