//! The planes and the demo upstream: started in order, stopped in the opposite one.

use std::fs::DirBuilder;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::Duration;

use control_plane::store::Author;
use control_plane::sync::{Labels, NewToken};
use shared::settings::{Endpoint, Endpoints, Exit, Secret, how_to_change};

use tracing::warn;

use crate::PROGRAM;
use crate::config::Config;
use crate::demo::Demo;

/// How long the first configuration may take to reach the data plane before the addresses are shown regardless.
const FIRST_CONFIGURATION: Duration = Duration::from_secs(10);

/// Everything that runs.
pub struct Gateway {
    demo: Demo,
    control_plane: control_plane::Running,
    data_plane: data_plane::Running,
}

impl Gateway {
    /// Starts the upstream, the control plane and a data plane that joins it; returns when the data plane serves.
    pub async fn start(config: Config) -> Result<Self, Exit> {
        own_folder(&config.own.data_dir)?;
        let demo = Demo::start(&config.own.demo_listen.0)
            .await
            .map_err(|(address, error)| {
                let message = format!("cannot listen on {address}: {error}");
                complain(&message, Some("demo_listen"), Exit::CannotBind)
            })?;
        let control_plane = control_plane::start(config.control_plane)
            .await
            .map_err(|error| {
                let setting = match &error {
                    control_plane::StartError::Bind { setting, .. } => Some(*setting),
                    _ => None,
                };
                complain(&error.to_string(), setting, error.exit())
            })?;
        let settings = joined(config.data_plane, &control_plane).await?;
        // It waits for its sockets and its copy of the configuration, which is no work for a runtime's thread.
        let started = tokio::task::spawn_blocking(|| data_plane::start(settings)).await;
        let data_plane = started
            .expect("starting a data plane does not panic")
            .map_err(|error| complain(&error.to_string(), None, error.exit()))?;
        first_configuration(&data_plane).await;
        Ok(Self {
            demo,
            control_plane,
            data_plane,
        })
    }

    /// Every listener by its name, as the planes print them.
    pub fn listening(&self) -> Vec<(&'static str, SocketAddr)> {
        let demo = self
            .demo
            .addresses
            .iter()
            .map(|address| ("demo", *address))
            .collect();
        [
            self.data_plane.listening.clone(),
            self.control_plane.listening(),
            demo,
        ]
        .concat()
    }

    /// The data plane first, so that it ends its requests while all else still answers.
    pub async fn stop(self) {
        let stopped = tokio::task::spawn_blocking(|| self.data_plane.stop()).await;
        stopped.expect("stopping a data plane does not panic");
        self.control_plane.stop().await;
    }
}

/// Makes the folder of all state, for its owner alone.
fn own_folder(folder: &Path) -> Result<(), Exit> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| {
        let message = format!("cannot make the folder {}: {error}", folder.display());
        complain(&message, Some("data_dir"), Exit::Failed)
    })
}

/// The data plane's settings with the way to its control plane, and a token if it has not joined yet.
async fn joined(
    mut config: data_plane::Config,
    control_plane: &control_plane::Running,
) -> Result<data_plane::Config, Exit> {
    let sync = control_plane
        .sync
        .first()
        .expect("the settings refuse a sync_listen that is off");
    config.control_plane = Endpoints(vec![Endpoint {
        host: own(sync.ip()).to_string(),
        port: sync.port(),
    }]);
    if data_plane::sync::has_joined(&config.data_dir) {
        return Ok(config);
    }
    let token = NewToken {
        ttl: Duration::from_secs(60),
        uses: 1,
        labels: Labels::new(),
    };
    let author = Author::new("quickstart").doing("token create");
    let made = control_plane.hub.create_token(token, author).await;
    let word = made.map_err(|error| complain(&error.to_string(), None, Exit::Failed))?;
    config.join = Some(Secret::from(word.as_str()));
    Ok(config)
}

/// Waits until the data plane serves something: what it kept, or else the first that the control plane sends.
async fn first_configuration(data_plane: &data_plane::Running) {
    let mut link = data_plane.link.subscribe();
    let serving = link.wait_for(|link| link.running.is_some());
    if tokio::time::timeout(FIRST_CONFIGURATION, serving)
        .await
        .is_err()
    {
        warn!("the data plane has no configuration yet");
    }
}

/// The address by which this machine reaches its own listener.
fn own(listened: IpAddr) -> IpAddr {
    match listened {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

fn complain(message: &str, setting: Option<&str>, exit: Exit) -> Exit {
    eprintln!("{PROGRAM}: {message}");
    if let Some(setting) = setting {
        eprintln!("{}", how_to_change(setting));
    }
    exit
}
