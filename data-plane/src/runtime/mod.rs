//! The built form of one revision: immutable, swapped whole, shared by every request that began while it was current.

mod build;
mod certificates;
mod credentials;
pub(crate) mod secrets;
mod settings;
mod upstream_tls;
pub(crate) mod vaults;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use foldhash::fast::RandomState;
use http::HeaderValue;
use shared::entities::{BasicAuth, Consumer, HmacAuth, KeyAuth, Route, Service};
use shared::model::Model;
use shared::sync::{State, Version};
use uuid::Uuid;

use crate::balancer::Balancer;
use crate::balancer::revision::Balancers;
use crate::carried::trust::Profile;
use crate::lua::Code;
use crate::plugins::{Chain, Chosen, Plugins, Verifier};
use crate::router::{Protocols, Router};
pub(crate) use build::host_header;
pub use certificates::{Certificates, Pair};
use credentials::Credentials;
pub use settings::ProxySettings;
pub(crate) use upstream_tls::Overrides;
use upstream_tls::Profiles;
pub(crate) use vaults::{Vaults, environment};

/// The code of plugins in Lua, by their names.
pub(crate) type Codes = HashMap<String, Arc<Code>, RandomState>;

/// One revision, ready to serve.
pub struct Runtime {
    /// Which version this is; `None` before the first.
    pub version: Option<Version>,
    /// The typed documents it was built from.
    pub model: Arc<Model>,
    /// The same as they came, for those who want to read all that a document says.
    pub documents: State,
    pub(crate) router: Router,
    pub(crate) routes: Vec<RouteEntry>,
    pub(crate) plugins: Plugins,
    /// The code of plugins in Lua, by their names.
    pub(crate) codes: Codes,
    pub(crate) balancers: Balancers,
    /// What runs for requests that match no route.
    pub(crate) global: Chain,
    /// The global configurations that have a rewrite phase, in order.
    pub(crate) rewriting: Vec<Chosen>,
    /// The global configurations that take part in TLS handshakes, in order.
    pub(crate) handshaking: Vec<Chosen>,
    credentials: Credentials,
    usernames: HashMap<String, Uuid, RandomState>,
    groups: HashMap<Uuid, Vec<Arc<str>>, RandomState>,
    pub(crate) certificates: Certificates,
    upstream_tls: Profiles,
    settings: Arc<ProxySettings>,
}

/// One route with everything a request on it needs.
pub struct RouteEntry {
    /// The route.
    pub route: Arc<Route>,
    /// Its service, if it has one.
    pub service: Option<Arc<Service>>,
    pub(crate) protocols: Protocols,
    pub(crate) redirect_status: u16,
    pub(crate) chain: Chain,
    pub(crate) plan: Option<UpstreamPlan>,
}

/// How the upstream of a route is asked.
#[derive(Clone)]
pub struct UpstreamPlan {
    /// Host name as configured.
    pub host: Box<str>,
    /// That of the upstream, if the host is the name of one; the port is then that of each target.
    pub balancer: Option<Arc<Balancer>>,
    /// Port.
    pub port: u16,
    /// The address, when the host is one.
    pub literal: Option<SocketAddr>,
    /// TLS to the upstream, and how.
    pub tls: Option<Arc<Profile>>,
    /// The Host to send unless `preserve_host` or a plugin says otherwise.
    pub host_header: HeaderValue,
    /// The service's path.
    pub path: Option<Box<str>>,
    /// Whether the matched prefix is taken off.
    pub strip_path: bool,
    /// Whether the client's Host goes up.
    pub preserve_host: bool,
    /// Whether the body is read (up to 64 KiB) before connecting.
    pub buffer_request: bool,
    /// Further tries.
    pub retries: u16,
    /// `connect_timeout`.
    pub connect_timeout: Duration,
    /// `write_timeout`.
    pub write_timeout: Duration,
    /// `read_timeout`.
    pub read_timeout: Duration,
}

impl Runtime {
    /// What a node serves before its first configuration: nothing.
    pub fn empty(settings: Arc<ProxySettings>) -> Self {
        Self::build(Arc::new(Model::default()), None, None, settings)
    }

    /// With the documents that its model was built from.
    pub fn holding(self, documents: State) -> Self {
        Self { documents, ..self }
    }

    /// The code of plugins in Lua that another revision does not have.
    pub(crate) fn new_codes(&self, before: &Runtime) -> Vec<Arc<Code>> {
        let known = |name: &String, code| {
            before
                .codes
                .get(name)
                .is_some_and(|old| Arc::ptr_eq(old, code))
        };
        let new = self.codes.iter().filter(|(name, code)| !known(name, code));
        new.map(|(_, code)| code.clone()).collect()
    }

    /// The settings of this node.
    pub fn settings(&self) -> &ProxySettings {
        &self.settings
    }

    /// The key-auth credential of this key, unless its `ttl` has run out.
    pub fn key_auth(&self, key: &str) -> Option<&Arc<KeyAuth>> {
        let found = self.credentials.keys.get(key)?;
        match found.expires_at {
            Some(at) if at.0 <= now() => None,
            _ => Some(found),
        }
    }

    /// The basic-auth credential of this user name.
    pub fn basic_auth(&self, username: &str) -> Option<&Arc<BasicAuth>> {
        self.credentials.basic.get(username)
    }

    /// The hmac-auth credential of this user name.
    pub fn hmac_auth(&self, username: &str) -> Option<&Arc<HmacAuth>> {
        self.credentials.hmac.get(username)
    }

    /// What verifies tokens of the jwt credential of this key.
    pub fn jwt(&self, key: &str) -> Option<&Arc<Verifier>> {
        self.credentials.jwt.get(key)
    }

    /// The consumer with this id.
    pub fn consumer(&self, id: &Uuid) -> Option<&Arc<Consumer>> {
        self.model.consumers.get(id)
    }

    /// The consumer with this user name.
    pub fn consumer_by_username(&self, name: &str) -> Option<&Arc<Consumer>> {
        self.consumer(self.usernames.get(name)?)
    }

    /// The acl groups of a consumer, in the order of their names.
    pub fn groups(&self, consumer: &Uuid) -> &[Arc<str>] {
        self.groups.get(consumer).map_or(&[], Vec::as_slice)
    }

    /// The revision, 0 before the first.
    pub fn revision(&self) -> u64 {
        self.version.as_ref().map_or(0, |v| v.revision)
    }
}

/// Seconds since the epoch.
pub(crate) fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs() as i64)
}

/// A worker's handle on a runtime. Cloning it writes no cache line that another core reads: that is what the `Rc`
/// around the `Arc` is for.
#[derive(Clone)]
#[allow(clippy::redundant_allocation)]
pub struct Pinned(Rc<Arc<Runtime>>);

impl Pinned {
    /// A handle of this worker.
    pub fn new(runtime: Arc<Runtime>) -> Self {
        Self(Rc::new(runtime))
    }

    /// Whether this is a handle on `other`.
    pub fn is(&self, other: &Arc<Runtime>) -> bool {
        Arc::ptr_eq(&self.0, other)
    }
}

impl Deref for Pinned {
    type Target = Runtime;

    fn deref(&self) -> &Runtime {
        &self.0
    }
}
