//! A plugin and the routes it works on must share a protocol (admin-api.md 8.4).

use super::error::Failure;
use super::{Admin, foreign};
use crate::store::{Filter, Page};
use serde_json::Value;
use shared::entities::Entity;
use shared::schema::{Document, Violations};
use uuid::Uuid;

const KIND: &str = "plugins";
const PAGE: usize = 1000;
const OF_ROUTE: &str = "must match the associated route's protocols";
const OF_SERVICE: &str =
    "must match the protocols of at least one route pointing to this Plugin's service";

impl Admin {
    /// Refuses a plugin that no route in its scope could run. Kong asks only where protocols were given.
    pub(super) async fn check_protocols(
        &self,
        entity: &'static Entity,
        document: &Document,
    ) -> Result<(), Failure> {
        if entity.kind != KIND {
            return Ok(());
        }
        let (fits, otherwise) = match (scope(document, "route"), scope(document, "service")) {
            (Some(route), _) => (self.route_shares(route, document).await?, OF_ROUTE),
            (None, Some(service)) => (self.service_shares(service, document).await?, OF_SERVICE),
            (None, None) => return Ok(()),
        };
        match fits {
            true => Ok(()),
            false => Err(mismatch(otherwise)),
        }
    }

    /// As [`Admin::check_protocols`], after a PATCH. `named`: it gave the service by name, which Kong does not look
    /// up before it asks for the service's routes, so that it finds none that fits.
    pub(super) async fn check_patched_protocols(
        &self,
        entity: &'static Entity,
        document: &Document,
        named: bool,
    ) -> Result<(), Failure> {
        if entity.kind == KIND && named && scope(document, "route").is_none() {
            return Err(mismatch(OF_SERVICE));
        }
        self.check_protocols(entity, document).await
    }

    async fn route_shares(&self, route: Uuid, plugin: &Document) -> Result<bool, Failure> {
        let route = self.store.get("routes", route).await?;
        // A missing route is the store's to report.
        Ok(route.is_none_or(|route| shares(&route.document, plugin)))
    }

    /// A service without routes takes any plugin.
    async fn service_shares(&self, service: Uuid, plugin: &Document) -> Result<bool, Failure> {
        let mut after = None;
        let mut any = false;
        loop {
            let filter = Filter::Refers {
                field: "service".to_owned(),
                to_kind: "services",
                to_id: service,
            };
            let page = Page {
                after,
                size: PAGE,
                filter,
                search: None,
            };
            let routes = self.store.list("routes", page).await?;
            any |= !routes.documents.is_empty();
            if routes
                .documents
                .iter()
                .any(|route| shares(&route.document, plugin))
            {
                return Ok(true);
            }
            after = routes.next;
            if after.is_none() {
                return Ok(!any);
            }
        }
    }
}

fn scope(plugin: &Document, field: &str) -> Option<Uuid> {
    plugin.get(field)?.as_object().and_then(foreign::named_id)
}

fn shares(route: &Document, plugin: &Document) -> bool {
    let protocols = |document: &Document| -> Vec<Value> {
        let found = document.get("protocols").and_then(Value::as_array);
        found.cloned().unwrap_or_default()
    };
    let of_route = protocols(route);
    protocols(plugin).iter().any(|one| of_route.contains(one))
}

fn mismatch(text: &str) -> Failure {
    Failure::schema_violation(&Violations::one("protocols", text))
}
