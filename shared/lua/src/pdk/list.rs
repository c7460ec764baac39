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
];

/// `kong.ctx`.
const CTX: &[Declared] = &[declared("kong.ctx[]", REQUEST)];

/// `kong.request`.
const REQUEST_GROUP: &[Declared] = &[declared("kong.request.get_header", REQUEST)];

/// `kong.client`.
const CLIENT: &[Declared] = &[];

/// `kong.service`, `kong.router`.
const SERVICE: &[Declared] = &[];

/// `kong.service.request`.
const SERVICE_REQUEST: &[Declared] = &[declared("kong.service.request.set_header", "wab")];

/// `kong.service.response`.
const SERVICE_RESPONSE: &[Declared] = &[
    declared("kong.service.response.get_status", "rhfl"),
    declared("kong.service.response.get_header", "rhfl"),
    declared("kong.service.response.get_headers", "rhfl"),
    declared("kong.service.response.get_raw_body", "rhfl"),
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
const NODE: &[Declared] = &[];

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
