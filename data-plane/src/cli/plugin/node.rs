//! The run: the plugin's source is checked as the Admin API checks it, then a node serves one request with it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;
use shared::plugins::PluginSchema;
use shared::plugins::custom::{self, CustomPlugin, Source, SourceError};
use shared::settings::{
    AccessLog, Addresses, Exit, Inputs, SettingErrors, SettingValue, Settings, load,
};
use tempfile::TempDir;

use super::asked::Asked;
use super::client;
use super::logs::Others;
use super::report::{Problem, Report, Run};
use super::upstream::Upstream;
use crate::lua::{trace, worker};
use crate::sync::FileError;
use crate::{Config, StartError};

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub(super) enum RunError {
    #[error("there is no setting '{0}' (`headgate-dp settings` shows those that there are)")]
    Unknown(String),
    #[error("these settings are wrong:{}", lines(.0))]
    Settings(SettingErrors),
    #[error("cannot start: {0}")]
    System(#[from] std::io::Error),
    #[error(transparent)]
    Start(#[from] StartError),
}

fn lines(errors: &SettingErrors) -> String {
    errors
        .0
        .iter()
        .map(|error| format!("\n  {error}"))
        .collect()
}

impl RunError {
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Unknown(_) | Self::Settings(_) => Exit::Usage,
            Self::System(_) => Exit::Failed,
            Self::Start(cause) => cause.exit(),
        }
    }
}

/// Runs the plugin on the request.
///
/// # Errors
/// What keeps a node from starting. A plugin that does not load is a report that says so.
pub(super) fn run(asked: &Asked) -> Result<Report, RunError> {
    let folder = TempDir::new()?;
    let others = Others::listen();
    let config = settings(asked, folder.path())?;
    worker::configure(config.lua());
    crate::lua::limits::set(config.lua_limits());
    let plugin = match custom::read(Source::streamed(&asked.name, &asked.schema, &asked.handler)) {
        Ok(plugin) => plugin,
        Err(errors) => return Ok(Report::refused(asked, problems(asked, errors))),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let upstream = runtime.block_on(Upstream::listen(&asked.upstream))?;
    let declared = declared(asked, upstream.address()?);
    let file = folder.path().join("kong.json");
    std::fs::write(&file, declared)?;
    trace::switch_on();
    let running = match crate::start(Config {
        declarative_config: Some(file),
        ..config
    }) {
        Ok(running) => running,
        Err(StartError::File(error)) => {
            return Ok(Report::refused(asked, misconfigured(error)));
        }
        Err(error) => return Err(error.into()),
    };
    let proxy = running.listening.iter().find(|(name, _)| *name == "proxy");
    let proxy = proxy.map_or(SocketAddr::from(([127, 0, 0, 1], 0)), |(_, address)| {
        *address
    });
    let request = client::request(asked);
    let sent = Instant::now();
    let reply = runtime.block_on(async {
        tokio::select! {
            reply = client::send(proxy, request) => reply,
            never = upstream.serve() => match never {},
        }
    });
    // The log phase ends after the client's answer: the node waits for it.
    running.stop();
    Ok(Report::ran(
        asked,
        declaration(&plugin),
        Run {
            sent,
            calls: trace::take(),
            upstream: upstream.got(),
            reply,
            others: others.take(),
        },
    ))
}

fn declaration(plugin: &PluginSchema) -> Option<Arc<CustomPlugin>> {
    plugin.custom.clone()
}

/// A node's settings: those that were asked for, and what makes it one that nobody else sees.
fn settings(asked: &Asked, folder: &Path) -> Result<Config, RunError> {
    let specs = Config::specs();
    let known = |name: &&String| specs.iter().any(|spec| spec.name == name.as_str());
    if let Some(name) = asked.settings.keys().find(|name| !known(name)) {
        return Err(RunError::Unknown(name.clone()));
    }
    // So that no file of this machine is looked for.
    let file = folder.join("headgate.toml");
    std::fs::write(&file, "")?;
    let own = [
        ("workers", "1"),
        ("proxy_listen", "127.0.0.1:0"),
        ("proxy_access_log", "off"),
        ("status_listen", "off"),
    ];
    let flags: BTreeMap<String, String> = asked
        .settings
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .chain(own.map(|(name, value)| (name.to_owned(), value.to_owned())))
        .collect();
    let inputs = Inputs {
        flags,
        config: Some(file),
        ..Inputs::default()
    };
    let config = load::<Config>(&inputs).map_err(RunError::Settings)?.value;
    Ok(Config {
        data_dir: folder.join("data"),
        proxy_access_log: AccessLog::Off,
        status_listen: Addresses::parse("off").unwrap_or(config.status_listen),
        ..config
    })
}

/// The configuration: the plugin on every request, and a route for all of them.
fn declared(asked: &Asked, upstream: SocketAddr) -> String {
    let service = json!({
        "name": "upstream",
        "url": format!("http://{upstream}"),
        "retries": 0,
        "routes": [{ "name": "test", "paths": ["/"], "strip_path": false }],
    });
    let custom = json!({
        "name": asked.name,
        "schema": asked.schema,
        "handler": asked.handler,
    });
    json!({
        "_format_version": "3.0",
        "custom_plugins": [custom],
        "services": [service],
        "plugins": [{ "name": asked.name, "config": asked.config }],
    })
    .to_string()
}

/// What is wrong with the source, by file and line as compilers write it.
fn problems(asked: &Asked, errors: Vec<SourceError>) -> Vec<Problem> {
    let problem = |error: SourceError| {
        let file = format!("{}.lua", error.field);
        let path = asked.dir.join(&file).display().to_string();
        let line = error.message.strip_prefix(&format!("{file}:"));
        let line = line.and_then(|rest| rest.split_once(": "));
        match line {
            Some((line, text)) => Problem::new(format!("{path}:{line}"), text),
            None => Problem::new(path, &error.message),
        }
    };
    errors.into_iter().map(problem).collect()
}

/// What is wrong with its configuration or its name, by field.
fn misconfigured(error: FileError) -> Vec<Problem> {
    let FileError::Wrong { mistakes, .. } = error else {
        return vec![Problem::new("config".to_owned(), &error.to_string())];
    };
    let problem = |mistake: &shared::declarative::Mistake| {
        let path = &mistake.path;
        let own = ["plugins[0].", "custom_plugins[0]."];
        let field = own.iter().find_map(|part| path.strip_prefix(part));
        Problem::new(field.unwrap_or(path).to_owned(), &mistake.message)
    };
    mistakes.iter().map(problem).collect()
}
