//! Documents become a typed, cross-referenced [`Model`], or every issue found.
//!
//! Everything that can be wrong with a document is found here, by the one function that both planes call: the control
//! plane's dry run before it publishes, and a node before it builds. What follows in a node's runtime cannot fail on
//! what a document says.

mod custom;
mod issue;
mod plugin;
mod read;
mod references;
mod table;
#[cfg(test)]
mod tests;

use crate::entities::{
    Acl, BasicAuth, CaCertificate, Certificate, Consumer, ConsumerGroup, GroupMember, HmacAuth,
    JwtSecret, Key, KeyAuth, KeySet, Route, Service, Sni, Target, Upstream, Vault, find,
};
use std::sync::Arc;

use uuid::Uuid;

use crate::plugins::Catalog;
use crate::sync::{Change, State};

use self::read::Reader;

pub use custom::Custom;
pub use issue::{Issue, Issues};
pub use plugin::Plugin;
pub use table::Table;

/// The documents of one version that take part, typed and with every reference resolved.
///
/// Disabled documents stay in the [`State`] and are left out here: a disabled service takes its routes along, and a
/// route or service that is out takes its plugins.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Enabled services.
    pub services: Table<Service>,
    /// Routes whose service, if they have one, is enabled.
    pub routes: Table<Route>,
    /// Consumers.
    pub consumers: Table<Consumer>,
    /// Enabled plugins whose route and service, if they have them, take part.
    pub plugins: Table<Plugin>,
    /// Keys of consumers.
    pub key_auths: Table<KeyAuth>,
    /// User names and passwords of consumers.
    pub basic_auths: Table<BasicAuth>,
    /// Secrets that consumers sign requests with.
    pub hmac_auths: Table<HmacAuth>,
    /// What tokens of consumers are verified with.
    pub jwt_secrets: Table<JwtSecret>,
    /// Groups of consumers.
    pub acls: Table<Acl>,
    /// Names that stand for several targets.
    pub upstreams: Table<Upstream>,
    /// Where the requests of upstreams go.
    pub targets: Table<Target>,
    /// Certificates with their keys.
    pub certificates: Table<Certificate>,
    /// Names that certificates are shown for.
    pub snis: Table<Sni>,
    /// Authorities that upstreams are verified against.
    pub ca_certificates: Table<CaCertificate>,
    /// Where secrets are.
    pub vaults: Table<Vault>,
    /// The plugins that may be named: those that this program has, and those of this version.
    pub catalog: Arc<Catalog>,
    /// What the documents that this build read hold and this version does not know. Nobody refuses it.
    pub warnings: Issues,
    all: Documents,
}

/// Every document, also those that take no part: what the next build compares with.
#[derive(Clone, Debug, Default)]
struct Documents {
    services: Table<Service>,
    routes: Table<Route>,
    consumers: Table<Consumer>,
    custom_plugins: Table<Custom>,
    plugins: Table<Plugin>,
    key_auths: Table<KeyAuth>,
    basic_auths: Table<BasicAuth>,
    hmac_auths: Table<HmacAuth>,
    jwt_secrets: Table<JwtSecret>,
    acls: Table<Acl>,
    upstreams: Table<Upstream>,
    targets: Table<Target>,
    certificates: Table<Certificate>,
    snis: Table<Sni>,
    ca_certificates: Table<CaCertificate>,
    vaults: Table<Vault>,
    key_sets: Table<KeySet>,
    keys: Table<Key>,
    consumer_groups: Table<ConsumerGroup>,
    group_members: Table<GroupMember>,
}

impl Model {
    /// Reads a state. With `previous`, only what changed since is read, and the rest shares its `Arc`s. `catalog`: the
    /// plugins that this program has beside those of the state; `previous` was built with the same.
    ///
    /// # Errors
    /// Every issue found, not only the first.
    pub fn build(
        state: &State,
        previous: Option<(&State, &Model)>,
        catalog: &Catalog,
    ) -> Result<Self, Issues> {
        let (changes, base) = match previous {
            Some((old, model)) => (old.diff(state), model.all.clone()),
            None => (State::new().diff(state), Documents::default()),
        };
        let mut reader = Reader::new(catalog);
        let all = base.with(state, &changes, &mut reader);
        references::check(&all, &changes, &mut reader.issues);
        if !reader.issues.is_empty() {
            return Err(reader.issues);
        }
        let (catalog, warnings) = (reader.catalog, reader.warnings);
        Ok(Self::enabled(all, Arc::new(catalog), warnings))
    }

    /// The id of the custom plugin of this name.
    pub fn custom_plugin(&self, name: &str) -> Option<Uuid> {
        let mut all = self.all.custom_plugins.iter();
        all.find_map(|(id, custom)| (custom.document.name == name).then_some(*id))
    }

    /// The groups that a consumer is a member of.
    pub fn groups_of(&self, consumer: &Uuid) -> impl Iterator<Item = &Arc<ConsumerGroup>> {
        let members = self.all.group_members.values();
        let of = members.filter(move |member| member.consumer.uuid() == *consumer);
        of.filter_map(|member| self.all.consumer_groups.get(&member.consumer_group.uuid()))
    }

    /// What takes part of `all`.
    fn enabled(all: Documents, catalog: Arc<Catalog>, warnings: Issues) -> Self {
        let services = all.services.only(|service| service.enabled);
        // Nearly always nothing is out, and then there is nothing to look up for a hundred thousand routes.
        let routes = match services.len() == all.services.len() {
            true => all.routes.clone(),
            false => all.routes.only(|route| {
                let service = route.service.as_ref();
                service.is_none_or(|service| services.contains_key(&service.uuid()))
            }),
        };
        let whole = services.len() == all.services.len() && routes.len() == all.routes.len();
        let plugins = all.plugins.only(|plugin| {
            let document = &plugin.document;
            let (route, service) = (&document.route, &document.service);
            document.enabled
                && (whole
                    || route.is_none_or(|route| routes.contains_key(&route.uuid()))
                        && service.is_none_or(|service| services.contains_key(&service.uuid())))
        });
        Self {
            services,
            routes,
            plugins,
            consumers: all.consumers.clone(),
            key_auths: all.key_auths.clone(),
            basic_auths: all.basic_auths.clone(),
            hmac_auths: all.hmac_auths.clone(),
            jwt_secrets: all.jwt_secrets.clone(),
            acls: all.acls.clone(),
            upstreams: all.upstreams.clone(),
            targets: all.targets.clone(),
            certificates: all.certificates.clone(),
            snis: all.snis.clone(),
            ca_certificates: all.ca_certificates.clone(),
            vaults: all.vaults.clone(),
            catalog,
            warnings,
            all,
        }
    }
}

impl Documents {
    fn with(self, state: &State, changes: &[Change], reader: &mut Reader) -> Self {
        for change in changes.chunk_by(|a, b| a.kind == b.kind) {
            if find(&change[0].kind).is_none() {
                reader.unknown_kind(&change[0]);
            }
        }
        // First: they say what plugins mean.
        let custom_plugins = reader.custom_plugins(self.custom_plugins, changes);
        Self {
            services: reader.table(self.services, changes),
            routes: reader.table(self.routes, changes),
            consumers: reader.table(self.consumers, changes),
            plugins: reader.plugins(self.plugins, &custom_plugins, state, changes),
            custom_plugins,
            key_auths: reader.table(self.key_auths, changes),
            basic_auths: reader.table(self.basic_auths, changes),
            hmac_auths: reader.table(self.hmac_auths, changes),
            jwt_secrets: reader.table(self.jwt_secrets, changes),
            acls: reader.table(self.acls, changes),
            upstreams: reader.table(self.upstreams, changes),
            targets: reader.table(self.targets, changes),
            certificates: reader.table(self.certificates, changes),
            snis: reader.table(self.snis, changes),
            ca_certificates: reader.table(self.ca_certificates, changes),
            vaults: reader.table(self.vaults, changes),
            key_sets: reader.table(self.key_sets, changes),
            keys: reader.table(self.keys, changes),
            consumer_groups: reader.table(self.consumer_groups, changes),
            group_members: reader.table(self.group_members, changes),
        }
    }
}
