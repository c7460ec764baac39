//! Every setting of the control plane, one field each: file key, variable, flag, default and page follow.

use std::path::PathBuf;

use derive::Settings;
use shared::plugins::Catalog;
use shared::plugins::installed::{InstallError, Wanted, installed};
use shared::settings::{
    Addresses, HeaderTokens, Listeners, LogLevel, Origins, Size, UntrustedLua, Violation, Words,
};

/// The settings of a control plane.
#[derive(Clone, Debug, Settings)]
#[setting(section = "control_plane", check = check)]
pub struct Config {
    /// The directory of everything the control plane keeps: store, certificates, lock. Created with mode 0700.
    #[setting(default = "./headgate-data/cp")]
    pub data_dir: PathBuf,

    /// Where the Admin API listens. On an address that other machines can reach it asks for a token
    /// (`headgate-cp admin-token create`), unless `admin_unprotected = on`.
    #[setting(default = "127.0.0.1:8001, 127.0.0.1:8444 http2 ssl")]
    pub admin_listen: Listeners,

    /// Says that an Admin API which others can reach without a token is meant.
    #[setting(default = "off")]
    pub admin_unprotected: bool,

    /// The certificate of the Admin API's TLS listeners, with its chain, in PEM. Without one, a self-signed one is made
    /// at the first start and kept in `data_dir`.
    #[setting(default = "")]
    pub admin_ssl_cert: Option<PathBuf>,

    /// The private key of `admin_ssl_cert`, in PEM.
    #[setting(default = "")]
    pub admin_ssl_cert_key: Option<PathBuf>,

    /// URLs of user interfaces in a browser: their origins may use the Admin API. Without any, every origin may.
    #[setting(default = "")]
    pub admin_gui_url: Origins,

    /// Further origins that may use the Admin API from a browser; the first one of both lists is told to all others.
    #[setting(default = "")]
    pub admin_gui_origin: Origins,

    /// The longest body that the Admin API reads; above it the answer is 413.
    #[setting(default = "10m")]
    pub admin_max_body_size: Size,

    /// The longest body that `POST /config` reads; above it the answer is 413.
    #[setting(default = "256m")]
    pub admin_max_config_size: Size,

    /// Whether `/config` replaces and shows the whole configuration. `off` answers as Kong with a database does.
    #[setting(default = "on")]
    pub admin_config_import: bool,

    /// Takes dotted names and comma lists in the plugin configurations of declarative files: `remove.headers: x-a, x-b`.
    /// `off` is exactly what Kong 3 does.
    #[setting(default = "on")]
    pub declarative_lenient_config: bool,

    /// Splits form values at commas where a field is a list: `methods=GET,POST`. One value that reads as several, such as
    /// `X-List:a:1,b:2` for a header, is split too; values of `name[]` never are. `off` is exactly what Kong 3 does.
    #[setting(default = "on")]
    pub admin_form_csv_lists: bool,

    /// Takes names of older Kong versions: `service_id`, `api_id`, `/apis`.
    #[setting(default = "on")]
    pub admin_legacy_aliases: bool,

    /// Where data planes fetch the configuration, over TLS with certificates on both sides.
    #[setting(default = "0.0.0.0:8005")]
    pub sync_listen: Addresses,

    /// Where a new data plane turns a join token into a certificate.
    #[setting(default = "0.0.0.0:8006")]
    pub enroll_listen: Addresses,

    /// Where the user interface listens.
    #[setting(default = "off", unbuilt = "the user interface")]
    pub ui_listen: Listeners,

    /// The headers of its own that Headgate puts on answers.
    #[setting(default = "server_tokens, latency_tokens, X-Kong-Request-Id")]
    pub headers: HeaderTokens,

    /// The plugins that may be configured: `bundled` is all that are built in, other words are names of plugins, built
    /// in or in `lua_plugins`; `off` is none. Custom plugins of the configuration are not meant.
    #[setting(default = "bundled")]
    pub plugins: Words,

    /// The folder of trusted plugins written for Kong, `<folder>/<name>/schema.lua` and `handler.lua` or
    /// `<folder>/kong/plugins/<name>/…`; nodes that run them have them too. `plugins` says which are taken.
    #[setting(default = "")]
    pub lua_plugins: Option<PathBuf>,

    /// Whether custom plugins travel with the configuration. `off`: the Admin API has no `/custom-plugins`, and a
    /// configuration that uses one is not published.
    #[setting(default = "on")]
    pub custom_plugin_streaming_enabled: bool,

    /// What Lua in the configuration may do, as the nodes have it: what the `sandbox` has, everything (`on`), nothing
    /// (`off`, which refuses functions).
    #[setting(default = "sandbox")]
    pub untrusted_lua: UntrustedLua,

    /// The Lua modules that code in the sandbox may load.
    #[setting(default = "")]
    pub untrusted_lua_sandbox_requires: Words,

    /// The names that code in the sandbox sees beside the usual ones.
    #[setting(default = "")]
    pub untrusted_lua_sandbox_environment: Words,

    /// How much is logged to standard error.
    #[setting(default = "notice")]
    pub log_level: LogLevel,
}

impl Config {
    /// How Lua in the configuration is run when it is checked.
    pub fn lua(&self) -> lua::Options {
        lua::Options::new(
            self.untrusted_lua,
            &self.untrusted_lua_sandbox_requires,
            &self.untrusted_lua_sandbox_environment,
        )
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

fn check(config: &Config) -> Vec<Violation> {
    match (&config.admin_ssl_cert, &config.admin_ssl_cert_key) {
        (Some(_), None) => vec![Violation::new(
            "admin_ssl_cert_key",
            "is needed beside admin_ssl_cert",
        )],
        (None, Some(_)) => vec![Violation::new(
            "admin_ssl_cert",
            "is needed beside admin_ssl_cert_key",
        )],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use shared::settings::{Settings, page};

    use super::*;

    #[test]
    fn the_page_of_the_settings_is_current() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../shared/reference/settings-control-plane.md"
        );
        let current = page("Settings of the control plane", &Config::specs());
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, &current).expect("the page is written");
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == current,
            "{path} is old: UPDATE=1 cargo test -p control-plane rewrites it"
        );
    }

    #[test]
    fn a_certificate_needs_its_key_and_a_key_its_certificate() {
        let path = |given: bool| given.then(|| PathBuf::from("file.pem"));
        for (certificate, key, missing) in [
            (false, false, None),
            (true, true, None),
            (true, false, Some("admin_ssl_cert_key")),
            (false, true, Some("admin_ssl_cert")),
        ] {
            let config = Config {
                admin_ssl_cert: path(certificate),
                admin_ssl_cert_key: path(key),
                ..Config::default()
            };
            let found = check(&config);
            assert_eq!(found.first().map(|violation| violation.name), missing);
        }
    }
}
