//! Every reference must name a document that is there, whether it takes part or not.

use std::sync::Arc;

use uuid::Uuid;

use super::{Documents, Issue, Issues, Plugin, Table};
use crate::entities::{
    Acl, BasicAuth, GroupMember, HmacAuth, JwtSecret, Key, KeyAuth, Route, Service, Sni, Target,
    Upstream,
};
use crate::sync::Change;
use crate::types::Referenced;

/// Kinds that others refer to.
const TARGETS: [&str; 7] = [
    "consumer_groups",
    "services",
    "routes",
    "consumers",
    "upstreams",
    "certificates",
    "key_sets",
];

/// What a document of one kind refers to.
trait Refers {
    const KIND: &'static str;

    fn name(&self) -> &str {
        ""
    }

    /// Each field, whether its target is there, and the kind and id of that.
    fn each(&self, all: &Documents, visit: impl FnMut(&'static str, bool, &'static str, Uuid));
}

/// Looks at the documents that changed, and at all of them if something was deleted that others may refer to.
pub(super) fn check(all: &Documents, changes: &[Change], issues: &mut Issues) {
    let deleted = changes
        .iter()
        .any(|change| change.payload.is_none() && TARGETS.contains(&&*change.kind));
    let changes = (!deleted).then_some(changes);
    check_kind(&all.routes, all, changes, issues);
    check_kind(&all.plugins, all, changes, issues);
    check_kind(&all.key_auths, all, changes, issues);
    check_kind(&all.basic_auths, all, changes, issues);
    check_kind(&all.hmac_auths, all, changes, issues);
    check_kind(&all.jwt_secrets, all, changes, issues);
    check_kind(&all.acls, all, changes, issues);
    check_kind(&all.targets, all, changes, issues);
    check_kind(&all.upstreams, all, changes, issues);
    check_kind(&all.services, all, changes, issues);
    check_kind(&all.snis, all, changes, issues);
    check_kind(&all.keys, all, changes, issues);
    check_kind(&all.group_members, all, changes, issues);
}

fn check_kind<T: Refers>(
    table: &Table<T>,
    all: &Documents,
    changes: Option<&[Change]>,
    issues: &mut Issues,
) {
    let Some(changes) = changes else {
        table
            .iter()
            .for_each(|(id, document)| check_one(id, document, all, issues));
        return;
    };
    for change in changes.iter().filter(|change| &*change.kind == T::KIND) {
        if let Some(document) = table.get(&change.id) {
            check_one(&change.id, document, all, issues);
        }
    }
}

fn check_one<T: Refers>(id: &Uuid, document: &Arc<T>, all: &Documents, issues: &mut Issues) {
    document.each(all, |field, found, to_kind, to_id| {
        if !found {
            issues.push(Issue {
                kind: T::KIND.to_owned(),
                id: *id,
                name: document.name().to_owned(),
                field: field.to_owned(),
                message: format!("refers to {to_kind} '{to_id}', which does not exist"),
            });
        }
    });
}

impl Refers for Route {
    const KIND: &'static str = "routes";

    fn name(&self) -> &str {
        self.name.as_ref().map_or("", |name| &**name)
    }

    fn each(&self, all: &Documents, mut visit: impl FnMut(&'static str, bool, &'static str, Uuid)) {
        if let Some(service) = self.service.map(|service| service.uuid()) {
            visit(
                "service",
                all.services.contains_key(&service),
                "services",
                service,
            );
        }
    }
}

impl Refers for Plugin {
    const KIND: &'static str = "plugins";

    fn name(&self) -> &str {
        &self.document.name
    }

    fn each(&self, all: &Documents, mut visit: impl FnMut(&'static str, bool, &'static str, Uuid)) {
        let document = &self.document;
        if let Some(route) = document.route.map(|route| route.uuid()) {
            visit("route", all.routes.contains_key(&route), "routes", route);
        }
        if let Some(service) = document.service.map(|service| service.uuid()) {
            visit(
                "service",
                all.services.contains_key(&service),
                "services",
                service,
            );
        }
        if let Some(consumer) = document.consumer.map(|consumer| consumer.uuid()) {
            visit(
                "consumer",
                all.consumers.contains_key(&consumer),
                "consumers",
                consumer,
            );
        }
    }
}

/// What belongs to one consumer.
macro_rules! of_a_consumer {
    ($($type:ty),* $(,)?) => {$(
        impl Refers for $type {
            const KIND: &'static str = <$type as Referenced>::KIND;

            fn each(
                &self,
                all: &Documents,
                mut visit: impl FnMut(&'static str, bool, &'static str, Uuid),
            ) {
                let consumer = self.consumer.uuid();
                let found = all.consumers.contains_key(&consumer);
                visit("consumer", found, "consumers", consumer);
            }
        }
    )*};
}
of_a_consumer!(KeyAuth, BasicAuth, HmacAuth, JwtSecret, Acl);

impl Refers for Target {
    const KIND: &'static str = "targets";

    fn each(&self, all: &Documents, mut visit: impl FnMut(&'static str, bool, &'static str, Uuid)) {
        let upstream = self.upstream.uuid();
        let found = all.upstreams.contains_key(&upstream);
        visit("upstream", found, "upstreams", upstream);
    }
}

impl Refers for Service {
    const KIND: &'static str = "services";

    fn name(&self) -> &str {
        self.name.as_ref().map_or("", |name| &**name)
    }

    fn each(&self, all: &Documents, mut visit: impl FnMut(&'static str, bool, &'static str, Uuid)) {
        if let Some(certificate) = self.client_certificate.map(|foreign| foreign.uuid()) {
            let found = all.certificates.contains_key(&certificate);
            visit("client_certificate", found, "certificates", certificate);
        }
    }
}

impl Refers for Upstream {
    const KIND: &'static str = "upstreams";

    fn name(&self) -> &str {
        &self.name
    }

    fn each(&self, all: &Documents, mut visit: impl FnMut(&'static str, bool, &'static str, Uuid)) {
        if let Some(certificate) = self.client_certificate.map(|foreign| foreign.uuid()) {
            let found = all.certificates.contains_key(&certificate);
            visit("client_certificate", found, "certificates", certificate);
        }
    }
}

impl Refers for Sni {
    const KIND: &'static str = "snis";

    fn each(&self, all: &Documents, mut visit: impl FnMut(&'static str, bool, &'static str, Uuid)) {
        let certificate = self.certificate.uuid();
        let found = all.certificates.contains_key(&certificate);
        visit("certificate", found, "certificates", certificate);
    }
}

impl Refers for Key {
    const KIND: &'static str = "keys";

    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    fn each(&self, all: &Documents, mut visit: impl FnMut(&'static str, bool, &'static str, Uuid)) {
        if let Some(set) = self.set.map(|set| set.uuid()) {
            visit("set", all.key_sets.contains_key(&set), "key_sets", set);
        }
    }
}

impl Refers for GroupMember {
    const KIND: &'static str = "consumer_group_consumers";

    fn each(&self, all: &Documents, mut visit: impl FnMut(&'static str, bool, &'static str, Uuid)) {
        let group = self.consumer_group.uuid();
        let found = all.consumer_groups.contains_key(&group);
        visit("consumer_group", found, "consumer_groups", group);
        let consumer = self.consumer.uuid();
        let found = all.consumers.contains_key(&consumer);
        visit("consumer", found, "consumers", consumer);
    }
}
