//! Verbs that work on a stopped system too: they ask the Admin API, and open the store where no control plane has it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::Arg;
use shared::settings::{Exit, Listen, Listeners, Settings, flags};

use super::admin_api::{Access, AdminApi, AdminError, AdminUrl};
use crate::Config;
use crate::admin::access::local_word;
use crate::store::{Store, StoreError};

/// Who has the answer.
pub enum Reached<T> {
    /// The Admin API gave it.
    Answer(T),
    /// Nobody serves this store: the verb does its work on it itself.
    Store(Box<Store>),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ReachError {
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error(
        "{asked}; and the data_dir '{data_dir}' {reason} (name the Admin API with --admin, or the folder with --data-dir)"
    )]
    NoControlPlane {
        asked: String,
        data_dir: String,
        reason: String,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ReachError {
    /// The code that the process ends with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Admin(AdminError::Unreachable { .. }) | Self::NoControlPlane { .. } => {
                Exit::Unreachable
            }
            Self::Admin(AdminError::Url(_) | AdminError::Certificates { .. }) => Exit::Usage,
            _ => Exit::Failed,
        }
    }
}

/// The flags of such a verb: how to reach the Admin API, and the settings that say where the store is.
pub fn args(settings: &'static [&'static str]) -> impl Iterator<Item = Arg> {
    let known = move |flag: &Arg| {
        let name = flag.get_id().as_str();
        ["config", "data_dir", "admin_listen"].contains(&name) || settings.contains(&name)
    };
    let settings = flags(&Config::specs()).into_iter().filter(known);
    Access::flags().into_iter().chain(settings)
}

/// Asks the Admin API that was named; without one the own, and where that does not answer opens the store.
///
/// # Errors
/// If neither can be had.
pub async fn ask_or_open<T>(
    config: &Config,
    access: &Access,
    ask: impl AsyncFnOnce(&AdminApi) -> Result<T, AdminError>,
) -> Result<Reached<T>, ReachError> {
    if let Some(named) = &access.named {
        let api = AdminApi::new(AdminUrl::parse(named)?, access, config)?;
        return Ok(Reached::Answer(ask(&api).await?));
    }
    let Some(api) = own_api(config, access)? else {
        return open(config, "admin_listen is off").await;
    };
    match ask(&api).await {
        Ok(answer) => Ok(Reached::Answer(answer)),
        Err(error @ AdminError::Unreachable { .. }) => open(config, &error.to_string()).await,
        Err(error) => Err(error.into()),
    }
}

/// The Admin API of the control plane that these settings start; none if it has no listener.
///
/// # Errors
/// If the certificates to trust cannot be read.
pub fn own_api(config: &Config, access: &Access) -> Result<Option<AdminApi>, AdminError> {
    let url = own(&config.admin_listen);
    let access = at_home(config, access);
    url.map(|url| AdminApi::new(url, &access, config))
        .transpose()
}

/// Where every own listener asks for a token and none is given: the word that the control plane left in its folder.
fn at_home(config: &Config, access: &Access) -> Access {
    let mut listeners = config.admin_listen.0.iter();
    let open = listeners.any(|listen| listen.address.ip().is_loopback());
    match open {
        true => access.clone(),
        false => access.clone().or_token(|| local_word(&config.data_dir)),
    }
}

/// The store, if no control plane holds it.
async fn open<T>(config: &Config, asked: &str) -> Result<Reached<T>, ReachError> {
    let data_dir = config.data_dir.clone();
    let unreachable = |reason: &str| ReachError::NoControlPlane {
        asked: asked.to_owned(),
        data_dir: config.data_dir.display().to_string(),
        reason: reason.to_owned(),
    };
    if !data_dir.exists() {
        return Err(unreachable("does not exist"));
    }
    let opened = tokio::task::spawn_blocking(move || Store::open(&data_dir)).await;
    match opened.expect("opening a store does not panic") {
        Ok(store) => Ok(Reached::Store(Box::new(store))),
        Err(StoreError::Locked { .. }) => {
            Err(unreachable("belongs to a control plane that is running"))
        }
        Err(error) => Err(error.into()),
    }
}

/// The Admin API of the control plane that these settings start, seen from this machine: on loopback and without TLS
/// where it can be.
fn own(listeners: &Listeners) -> Option<AdminUrl> {
    let all = || listeners.0.iter();
    let own = |listen: &&Listen| listen.address.ip().is_loopback();
    let plain = |listen: &&Listen| !listen.tls;
    let at_home = all().filter(own).find(plain).or(all().find(own));
    let listen = at_home.or(all().find(plain)).or(all().next())?;
    let mut address: SocketAddr = listen.address;
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let scheme = if listen.tls { "https" } else { "http" };
    AdminUrl::parse(&format!("{scheme}://{address}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_admin_api_is_on_loopback_and_without_tls_where_it_can_be() {
        for (listen, url) in [
            (
                "127.0.0.1:8001, 127.0.0.1:8444 ssl",
                Some("http://127.0.0.1:8001"),
            ),
            (
                "0.0.0.0:9001, 127.0.0.1:8444 ssl",
                Some("https://127.0.0.1:8444"),
            ),
            (
                "10.0.0.1:8444 ssl, 0.0.0.0:9001",
                Some("http://127.0.0.1:9001"),
            ),
            ("127.0.0.1:8444 ssl", Some("https://127.0.0.1:8444")),
            ("off", None),
        ] {
            let listeners = shared::settings::SettingValue::parse(listen).expect("listeners");
            let expected = url.map(|url| AdminUrl::parse(url).expect("a URL"));
            assert_eq!(own(&listeners), expected, "{listen}");
        }
    }
}
