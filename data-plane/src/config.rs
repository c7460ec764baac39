//! Every setting of the data plane, one field each: file key, variable, flag, default and page follow.

use std::path::PathBuf;

use derive::Settings;
use http::HeaderName;
use shared::plugins::Catalog;
use shared::plugins::installed::{InstallError, Wanted, installed};
use shared::settings::{
    AccessLog, Addresses, EgressRule, Endpoints, ErrorType, HeaderTokens, Listeners, LogLevel,
    LuaJit, NameServers, Networks, PortMaps, RouterFlavor, Seconds, Secret, Size,
    TrustedCertificates, UntrustedLua, UpstreamTokens, Violation, Words, Workers,
};

use crate::lua::limits::{ByPhase, Limits};
use crate::lua::outbound::{self, Allowed, Egress};
use crate::lua::stores::{self, DictSizes};

/// The settings of a data plane.
#[derive(Clone, Debug, Settings)]
#[setting(section = "data_plane", check = check)]
pub struct Config {
    /// The directory of the node's identity and of its copy of the configuration. Created with mode 0700.
    #[setting(default = "./headgate-data/dp")]
    pub data_dir: PathBuf,

    /// Where the control plane's `sync_listen` is reached. Once the node has joined, nothing means the one it joined.
    #[setting(default = "")]
    pub control_plane: Endpoints,

    /// The word that `headgate-cp token create` printed; needed once, ignored with a notice afterwards.
    #[setting(default = "")]
    pub join: Option<Secret>,

    /// The threads that serve requests. `auto` is one for each core.
    #[setting(default = "auto")]
    pub workers: Workers,

    /// Where clients are served.
    #[setting(default = "0.0.0.0:8000 backlog=16384, 0.0.0.0:8443 http2 ssl backlog=16384")]
    pub proxy_listen: Listeners,

    /// Where `/status`, `/status/ready` and `/metrics` are served.
    #[setting(default = "127.0.0.1:8100")]
    pub status_listen: Addresses,

    /// A declarative file, YAML or JSON, to serve without a control plane. It is loaded again when it changes, and at a
    /// `HUP`.
    #[setting(default = "")]
    pub declarative_config: Option<PathBuf>,

    /// Where a line for each request goes: a path or `off`; a path followed by `json` gets an object for each request.
    #[setting(default = "/dev/stdout")]
    pub proxy_access_log: AccessLog,

    /// The proxies in front of this node whose word about the client's address and scheme is taken.
    #[setting(default = "")]
    pub trusted_ips: Networks,

    /// The header in which such a proxy names the client's address.
    #[setting(default = "X-Real-IP")]
    pub real_ip_header: HeaderName,

    /// Takes the last address in that header which is not trusted, instead of the last.
    #[setting(default = "off")]
    pub real_ip_recursive: bool,

    /// The headers of its own that Headgate puts on answers to clients.
    #[setting(default = "server_tokens, latency_tokens, X-Kong-Request-Id")]
    pub headers: HeaderTokens,

    /// The headers of its own that Headgate puts on requests to upstreams.
    #[setting(default = "X-Kong-Request-Id")]
    pub headers_upstream: UpstreamTokens,

    /// The type of an error's body when the client names none.
    #[setting(default = "text/plain")]
    pub error_default_type: ErrorType,

    /// Answers a request that has a `Kong-Debug` header with the names of what it matched.
    #[setting(default = "off")]
    pub allow_debug_header: bool,

    /// Which rules choose among routes.
    #[setting(default = "traditional_compatible")]
    pub router_flavor: RouterFlavor,

    /// The ports that clients see for the ports listened on: `80:8000, 443:8443`.
    #[setting(default = "")]
    pub port_maps: PortMaps,

    /// The certificate shown where no other fits, a PEM file. Nothing: one is made at the first start.
    #[setting(default = "")]
    pub ssl_cert: Option<PathBuf>,

    /// The private key of `ssl_cert`, a PEM file.
    #[setting(default = "")]
    pub ssl_cert_key: Option<PathBuf>,

    /// Whose word about an upstream's certificate is taken, where a service asks for it to be verified.
    #[setting(default = "system")]
    pub lua_ssl_trusted_certificate: TrustedCertificates,

    /// The name servers to ask. Nothing: those of the system.
    #[setting(default = "")]
    pub dns_resolver: NameServers,

    /// The file of names that need no server.
    #[setting(default = "/etc/hosts")]
    pub dns_hostsfile: PathBuf,

    /// The idle connections kept for each upstream address and thread; 0 keeps none.
    #[setting(default = "512")]
    pub upstream_keepalive_pool_size: u32,

    /// The requests after which a connection to an upstream is closed; 0 is no limit.
    #[setting(default = "10000")]
    pub upstream_keepalive_max_requests: u32,

    /// The seconds after which an idle connection to an upstream is closed; 0 is no limit.
    #[setting(default = "60")]
    pub upstream_keepalive_idle_timeout: Seconds,

    /// The longest body, in bytes, that a plugin reads in order to change it; compressed, as it comes and also as it is
    /// decoded. A longer request ends with 413; a longer response passes unchanged, with `Headgate-Transform-Skipped`.
    #[setting(default = "8m")]
    pub transform_max_body_size: Size,

    /// The memory, in bytes, for all bodies that are held to be changed; each thread of `workers` has an equal part. What
    /// finds none is not read on until others are done. The first 64 KiB of each body are not counted.
    #[setting(default = "512m")]
    pub transform_memory: Size,

    /// The seconds that a body may wait for that memory; then its request ends with 503.
    #[setting(default = "30")]
    pub transform_memory_wait: Seconds,

    /// The longest answer of an upstream, in bytes, that is collected for a plugin that wants it whole. A longer one is a
    /// 502 for the client in the `response` phase; in `body_filter` it passes unchanged, and `kong.response.get_raw_body`
    /// gives nil and an error.
    #[setting(default = "32m")]
    pub response_buffer_max: Size,

    /// The longest request body, in bytes, that Lua plugins get without asking for more.
    #[setting(default = "8k")]
    pub client_body_buffer_size: Size,

    /// The plugins that this node has: `bundled` is all that are built in, other words are names of plugins, built in or
    /// in `lua_plugins`; `off` is none. Custom plugins of the configuration are not meant.
    #[setting(default = "bundled")]
    pub plugins: Words,

    /// The folder of trusted plugins written for Kong, `<folder>/<name>/schema.lua` and `handler.lua` or
    /// `<folder>/kong/plugins/<name>/…`; the control plane has them too. `plugins` says which are taken.
    #[setting(default = "")]
    pub lua_plugins: Option<PathBuf>,

    /// Whether custom plugins may come with the configuration. `off` refuses a configuration that uses one.
    #[setting(default = "on")]
    pub custom_plugin_streaming_enabled: bool,

    /// What Lua in the configuration may do: what the `sandbox` has, everything (`on`), nothing (`off`).
    #[setting(default = "sandbox")]
    pub untrusted_lua: UntrustedLua,

    /// The Lua modules that code in the sandbox may load.
    #[setting(default = "")]
    pub untrusted_lua_sandbox_requires: Words,

    /// The names that code in the sandbox sees beside the usual ones.
    #[setting(default = "")]
    pub untrusted_lua_sandbox_environment: Words,

    /// Where Lua plugins may connect to: `any`, everywhere; `deny-private`, not to this machine, to private networks or to
    /// what clouds tell their machines; `allowlist`, only to what `custom_plugins_egress_allow` names. It is the address
    /// that counts which a name leads to. Nothing: `any` for plugins of the node's own folder, `deny-private` for those
    /// that came with the configuration.
    #[setting(default = "")]
    pub custom_plugins_egress: Option<EgressRule>,

    /// The hosts (`api.example.com`, `*.example.org`) and networks that Lua plugins may connect to in any case.
    #[setting(default = "")]
    pub custom_plugins_egress_allow: Allowed,

    /// The requests to other services that one Lua plugin may have under way on one thread; those beyond fail with
    /// `too many connections`. High enough for each of a thousand clients to wait for the same slow service.
    #[setting(default = "1024")]
    pub custom_plugins_requests: u32,

    /// The memory, in bytes, for what Lua plugins keep in `kong.cache`, whichever thread they run on. What was used longest
    /// ago goes first.
    #[setting(default = "128m")]
    pub mem_cache_size: Size,

    /// The dictionaries that Lua plugins find as `ngx.shared.<name>`, and the memory of each. `kong_plugins` is always there,
    /// with 5 MiB if nothing else is said. A plugin that came with the configuration has each of them for itself.
    #[setting(default = "kong_plugins:5m")]
    pub custom_plugins_shared_dicts: DictSizes,

    /// Which Lua is compiled to machine code: all of it, only plugins of the folder `lua_plugins` (`trusted`), or none.
    #[setting(default = "on")]
    pub lua_jit: LuaJit,

    /// The memory, in bytes, that Lua may take on each thread. What wants more fails; a thread's Lua is made anew when it
    /// holds three quarters of it for good.
    #[setting(default = "256m")]
    pub lua_memory_limit: Size,

    /// The memory, in bytes, that one Lua plugin may hold on each thread, in its variables and what they lead to. More is
    /// logged; found three times within ten minutes, it suspends the plugin on that thread for a minute: its calls fail, and
    /// it is loaded anew.
    #[setting(default = "64m")]
    pub custom_plugins_memory: Size,

    /// The seconds that a configuration with new Lua plugins waits for every thread to have loaded them, where one lacks the
    /// memory. Then it is refused, and the one before stays.
    #[setting(default = "30")]
    pub custom_plugins_commit_wait: Seconds,

    /// The CPU seconds that `init_worker` and `configure` of a Lua plugin may use.
    #[setting(default = "1")]
    pub lua_cpu_limit_init: Seconds,

    /// The CPU seconds that a Lua plugin may use in each of `certificate`, `rewrite`, `access` and `response`, and functions
    /// of `pre-function` and `post-function` there.
    #[setting(default = "0.1")]
    pub lua_cpu_limit_request: Seconds,

    /// The CPU seconds that a Lua plugin may use in `header_filter`, in `log`, and in `body_filter` for each piece.
    #[setting(default = "0.05")]
    pub lua_cpu_limit_filter: Seconds,

    /// The CPU seconds that the callback of a timer may use.
    #[setting(default = "1")]
    pub lua_cpu_limit_timer: Seconds,

    /// The seconds after which `init_worker` and `configure` are ended, waiting included.
    #[setting(default = "5")]
    pub lua_wall_limit_init: Seconds,

    /// The seconds after which a call in `certificate`, `rewrite`, `access` or `response` is ended, waiting included; its
    /// request is answered with 500.
    #[setting(default = "60")]
    pub lua_wall_limit_request: Seconds,

    /// The seconds after which the callback of a timer is ended, waiting included.
    #[setting(default = "60")]
    pub lua_wall_limit_timer: Seconds,

    /// Lets plugins that came with the configuration have timers (`ngx.timer`), as those of the node's own folder may.
    #[setting(default = "off")]
    pub custom_plugins_timers: bool,

    /// The largest configuration that the node takes.
    #[setting(default = "1g")]
    pub max_state_bytes: Size,

    /// How much is logged to standard error.
    #[setting(default = "notice")]
    pub log_level: LogLevel,
}

impl Config {
    /// How Lua in the configuration is run.
    pub fn lua(&self) -> lua::Options {
        let options = lua::Options::new(
            self.untrusted_lua,
            &self.untrusted_lua_sandbox_requires,
            &self.untrusted_lua_sandbox_environment,
        );
        lua::Options {
            jit: self.lua_jit,
            memory: self.lua_memory_limit.bytes(),
            ..options
        }
    }

    /// What calls of Lua may use.
    pub fn lua_limits(&self) -> ByPhase {
        let limits = |cpu: Seconds, wall: Seconds| Limits {
            cpu: cpu.0,
            wall: wall.0,
        };
        let wall = self.lua_wall_limit_request;
        ByPhase {
            init: limits(self.lua_cpu_limit_init, self.lua_wall_limit_init),
            request: limits(self.lua_cpu_limit_request, wall),
            filter: limits(self.lua_cpu_limit_filter, wall),
            timer: limits(self.lua_cpu_limit_timer, self.lua_wall_limit_timer),
        }
    }

    /// What Lua plugins keep.
    pub fn stores(&self) -> stores::Settings {
        stores::Settings {
            cache: self.mem_cache_size.0,
            dicts: self.custom_plugins_shared_dicts.clone(),
        }
    }

    /// How Lua plugins call other services.
    pub fn outbound(&self) -> outbound::Settings {
        outbound::Settings {
            egress: Egress {
                rule: self.custom_plugins_egress,
                allowed: self.custom_plugins_egress_allow.clone(),
            },
            requests: usize::try_from(self.custom_plugins_requests).unwrap_or(usize::MAX),
        }
    }
}

impl Config {
    /// The plugins that this process has by its settings. Lua must be ready ([`Config::lua`]).
    ///
    /// # Errors
    /// The first plugin that cannot be had, and why.
    pub fn catalog(&self) -> Result<Catalog, InstallError> {
        installed(Wanted {
            names: &self.plugins.0,
            folder: self.lua_plugins.as_deref(),
            streaming: self.custom_plugin_streaming_enabled,
        })
    }
}

/// What Lua and all its modules fit into.
const LEAST_LUA_MEMORY: u64 = 16 << 20;

fn check(config: &Config) -> Vec<Violation> {
    let mut found = match (&config.ssl_cert, &config.ssl_cert_key) {
        (Some(_), None) => vec![Violation::new("ssl_cert_key", "is needed beside ssl_cert")],
        (None, Some(_)) => vec![Violation::new("ssl_cert", "is needed beside ssl_cert_key")],
        _ => Vec::new(),
    };
    let limits = [
        ("lua_cpu_limit_init", config.lua_cpu_limit_init),
        ("lua_cpu_limit_request", config.lua_cpu_limit_request),
        ("lua_cpu_limit_filter", config.lua_cpu_limit_filter),
        ("lua_cpu_limit_timer", config.lua_cpu_limit_timer),
        ("lua_wall_limit_init", config.lua_wall_limit_init),
        ("lua_wall_limit_request", config.lua_wall_limit_request),
        ("lua_wall_limit_timer", config.lua_wall_limit_timer),
    ];
    for (name, limit) in limits {
        if limit.0.is_zero() {
            found.push(Violation::new(name, "0 lets nothing run: give more"));
        }
    }
    if config.lua_memory_limit.0 < LEAST_LUA_MEMORY {
        found.push(Violation::new(
            "lua_memory_limit",
            "Lua itself and its modules need 16m",
        ));
    }
    let followed = !config.control_plane.0.is_empty() || config.join.is_some();
    if config.declarative_config.is_some() && followed {
        found.push(Violation::new(
            "declarative_config",
            "a node has one source: leave this out, or control_plane and join",
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use shared::settings::{Settings, page};

    use super::*;

    #[test]
    fn the_page_of_the_settings_is_current() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../shared/reference/settings-data-plane.md"
        );
        let current = page("Settings of the data plane", &Config::specs());
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, &current).expect("the page is written");
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == current,
            "{path} is old: UPDATE=1 cargo test -p data-plane rewrites it"
        );
    }

    #[test]
    fn a_certificate_and_its_key_come_together() {
        let with = |cert: Option<&str>, key: Option<&str>| Config {
            ssl_cert: cert.map(PathBuf::from),
            ssl_cert_key: key.map(PathBuf::from),
            ..Config::default()
        };
        assert!(check(&with(None, None)).is_empty());
        assert!(check(&with(Some("c"), Some("k"))).is_empty());
        assert_eq!(check(&with(Some("c"), None))[0].name, "ssl_cert_key");
        assert_eq!(check(&with(None, Some("k")))[0].name, "ssl_cert");
    }

    #[test]
    fn lua_gets_some_time_and_some_memory() {
        let seconds = |seconds| Seconds(std::time::Duration::from_millis(seconds));
        let config = Config {
            lua_cpu_limit_filter: seconds(0),
            lua_wall_limit_request: seconds(0),
            lua_memory_limit: Size(1 << 20),
            ..Config::default()
        };
        let found: Vec<_> = check(&config).into_iter().map(|found| found.name).collect();
        let named = [
            "lua_cpu_limit_filter",
            "lua_wall_limit_request",
            "lua_memory_limit",
        ];
        assert_eq!(found, named);
    }

    #[test]
    fn a_configuration_comes_from_one_place() {
        let with = |file: bool, control_plane: &str| Config {
            declarative_config: file.then(|| PathBuf::from("kong.yaml")),
            control_plane: shared::settings::SettingValue::parse(control_plane).expect("endpoints"),
            ..Config::default()
        };
        assert!(check(&with(true, "")).is_empty());
        assert!(check(&with(false, "cp.test:8005")).is_empty());
        assert_eq!(
            check(&with(true, "cp.test:8005"))[0].name,
            "declarative_config"
        );
    }
}
