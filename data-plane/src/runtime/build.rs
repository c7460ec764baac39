//! Model to Runtime. Nothing a document says can fail here: that was the model's part.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use shared::chain::Scope;
use shared::entities::{Route, Service};
use shared::model::{self, Model};
use shared::plugins::Config;
use shared::sync::{State, Version};
use shared::types::Protocol;

use super::credentials::Credentials;
use super::secrets;
use super::upstream_tls::Maker;
use super::vaults::{self, Vaults};
use super::{Certificates, Codes, ProxySettings, RouteEntry, Runtime, UpstreamPlan};
use crate::balancer::revision::Balancers;
use crate::lua::{Code, LuaPlugin};
use crate::plugins::{self, Instance, PhaseSet, Phases, Plugins};
use crate::router::{Protocols, Router};

/// Kong's defaults, for a service that says null.
const TIMEOUT: u32 = 60_000;
const RETRIES: u16 = 5;

impl Runtime {
    /// Builds the runtime of a model. `previous` lends what did not change.
    pub fn build(
        model: Arc<Model>,
        version: Option<Version>,
        previous: Option<&Runtime>,
        settings: Arc<ProxySettings>,
    ) -> Self {
        let codes = codes(&model, previous);
        let vaults = Vaults::new(&model, &vaults::environment);
        // A secret may be another one now: what was made with it is made again.
        let sealed = previous.is_some_and(|previous| previous.model.vaults.is(&model.vaults));
        let plugins = compile(&model, &codes, &vaults, previous, sealed);
        let balancers = Balancers::build(&model, previous);
        let before = previous.map(|p| &p.certificates);
        let certificates = Certificates::build(&model, before, &vaults, sealed);
        let before = previous.map(|p| &p.upstream_tls);
        let mut maker = Maker::new(&settings.trust, &model, &certificates, before);
        let routes: Vec<RouteEntry> = model
            .routes
            .values()
            .map(|route| {
                let service = route
                    .service
                    .as_ref()
                    .and_then(|s| model.services.get(&s.uuid()))
                    .cloned();
                entry(route.clone(), service, &plugins, &balancers, &mut maker)
            })
            .collect();
        let upstream_tls = maker.finish();
        let plain = routes.iter().map(|entry| &*entry.route);
        let router = Router::of_routes(plain, previous.map(|p| &p.router));
        let global = plugins.chain(None, None);
        Self {
            version,
            router,
            rewriting: plugins.global(&global, |phases| phases.rewrite),
            handshaking: plugins.global(&global, |phases| phases.certificate),
            global,
            credentials: Credentials::build(
                &model,
                previous.map(|old| (&*old.model, &old.credentials)),
            ),
            usernames: model
                .consumers
                .values()
                .filter_map(|consumer| Some((consumer.username.clone()?, consumer.id.uuid())))
                .collect(),
            groups: groups(&model),
            certificates,
            upstream_tls,
            plugins,
            codes,
            balancers,
            routes,
            model,
            documents: State::new(),
            settings,
        }
    }
}

fn groups(model: &Model) -> HashMap<uuid::Uuid, Vec<Arc<str>>, foldhash::fast::RandomState> {
    let mut groups: HashMap<_, Vec<Arc<str>>, _> = HashMap::default();
    for acl in model.acls.values() {
        groups
            .entry(acl.consumer.uuid())
            .or_default()
            .push(Arc::from(acl.group.as_str()));
    }
    groups.values_mut().for_each(|names| names.sort());
    groups
}

/// The code of every plugin that arrived as source and is configured; one that did not change is shared.
fn codes(model: &Model, previous: Option<&Runtime>) -> Codes {
    let mut codes = Codes::default();
    for plugin in model.plugins.values().filter_map(|plugin| plugin.custom()) {
        if codes.contains_key(&*plugin.name) {
            continue;
        }
        let known = previous.and_then(|previous| previous.codes.get(&*plugin.name));
        let code = match known.filter(|code| Arc::ptr_eq(code.plugin(), plugin)) {
            Some(code) => code.clone(),
            None => match Code::new(plugin) {
                Ok(code) => Arc::new(code),
                // It was read when the model was built; without it the plugin is one that nobody knows.
                Err(failure) => {
                    tracing::error!(plugin = %plugin.name, %failure, "a plugin does not compile");
                    continue;
                }
            },
        };
        codes.insert(plugin.name.to_string(), code);
    }
    codes
}

/// The handler of one configuration.
fn handler(plugin: &model::Plugin, codes: &Codes, vaults: &Vaults) -> Option<Arc<dyn Phases>> {
    let config = plugin.config.as_ref()?;
    let Some(custom) = plugin.custom() else {
        return plugins::build(&plugin.document.name, config);
    };
    let code = codes.get(&*custom.name)?.clone();
    let document = plugin.document.clone();
    let schema = &plugin.schema.as_ref()?.config;
    let config = secrets::resolved(schema, config.downcast()?, &document, vaults);
    Some(Arc::new(LuaPlugin::new(code, document, config)))
}

/// Whether a configuration depends on what vaults hold.
fn refers(plugin: &model::Plugin) -> bool {
    let config = plugin.config.as_ref().and_then(Config::downcast);
    let schema = plugin.schema.as_ref();
    let both = config.zip(schema.filter(|_| plugin.custom().is_some()));
    both.is_some_and(|(config, schema)| secrets::refers(&schema.config, &config))
}

/// Compiles every plugin configuration; one whose document did not change, nor its source, nor a vault that it refers to
/// (`sealed`: none did), keeps its handler.
fn compile(
    model: &Model,
    codes: &Codes,
    vaults: &Vaults,
    previous: Option<&Runtime>,
    sealed: bool,
) -> Plugins {
    let mut plugins = Plugins::default();
    for (id, plugin) in model.plugins.iter() {
        let document = &plugin.document;
        let kept = previous.and_then(|p| Some((p.model.plugins.get(id)?, p.plugins.handler(id)?)));
        let handler = match kept {
            Some((old, kept))
                if Arc::ptr_eq(&old.document, document)
                    && same(old, plugin)
                    && (sealed || !refers(plugin)) =>
            {
                Some(kept)
            }
            _ => handler(plugin, codes, vaults),
        };
        let phases = match &handler {
            Some(handler) => handler.phases(),
            // A plugin this software does not know fails closed, in access.
            None => PhaseSet {
                access: true,
                ..PhaseSet::default()
            },
        };
        plugins.add(
            plugin.priority(),
            Scope::of(document),
            Instance {
                id: *id,
                name: Arc::from(document.name.as_str()),
                label: label(plugin, codes),
                phases,
                handler,
            },
        );
    }
    plugins.sort();
    plugins
}

/// What logs call a plugin.
fn label(plugin: &model::Plugin, codes: &Codes) -> Arc<str> {
    let code = codes
        .get(&plugin.document.name)
        .filter(|_| plugin.custom().is_some());
    code.map_or_else(
        || Arc::from(plugin.document.name.as_str()),
        |code| code.label().clone(),
    )
}

/// Whether two configurations are of the same source, or of none.
fn same(old: &model::Plugin, new: &model::Plugin) -> bool {
    match (old.custom(), new.custom()) {
        (Some(old), Some(new)) => Arc::ptr_eq(old, new),
        (None, None) => true,
        _ => false,
    }
}

fn entry(
    route: Arc<Route>,
    service: Option<Arc<Service>>,
    plugins: &Plugins,
    balancers: &Balancers,
    maker: &mut Maker,
) -> RouteEntry {
    let chain = plugins.chain(Some(route.id.uuid()), service.as_ref().map(|s| s.id.uuid()));
    let plan = service
        .as_ref()
        .map(|service| plan(&route, service, balancers, maker));
    RouteEntry {
        protocols: Protocols::of(&route),
        redirect_status: route.https_redirect_status_code,
        chain,
        plan,
        route,
        service,
    }
}

fn plan(
    route: &Route,
    service: &Service,
    balancers: &Balancers,
    maker: &mut Maker,
) -> UpstreamPlan {
    let host: &str = &service.host;
    let literal = service
        .host
        .address()
        .map(|ip| SocketAddr::new(ip, service.port));
    let ms = |limit: Option<u32>| Duration::from_millis(limit.unwrap_or(TIMEOUT).into());
    let https = matches!(
        service.protocol,
        Protocol::Https | Protocol::Grpcs | Protocol::Tls
    );
    let balancer = balancers.get(host);
    UpstreamPlan {
        host: Box::from(host),
        tls: https.then(|| maker.profile(service, balancer.map(|found| &*found.upstream))),
        balancer: balancer.cloned(),
        port: service.port,
        literal,
        host_header: HeaderValue::from_str(&host_header(
            host,
            service.port,
            own_port(service.protocol),
        ))
        .expect("the schema let only host names and addresses pass"),
        path: service.path.as_ref().map(|path| Box::from(&**path)),
        strip_path: route.strip_path,
        preserve_host: route.preserve_host,
        buffer_request: route.request_buffering,
        retries: service.retries.unwrap_or(RETRIES),
        connect_timeout: ms(service.connect_timeout),
        write_timeout: ms(service.write_timeout),
        read_timeout: ms(service.read_timeout),
    }
}

/// The port is left out where it is the protocol's own (proxy-and-routing.md 6.1).
pub(crate) fn host_header(host: &str, port: u16, own: u16) -> String {
    let host = if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    if port == own {
        host
    } else {
        format!("{host}:{port}")
    }
}

fn own_port(protocol: Protocol) -> u16 {
    match protocol {
        Protocol::Http | Protocol::Grpc => 80,
        Protocol::Https | Protocol::Grpcs => 443,
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
